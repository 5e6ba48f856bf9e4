"""How a command imports a file: the ledger may be made for it, what is refused is listed, and what was recorded is told."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tallystick.domain.errors import Conflict, InvalidRequest, LedgerError, NotALedger, NotFound, Refused, StorageUnavailable
from tallystick.domain.values.token import Token
from tallystick.infrastructure.cli.endings import SOME_REFUSED
from tallystick.infrastructure.cli.options import amount_given, open_ledger, units_given
from tallystick.infrastructure.cli.printing.invocation import invocation, recording
from tallystick.infrastructure.cli.printing.output import Output
from tallystick.infrastructure.cli.printing.streams import errors, say, say_error, storage_error
from tallystick.infrastructure.cli.printing.visible import visible
from tallystick.infrastructure.imports.report import ImportReport
from tallystick.infrastructure.ledger.ledger import Ledger

REFUSED_SHOWN = 5
_HEADER = ("row", "code", "reason")

Counter = Callable[[str], Callable[[int], None]]
"""Shows what is done to rows, and is then told how many are."""


class Wanted(NamedTuple):
    """How an import is to be done and told: whether a ledger may be made, and where refused rows and its report are written."""

    create: bool
    dry_run: bool
    refused: Path | None
    out: Output


class RefusedRows:
    """Rows that were refused: the first are shown, and all are listed in a file, where one was named."""

    def __init__(self, listing: Path | None) -> None:
        if listing is not None and not listing.parent.is_dir():
            raise InvalidRequest(f"there is no folder {str(listing.parent)!r} to list refused rows in")
        if listing is not None and not _is_free(listing):
            raise InvalidRequest(f"{str(listing)!r} is there, and is no list of refused rows: name another file")
        self._listing = listing
        self._first: list[LedgerError] = []
        self._all: list[tuple[int, str, str]] = []

    def add(self, error: LedgerError) -> None:
        """Takes down one row."""
        if len(self._first) < REFUSED_SHOWN:
            self._first.append(error)
        if self._listing is not None:
            self._all.append((error.fields.get("row", 0), error.code, visible(str(error))))

    def finish(self) -> None:
        """Shows and writes them."""
        for error in self._first:
            if invocation().for_programs:
                say_error(error, recorded=False)
            else:
                say(f"{error.code}: {error}")
        if self._listing is not None:
            try:
                with self._listing.open("w", encoding="utf-8", newline="") as file:
                    csv.writer(file).writerows([_HEADER, *sorted(self._all)])
            except OSError as error:
                raise storage_error(error, f"{str(self._listing)!r} cannot be written: ") from error


def _is_free(listing: Path) -> bool:
    """Whether nothing is lost where it is written: it is not there, or empty, a former list, or no file at all."""
    try:
        if not listing.is_file():
            return not listing.is_dir()
        with listing.open("rb") as file:
            first = file.readline(1000)
    except OSError as error:
        raise storage_error(error, f"{str(listing)!r} cannot be read: ") from error
    return not first or first.strip() == ",".join(_HEADER).encode()


Run = Callable[[Ledger, Counter, RefusedRows, bool], ImportReport]


def import_file(url: str | None, run: Run, wanted: Wanted) -> None:
    """Imports a file into the ledger at `url`, tells what came of it, and ends with the exit code where rows were refused."""
    listing = RefusedRows(wanted.refused)
    with _open_or_make(url, run, wanted) as ledger, progress_bars() as progress:
        try:
            with recording(ledger):
                found = run(ledger, lambda description: counter_of(progress, description), listing, wanted.dry_run)
        except (InvalidRequest, NotFound, Refused, Conflict) as error:
            if invocation().recorded is False:
                raise
            say_error(error)
            if not invocation().for_programs:
                say("what stands before it is recorded: mend the file or the books, and import it again")
            raise typer.Exit(SOME_REFUSED) from None
        position = ledger.status().head.position
    _tell(found, wanted.dry_run)
    listing.finish()
    record: dict[str, Any] = {**{name: getattr(found, name) for name in found.__struct_fields__}, "position": position}
    record["imported_at"] = None if found.imported_at is None else found.imported_at.isoformat()
    wanted.out.record(record)
    raise typer.Exit(SOME_REFUSED if found.refused else 0)


def supply_given(text: str | None, units: str | None, decimals: int) -> int | None:
    """The supply of new tokens, in smallest units, as one of two options gives it."""
    if units is not None:
        return units_given(units, "--max-supply-units")
    if text is None:
        return None
    return amount_given(Token("tokens", decimals), text, "--max-supply-units")


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
        say("the file fits: nothing was recorded")
    elif found.imported_at is not None:
        said = f"imported on {found.imported_at:%Y-%m-%d %H:%M:%S} UTC as {found.name}: nothing to do"
        say(f"{said} (--again takes rows without ids again)")
    elif found.known:
        say(f"{found.known} rows were known and were passed over")
    if found.skipped:
        say(f"{found.skipped} rows move nothing and were skipped")
    if found.openings:
        say(f"{found.openings} senders had less than they sent: the difference was minted as an opening balance")
    if found.refused:
        say(f"{found.refused} rows are refused by the books and were passed over")


def progress_bars() -> Progress:
    """Shows on a terminal how far an import is."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console = errors()
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def counter_of(progress: Progress, description: str) -> Callable[[int], None]:
    """A bar that is shown once it is told how many rows are done."""
    task = progress.add_task(description, total=None, visible=False)
    return lambda rows: progress.update(task, completed=rows, visible=True)
