"""The command line: `tallystick`.

Data goes to standard output, messages and progress to standard error. Exit codes: 0 fine, 1 a difference was found, 2 the
request is wrong or refused, 3 the storage failed, 4 the journal is not what was written.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

import tallystick
from tallystick.domain.errors import IntegrityError, InvalidURL, LedgerError, Refused, StorageError
from tallystick.domain.token import Token
from tallystick.infrastructure import report
from tallystick.infrastructure.audit import AuditReport
from tallystick.infrastructure.comparison import differences, with_locks
from tallystick.infrastructure.demo import run_demo
from tallystick.infrastructure.import_allocations import import_allocations
from tallystick.infrastructure.import_erc20 import import_erc20
from tallystick.infrastructure.import_tea_state import import_tea_state
from tallystick.infrastructure.import_transfers import import_transfers
from tallystick.infrastructure.importing import ImportReport
from tallystick.infrastructure.ledger import Ledger
from tallystick.projections.balances import Balances
from tallystick.projections.fragments import Fragments
from tallystick.projections.projection import Projection, digest
from tallystick.projections.shadow_spaces import ShadowSpaces
from tallystick.projections.supply import SupplyReserves
from tallystick.projections.transactions import Transactions

FINE, DIFFERENCE, USAGE, STORAGE, INTEGRITY = range(5)
REFUSED_SHOWN = 5

PROJECTIONS: dict[str, Callable[[], Projection]] = {
    kind.name: kind for kind in (Balances, SupplyReserves, ShadowSpaces, Fragments, Transactions)
}

app = typer.Typer(no_args_is_help=True, add_completion=False, help="An event-sourced ledger on an append-only journal.")
import_app = typer.Typer(no_args_is_help=True, help="Import a file; importing it again changes nothing.")
app.add_typer(import_app, name="import")

URL = Annotated[
    str | None,
    typer.Option("--url", envvar="TALLYSTICK_URL", help="A path, or sqlite:///books.db.", show_default=False),
]
Json = Annotated[bool, typer.Option("--json", help="JSON on standard output.")]
TokenCode = Annotated[str | None, typer.Argument(help="Only this token.", show_default=False)]
ReadableFile = Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True)]
Counter = Callable[[str], Callable[[int], None]]  # shows what is done to rows, and is then told how many are


def main() -> None:
    """Runs the command line, and turns errors of this package into a line on standard error and an exit code."""
    try:
        app()
    except LedgerError as error:
        _errors().print(f"error: {error.code}: {error}", markup=False, soft_wrap=True)
        sys.exit(INTEGRITY if isinstance(error, IntegrityError) else STORAGE if isinstance(error, StorageError) else USAGE)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(FINE)


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
        same = run_demo(_location(url), _output())
    else:
        with tempfile.TemporaryDirectory(prefix="tallystick-") as folder:
            same = run_demo(Path(folder) / "demo.db", _output())
    raise typer.Exit(FINE if same else DIFFERENCE)


@app.command()
def bench(
    only: Annotated[list[str] | None, typer.Option(help="This workload; again for another.", show_default=False)] = None,
    quick: Annotated[bool, typer.Option("--quick", help="A twentieth of every size, to see that it works.")] = False,
    runs: Annotated[int, typer.Option(min=1, help="Timed runs of each, after one to warm up.")] = 7,
    age: Annotated[int | None, typer.Option(min=0, help="How many transfers an old journal has.", show_default=False)] = None,
    folder: Annotated[Path, typer.Option(exists=True, file_okay=False, help="A folder on the disk to be measured.")] = Path(),
    json: Annotated[Path | None, typer.Option(help="A file for the figures.", show_default=False)] = None,
    plot: Annotated[Path | None, typer.Option(help="A file for the plot, .svg or .png.", show_default=False)] = None,
    what: Annotated[bool, typer.Option("--list", help="What is measured, and what it is compared with.")] = False,
) -> None:
    """Measure this machine: each figure beside baselines in the same run."""
    from tallystick.infrastructure.benchmarks.command import list_workloads, measure  # not for every command to import

    if what:
        list_workloads(_output(), only or [])
    else:
        measure(_output(), _errors(), only or [], quick=quick, runs=runs, age=age, folder=folder, json=json, plot_file=plot)


@import_app.command("erc20")
def import_erc20_command(file: ReadableFile, url: URL = None, json: Json = False) -> None:
    """ERC-20 transfers, one JSON object a line; missing opening balances are minted."""
    _import(url, json, lambda ledger, counter: import_erc20(ledger, file, counter("importing")))


@import_app.command("allocations")
def import_allocations_command(
    file: ReadableFile,
    token: Annotated[str, typer.Option(help="The code of the token to mint.")],
    max_supply: Annotated[int, typer.Option(help="All that can ever be minted of it.")],
    url: URL = None,
    json: Json = False,
) -> None:
    """Allocations to mint, a CSV file with the columns safe_address and tokens."""
    _import(url, json, lambda ledger, counter: import_allocations(ledger, file, token, max_supply, counter("importing")))


@import_app.command("tea-state")
def import_tea_state_command(file: ReadableFile, url: URL = None, json: Json = False) -> None:
    """An older state of balances, deposits and bonding reserves, a JSON file, as one commit."""
    _import(url, json, lambda ledger, counter: import_tea_state(ledger, file, counter("importing")))


@import_app.command("transfers")
def import_transfers_command(
    file: ReadableFile,
    token: Annotated[str | None, typer.Option(help="The token of all rows.", show_default=False)] = None,
    max_supply: Annotated[
        int | None, typer.Option(help="Register tokens that are not there with this.", show_default=False)
    ] = None,
    skip_refused: Annotated[bool, typer.Option("--skip-refused", help="Pass over rows that the books refuse.")] = False,
    url: URL = None,
    json: Json = False,
) -> None:
    """Transfers, mints and burns, CSV or Parquet with the columns token, sender, receiver, amount, and perhaps id and memo."""
    first: list[Refused] = []

    def note(refused: Refused) -> None:
        if len(first) < REFUSED_SHOWN:
            first.append(refused)

    def run(ledger: Ledger, counter: Counter) -> ImportReport:
        checked, done = counter("checking"), counter("importing")
        return import_transfers(ledger, file, token, max_supply, note if skip_refused else None, done, checked)

    _import(url, json, run)
    for refused in first:
        _errors().print(f"{refused.code}: {refused}", markup=False, soft_wrap=True)


@app.command()
def balances(token: TokenCode = None, url: URL = None, json: Json = False) -> None:
    """What every account has."""
    with _open(url) as ledger:
        tokens = _tokens(ledger, token)
        _print(report.balance_records(ledger, tokens), tokens, json)


@app.command()
def supply(token: TokenCode = None, url: URL = None, json: Json = False) -> None:
    """What is in circulation of each token, and what is left to mint."""
    with _open(url) as ledger:
        tokens = _tokens(ledger, token)
        _print(report.supply_records(ledger, tokens), tokens, json)


@app.command()
def contracts(url: URL = None, json: Json = False) -> None:
    """Every contract: its balance, and what is allocated of it to how many accounts."""
    with _open(url) as ledger:
        _print(report.contract_records(ledger), [], json)


@app.command()
def contract(
    id: Annotated[str, typer.Argument(help="The contract's id.")],
    url: URL = None,
    json: Json = False,
) -> None:
    """A contract's figures, and what each account is allocated."""
    with _open(url) as ledger:
        found = ledger.contract(id)
        allocations = report.allocation_records(found)
    figures = report.contract_record(id, found)
    if json:
        report.print_json({**figures, "allocations": allocations})
        return
    _print([figures], [], json)
    if allocations:
        _output().print()
        _print(allocations, [], json)


