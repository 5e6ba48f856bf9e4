"""The commands that import a file or an event store: `tallystick import`."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tallystick.domain.errors import Refused
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

ReadableFile = Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True)]
Counter = Callable[[str], Callable[[int], None]]  # shows what is done to rows, and is then told how many are

import_app = typer.Typer(no_args_is_help=True, help="Import a file or an event store; again it changes nothing.")


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
        errors().print(f"{refused.code}: {refused}", markup=False, soft_wrap=True)


@import_app.command("eventsourcing")
def import_eventsourcing_command(
    source: Annotated[str, typer.Option("--from", help="The event store: sqlite:///events.db, or postgresql://user@host/db.")],
    application: Annotated[str | None, typer.Option(help="Whose events they are.", show_default=False)] = None,
    renumber: Annotated[bool, typer.Option("--renumber", help="Append under new notification ids.")] = False,
    id_type: Annotated[IdType | None, typer.Option(help="What ids are; uuid in SQLite.", show_default=False)] = None,
    url: URL = None,
    json: Json = False,
) -> None:
    """The event store of an application of the eventsourcing library, ids kept, and compared with it in the end."""
    place = named_location(url)
    with (
        open_eventsourcing_store(location(source), application, id_type) as store,
        closing(open_journal(place)) as journal,
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


def _import(url: str | None, json: bool, run: Callable[[Ledger, Counter], ImportReport]) -> None:
    with open_ledger(url, create=True) as ledger, _progress() as progress:
        found = run(ledger, lambda description: _counter(progress, description))
        position = ledger.verify().position
    record: dict[str, Any] = {**{name: getattr(found, name) for name in found.__struct_fields__}, "position": position}
    if found.skipped:
        errors().print(f"{found.skipped} rows move nothing and were skipped")
    if found.openings:
        errors().print(f"{found.openings} senders had less than they sent: the difference was minted as an opening balance")
    if found.refused:
        errors().print(f"{found.refused} rows are refused by the books and were passed over")
    print_json(record) if json else print_records(output(), [record])


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=errors(), transient=True)


def _counter(progress: Progress, description: str) -> Callable[[int], None]:
    task = progress.add_task(description, total=None, visible=False)
    return lambda rows: progress.update(task, completed=rows, visible=True)
