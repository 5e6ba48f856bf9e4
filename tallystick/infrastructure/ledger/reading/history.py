"""Reads the journal: what a ledger answers about what happened, from its rows and not from the state it stands at."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from tallystick.domain.books.books import Books
from tallystick.domain.cells import Cell, locate
from tallystick.domain.errors import InvalidPosition, InvalidRequest, TransactionNotFound
from tallystick.domain.token.token_state import Balance
from tallystick.domain.values.account import TOTAL_SUPPLY_RESERVE as RESERVE
from tallystick.domain.values.ids import check_id, check_position
from tallystick.domain.values.token import AnyToken, code_of
from tallystick.infrastructure.commit.recorded import checked_row
from tallystick.infrastructure.indexes.past import sizes
from tallystick.infrastructure.indexes.past.past_index import NoIndex, PastIndex
from tallystick.infrastructure.journal.format import EMPTY, JournalRow
from tallystick.infrastructure.ledger.core import LedgerCore
from tallystick.infrastructure.ledger.reading.lines.apps import Apps
from tallystick.infrastructure.ledger.reading.lines.cell import ChangesAt, LinedCell
from tallystick.infrastructure.ledger.reading.lines.cell_past import CellPast
from tallystick.infrastructure.ledger.reading.lines.entries import entries_of
from tallystick.infrastructure.ledger.reading.lines.past_reading import PastLinesReader
from tallystick.infrastructure.ledger.reading.lines.reading import LinesReader, Subject, TooFar
from tallystick.infrastructure.ledger.reading.lines.request import LinesRequest
from tallystick.infrastructure.ledger.reading.lines.shares import Shares
from tallystick.infrastructure.ledger.reading.lines.shares_in_past import SharesInPast
from tallystick.infrastructure.ledger.reading.lines.transactions import transactions_of
from tallystick.infrastructure.ledger.reading.replaying import Follower
from tallystick.infrastructure.proof import audit
from tallystick.infrastructure.proof.anchors import POSITION_MAX
from tallystick.infrastructure.proof.audit import AuditReport
from tallystick.infrastructure.proof.kept_state import Kept
from tallystick.projections.lines import Page
from tallystick.projections.shadow_spaces import Allocations, ShadowSpaces
from tallystick.projections.transactions import Transaction

ROWS_BACK = 1 << 12
"""The newest lines are looked for in so many commits of the token before the past index is built for them."""


class History:
    """The answers."""

    def __init__(self, core: LedgerCore) -> None:
        self._core = core
        self._journal = core.journal
        self._books = core.books
        self._shadow_spaces = Follower(core.journal, ShadowSpaces)

    def allocations_of(self, account: str) -> Allocations:
        """What the account is allocated, by contract, and in all. The first call reads the journal, later ones what is new."""
        with self._core.locked():
            self._core.reach_head()
            return self._shadow_spaces.catch_up().allocations_of(self._books.spelled(account))

    def transaction(self, id: int) -> Transaction:
        """The recorded transaction of this id; else `TransactionNotFound`."""
        self._core.check_open()
        position = check_id(id, "a transaction")
        row = self._journal.row_at(position) if position else None
        transaction = None if row is None else self._transaction_in(row, position)
        if transaction is None:
            raise TransactionNotFound(id=id)
        return transaction

    def balance(self, token: str, account: str) -> Balance:
        """What the cell has of which there are lines, under names as the books write them; raises what `history` does."""
        with self._core.locked():
            self._core.reach_head()
            cell = _lined_cell(self._books, token, account)
            state = self._books.token_state(cell.token.code)
            return Balance(state.reserve, 0, state.reserve) if cell.name == RESERVE else state.balance_of(cell.name)

    def history(self, token: AnyToken, account: AnyToken, request: LinesRequest) -> Page:
        """A page of the account's lines in a token; `InvalidRequest` where the page before was another's."""
        asked = self._asked(token, account)
        first, second, start = asked.subject.first, asked.subject.account, request.start
        if start is not None and (start.token, start.account) != (first, second):
            raise InvalidRequest(f"the page before was of {start.account} in {start.token}, not of {second} in {first}")
        by_journal = self._journal_reader(asked)
        index = self._index_of(asked)
        if index is None:
            return by_journal.page(request)
        try:
            if request.newest_first and request.limit is not None and not index.is_at_hand(asked.subject.head):
                return by_journal.page(request, ROWS_BACK)
        except TooFar:
            pass
        try:
            return self._past_reader(asked, index).page(request)
        except NoIndex:  # it is begun anew by whoever asks next
            return by_journal.page(request)

    def had_occurred_before(self, token: AnyToken, account: AnyToken, instant: int) -> Balance | None:
        """What the account had by what occurred before a time, in microseconds; None where only its lines can tell."""
        asked = self._asked(token, account)
        index = self._index_of(asked)
        if index is None:
            return None
        try:
            available, reserved = self._past_reader(asked, index).had_occurred_before(instant)
        except NoIndex:
            return None
        return Balance(available, reserved, available + reserved)

    def _asked(self, token: AnyToken, account: AnyToken) -> "_Asked":
        core = self._core
        with core.locked():
            core.reach_head()
            spelled = self._books.spellings.of_perhaps
            first, second = spelled(code_of(token)), spelled(code_of(account))
            cell = _lined_cell(self._books, first, second)
            state = self._books.token_state(cell.token.code)
            balance = Balance(state.reserve, 0, state.reserve) if cell.name == RESERVE else state.balance_of(cell.name)
            number, names = self._books.number_of(state.code, cell.name), self._books.names_of(state.code)
            subject = Subject(first, state.code, second, balance.available, balance.reserved, core.position)
        return _Asked(cell, number, names, subject)

    def _lined(self, asked: "_Asked", shares: ChangesAt) -> LinedCell:
        token, name = asked.subject.token, asked.cell.name
        return LinedCell(token, name, asked.number, asked.names, shares, Apps(self._core).was_app)

    def _index_of(self, asked: "_Asked") -> PastIndex | None:
        """The index, where the journal is long enough to be worth one."""
        if asked.subject.head < sizes.WORTH_POSITIONS or self._core.past is None:
            return None
        self._core.follow_past()
        return self._core.past

    def _journal_reader(self, asked: "_Asked") -> LinesReader:
        shares = Shares(self._journal, asked.subject.token, asked.cell.name, asked.names)
        return LinesReader(self._journal, self._lined(asked, shares), asked.subject)

    def _past_reader(self, asked: "_Asked", index: PastIndex) -> PastLinesReader:
        """A reader with the index, which is built where it is not there. Raises `NoIndex`."""
        token, name = asked.subject.token, asked.cell.name
        past = CellPast(self._journal, index, token, name, asked.subject.head)
        otherwise = Shares(self._journal, token, name, asked.names)
        shares = SharesInPast(self._journal, token, name, asked.number, asked.names, past, otherwise)
        return PastLinesReader(self._journal, self._lined(asked, shares), asked.subject, past)

    def digest_at(self, position: int) -> str:
        """The digest, in hex, of the commit in which the position lies; of 0, that before the first one."""
        self._core.check_open()
        position = check_position(position)
        if position == EMPTY.position:
            return EMPTY.digest.hex()
        row = checked_row(self._journal, position) if position <= POSITION_MAX else None
        if row is None:
            raise InvalidPosition(f"the journal has reached position {self._journal.head().position}, not {position}")
        return row.digest.hex()

    def verify(self, expected: Iterable[tuple[int, str]]) -> AuditReport:
        """Checks every stored byte against the chain of digests, positions and times for gaps, and what is expected."""
        self._core.check_open()
        return audit.verify(self._journal, expected)

    def audit(self) -> AuditReport:
        """Derives everything again from the first event and reports whatever does not agree, with its first position."""
        self._core.check_open()
        return audit.audit(self._journal, self._core.curves, lambda: Kept(*self._core.keeper.kept()))

    def _transaction_in(self, row: JournalRow, id: int) -> Transaction | None:
        entry = next(entry for entry in entries_of(row) if id <= entry.last_position)
        return next(transactions_of(self._core, entry, (id,)), None)


class _Asked(NamedTuple):
    """The cell whose lines are asked for, the number that batches gave it, the names that have one, and whose cell it is."""

    cell: Cell
    number: int | None
    names: Sequence[str]
    subject: Subject


def _lined_cell(books: Books, token: object, account: object) -> Cell:
    """The cell of a token's account, or what a user has deposited to an app; `TokenNotFound` and what `locate` raises."""
    app = books.token(account) if isinstance(account, str) else None
    if not isinstance(token, str) or books.token(token) is not None or app is None or app.role != "app":
        books.token_state(token)
    return locate(books, token, account)
