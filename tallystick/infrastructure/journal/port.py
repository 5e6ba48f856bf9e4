"""The port to whatever keeps the journal: an append-only sequence of rows, one a commit.

A store keeps rows and hands them back byte for byte; what they mean it does not know. Writing is exclusive: `writing` gives
the head as it stands, and until it is left nobody else can append. `append` returns once the row is durable.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

from tallystick.infrastructure.journal.format import Body, Head, JournalRow

MAX_CLOCK_LEAP = timedelta(days=400)
VERSION_MAX = 2**63 - 1
PAGE_ROWS = 1000
PAGE_BYTES = 4 * 2**20
"""Stores that are read in pages give so many rows at a time, or so many bytes of bodies."""
SMALL = 64
SMALL_BYTES = 2**14
"""A commit of up to so many positions is read with its stream's entry, if a store that knows how long its body is finds that so
many bytes at most; a larger one is read by itself, and worth keeping.
"""


class StreamEntry(NamedTuple):
    """The versions of a stream that the commit which begins at `first_position` holds."""

    stream: str
    first_version: int
    last_version: int
    first_position: int


class StreamPart(NamedTuple):
    """The versions of a stream that one commit holds, the commit's positions, and its body, but not a large commit's."""

    first_version: int
    last_version: int
    first_position: int
    last_position: int
    body: bytes | None


class MetadataRow(NamedTuple):
    """The metadata of the entry that begins at position `entry`, as text, and 16 random bytes that are digested before it."""

    entry: int
    salt: bytes
    content: str


class MetadataChange(NamedTuple):
    """What a row does to the table of metadata, which lies outside the chain: what it adds, and of which entries it erases."""

    added: Sequence[MetadataRow] = ()
    erased: Sequence[int] = ()


NO_METADATA = MetadataChange()


class UnclearOutcome(Exception):
    """A store's word that a commit failed in a way which leaves open whether the row stands."""


class Overtaken(Exception):
    """A store's word that nothing was recorded, because a row or an entry does not follow the last one: somebody appended who
    had not waited for the turn, or the writer did not know a stream's last version.
    """


ReadEntries = Callable[[int, int, int], Sequence[StreamEntry]]
"""Gives up to so many (the last) entries of a stream that reach into the versions above the first and up to the second."""


def entries_in_pages(read: ReadEntries, gt: int, lte: int, *, descending: bool) -> Iterator[StreamEntry]:
    """The entries of a stream, in the order in which `read` gives them; who wants many gets them in larger and larger pages."""
    size = 1
    while True:
        page = read(gt, lte, size)
        yield from page
        if len(page) < size:
            return
        if descending:
            lte = page[-1].first_version - 1
        else:
            gt = page[-1].last_version
        size = min(8 * size, PAGE_ROWS)


