"""Builds the past index: follows the journal, fills buckets, and keeps them in files and finds them there again.

One builds at a time, and many may ask meanwhile. What stands changes in one step, when a bucket is full; of what is not full
yet those who ask see what was followed up to then.
"""

import contextlib
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple, TypeVar

from tallystick.domain.errors import CorruptJournal, StorageUnavailable
from tallystick.domain.values.curve import CurveMaker
from tallystick.infrastructure.indexes.past import sizes
from tallystick.infrastructure.indexes.past.buckets.bucket import Bucket
from tallystick.infrastructure.indexes.past.buckets.tail import Tail
from tallystick.infrastructure.indexes.past.column_blocks import MissingFile
from tallystick.infrastructure.indexes.past.extending import Extending, logger
from tallystick.infrastructure.indexes.past.files import PastFiles
from tallystick.infrastructure.indexes.past.following import Following
from tallystick.infrastructure.indexes.past.giving_way import GivingWay
from tallystick.infrastructure.indexes.past.kept import KeptBucket, KeptDense
from tallystick.infrastructure.indexes.runs.checked_words import DamagedRun
from tallystick.infrastructure.journal.chain import rows_after
from tallystick.infrastructure.journal.format import EMPTY, Head
from tallystick.infrastructure.journal.port import Journal
from tallystick.infrastructure.journal.stores.memory import MemoryJournal
from tallystick.infrastructure.snapshots.snapshots import FrozenState, Snapshots

LOOK_SECONDS = 0.001
"""Who waits for somebody that builds looks so often how far that is."""

Progress = Callable[[int, int], object]
"""Is told up to which position the index reaches, and where the journal ends."""


Answer = TypeVar("Answer")


class NoIndex(Exception):
    """The index cannot answer, and says why: the journal can."""


class Built(NamedTuple):
    """What stands: the full buckets, in the order of time, and the dense columns by the position at which they were taken."""

    buckets: tuple[Bucket | KeptBucket, ...]
    dense: Mapping[int, KeptDense]

    @property
    def end(self) -> Head:
        return self.buckets[-1].end if self.buckets else EMPTY


