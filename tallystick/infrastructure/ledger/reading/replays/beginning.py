"""Where one begins to read a journal that was read up to a position before, and what stood there.

Batches name accounts by numbers that earlier batches gave them, and a distribution shares what everybody has. Who goes on from
a position asks books that stand there, which are only made, from a snapshot on, when they are asked for something.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property

from tallystick.domain.books.books import Books
from tallystick.domain.errors import CorruptJournal, InvalidPosition
from tallystick.domain.values.ids import check_position
from tallystick.infrastructure.commit.bookkeeper import Bookkeeper
from tallystick.infrastructure.journal.forked import ForkedJournal
from tallystick.infrastructure.journal.format import EMPTY, Head
from tallystick.infrastructure.journal.port import Journal
from tallystick.infrastructure.ledger.core import LedgerCore


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
        if self.head == EMPTY or self._books.token(token) is None:
            return ()
        return self._books.names_of(token)

    def available_of(self, token: str) -> Mapping[str, int]:
        """What every account can spend of the token, if it has something."""
        if self.head == EMPTY or self._books.token(token) is None:
            return {}
        return {account: balance.available for account, balance in self._books.token_state(token).balances()}

    def apps(self) -> Sequence[str]:
        """The codes of the apps that there are."""
        if self.head == EMPTY:
            return ()
        return [token.code for token in self._books.tokens() if token.role == "app"]


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
