"""The commands that import a file or an event store: `tallystick import`."""

from contextlib import closing
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from tallystick.domain.values.amount import AMOUNT_MAX
from tallystick.infrastructure.cli.importing import (
    Counter,
    RefusedRows,
    Wanted,
    counter_of,
    import_file,
    progress_bars,
    supply_given,
)
from tallystick.infrastructure.cli.options import URL, location, named_location
from tallystick.infrastructure.cli.printing.invocation import invocation
from tallystick.infrastructure.cli.printing.output import Output, printing
from tallystick.infrastructure.cli.printing.streams import say
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

ReadableFile = Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True)]
MaxSupply = Annotated[
    str | None, typer.Option(help="Register tokens that are not there with this, in their decimals.", show_default=False)
]
MaxSupplyUnits = Annotated[str | None, typer.Option(help="The same, in smallest units.", show_default=False)]
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

import_app = typer.Typer(no_args_is_help=True, help="Import a file or an event store; again it changes nothing.")


@import_app.command("erc20")
@printing
def import_erc20_command(
    out: Output,
    file: ReadableFile,
    max_supply: MaxSupply = None,
    max_supply_units: MaxSupplyUnits = None,
    decimals: Decimals = 0,
    skip_refused: SkipRefused = False,
    refused: RefusedFile = None,
    import_id: ImportId = None,
    again: Again = False,
    create: Create = False,
    dry_run: DryRun = False,
    url: URL = None,
) -> None:
    """ERC-20 transfers, one JSON object a line, or CSV; missing opening balances are minted."""
    supply = supply_given(max_supply, max_supply_units, decimals)

    def run(ledger: Ledger, counter: Counter, listing: RefusedRows, only_try: bool) -> ImportReport:
        return import_erc20(
            ledger,
            file,
            counter("importing"),
            max_supply=AMOUNT_MAX if supply is None else supply,
            decimals=decimals,
            import_id=import_id,
            again=again,
            dry_run=only_try,
            on_refused=listing.add if skip_refused else None,
        )

    import_file(url, run, Wanted(create, dry_run, refused, out))


@import_app.command("allocations")
@printing
def import_allocations_command(
    out: Output,
    file: ReadableFile,
    token: Annotated[str, typer.Option(help="The code of the token to mint.")],
    max_supply: MaxSupply = None,
    max_supply_units: MaxSupplyUnits = None,
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
) -> None:
    """Allocations to mint, a CSV file with the columns safe_address and tokens."""
    supply = supply_given(max_supply, max_supply_units, decimals)

    def run(ledger: Ledger, counter: Counter, listing: RefusedRows, only_try: bool) -> ImportReport:
        return import_allocations(
            ledger,
            file,
            token,
            supply,
            counter("importing"),
            decimals=decimals,
            amounts=amounts,
            import_id=import_id,
            again=again,
            dry_run=only_try,
            on_refused=listing.add if skip_refused else None,
        )

    import_file(url, run, Wanted(create, dry_run, refused, out))


@import_app.command("tea-state")
@printing
def import_tea_state_command(out: Output, file: ReadableFile, create: Create = False, url: URL = None) -> None:
    """An older state of balances, deposits and bonding reserves, a JSON file, as one commit into cells that are empty."""

    def run(ledger: Ledger, counter: Counter, listing: RefusedRows, only_try: bool) -> ImportReport:
        return import_tea_state(ledger, file, counter("importing"))

    import_file(url, run, Wanted(create, False, None, out))


@import_app.command("transfers")
@printing
def import_transfers_command(
    out: Output,
    file: ReadableFile,
    token: Annotated[str | None, typer.Option(help="The token of all rows.", show_default=False)] = None,
    max_supply: MaxSupply = None,
    max_supply_units: MaxSupplyUnits = None,
    decimals: Decimals = 0,
    amounts: Amounts = "units",
    skip_refused: SkipRefused = False,
    refused: RefusedFile = None,
    import_id: ImportId = None,
    again: Again = False,
    create: Create = False,
    dry_run: DryRun = False,
    url: URL = None,
) -> None:
    """Transfers, mints and burns, CSV or Parquet with the columns token, sender, receiver, amount, and perhaps id, memo,
    reference and occurred_at.
    """
    supply = supply_given(max_supply, max_supply_units, decimals)

    def run(ledger: Ledger, counter: Counter, listing: RefusedRows, only_try: bool) -> ImportReport:
        checked, done = counter("checking"), counter("importing")
        return import_transfers(
            ledger,
            file,
            token,
            supply,
            listing.add if skip_refused else None,
            done,
            checked,
            decimals=decimals,
            amounts=amounts,
            import_id=import_id,
            again=again,
            dry_run=only_try,
        )

    import_file(url, run, Wanted(create, dry_run, refused, out))


@import_app.command("eventsourcing")
@printing
def import_eventsourcing_command(
    out: Output,
    source: Annotated[str, typer.Option("--from", help="The event store: sqlite:///events.db, or postgresql://user@host/db.")],
    application: Annotated[str | None, typer.Option(help="Whose events they are.", show_default=False)] = None,
    renumber: Annotated[bool, typer.Option("--renumber", help="Append under new notification ids.")] = False,
    id_type: Annotated[IdType | None, typer.Option(help="What ids are; uuid in SQLite.", show_default=False)] = None,
    create: Create = False,
    url: URL = None,
) -> None:
    """The event store of an application of the eventsourcing library, ids kept, and compared with it in the end."""
    place = named_location(url)
    with (
        open_eventsourcing_store(location(source), application, id_type) as store,
        closing(open_journal(place, create=create)) as journal,
        progress_bars() as progress,
    ):
        checked, done, compared = (counter_of(progress, each) for each in ("checking", "importing", "comparing"))
        invocation().recorded = "unknown"
        found = import_eventsourcing(journal, store, renumber=renumber, checked=checked, progress=done, compared=compared)
        invocation().recorded = found.there_before < found.events + found.snapshots + found.tracking
    _tell_eventsourcing(found)
    record: dict[str, Any] = msgspec.structs.asdict(found)
    out.record(record)


def _tell_eventsourcing(found: EventsourcingReport) -> None:
    if found.there_before:
        say(f"{found.there_before} of them were there already")
    if found.gaps:
        say(f"{found.gaps} notification ids are missing in the event store and were filled")
    if found.renumbered:
        say(f"the events have new notification ids, from {found.first_position} on")