class Journal(ABC):
    """What a store must do. Every method raises `StorageUnavailable` where the store cannot be reached."""

    keeps_keys: bool = False
    """Whether `key_positions` answers out of an index that the store keeps; `append` is then `Overtaken` by a row that used
    one of its keys.
    """

    max_clock_leap: int | None = MAX_CLOCK_LEAP // timedelta(microseconds=1)
    """A clock that stands so many microseconds after the newest commit is not believed; None where every clock is."""
    server_time: int | None = None
    """Where the store has a clock of its own: what that said when `writing` was entered, in microseconds since 1970 in UTC."""

    @property
    def cache_folder(self) -> Path | None:
        """Where a cache of what is derived from the journal may be kept; None where that is nowhere."""
        return None

    @property
    def takes_details(self) -> bool:
        """Whether a row may have details: false where the schema is of format 1, and somebody has to `upgrade` it first."""
        return True

    @property
    def is_of_format_1(self) -> bool:
        """Whether the journal is of format 1 still: then what can be said in it is, so that nobody has to `upgrade` for it."""
        return False

    @property
    def kept_cache_folder(self) -> Path | None:
        """Where such a cache may be read, though this process may not write there; None where that is nowhere."""
        return self.cache_folder

    @property
    def generation(self) -> int:
        """Another number once another journal may have been put in this one's place."""
        return 0

    def is_same(self, other: "Journal") -> bool:
        """Whether what is recorded in the one stands in the other."""
        return other is self

    def key_positions(self, keys: Collection[str]) -> Mapping[str, int]:
        """The first positions of the commits that used these idempotency keys, for those that were used."""
        raise NotImplementedError

    def used_keys(self) -> Iterator[tuple[str, int]]:
        """The keys in that index, with the first position of the commit that used each, in no certain order."""
        raise NotImplementedError

    @abstractmethod
    def head(self) -> Head:
        """Where the journal ends; `EMPTY` where nothing was appended."""

    @abstractmethod
    def ends_at(self, head: Head) -> bool:
        """Whether `head` is still where the journal ends; a cheap question."""

    @abstractmethod
    def rows(self, after: int = 0) -> Iterator[JournalRow]:
        """The rows whose first position is above `after`, in order, in bounded memory."""

    @abstractmethod
    def row_at(self, position: int) -> JournalRow | None:
        """The row in which `position` lies."""

    @abstractmethod
    def stream(self, stream: str, gt: int = -1, lte: int = VERSION_MAX, *, descending: bool = False) -> Iterator[StreamEntry]:
        """The entries of a stream that reach into the versions above `gt` up to `lte`, in order, in bounded memory."""

    @abstractmethod
    def bodies(self, position: int, count: int) -> Sequence[Body]:
        """The bodies of commits from the one in which `position` lies on: up to `count`, or `PAGE_BYTES` and some more."""

    @abstractmethod
    def stream_parts(self, stream: str, gt: int, lte: int, count: int, *, descending: bool = False) -> Sequence[StreamPart]:
        """What the first entries of `stream(...)` lead to: up to `count`, or `PAGE_BYTES` and some more."""

    @abstractmethod
    def last_entries(self, streams: Collection[str]) -> Mapping[str, StreamEntry]:
        """The newest entry of each of these streams that has one."""

    @abstractmethod
    def streams(self) -> Iterator[StreamEntry]:
        """The entries of all streams, in no certain order."""

    @abstractmethod
    def writing(self) -> AbstractContextManager[Head]:
        """Exclusive access for one `append`, and the head that it must follow."""

    @abstractmethod
    def metadata(self, entries: Collection[int]) -> Mapping[int, MetadataRow]:
        """The metadata of these entries, of those that have some."""

    @abstractmethod
    def metadata_entries(self) -> Iterator[int]:
        """The entries that have metadata, in order."""

    def erased_beyond(self) -> Collection[int]:
        """The entries whose metadata was erased by a commit that is beyond the end of this journal, where that goes on."""
        return ()

    @abstractmethod
    def append(self, row: JournalRow, entries: Sequence[StreamEntry], metadata: MetadataChange = NO_METADATA) -> None:
        """Makes `row`, its stream entries and its change of the metadata durable, all or nothing, inside `writing`.

        Raises `StorageFull`, `StorageUnavailable` or `Overtaken` where nothing was recorded, `UnclearOutcome` where that
        is not known.
        """

    def upgrade(self) -> bool:
        """Brings the schema to the newest format; false where it has it already. Raises `StorageUnavailable`."""
        return False

    def has_recorded(self, row: JournalRow, entries: Sequence[StreamEntry], metadata: MetadataChange = NO_METADATA) -> bool:
        """After an `UnclearOutcome`, on a new connection: whether `row` stands. What this says is so from then on.

        Raises `StorageUnavailable` where it cannot be found out.
        """
        self.reopen()
        found = self.row_at(row.first_position)
        return found is not None and found.digest == row.digest

    @abstractmethod
    def reopen(self) -> None:
        """Drops the connections and makes new ones."""

    @abstractmethod
    def close(self) -> None:
        """Gives up what the store holds."""
