"""The command line: `tallystick`.

Data goes to standard output, messages and progress to standard error. How a command ends is said in `endings.py`, in which
formats it prints in `printing.py`.
"""

import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any

import typer

import tallystick
from tallystick.infrastructure.cli.anchor_lines import anchor_of, expected
from tallystick.infrastructure.cli.demo import run_demo
from tallystick.infrastructure.cli.differences import with_locks
from tallystick.infrastructure.cli.endings import DIFFERENCE, FINE, INTEGRITY, run
from tallystick.infrastructure.cli.import_commands import import_app
from tallystick.infrastructure.cli.ledger_argument import LedgerCommand
from tallystick.infrastructure.cli.options import URL, location, named_location, open_ledger
from tallystick.infrastructure.cli.printing.output import Output, printing
from tallystick.infrastructure.cli.printing.streams import errors, output, say, write
from tallystick.infrastructure.cli.printing.visible import visible
from tallystick.infrastructure.cli.projecting import projecting
from tallystick.infrastructure.cli.reading.analytics import analytics
from tallystick.infrastructure.cli.reading.book import opened
from tallystick.infrastructure.cli.reading.entries import entries
from tallystick.infrastructure.cli.reading.movements import movements
from tallystick.infrastructure.cli.reading.options import At, By, Prefix, TokenCode, Zone
from tallystick.infrastructure.cli.reading.states import states
from tallystick.infrastructure.cli.rebuilding import rebuilding
from tallystick.infrastructure.cli.records import (
    BALANCE_COLUMNS,
    RELEASE_COLUMNS,
    SUPPLY_COLUMNS,
    audit_record,
    audit_rows,
    balance_records,
    supply_records,
)
from tallystick.infrastructure.cli.replaying.commands import replaying
from tallystick.infrastructure.journal.address import open_journal
from tallystick.infrastructure.proof.audit import AuditReport

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="An event-sourced ledger on an append-only journal.",
)
for group in (states, movements, entries, replaying, rebuilding, projecting, analytics):
    app.add_typer(group)
app.add_typer(import_app, name="import")


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


@app.command(cls=LedgerCommand)
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


@app.command(cls=LedgerCommand)
@printing
def balances(
    out: Output,
    token: TokenCode = None,
    prefix: Prefix = "",
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many of each token.", show_default=False)] = None,
    at: At = None,
    by: By = "recorded_at",
    tz: Zone = "UTC",
    url: URL = None,
) -> None:
    """What every account has."""
    with opened(url, "balances", at, tz, by) as book:
        out.records(balance_records(book.reads, book.tokens(token), prefix, limit), BALANCE_COLUMNS)


@app.command(cls=LedgerCommand)
@printing
def supply(
    out: Output, token: TokenCode = None, at: At = None, by: By = "recorded_at", tz: Zone = "UTC", url: URL = None
) -> None:
    """What is in circulation of each token, and what is left to mint."""
    with opened(url, "supply", at, tz, by) as book:
        out.records(supply_records(book.reads, book.tokens(token)), SUPPLY_COLUMNS)


@app.command(cls=LedgerCommand)
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
    with open_ledger(url, read_only=True) as ledger:
        found = ledger.verify(noted)
    _print_audit(out, found)
    raise typer.Exit(FINE if found.ok else INTEGRITY)


@app.command(cls=LedgerCommand)
@printing
def anchor(out: Output, at: At = None, by: By = "recorded_at", tz: Zone = "UTC", url: URL = None) -> None:
    """Print where the journal ends and the digest there, to be kept elsewhere: `tallystick anchor >> anchors.txt`."""
    with opened(url, "digest_at", at, tz, by) as book:
        position, digest, recorded_at = anchor_of(book.reads)
    record: dict[str, Any] = {"position": position, "digest": digest, "recorded_at": recorded_at}
    out.document(record, [record], f"{position}:{digest} {recorded_at}".rstrip() + "\n")


@app.command(cls=LedgerCommand)
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
    with open_ledger(url, read_only=True) as ledger:
        verified = ledger.verify()
        found = ledger.audit() if verified.ok else verified
        if verified.ok:
            found = with_locks(ledger, found, lock or [], units or [])
    _print_audit(out, found)
    raise typer.Exit(INTEGRITY if not verified.ok else FINE if found.ok else DIFFERENCE)


@app.command(cls=LedgerCommand)
def index(url: URL = None) -> None:
    """Index the past beside the ledger, so that what there was is answered at once: `tallystick index books.db`."""
    from tallystick.infrastructure.cli.importing import progress_bars  # not for every command to import

    with open_ledger(url) as ledger, progress_bars() as progress:
        bar = progress.add_task("indexing", total=None)
        reached = ledger.index_past(lambda position, end: progress.update(bar, completed=position, total=end))
    say(f"the past is indexed up to position {reached}")


@app.command(cls=LedgerCommand)
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


@app.command(cls=LedgerCommand)
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


def _print_audit(out: Output, found: AuditReport) -> None:
    verdict = "ok" if found.ok else f"{len(found.findings)} found"
    lines = [visible(str(finding)) for finding in found.findings]
    lines.append(f"{verdict}\tposition {found.position}\tdigest {found.digest}")
    out.document(audit_record(found), audit_rows(found), "".join(f"{line}\n" for line in lines))
