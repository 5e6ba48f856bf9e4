"""Follows the journal: books that read it from its beginning and nothing else, and what cells are worth after each commit.

What a cell is worth is not worked out a second time: the books apply the events as they do for every ledger, and are asked
for the cells that the events touch. Their accounts have handles in the order in which the journal names them, so a cell has
the same number whoever reads the journal, and books that go on from a snapshot of such books go on with these.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import numpy as np

from tallystick.domain.arithmetic.columns import Column, Numbers, listed
from tallystick.domain.batch.batch import numbered, read_batch
from tallystick.domain.books.books import Books
from tallystick.domain.effects import RESERVE, effects
from tallystick.domain.errors import CorruptJournal
from tallystick.domain.events import (
    BATCHES,
    BOOK_EVENTS,
    FRAGMENT_EVENTS,
    AccountFrozen,
    AccountUnfrozen,
    AppUpdated,
    BatchEvent,
    ContractEvent,
    Distributed,
    DomainEvent,
    Moved,
    TokenRegistered,
)
from tallystick.domain.memory.frozen_books import KeptBooks
from tallystick.domain.token.token_state import TokenState
from tallystick.domain.values.curve import CurveMaker
from tallystick.infrastructure.indexes.past.buckets.dense import TokenColumns
from tallystick.infrastructure.indexes.past.buckets.gathering import Gathering
from tallystick.infrastructure.indexes.past.buckets.touches import distinct
from tallystick.infrastructure.indexes.past.carried import FOLLOWED, Carried
from tallystick.infrastructure.indexes.past.cells import AVAILABLE, CIRCULATING, CONTRACTS, HELD, SAID, Cells
from tallystick.infrastructure.indexes.past.figures import ContractsFigures, Load
from tallystick.infrastructure.indexes.past.occurring import occurred_span
from tallystick.infrastructure.journal.details import reversals_of
from tallystick.infrastructure.journal.format import (
    EMPTY,
    Foreign,
    Head,
    JournalEvent,
    JournalRow,
    decode_events,
    may_hold_foreign,
)

_TOUCHING_NOTHING = frozenset((*FRAGMENT_EVENTS, *BOOK_EVENTS))
COLUMNS_FROM = 256
"""Fewer rows are dealt with sooner one by one."""
_DISTRIBUTION = b'"Distributed"'


class Following:
    """Books at `head`, and the touches that were gathered up to there."""

    def __init__(self, curves: Mapping[str, CurveMaker]) -> None:
        self.books = Books(curves=curves)
        self.head: Head = EMPTY
        self.gathering = Gathering()
        self.tokens: dict[str, int] = {}
        """The numbers of the tokens, by code."""
        self.contracts = ContractsFigures()

    def restore(self, head: Head, kept: KeptBooks, load: Load) -> None:
        """Goes on from what such books were at `head`; `load` gives the figures of contracts there. Nothing was added yet.

        Raises what `Books.restore` does.
        """
        self.books.restore(kept)
        self.head = head
        self.tokens = {token.code: number for number, token in enumerate(self.books.tokens())}
        for code in self.tokens:
            self.books.token_state(code).numbering.load()  # which readers may not do while this goes on
        self.contracts = ContractsFigures(self.books.contracts.registered, load)

    def begin_bucket(self) -> None:
        """What was gathered is not needed here any more."""
        self.gathering = Gathering()

    def add(self, row: JournalRow) -> None:
        """Applies the next row and gathers what it touched. Raises `CorruptJournal`, and after that is of no use any more."""
        events = decode_events(row)
        own = events
        try:
            if may_hold_foreign(row.body):
                own = [event for event in events if not isinstance(event, Foreign)]
            before = self._before_distributions(row, own)
            if len(own) == len(events) and FOLLOWED.isdisjoint(map(type, events)):
                self.books.apply_commit(cast(Sequence[DomainEvent], events), row.first_position)
            else:
                self._apply_singly(row, events)
            if row.details is not None:
                for reversal in reversals_of(row, events):
                    self.books.reversals.add(reversal)
                span = occurred_span(row, events, self.books.names_of)
                if span is not None:
                    self.gathering.add_span(span)
            self._gather(own, before, row.last_position)
        except (LookupError, ArithmeticError, ValueError, TypeError) as error:
            raise CorruptJournal(f"its events cannot have happened: {error!r}", position=row.first_position) from error
        self.books.forget(row.recorded_at)
        self.head = row.head()

    def _apply_singly(self, row: JournalRow, events: Sequence[JournalEvent]) -> None:
        """Applies the events one after another, and gathers what they do to holds and fragments."""
        carried = Carried(self.books, self._cells_of)
        for position, event in numbered(events, row.first_position):
            if isinstance(event, Foreign):
                continue
            if isinstance(event, TokenRegistered):
                self.tokens.setdefault(event.token, len(self.tokens))
            for kind, cell, change in carried.apply(event, position):
                self.gathering.add_change(kind, cell, change, row.last_position)

    def _cells_of(self, token: str, part: int) -> Cells:
        return Cells.of(self.tokens[token], part)

    def dense_columns(self) -> Iterator[TokenColumns]:
        """What all cells are worth, token by token."""
        for code in self.tokens:
            state = self.books.token_state(code)
            yield TokenColumns(*state.columns(), state.supply().circulating)

    # Gathering.

    def _gather(self, events: Sequence[JournalEvent], before: Mapping[str, Numbers], position: int) -> None:
        touched = Touched()
        code, handles, moved = "", dict[str, int](), set[int]()
        for event in events:
            if type(event) is Moved:  # as most are
                if event.token != code:
                    code, moved = event.token, touched.handles_of(event.token)
                    handles = self.books.token_state(code).handles
                moved.add(handles[event.sender])
                moved.add(handles[event.receiver])
            elif isinstance(event, ContractEvent):
                self.contracts.apply(event)
                touched.contracts.add(event.contract)
            elif isinstance(event, BATCHES):
                self._gather_batch(event, touched)
            elif isinstance(event, Distributed):
                touched.circulating.add(event.token)
            elif isinstance(event, AppUpdated):
                touched.said.add(self.tokens[event.token])
            elif isinstance(event, AccountFrozen | AccountUnfrozen):
                touched.said.add(CONTRACTS)
            elif type(event) not in _TOUCHING_NOTHING:
                self._gather_effects(cast(DomainEvent, event), touched)
        for token, column in before.items():
            touched.handles_of(token).update(_changed(column, self.books.token_state(token)))
        self._note(touched, position)

    def _gather_effects(self, event: DomainEvent, touched: "Touched") -> None:
        if isinstance(event, TokenRegistered):
            touched.said.add(self.tokens.setdefault(event.token, len(self.tokens)))
        token: str = cast(Any, event).token
        handles = self.books.token_state(token).handles
        for cell, _, held in effects(event):
            if cell == RESERVE:
                touched.circulating.add(token)
            elif held:
                touched.holders.add((token, cell))
            else:
                touched.handles_of(token).add(handles[cell])

    def _gather_batch(self, event: BatchEvent, touched: "Touched") -> None:
        state = self.books.token_state(event.token)
        batch = read_batch(event, state.numbered_names)
        if batch.senders is None or batch.receivers is None:
            touched.circulating.add(event.token)
        columns = [column for column in (batch.senders, batch.receivers) if column is not None]
        handles = map(state.numbering.handles_of, columns)
        if len(batch) < COLUMNS_FROM:
            touched.handles_of(event.token).update(*map(listed, handles))
        else:
            touched.columns_of(event.token).extend(handles)

    def _note(self, touched: "Touched", position: int) -> None:
        cells: list[int] = []
        values: list[int] = []
        for token, handles in touched.handles.items():
            if token in touched.columns:
                touched.columns[token].append(np.array(list(handles), dtype=np.int64))
                continue
            first = self._cells_of(token, AVAILABLE).first
            found = self.books.token_state(token).available_at(handles)
            cells += [first + handle for handle in found]
            values += found.values()
        for token, columns in touched.columns.items():
            self._note_columns(token, distinct(np.concatenate(columns)), position)
        for token, name in touched.holders:
            state = self.books.token_state(token)
            cells.append(self._cells_of(token, HELD).cell(state.handles[name]))
            values.append(state.held_of(name))
        for token in touched.circulating:
            cells.append(self._cells_of(token, CIRCULATING).first)
            values.append(self.books.token_state(token).supply().circulating)
        for contract in touched.contracts:
            for handle, value in self.contracts.cells_of(contract):
                cells.append(Cells.of(CONTRACTS).cell(handle))
                values.append(value)
        for number in touched.said:
            cells.append(Cells.of(number, SAID).first)
            values.append(0)
        if values:
            if min(values) < 0:
                raise ValueError("a cell is worth less than nothing")
            self.gathering.add(cells, values, position)

    def _note_columns(self, token: str, handles: Column, position: int) -> None:
        values = self.books.token_state(token).available_in(handles)
        first = self._cells_of(token, AVAILABLE).first
        if isinstance(values, list):
            self.gathering.add([first + handle for handle in listed(handles)], values, position)
            lowest = min(values, default=0)
        else:
            self.gathering.add_column(handles.astype(np.uint64) + np.uint64(first), values, position)
            lowest = int(values.min()) if len(values) else 0
        if lowest < 0:
            raise ValueError("a cell is worth less than nothing")

    def _before_distributions(self, row: JournalRow, events: Sequence[JournalEvent]) -> dict[str, Numbers]:
        """What everybody can spend of the tokens that the row distributes: such an event names nobody who gets some."""
        if _DISTRIBUTION not in row.body and b"\\" not in row.body:
            return {}
        codes = {event.token for event in events if isinstance(event, Distributed)}
        return {code: self.books.token_state(code).columns()[0] for code in codes if code in self.tokens}


class Touched:
    """What one commit touched: accounts by handle, one by one or in columns, holders for others, supplies and contracts, and
    the numbers of tokens of which it said something.
    """

    def __init__(self) -> None:
        self.handles: dict[str, set[int]] = {}
        self.columns: dict[str, list[Column]] = {}
        self.holders: set[tuple[str, str]] = set()
        self.circulating: set[str] = set()
        self.contracts: set[str] = set()
        self.said: set[int] = set()

    def handles_of(self, token: str) -> set[int]:
        """Those of accounts that can spend another amount."""
        return self.handles.setdefault(token, set())

    def columns_of(self, token: str) -> list[Column]:
        """The same in columns."""
        return self.columns.setdefault(token, [])


def _changed(before: Numbers, state: TokenState) -> list[int]:
    """The handles of those who can spend another amount than before."""
    now = state.columns()[0]
    if isinstance(before, list) or isinstance(now, list):
        old, new = listed(before), listed(now)
        return [handle for handle, value in enumerate(new) if value != (old[handle] if handle < len(old) else 0)]
    grown = np.zeros(len(now), dtype=np.int64)
    grown[: len(before)] = before
    return listed(np.flatnonzero(grown != now))