@app.command()
def history(
    token: Annotated[str, typer.Argument(help="The token's code.")],
    account: Annotated[str, typer.Argument(help="The account.")],
    after: Annotated[int, typer.Option(help="Only transactions above this position.")] = 0,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many.", show_default=False)] = None,
    url: URL = None,
    json: Json = False,
) -> None:
    """The transactions of an account, oldest first."""
    with _open(url) as ledger:
        _print(report.history_records(ledger, token, account, after, limit), ledger.tokens(), json)


@app.command()
def replay(
    projection: Annotated[str, typer.Option(help=f"One of {', '.join(PROJECTIONS)}.")] = "balances",
    upto: Annotated[int | None, typer.Option(help="Only events up to this position.", show_default=False)] = None,
    url: URL = None,
    json: Json = False,
) -> None:
    """Rebuild a projection from event one, and compare it with the books."""
    if projection not in PROJECTIONS:
        raise typer.BadParameter(f"one of {', '.join(PROJECTIONS)}", param_hint="--projection")
    with _open(url) as ledger:
        head = ledger.verify().position if upto is None else upto
        rebuilt = PROJECTIONS[projection]()
        started = time.perf_counter()
        ledger.replay(rebuilt, upto)
        seconds = time.perf_counter() - started
        found = list(differences(ledger, rebuilt)) if upto is None else []
    _errors().print(f"{head} events in {seconds:.2f} s")
    for difference in found:
        _errors().print(f"differs from the books: {difference}", markup=False)
    record = {"projection": projection, "position": head, "digest": digest(rebuilt), "differences": len(found)}
    report.print_json(record) if json else report.print_records(_output(), [record])
    raise typer.Exit(DIFFERENCE if found else FINE)