class Building(ABC):
    """What was built of the index of one journal. Everything may be called by any thread."""

    def __init__(self, journal: Journal, curves: Mapping[str, CurveMaker]) -> None:
        self._journal = journal
        self._curves = curves
        self._generation = journal.generation
        self._building = threading.RLock()  # who has it builds
        self._lock = threading.RLock()  # who has it changes what was built, or looks at what may change
        self._builder: int | None = None
        self._is_distrusted = False
        self._refusal: str | None = None
        self._refused_up_to = 0
        self._is_closed = False
        self.extending = Extending(self._extend)
        self._giving_way = GivingWay()
        self._begin()

    def _begin(self) -> None:
        kept, written = self._journal.kept_cache_folder, self._journal.cache_folder
        folder = None if kept is None or self._is_distrusted else kept / "past"
        self._files = None if folder is None else PastFiles(folder)
        self._may_write = written is not None
        self._may_grow = isinstance(self._journal, MemoryJournal)
        self._snapshots = None if folder is None else Snapshots(folder / "books", self._journal.row_at)
        self._following: Following | None = None
        self._tail = Tail(EMPTY)
        self._built: Built | None = None
        self._since_dense = self._since_books = 0

    def begin_in_child(self) -> None:
        """In a forked child, where no other thread runs: it is begun anew, with locks that nobody has."""
        self._building, self._lock = threading.RLock(), threading.RLock()
        self._builder = None
        self.extending = Extending(self._extend)
        self._giving_way = GivingWay()
        self._begin()

    def close(self) -> None:
        """Ends what is built in the background; later calls raise `NoIndex`."""
        self._is_closed = True
        self.extending.stop()

    @abstractmethod
    def _figures(self, at: int, count: int) -> list[int]:
        """What contracts were worth at a position, all figures of all of them. Raises `DamagedRun`."""

    def extend(self, position: int) -> None:
        """The journal has reached a position: where much is missing up to there, it is added in the background."""
        self._giving_way.position = position
        if position >= self.extending.due_at:
            self.extending.wake()

    def _extend(self) -> int:
        """Brings it to the journal's head, and gives from where on that is worth doing again."""
        self._giving_way.begin()
        try:
            reached = self._reach(self._journal.head().position, None, self._giving_way).head.position
        except NoIndex as error:
            logger.info("no past index: %s", error)
            reached = self._journal.head().position
        return reached + sizes.BUCKET // 2

    def reach(self, position: int, progress: Progress | None = None) -> Following:
        """Has the index reach a position that the journal has reached, and gives what followed the journal there."""
        following = self._following
        if following is not None and following.head.position >= position and self.is_current:
            return following
        with self._giving_way.awaited():
            return self._reach(position, progress, None)

    def _reach(self, position: int, progress: Progress | None, giving_way: GivingWay | None) -> Following:
        while self._builder not in (None, threading.get_ident()):
            following = self._following
            if following is not None and following.head.position >= position and self.is_current:
                return following  # somebody builds further than that
            time.sleep(LOOK_SECONDS)
        with self._building:
            if self._is_closed:
                raise NoIndex("the ledger was closed")
            self._check_is_current()
            if self._refusal is not None and position < self._refused_up_to:
                raise NoIndex(self._refusal)
            try:
                self._builder = threading.get_ident()
                return self._asked(lambda: self._read_on(position, progress, giving_way))
            except NoIndex:
                raise
            except (CorruptJournal, OSError) as error:
                self._begin()
                self._refusal = f"it could not be built: {error}"
                self._refused_up_to = position + sizes.BUCKET  # trying costs as much as reading the journal
                logger.warning("the journal is read instead of the past index: %s", self._refusal)
                raise NoIndex(self._refusal) from error
            except BaseException:
                self._begin()  # interrupted who knows where
                raise
            finally:
                self._builder = None

    @property
    def is_current(self) -> bool:
        """Whether no other journal may have been put in the place of the one of which it is."""
        return self._generation == self._journal.generation

    def _check_is_current(self) -> None:
        if not self.is_current:
            raise NoIndex("another journal may be in the place of the one that was followed")

    @property
    def reached(self) -> int:
        """Up to which position it was built."""
        built, following = self._built, self._following
        return max(0 if built is None else built.end.position, 0 if following is None else following.head.position)

    def is_at_hand(self, position: int) -> bool:
        """Whether it is in use, and not much is missing up to a position."""
        following = self._following
        return following is not None and position - following.head.position <= sizes.AT_HAND_POSITIONS

    def _read_on(self, position: int, progress: Progress | None, giving_way: GivingWay | None) -> Following:
        if self._following is None:
            self._go_on()
        following, built = self._followed(), self._stands()
        begin = built.end.position
        if following.head.position >= position:
            return following
        if not (self._may_write or self._may_grow) and position - begin > sizes.IN_MEMORY_MAX * sizes.BUCKET:
            raise NoIndex("it is not there, and there is no folder in which it can be written")
        for row in rows_after(self._journal, following.head):
            if self._is_closed:
                raise NoIndex("the ledger was closed")
            with self._lock:
                following.add(row)
                if following.head.position <= begin:
                    if following.head.position == begin or following.gathering.size >= sizes.BUCKET:
                        following.begin_bucket()  # the buckets have that
                elif following.gathering.size >= sizes.BUCKET:
                    self._fill()
            if progress is not None and not following.gathering.size:
                progress(following.head.position, self._journal.head().position)
            if giving_way is not None:
                giving_way.rest()
            if following.head.position >= position:
                break
        return following

    def _go_on(self) -> None:
        """Finds what stands, and books to go on with: those kept at the end of a bucket, or empty ones."""
        chain = [] if self._files is None else self._files.chain(self._journal.row_at)
        dense = {} if self._files is None else self._files.dense(bucket.end for bucket in chain)
        self._built = built = Built(tuple(chain), dense)
        ends = {bucket.end for bucket in chain}
        following = Following(self._curves)
        for snapshot in () if self._snapshots is None else self._snapshots.usable():
            if snapshot.head in ends:
                with contextlib.suppress(OSError, LookupError, ArithmeticError, ValueError):
                    figures = partial(self._figures, snapshot.head.position)
                    following.restore(snapshot.head, snapshot.read().books, figures)
                    break
                following = Following(self._curves)
        self._since_dense = sum(bucket.size for bucket in chain if bucket.end.position > max(dense, default=0))
        self._since_books = sum(bucket.size for bucket in chain if bucket.end.position > following.head.position)
        self._tail = Tail(built.end)
        self._following = following

    def _fill(self) -> None:
        """Makes a full bucket of what was gathered, and keeps what goes with it."""
        following, built = self._followed(), self._stands()
        bucket: Bucket | KeptBucket = self._tail.full(following.gathering, following.head)
        if self._files is not None and self._may_write:
            bucket = self._files.add_bucket(bucket.opened())
        elif not self._may_grow and sum(isinstance(each, Bucket) for each in built.buckets) >= sizes.IN_MEMORY_MAX:
            raise OSError("there is no folder in which it can be written")
        dense = {**built.dense, **self._taken_now_and_then(following)}
        following.begin_bucket()
        self._tail = Tail(following.head)
        self._built = Built((*built.buckets, bucket), dense)

    def _taken_now_and_then(self, following: Following) -> Mapping[int, KeptDense]:
        """Keeps the books where it is time, and takes dense columns; gives these by position."""
        self._since_dense += following.gathering.size
        self._since_books += following.gathering.size
        if self._files is None or self._snapshots is None or not self._may_write:
            return {}
        head, books = following.head, following.books
        cells = sum(len(books.token_state(token.code).names) for token in books.tokens())
        if self._since_books >= sizes.BOOKS_FACTOR * cells:
            with contextlib.suppress(OSError, StorageUnavailable, ValueError):  # without them more of the journal is read again
                self._snapshots.save(FrozenState(head, books.freeze(), {}, {}))
            self._since_books = 0
        if self._since_dense < sizes.DENSE_FACTOR * cells:
            return {}
        self._since_dense = 0
        return {head.position: self._files.add_dense(head, following.dense_columns(), following.contracts.all())}

    def _followed(self) -> Following:
        if self._following is None:
            raise NoIndex("nothing was built")
        return self._following

    def _stands(self) -> Built:
        if self._built is None:
            raise NoIndex("nothing was built")
        return self._built

    def _asked(self, ask: Callable[[], Answer]) -> Answer:
        """What the index says; one that turns out to be damaged is begun anew by whoever asks next, and says nothing now."""
        try:
            return ask()
        except MissingFile as error:
            with self._building, self._lock:
                self._begin()  # somebody removed it, and may be making it anew
            raise NoIndex(f"it is gone: {error}") from error
        except DamagedRun as error:
            raise self.distrust(f"it is damaged: {error}") from error

    def distrust(self, reason: str) -> NoIndex:
        """Begins the index anew, for the files are not to be believed; gives what is to be raised now."""
        with self._building, self._lock:
            if self._files is not None and self._may_write:
                self._files.remove()
            else:
                self._is_distrusted = True
            self._begin()
        logger.warning("the past index is begun anew: %s", reason)
        return NoIndex(reason)
