"""Where one begins to read a journal that was read up to a position before, and what stood there.

Batches name accounts by numbers that earlier batches gave them, and a distribution shares what everybody has. Where one goes on
near the end, names are those of the ledger's books without those that batches gave since. All else is asked of books that stand
at the beginning, which are only made, from a snapshot on, when they are asked for something.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cached_property

from tallystick.domain.books.books import Books
from tallystick.domain.errors import CorruptJournal, InvalidPosition
from tallystick.domain.events import BATCHES
from tallystick.domain.values.ids import check_position
from tallystick.infrastructure.commit.bookkeeper import Bookkeeper
from tallystick.infrastructure.journal.forked import ForkedJournal
from tallystick.infrastructure.journal.format import EMPTY, Head, decode_events, may_hold_batches
from tallystick.infrastructure.journal.port import Journal
from tallystick.infrastructure.ledger.core import LedgerCore
from tallystick.infrastructure.ledger.reading.lines.apps import Apps
from tallystick.infrastructure.ledger.reading.replays.rows import rows_between


class Beginning:
    """The last `head` of a commit that is not after a position, and what stood there."""

    def __init__(self, core: LedgerCore, head: Head) -> None:
        self._core = core
        self.head = head

    @cached_property
    def _books(self) -> Books:
        core = self._core
        journal = ForkedJournal(core.journal, self.head)
        keeper = Bookkeeper(journal, core.clock, core.keeper.new_hold_id, core.contracts_in_memory, core.curves)
        with keeper.lock:
            keeper.reach_head()
        return keeper.books

    def names_of(self, token: str) -> Sequence[str]:
        """The token's accounts by the numbers that batches gave them."""
        if self.head == EMPTY:
            return ()
        counts = self._counts_near_the_end
        if counts is not None:
            with self._core.locked():
                self._core.reach_head()
                return self._core.books.names_of(token)[: counts[token]] if counts[token] else ()
        return () if self._books.token(token) is None else self._books.names_of(token)

    @cached_property
    def _counts_near_the_end(self) -> Mapping[str, int] | None:
        """How many names each token has, counted back from those that the ledger's books have. None where that is more to read,
        or the books do not say how many they have where they stand.
        """
        core = self._core
        if not isinstance(core.books, Books):
            return None
        with core.locked():
            core.reach_head()
            end, books = core.position, core.books
            counts = defaultdict[str, int](int)
            counts |= {token.code: len(books.names_of(token.code)) for token in books.tokens()}
        if end - self.head.position > self.head.position:
            return None
        for row in rows_between(core.journal, self.head, end):
            if may_hold_batches(row.body):
                for event in decode_events(row):
                    if isinstance(event, BATCHES):
                        counts[event.token] -= len(event.names)
        return counts

    def available_of(self, token: str) -> Mapping[str, int]:
        """What every account can spend of the token, if it has something."""
        if self.head == EMPTY or self._books.token(token) is None:
            return {}
        return {account: balance.available for account, balance in self._books.token_state(token).balances()}

    def apps(self) -> Sequence[str]:
        """The codes of the apps that there are."""
        if self.head == EMPTY:
            return ()
        core = self._core
        with core.locked():
            core.reach_head()
            codes = [token.code for token in core.books.tokens() if token.role == "app"]
        registered = Apps(core)
        return [code for code in codes if registered.was_app(code, self.head.position + 1)]


def beginning_after(core: LedgerCore, after: int) -> Beginning:
    """Where the journal is read on that was read up to position `after`. Raises `InvalidPosition` and `CorruptJournal`."""
    position = check_reached(core.journal, after)
    if not position:
        return Beginning(core, EMPTY)
    row = core.journal.row_at(position)
    if row is not None and row.last_position > position:
        row = core.journal.row_at(row.first_position - 1)
        if row is None:
            return Beginning(core, EMPTY)
    if row is None:
        raise CorruptJournal("no row holds it, and the journal goes on behind it", position=position)
    return Beginning(core, row.head())


def check_reached(journal: Journal, given: int) -> int:
    """The position; `InvalidPosition` where it is none, or beyond the journal's end."""
    position = check_position(given)
    head = journal.head().position
    if position > head:
        raise InvalidPosition(f"the journal has reached position {head}, not {position}")
    return position
