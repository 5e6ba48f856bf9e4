"""The core of a ledger over another's journal, up to a moment of it: to look at it as it stood, or to go on from there.

It has books of its own, which go on from a snapshot where there is one that is not later. A view of a long journal has books
that answer out of the past index instead. The ledger below must stay open.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import cast

from tallystick.domain.books.books import Books
from tallystick.infrastructure.commit.receipt import Receipt
from tallystick.infrastructure.indexes.past import sizes
from tallystick.infrastructure.indexes.past.past_index import PastIndex
from tallystick.infrastructure.journal.forked import ForkedJournal
from tallystick.infrastructure.journal.format import Head
from tallystick.infrastructure.ledger.core import LedgerCore
from tallystick.infrastructure.ledger.travel.moment import Moment, head_at
from tallystick.infrastructure.ledger.travel.past_books import PastBooks


class ForkedCore(LedgerCore):
    """The core of a fork of `base`, which begins where the journal ended at `end`."""

    def __init__(self, base: LedgerCore, end: Head, *, read_only: bool) -> None:
        self._base = base
        super().__init__(
            ForkedJournal(base.journal, end),
            base.clock,
            base.keeper.new_hold_id,
            base.contracts_in_memory,
            base.curves,
            read_only=read_only,
        )
        self.has_random_ids = base.has_random_ids
        self.forked_at = end.position

    @property
    def past(self) -> PastIndex | None:
        """None: what is recorded here is in no index."""
        return None

    def check_open(self) -> None:
        """Raises `LedgerClosed` where it, or the ledger below, is closed."""
        self._base.check_open()
        super().check_open()

    def close_in_child(self) -> None:
        """In a forked child it is open where the ledger below is: what is its own lies in memory."""
        self.queue = self._new_queue()


class PastCore(ForkedCore):
    """The same for reading alone, whose books answer out of the past index; and all at once, for nobody changes them."""

    def __init__(self, base: LedgerCore, end: Head, index: PastIndex) -> None:
        super().__init__(base, end, read_only=True)
        self._end = end
        self._index = index
        past = PastBooks(index, self.journal, end, self.contracts_in_memory, self._replayed)
        self.books = cast(Books, past)

    @property
    def past(self) -> PastIndex | None:
        """The index of the ledger below, of which nothing behind the end is asked."""
        return self._index

    def follow_past(self) -> None:
        """The ledger below has it followed."""
        self._base.follow_past()

    def _replayed(self) -> Books:
        """Books that were replayed to the end."""
        with self.keeper.lock:
            self.keeper.reach_head()
            return self.keeper.books

    def locked(self) -> AbstractContextManager[object]:
        """Nothing has to be waited for."""
        return nullcontext()

    def reach_head(self) -> None:
        """It is there."""
        self.check_open()

    def reach_head_or_pending(self) -> None:
        """It is there, and nothing is pending."""
        self.check_open()

    @property
    def position(self) -> int:
        """Up to where the journal is in the books."""
        return self._end.position

    def receipt_of(self, key: str) -> Receipt | None:
        """The receipt of the entry that had used the idempotency key; None where none had."""
        receipt = self._base.receipt_of(key)
        return receipt if receipt is not None and receipt.position <= self._end.position else None

    def positions_of_reference(self, reference: str) -> Sequence[int]:
        """The first positions of the commits that may have an entry with the reference, ascending."""
        return [position for position in self._base.positions_of_reference(reference) if position <= self._end.position]


def looked_at(base: LedgerCore, end: Head) -> ForkedCore:
    """The core of what `base` was at a head of its journal. A short journal is replayed sooner than an index is asked."""
    index = base.past if end.position >= sizes.WORTH_POSITIONS else None
    if index is None:
        return ForkedCore(base, end, read_only=True)
    base.follow_past()
    return PastCore(base, end, index)


def forked(base: LedgerCore, at: Moment | None) -> ForkedCore:
    """The core of a scratch ledger that goes on from `base` as it is, or as it stood at a moment. Raises `InvalidPosition`."""
    base.check_open()
    end = base.journal.head() if at is None else head_at(base.journal, at, base.keeper.now())
    return ForkedCore(base, end, read_only=False)
