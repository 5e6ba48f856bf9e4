"""The command line: `tallystick`.

Data goes to standard output, messages and progress to standard error. How a command ends is said in `endings.py`, in which
formats it prints in `printing.py`.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any

import typer

import tallystick
from tallystick.domain.values.token import Token
from tallystick.infrastructure.cli.anchor_lines import anchor_of, expected
from tallystick.infrastructure.cli.demo import run_demo
from tallystick.infrastructure.cli.differences import differences, with_locks
from tallystick.infrastructure.cli.endings import DIFFERENCE, FINE, INTEGRITY, run
from tallystick.infrastructure.cli.import_commands import import_app
from tallystick.infrastructure.cli.options import URL, location, named_location, open_ledger
from tallystick.infrastructure.cli.printing.output import Output, printing
from tallystick.infrastructure.cli.printing.streams import errors, output, say, write
from tallystick.infrastructure.cli.printing.visible import visible
from tallystick.infrastructure.cli.records import (
    BALANCE_COLUMNS,
    CONTRACT_COLUMNS,
    LINE_COLUMNS,
    RELEASE_COLUMNS,
    SUPPLY_COLUMNS,
    allocation_records,
    audit_record,
    audit_rows,
    balance_records,
    contract_record,
    contract_records,
    decimals_of,
    line_records,
    supply_records,
)
from tallystick.infrastructure.journal.address import open_journal
from tallystick.infrastructure.ledger.ledger import Ledger
from tallystick.infrastructure.proof.audit import AuditReport
from tallystick.projections.balances import Balances
from tallystick.projections.fragments import Fragments
from tallystick.projections.projection import Projection, digest
from tallystick.projections.shadow_spaces import ShadowSpaces
from tallystick.projections.supply import SupplyReserves
from tallystick.projections.transactions import Transactions

PROJECTIONS: dict[str, Callable[[], Projection]] = {
    kind.name: kind for kind in (Balances, SupplyReserves, ShadowSpaces, Fragments, Transactions)
}

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="An event-sourced ledger on an append-only journal.",
)
app.add_typer(import_app, name="import")

TokenCode = Annotated[str | None, typer.Argument(help="Only this token.", show_default=False)]


def main() -> None:
    """Runs the command line, and ends the process as it ended."""
    sys.exit(run(app))


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(tallystick.__version__)
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="The version.")] = False,
) -> None:
    del version


@app.command()
def demo(url: URL = None) -> None:
    """Play a marketplace day on a new ledger, replay it and prove its sums."""
    if url is not None:
        same = run_demo(location(url), output())
    else:
        with tempfile.TemporaryDirectory(prefix="tallystick-") as folder:
            same = run_demo(Path(folder) / "demo.db", output())
    raise typer.Exit(FINE if same else DIFFERENCE)


@app.command()
def bench(
    only: Annotated[list[str] | None, typer.Option(help="This workload; again for another.", show_default=False)] = None,
    quick: Annotated[bool, typer.Option("--quick", help="A twentieth of every size, to see that it works.")] = False,
    runs: Annotated[int, typer.Option(min=1, help="Timed runs of each, after one to warm up.")] = 7,
    age: Annotated[int | None, typer.Option(min=0, help="How many transfers an old journal has.", show_default=False)] = None,
    folder: Annotated[Path, typer.Option(exists=True, file_okay=False, help="A folder on the disk to be measured.")] = Path(),
    postgres: Annotated[
        str | None,
        typer.Option(envvar="TALLYSTICK_POSTGRES", help="The URL of a PostgreSQL server to measure too.", show_default=False),
    ] = None,
    json: Annotated[Path | None, typer.Option(help="A file for the figures.", show_default=False)] = None,
    plot: Annotated[Path | None, typer.Option(help="A file for the plot, .svg or .png.", show_default=False)] = None,
    what: Annotated[bool, typer.Option("--list", help="What is measured, and what it is compared with.")] = False,
) -> None:
    """Measure this machine: each figure beside baselines in the same run."""
    from tallystick.infrastructure.benchmarks.command import list_workloads, measure  # not for every command to import

    if what:
        list_workloads(output(), only or [])
    else:
        measure(
            output(),
            errors(),
            only or [],
            quick=quick,
            runs=runs,
            age=age,
            folder=folder,
            postgres=postgres or None,
            json=json,
            plot_file=plot,
        )


@app.command()
@printing
def balances(out: Output, token: TokenCode = None, url: URL = None) -> None:
    """What every account has."""
    with open_ledger(url) as ledger:
        out.records(balance_records(ledger, _tokens(ledger, token)), BALANCE_COLUMNS)


@app.command()
@printing
def supply(out: Output, token: TokenCode = None, url: URL = None) -> None:
    """What is in circulation of each token, and what is left to mint."""
    with open_ledger(url) as ledger:
        out.records(supply_records(ledger, _tokens(ledger, token)), SUPPLY_COLUMNS)


@app.command()
@printing
def contracts(out: Output, url: URL = None) -> None:
    """Every contract: its balance, and what is allocated of it to how many accounts."""
    with open_ledger(url) as ledger:
        out.records(contract_records(ledger), CONTRACT_COLUMNS)


@app.command()
@printing
def contract(out: Output, id: Annotated[str, typer.Argument(help="The contract's id.")], url: URL = None) -> None:
    """A contract's figures, and what each account is allocated."""
    with open_ledger(url) as ledger:
        found, decimals = ledger.contract(id), decimals_of(ledger.tokens())
        allocations = allocation_records(found, decimals)
    figures = contract_record(id, found, decimals)
    text = "\n".join(out.text(part) for part in ([figures], allocations) if part)
    nobody = {"account": "", "sats": None, "sati": None}
    rows = [{**figures, **each} for each in allocations or [nobody]]
    out.document({**figures, "allocations": allocations}, rows, text)


