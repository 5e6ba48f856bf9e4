"""How a ledger is: where the journal ends, how far the books are behind it, who waits, and what is kept beside it.

It is for whoever watches a service, and may be asked at any moment: it waits for no commit, and nothing in it grows.
"""

from datetime import datetime

from tallystick.domain.values.instant import from_microseconds
from tallystick.domain.values.result import Result
from tallystick.infrastructure.indexes.past.past_index import PastIndex
from tallystick.infrastructure.journal.format import Head
from tallystick.infrastructure.ledger.core import LedgerCore
from tallystick.infrastructure.ledger.expiry import Expiry


class HeadStatus(Result, frozen=True):
    """Where the journal ends: its last `position`, the `digest` there in hex, and `recorded_at`, None while it is empty."""

    position: int
    digest: str
    recorded_at: datetime | None


class IndexStatus(Result, frozen=True):
    """The index of used keys and ids: the `position` up to which it has them, and the cache `folder` in which its files lie.

    `folder` is None where it has none, and all of it lies in memory or in the store.
    """

    position: int
    folder: str | None


class SnapshotStatus(Result, frozen=True):
    """The snapshots: the `position` of the newest, None where there is none, and whether one `is_being_written`.

    `folder` is where they lie, None where there can be none.
    """

    position: int | None
    is_being_written: bool
    folder: str | None


class PastStatus(Result, frozen=True):
    """The index of the past: the `position` up to which it was built, 0 where nobody asked for it yet; whether it is
    `is_extended` in the background; and the `folder` in which its files lie, None where it is in memory or there can be none.
    """

    position: int
    is_extended: bool
    folder: str | None


class ExpiryStatus(Result, frozen=True):
    """The giving back of what is due: whether it `is_running`, how many rounds it had (`runs`), how many holds it `released`,
    and the `last_error` of one that failed, None where none did.
    """

    is_running: bool
    runs: int
    released: int
    last_error: str | None


class Status(Result, frozen=True):
    """How a ledger is. `head` is where the journal ends, and `lag` how many positions its books are behind that.

    `queue` is how many wait to be committed, with those that are being committed. `index` and `snapshots` tell of what is kept
    beside the journal, `past` of the index of what there was before, and `expiry` of holds that are given back by themselves.
    """

    head: HeadStatus
    lag: int
    queue: int
    index: IndexStatus
    snapshots: SnapshotStatus
    expiry: ExpiryStatus
    past: PastStatus


def status_of(core: LedgerCore) -> Status:
    """The status of a ledger now. Raises `LedgerClosed`, and `StorageUnavailable` where the store cannot be asked."""
    core.check_open()
    journal, state = core.journal, core.keeper.state
    reached = state.head.position  # first, for the journal may go on meanwhile
    head = journal.head()
    written, kept = journal.cache_folder, journal.kept_cache_folder
    snapshots = state.snapshots
    return Status(
        _head_status(head),
        max(0, head.position - reached),
        core.queue.waiting,
        IndexStatus(reached, None if written is None else str(written)),
        SnapshotStatus(snapshots.newest_position(), snapshots.is_writing, None if kept is None else str(kept / "snapshots")),
        _expiry_status(core.expiry),
        _past_status(core.keeper.past, None if written is None else str(written / "past")),
    )


def _past_status(index: PastIndex | None, folder: str | None) -> PastStatus:
    return PastStatus(0, False, folder) if index is None else PastStatus(index.reached, index.extending.is_running, folder)


def _expiry_status(expiry: Expiry) -> ExpiryStatus:
    error = expiry.last_error
    return ExpiryStatus(expiry.is_running, expiry.runs, expiry.released, None if error is None else repr(error))


def _head_status(head: Head) -> HeadStatus:
    recorded_at = from_microseconds(head.recorded_at) if head.position else None
    return HeadStatus(head.position, head.digest.hex(), recorded_at)