@app.command()
def verify(url: URL = None, json: Json = False) -> None:
    """Check every stored byte against the chain of digests."""
    with _open(url) as ledger:
        found = ledger.verify()
    _print_audit(found, json)
    raise typer.Exit(FINE if found.ok else INTEGRITY)


@app.command()
def audit(
    lock: Annotated[
        list[str] | None,
        typer.Option(help="TOKEN=AMOUNT: what is locked elsewhere, which must be all in circulation.", show_default=False),
    ] = None,
    url: URL = None,
    json: Json = False,
) -> None:
    """Derive everything again from event one, and report whatever does not agree."""
    with _open(url) as ledger:
        verified = ledger.verify()
        found = ledger.audit() if verified.ok else verified
        if verified.ok:
            found = with_locks(ledger, found, lock or [])
    _print_audit(found, json)
    raise typer.Exit(INTEGRITY if not verified.ok else FINE if found.ok else DIFFERENCE)


def _location(url: str) -> str | Path:
    return url if ":" in url else Path(url)


def _open(url: str | None, *, create: bool = False) -> Ledger:
    if not url:
        raise InvalidURL("no ledger is named: give --url or set TALLYSTICK_URL")
    return Ledger.open(_location(url), create=create)


def _tokens(ledger: Ledger, token: str | None) -> list[Token]:
    return ledger.tokens() if token is None else [ledger.token(token)]


def _import(url: str | None, json: bool, run: Callable[[Ledger, Counter], ImportReport]) -> None:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with _open(url, create=True) as ledger, Progress(*columns, console=_errors(), transient=True) as progress:
        found = run(ledger, lambda description: _counter(progress, description))
        position = ledger.verify().position
    record: dict[str, Any] = {**{name: getattr(found, name) for name in found.__struct_fields__}, "position": position}
    if found.skipped:
        _errors().print(f"{found.skipped} rows move nothing and were skipped")
    if found.openings:
        _errors().print(f"{found.openings} senders had less than they sent: the difference was minted as an opening balance")
    if found.refused:
        _errors().print(f"{found.refused} rows are refused by the books and were passed over")
    report.print_json(record) if json else report.print_records(_output(), [record])


def _counter(progress: Progress, description: str) -> Callable[[int], None]:
    task = progress.add_task(description, total=None, visible=False)
    return lambda rows: progress.update(task, completed=rows, visible=True)


def _print(records: list[report.Record], tokens: list[Token], json: bool) -> None:
    if json:
        report.print_json(records)
    else:
        report.print_records(_output(), records, tokens)


def _print_audit(found: AuditReport, json: bool) -> None:
    if json:
        report.print_json(report.audit_record(found))
        return
    for finding in found.findings:
        sys.stdout.write(f"{finding}\n")
    verdict = "ok" if found.ok else f"{len(found.findings)} found"
    sys.stdout.write(f"{verdict}\tposition {found.position}\tdigest {found.digest}\n")


def _output() -> Console:
    return Console(soft_wrap=not sys.stdout.isatty(), highlight=False)


def _errors() -> Console:
    return Console(stderr=True, highlight=False)
