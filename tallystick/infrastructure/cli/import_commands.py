"""The commands that import a file or an event store: `tallystick import`."""

import csv
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import msgspec
import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tallystick.domain.errors import Conflict, InvalidRequest, LedgerError, NotALedger, NotFound, Refused, StorageUnavailable
from tallystick.domain.values.amount import AMOUNT_MAX
from tallystick.infrastructure.cli.options import URL, Json, errors, location, named_location, open_ledger, output
from tallystick.infrastructure.cli.records import print_json, print_records
from tallystick.infrastructure.imports.allocations import import_allocations
from tallystick.infrastructure.imports.erc20 import import_erc20
from tallystick.infrastructure.imports.event_store.address import open_eventsourcing_store
from tallystick.infrastructure.imports.event_store.event_store import EventsourcingReport, import_eventsourcing
from tallystick.infrastructure.imports.event_store.port import IdType
from tallystick.infrastructure.imports.report import ImportReport
from tallystick.infrastructure.imports.tea_state import import_tea_state
from tallystick.infrastructure.imports.transfers.transfers import import_transfers
from tallystick.infrastructure.journal.address import open_journal
from tallystick.infrastructure.ledger.ledger import Ledger

REFUSED_SHOWN = 5
SOME_REFUSED = 5
"""The exit code where rows were refused and the rest is recorded."""

ReadableFile = Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True)]
MaxSupply = Annotated[int | None, typer.Option(help="Register tokens that are not there with this.", show_default=False)]
Decimals = Annotated[int, typer.Option(min=0, help="How many decimals tokens that are not there get.")]
Amounts = Annotated[
    str, typer.Option(help="How the file writes amounts: units, the smallest, or decimal, as 19.99.", metavar="units|decimal")
]
SkipRefused = Annotated[bool, typer.Option("--skip-refused", help="Pass over rows that are refused.")]
RefusedFile = Annotated[
    Path | None, typer.Option("--refused", help="List all refused rows in this file, as CSV.", show_default=False)
]
ImportId = Annotated[str | None, typer.Option(help="What the import is known by; else the file's SHA-256.", show_default=False)]
Again = Annotated[bool, typer.Option("--again", help="Take a file again that was imported.")]
Create = Annotated[bool, typer.Option("--create", help="Make the ledger where there is none.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only see whether the file fits.")]
Counter = Callable[[str], Callable[[int], None]]  # shows what is done to rows, and is then told how many are

import_app = typer.Typer(no_args_is_help=True, help="Import a file or an event store; again it changes nothing.")


@import_app.command("erc20")
def import_erc20_command(
    file: ReadableFile,
    max_supply: Annotated[int, typer.Option(help="The supply of tokens that are not there.", show_default=False)] = AMOUNT_MAX,
    decimals: Decimals = 0,
    skip_refused: SkipRefused = False,
    refused: RefusedFile = None,
    import_id: ImportId = None,
    again: Again = False,
    create: Create = False,
    dry_run: DryRun = False,
    url: URL = None,
    json: Json = False,
) -> None:
    """ERC-20 transfers, one JSON object a line, or CSV; missing opening balances are minted."""

    def run(ledger: Ledger, counter: Counter, listing: RefusedRows, only_try: bool) -> ImportReport:
        return import_erc20(
            ledger,
            file,
            counter("importing"),
            max_supply=max_supply,
            decimals=decimals,
            import_id=import_id,
            again=again,
            dry_run=only_try,
            on_refused=listing.add if skip_refused else None,
        )

    _import(url, run, Wanted(create, dry_run, refused, json))