@app.command()
@printing
def history(
    out: Output,
    token: Annotated[str, typer.Argument(help="The token's code.")],
    account: Annotated[str, typer.Argument(help="The account.")],
    after: Annotated[int, typer.Option(help="Only lines above this position.")] = 0,
    limit: Annotated[
        int | None, typer.Option(min=1, help="So many, and the rest of the last one's entry.", show_default=False)
    ] = None,
    newest: Annotated[bool, typer.Option("--newest", help="The newest first.")] = False,
    url: URL = None,
) -> None:
    """What each movement of an account changed, and what it had then, oldest first."""
    with open_ledger(url) as ledger:
        lines = ledger.history(token, account, after, limit=limit, newest_first=newest)
        out.records(line_records(lines, decimals_of(ledger.tokens())), LINE_COLUMNS)


@app.command()
@printing
def replay(
    out: Output,
    projection: Annotated[str, typer.Option(help=f"One of {', '.join(PROJECTIONS)}.")] = "balances",
    upto: Annotated[int | None, typer.Option(help="Only events up to this position.", show_default=False)] = None,
    url: URL = None,
) -> None:
    """Rebuild a projection from event one, and compare it with the books."""
    if projection not in PROJECTIONS:
        raise typer.BadParameter(f"one of {', '.join(PROJECTIONS)}", param_hint="--projection")
    with open_ledger(url) as ledger:
        head = ledger.verify().position if upto is None else upto
        rebuilt = PROJECTIONS[projection]()
        started = time.perf_counter()
        ledger.replay(rebuilt, upto)
        seconds = time.perf_counter() - started
        found = list(differences(ledger, rebuilt)) if upto is None else []
    say(f"{head} events in {seconds:.2f} s")
    for difference in found:
        say(f"differs from the books: {difference}")
    out.record({"projection": projection, "position": head, "digest": digest(rebuilt), "differences": len(found)})
    raise typer.Exit(DIFFERENCE if found else FINE)


@app.command()
@printing
def verify(
    out: Output,
    expect: Annotated[
        list[str] | None,
        typer.Option(help="POSITION:DIGEST: what the digest was there; may be given again.", show_default=False),
    ] = None,
    anchors: Annotated[
        list[Path] | None,
        typer.Option(help="A file of such lines, as `anchor` prints them; may be given again.", show_default=False),
    ] = None,
    url: URL = None,
) -> None:
    """Check every stored byte against the chain of digests, and that against digests that were kept elsewhere."""
    noted = expected(expect or [], anchors or [])
    with open_ledger(url) as ledger:
        found = ledger.verify(noted)
    _print_audit(out, found)
    raise typer.Exit(FINE if found.ok else INTEGRITY)


