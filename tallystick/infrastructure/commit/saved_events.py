"""What a transaction saves beside its money: events of applications, in the same row and behind its own.

The books pass over them, and what the ledger tells of a transaction is its money. Their versions rise within their streams,
which is looked at when the transaction is executed: one that is taken by then makes it a `Conflict`, as whatever else it was
told that is not so any more.
"""

from collections.abc import Collection, Sequence

from tallystick.domain.errors import Conflict, InvalidRequest
from tallystick.domain.events import DomainEvent
from tallystick.infrastructure.commit.bookkeeper import Bookkeeper
from tallystick.infrastructure.journal.format import Foreign, encode_events, join_bodies, stream_of
from tallystick.infrastructure.journal.port import StreamEntry


class SavedEvents:
    """The events of one transaction, at least one. `InvalidRequest` where versions of a stream do not rise."""

    first_position = 0
    """Where they stand, if they do once the transaction is done."""

    def __init__(self, events: Sequence[Foreign]) -> None:
        self.count = len(events)
        self._body = encode_events(events)
        self.versions: dict[str, tuple[int, int]] = {}
        """The first and the last version of each stream."""
        for event in events:
            stream, version = event.stream, event.version
            first, last = self.versions.get(stream, (version, -1))
            if version <= last:
                raise InvalidRequest(f"version {version} of {stream!r} is saved after version {last}, in one block")
            if version < 0:
                raise InvalidRequest(f"version {version} of {stream!r} is below 0")
            self.versions[stream] = (first, version)

    @property
    def without_space(self) -> Collection[str]:
        """Those of the streams that a token or a contract may have."""
        return [stream for stream in self.versions if " " not in stream]

    def body_after(self, events: Sequence[DomainEvent], body: bytes) -> bytes:
        """The transaction's body, whose own `events` have this one.

        `InvalidRequest` where a token or a contract that it registers has the name of a stream that it saves to.
        """
        for stream in {*self.without_space} & {stream_of(event) for event in events}:
            raise _of_the_ledger(stream)
        return join_bodies([body, self._body]) if events else self._body


class SavedStreams:
    """The streams to which a group saves, at the journal's head and after its members so far."""

    def __init__(self, keeper: Bookkeeper, saved: Sequence[SavedEvents]) -> None:
        """Has the last versions of all looked up at once. Raises `StorageUnavailable`."""
        self._keeper = keeper
        self._last = {
            stream: entry.last_version
            for stream, entry in keeper.last_entries({stream for each in saved for stream in each.versions}).items()
        }
        self._added: dict[str, tuple[int, int]] = {}

    def check(self, saved: SavedEvents) -> None:
        """Raises `Conflict` where a version is taken, and `InvalidRequest` where a stream is a token's or a contract's."""
        books = self._keeper.books
        for stream in saved.without_space:
            if books.token(stream) is not None or books.is_contract(stream):
                raise _of_the_ledger(stream)
        for stream, (first, _) in saved.versions.items():
            last = self._last.get(stream, -1)
            if first <= last:
                raise Conflict(subject=f"the last version of {stream!r}", told=first - 1, now=last)

    def add(self, saved: SavedEvents) -> None:
        """These are recorded with the group."""
        for stream, (first, last) in saved.versions.items():
            self._last[stream] = last
            self._added[stream] = (self._added.get(stream, (first,))[0], last)

    def entries(self, first_position: int) -> list[StreamEntry]:
        """The entries of the streams for the row that begins there."""
        return [StreamEntry(stream, first, last, first_position) for stream, (first, last) in self._added.items()]

    def note(self) -> None:
        """The row stands: a token or a contract that gets the name of a stream goes on from it."""
        for stream, (_, last) in self._added.items():
            if " " not in stream:
                self._keeper.state.versions.set(stream, last)


def _of_the_ledger(stream: str) -> InvalidRequest:
    """What is told who saves to a stream that is not an application's."""
    return InvalidRequest(f"{stream!r} is a token or a contract: the ledger alone makes its events")