@import_app.command("allocations")
def import_allocations_command(
    file: ReadableFile,
    token: Annotated[str, typer.Option(help="The code of the token to mint.")],
    max_supply: MaxSupply = None,
    decimals: Decimals = 0,
    amounts: Amounts = "units",
    skip_refused: SkipRefused = False,
    refused: RefusedFile = None,
    import_id: Annotated[
        str | None,
        typer.Option(help="The name of the distribution, in which each address has its share once.", show_default=False),
    ] = None,
    again: Again = False,
    create: Create = False,
    dry_run: DryRun = False,
    url: URL = None,
    json: Json = False,
) -> None:
    """Allocations to mint, a CSV file with the columns safe_address and tokens."""

    def run(ledger: Ledger, counter: Counter, listing: RefusedRows, only_try: bool) -> ImportReport:
        return import_allocations(
            ledger,
            file,
            token,
            max_supply,
            counter("importing"),
            decimals=decimals,
            amounts=amounts,
            import_id=import_id,
            again=again,
            dry_run=only_try,
            on_refused=listing.add if skip_refused else None,
        )

    _import(url, run, Wanted(create, dry_run, refused, json))


@import_app.command("tea-state")
def import_tea_state_command(file: ReadableFile, create: Create = False, url: URL = None, json: Json = False) -> None:
    """An older state of balances, deposits and bonding reserves, a JSON file, as one commit into cells that are empty."""

    def run(ledger: Ledger, counter: Counter, listing: RefusedRows, only_try: bool) -> ImportReport:
        return import_tea_state(ledger, file, counter("importing"))

    _import(url, run, Wanted(create, False, None, json))


@import_app.command("transfers")
def import_transfers_command(
    file: ReadableFile,
    token: Annotated[str | None, typer.Option(help="The token of all rows.", show_default=False)] = None,
    max_supply: MaxSupply = None,
    decimals: Decimals = 0,
    amounts: Amounts = "units",
    skip_refused: SkipRefused = False,
    refused: RefusedFile = None,
    import_id: ImportId = None,
    again: Again = False,
    create: Create = False,
    dry_run: DryRun = False,
    url: URL = None,
    json: Json = False,
) -> None:
    """Transfers, mints and burns, CSV or Parquet with the columns token, sender, receiver, amount, and perhaps id, memo,
    reference and occurred_at.
    """

    def run(ledger: Ledger, counter: Counter, listing: RefusedRows, only_try: bool) -> ImportReport:
        checked, done = counter("checking"), counter("importing")
        return import_transfers(
            ledger,
            file,
            token,
            max_supply,
            listing.add if skip_refused else None,
            done,
            checked,
            decimals=decimals,
            amounts=amounts,
            import_id=import_id,
            again=again,
            dry_run=only_try,
        )

    _import(url, run, Wanted(create, dry_run, refused, json))


@import_app.command("eventsourcing")
def import_eventsourcing_command(
    source: Annotated[str, typer.Option("--from", help="The event store: sqlite:///events.db, or postgresql://user@host/db.")],
    application: Annotated[str | None, typer.Option(help="Whose events they are.", show_default=False)] = None,
    renumber: Annotated[bool, typer.Option("--renumber", help="Append under new notification ids.")] = False,
    id_type: Annotated[IdType | None, typer.Option(help="What ids are; uuid in SQLite.", show_default=False)] = None,
    create: Create = False,
    url: URL = None,
    json: Json = False,
) -> None:
    """The event store of an application of the eventsourcing library, ids kept, and compared with it in the end."""
    place = named_location(url)
    with (
        open_eventsourcing_store(location(source), application, id_type) as store,
        closing(open_journal(place, create=create)) as journal,
        _progress() as progress,
    ):
        checked, done, compared = (_counter(progress, each) for each in ("checking", "importing", "comparing"))
        found = import_eventsourcing(journal, store, renumber=renumber, checked=checked, progress=done, compared=compared)
    _tell_eventsourcing(found)
    record: dict[str, Any] = msgspec.structs.asdict(found)
    print_json(record) if json else print_records(output(), [record])


def _tell_eventsourcing(found: EventsourcingReport) -> None:
    if found.there_before:
        errors().print(f"{found.there_before} of them were there already")
    if found.gaps:
        errors().print(f"{found.gaps} notification ids are missing in the event store and were filled")
    if found.renumbered:
        errors().print(f"the events have new notification ids, from {found.first_position} on")


