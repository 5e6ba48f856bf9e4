"""Movements: everything that ever moved money, row by row in Arrow's columns, of which engines make sums.

They come of the journal's events alone, and the shares of distributions are worked out, so that for every token and cell what
was received less what was sent is what is there: an independent way to every balance. Rows of batches stay columns all the way.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from tallystick.domain.arithmetic.columns import as_numbers
from tallystick.domain.batch.batch import Batch, BatchReader, NamesOf, no_names
from tallystick.domain.dispatch import Rules
from tallystick.domain.entry.kinds import Kind, kind_of_row, movements
from tallystick.domain.errors import CorruptJournal
from tallystick.domain.events import (
    BATCHES,
    Burned,
    Distributed,
    Minted,
    Moved,
    Released,
    Reserved,
    Settled,
    TokenRegistered,
)
from tallystick.projections.movements.cells import Cells
from tallystick.projections.movements.columns import Shared, batch_cells, batch_columns, share_cells, share_columns
from tallystick.projections.movements.holders import AvailableOf, Holders
from tallystick.projections.movements.names import NamesColumn
from tallystick.projections.movements.rows import Row, Rows
from tallystick.projections.projection import readable

FEW = 48
"""Up to so many rows of a batch are made one by one, which is sooner done than columns of so few."""

Sides = tuple[str | None, str | None, bool, bool]
"""Who gives and who gets, None for the supply reserve, and of each whether it is what is held for others."""

SIDES: Rules[Callable[[Any], Sides]] = Rules(
    {
        Minted: lambda event: (None, event.account, False, False),
        Burned: lambda event: (event.account, None, False, False),
        Moved: lambda event: (event.sender, event.receiver, False, False),
        Reserved: lambda event: (event.payer, event.authority, False, True),
        Settled: lambda event: (event.authority, event.receiver, True, False),
        Released: lambda event: (event.authority, event.payer, True, False),
    }
)
"""By type of event, as the table of effects has it."""


class EntryEvents(NamedTuple):
    """The events of an entry, and what stands beside them. Times are in microseconds since 1970 in UTC."""

    first_position: int
    recorded_at: int
    occurred_at: int
    reference: str | None
    events: Sequence[Any]


class Movements:
    """Makes record batches of the movements of entries, which are added in the order of the journal.

    They are those of a journal from the first on; or from one before which there were the apps `apps_before`, batches had given
    accounts the names of `names_before`, and accounts could spend what `available_before` gives. With `cells` the rows have the
    numbers of their cells too.
    """

    def __init__(
        self,
        batch_rows: int,
        apps_before: Sequence[str] = (),
        names_before: NamesOf = no_names,
        available_before: AvailableOf = lambda token: {},
        cells: Cells | None = None,
    ) -> None:
        self._rows = Rows(batch_rows, cells)
        self._cells = cells
        self._batches = BatchReader(names_before)
        self._apps = set(apps_before)
        self._holders = Holders(apps_before, available_before)
        self._names: dict[str, NamesColumn] = {}

    def add(self, entry: EntryEvents, after: int = 0) -> Iterator[Any]:
        """The record batches that become full with an entry's movements, without those up to position `after`."""
        first_position, events = entry.first_position, entry.events
        registered = [event.token for event in events if type(event) is TokenRegistered and event.role == "app"]
        for code in registered:
            self._holders.register(code)
        for position, event, kind in movements(events, first_position, self._apps.__contains__):
            if isinstance(event, BATCHES):
                with readable(position):
                    batch = self._batches.read(event)
                if event.token in self._holders.apps:
                    self._holders.apply_columns(position, batch)
                yield from self._batch(entry, position, batch, after)
            elif isinstance(event, Distributed):
                yield from self._distribution(entry, position, event, after)
            else:
                if event.token in self._holders.apps:
                    self._holders.apply(position, event)
                if position > after and self._rows.add(_row(entry, position, kind, event)):
                    yield from self._rows.take()
        self._apps.update(registered)

    def rest(self) -> Iterator[Any]:
        """The record batch of what was not given yet, if there is anything."""
        return self._rows.take()

    def _batch(self, entry: EntryEvents, position: int, batch: Batch, after: int) -> Iterator[Any]:
        begin = max(0, after + 1 - position)
        if len(batch) - begin <= FEW:
            for row in range(begin, len(batch)):
                if self._rows.add(_row_of_batch(entry, position + row, batch, row)):
                    yield from self._rows.take()
            return
        names = self._names.setdefault(batch.token, NamesColumn())
        while begin < len(batch):
            end = min(len(batch), begin + self._rows.room)
            shared = Shared(end - begin, *entry[:4], batch.token)
            columns = batch_columns(shared, batch, begin, position + begin, names)
            if self._cells is not None:
                columns += batch_cells(shared, batch, begin, self._cells)
            if self._rows.add_columns(columns):
                yield from self._rows.take()
            begin = end

    def _distribution(self, entry: EntryEvents, position: int, event: Distributed, after: int) -> Iterator[Any]:
        try:
            shares = self._holders.distribute(position, event)
        except (LookupError, ArithmeticError, ValueError) as error:
            raise CorruptJournal(f"it cannot be shared: {error!r}", position=position) from error
        if position <= after:
            return
        paid = sorted(share for share in shares if share[1])  # in one order, wherever one began to read
        accounts, amounts = [account for account, _ in paid], as_numbers([amount for _, amount in paid])
        begin = 0
        while begin < len(accounts):
            end = min(len(accounts), begin + self._rows.room)
            shared = Shared(end - begin, *entry[:4], event.token)
            columns = share_columns(shared, position, event, accounts[begin:end], amounts[begin:end])
            if self._cells is not None:
                columns += share_cells(shared, event, accounts[begin:end], self._cells)
            if self._rows.add_columns(columns):
                yield from self._rows.take()
            begin = end


def _row(entry: EntryEvents, position: int, kind: Kind, event: Any) -> Row:
    return Row(
        position,
        entry.first_position,
        position,
        entry.recorded_at,
        entry.occurred_at,
        kind,
        event.token,
        *SIDES[type(event)](event),
        event.amount,
        event.memo,
        entry.reference,
        getattr(event, "hold", None),
    )


def _row_of_batch(entry: EntryEvents, position: int, batch: Batch, row: int) -> Row:
    event, at, reference = batch.event(row), batch.occurred_at(row), batch.reference(row)
    made = _row(entry, position, kind_of_row(event), event)
    if at is None and reference is None:
        return made
    return made._replace(
        occurred_at=made.occurred_at if at is None else at, reference=made.reference if reference is None else reference
    )