@app.command()
@printing
def anchor(out: Output, url: URL = None) -> None:
    """Print where the journal ends and the digest there, to be kept elsewhere: `tallystick anchor >> anchors.txt`."""
    with open_ledger(url) as ledger:
        position, digest, recorded_at = anchor_of(ledger)
    record: dict[str, Any] = {"position": position, "digest": digest, "recorded_at": recorded_at}
    out.document(record, [record], f"{position}:{digest} {recorded_at}".rstrip() + "\n")


@app.command()
@printing
def audit(
    out: Output,
    lock: Annotated[
        list[str] | None,
        typer.Option(help="TOKEN=AMOUNT: what is locked elsewhere, which must be all in circulation.", show_default=False),
    ] = None,
    units: Annotated[list[str] | None, typer.Option(help="The same, the amount in smallest units.", show_default=False)] = None,
    url: URL = None,
) -> None:
    """Derive everything again from event one, and report whatever does not agree."""
    with open_ledger(url) as ledger:
        verified = ledger.verify()
        found = ledger.audit() if verified.ok else verified
        if verified.ok:
            found = with_locks(ledger, found, lock or [], units or [])
    _print_audit(out, found)
    raise typer.Exit(INTEGRITY if not verified.ok else FINE if found.ok else DIFFERENCE)


@app.command()
def snapshot(url: URL = None) -> None:
    """Keep the newest state beside the ledger, so that opening it need not read the journal from its beginning."""
    with open_ledger(url) as ledger:
        ledger.snapshot()


def _is_given(context: typer.Context, option: str) -> bool:
    """Whether it is in the command line, and not out of the environment or left out."""
    source = context.get_parameter_source(option)
    return source is not None and source.name == "COMMANDLINE"


@app.command()
@printing
def backup(
    out: Output,
    context: typer.Context,
    arguments: Annotated[
        list[str], typer.Argument(metavar="[LEDGER] FILE", help="The ledger, as --url names one, and the new file.")
    ],
    url: URL = None,
) -> None:
    """Copy a ledger into a new file, check all of it, and print where it ends. Others go on writing meanwhile."""
    from tallystick.infrastructure.proof.backup import back_up  # not for every command to import

    *ledger, file = arguments
    if len(ledger) > 1 or (ledger and _is_given(context, "url")):
        raise typer.BadParameter("the ledger, by its name or by --url, and the new file")
    with closing(open_journal(named_location(ledger[0] if ledger else url), create=False, read_only=True)) as journal:
        taken = back_up(journal, file)
    record = taken.to_dict()
    out.document(record, [record], visible(f"{taken.path}") + f"\tposition {taken.position}\tdigest {taken.digest}\n")


@app.command()
def upgrade(
    ledger: Annotated[str | None, typer.Argument(help="The ledger, as --url names one.", show_default=False)] = None,
    url: URL = None,
) -> None:
    """Bring a ledger to the newest format. In PostgreSQL only its owner may; in a file the first commit that needs it does."""
    with closing(open_journal(named_location(ledger or url), create=False)) as journal:
        upgraded = journal.upgrade()
    write("format 2\n" if upgraded else "format 2 already\n")


@app.command()
@printing
def expire(
    out: Output,
    every: Annotated[
        str | None, typer.Option(help="Again and again, so far apart: 30s, 5m, 1h. Ctrl-C ends it.", show_default=False)
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many holds, each time.", show_default=False)] = None,
    url: URL = None,
) -> None:
    """Give back what is due in holds, and print what was."""
    from tallystick.infrastructure.cli.expiring import expire_holds  # not for every command to import

    with open_ledger(url) as ledger:
        expire_holds(ledger, every, limit, lambda records: out.records(records, RELEASE_COLUMNS))


def _tokens(ledger: Ledger, token: str | None) -> list[Token]:
    return ledger.tokens() if token is None else [ledger.token(token)]


def _print_audit(out: Output, found: AuditReport) -> None:
    verdict = "ok" if found.ok else f"{len(found.findings)} found"
    lines = [visible(str(finding)) for finding in found.findings]
    lines.append(f"{verdict}\tposition {found.position}\tdigest {found.digest}")
    out.document(audit_record(found), audit_rows(found), "".join(f"{line}\n" for line in lines))