class Wanted(NamedTuple):
    """How an import is to be done and told: whether a ledger may be made, and where refused rows are listed."""

    create: bool
    dry_run: bool
    refused: Path | None
    json: bool


class RefusedRows:
    """Rows that were refused: the first are shown, and all are listed in a file, where one was named."""

    def __init__(self, listing: Path | None) -> None:
        self._listing = listing
        self._first: list[LedgerError] = []
        self._all: list[tuple[int, str, str]] = []

    def add(self, error: LedgerError) -> None:
        """Takes down one row."""
        if len(self._first) < REFUSED_SHOWN:
            self._first.append(error)
        if self._listing is not None:
            self._all.append((error.fields.get("row", 0), error.code, str(error)))

    def finish(self) -> None:
        """Shows and writes them."""
        for error in self._first:
            errors().print(f"{error.code}: {error}", markup=False, soft_wrap=True)
        if self._listing is not None:
            with self._listing.open("w", encoding="utf-8", newline="") as file:
                csv.writer(file).writerows([("row", "code", "reason"), *sorted(self._all)])


Run = Callable[[Ledger, Counter, RefusedRows, bool], ImportReport]


def _import(url: str | None, run: Run, wanted: Wanted) -> None:
    listing = RefusedRows(wanted.refused)
    with _open_or_make(url, run, wanted) as ledger, _progress() as progress:
        before = ledger.status().head.position
        try:
            found = run(ledger, lambda description: _counter(progress, description), listing, wanted.dry_run)
        except (InvalidRequest, NotFound, Refused, Conflict) as error:
            if ledger.status().head.position == before:
                raise
            errors().print(f"error: {error.code}: {error}", markup=False, soft_wrap=True)
            errors().print("what stands before it is recorded: mend the file or the books, and import it again")
            raise typer.Exit(SOME_REFUSED) from None
        position = ledger.status().head.position
    _tell(found, wanted.dry_run)
    listing.finish()
    record: dict[str, Any] = {**{name: getattr(found, name) for name in found.__struct_fields__}, "position": position}
    record["imported_at"] = None if found.imported_at is None else found.imported_at.isoformat()
    print_json(record) if wanted.json else print_records(output(), [record])
    raise typer.Exit(SOME_REFUSED if found.refused else 0)


def _open_or_make(url: str | None, run: Run, wanted: Wanted) -> Ledger:
    """The ledger; where there is none and one may be made, it is made once the file was seen to fit into an empty one."""
    try:
        return open_ledger(url)
    except (StorageUnavailable, NotALedger):
        if not wanted.create:
            raise
    with Ledger.open("memory:") as trial:
        run(trial, lambda description: lambda rows: None, RefusedRows(None), True)
        if wanted.dry_run:
            run(trial, lambda description: lambda rows: None, RefusedRows(None), False)
            raise typer.Exit(0)
    return open_ledger(url, create=True)


def _tell(found: ImportReport, dry_run: bool) -> None:
    if dry_run:
        errors().print("the file fits: nothing was recorded")
    elif found.imported_at is not None:
        said = f"imported on {found.imported_at:%Y-%m-%d %H:%M:%S} UTC as {found.name}: nothing to do"
        errors().print(f"{said} (--again takes rows without ids again)", soft_wrap=True)
    elif found.known:
        errors().print(f"{found.known} rows were known and were passed over")
    if found.skipped:
        errors().print(f"{found.skipped} rows move nothing and were skipped")
    if found.openings:
        errors().print(f"{found.openings} senders had less than they sent: the difference was minted as an opening balance")
    if found.refused:
        errors().print(f"{found.refused} rows are refused by the books and were passed over")


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=errors(), transient=True)


def _counter(progress: Progress, description: str) -> Callable[[int], None]:
    task = progress.add_task(description, total=None, visible=False)
    return lambda rows: progress.update(task, completed=rows, visible=True)
