"""The core of a ledger over another's journal, up to a moment of it: to look at it as it stood, or to go on from there.

It has books of its own, which go on from a snapshot where there is one that is not later. The ledger below must stay open.
"""

from tallystick.infrastructure.journal.forked import ForkedJournal
from tallystick.infrastructure.journal.format import Head
from tallystick.infrastructure.ledger.core import LedgerCore
from tallystick.infrastructure.ledger.travel.moment import Moment, head_at


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

    def check_open(self) -> None:
        """Raises `LedgerClosed` where it, or the ledger below, is closed."""
        self._base.check_open()
        super().check_open()

    def close_in_child(self) -> None:
        """In a forked child it is open where the ledger below is: what is its own lies in memory."""
        self.queue = self._new_queue()


def forked(base: LedgerCore, at: Moment | None) -> ForkedCore:
    """The core of a scratch ledger that goes on from `base` as it is, or as it stood at a moment. Raises `InvalidPosition`."""
    base.check_open()
    end = base.journal.head() if at is None else head_at(base.journal, at, base.keeper.now())
    return ForkedCore(base, end, read_only=False)
