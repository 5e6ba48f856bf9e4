"""Copying the items of an event store into a journal: both are gone through side by side, and what is missing is appended.

What is in the journal already is recognised by being what comes next in the store. So a copy that was stopped goes on where
it ended, one that is complete changes nothing, and going through both once more proves that they agree.
"""

from collections.abc import Callable, Iterator, Sequence

from tallystick.domain.batch.batch import numbered
from tallystick.domain.errors import PositionTaken, StorageUnavailable
from tallystick.infrastructure.imports.event_store.items import EventsourcingItems
from tallystick.infrastructure.journal.appending import append
from tallystick.infrastructure.journal.chain import rows_after
from tallystick.infrastructure.journal.clock import time_of_commit
from tallystick.infrastructure.journal.format import (
    Foreign,
    Head,
    JournalEvent,
    JournalRow,
    decode_events,
    encode_events,
    make_row,
    stream_of,
)
from tallystick.infrastructure.journal.port import Journal, Overtaken, StreamEntry

ROW_EVENTS = 1000
ROW_BYTES = 2 * 2**20
"""A row of the journal gets so many events at most, and so many bytes of topics and states, or one event alone."""

Done = Callable[[int], None]
"""Called with the number of items that are done."""


class EventsourcingCopy:
    """The items and the journal behind `begin`, gone through from the first item on.

    `done` items were found there or appended; `first_position` and `last_position` are those of the first and the last.
    """

    def __init__(self, journal: Journal, items: EventsourcingItems, begin: Head, progress: Done | None = None) -> None:
        self.done = self.first_position = self.last_position = 0
        self._journal = journal
        self._items = items
        self._rest = iter(items)
        self._next = next(self._rest, None)
        self._head = begin
        self._progress = progress

    @property
    def is_complete(self) -> bool:
        """Whether all items are in the journal."""
        return self._next is None

    def compare(self) -> None:
        """Goes on to the first item that is missing.

        Raises `PositionTaken` where something else stands in an item's place or somebody else has added to the application's
        streams meanwhile, and `CorruptJournal`.
        """
        for _ in self._read_on():
            self._tell()

    def append(self, clock: Callable[[], int]) -> None:
        """Appends the items that are missing, a row a commit; each has the time of `clock`.

        Raises the errors of storage, and those of `compare`; the rows before that stand, and the copy can be made again.
        """
        while self._next is not None:
            with self._journal.writing() as head:
                if head != self._head:
                    for _ in self._read_on():
                        pass  # others have appended, perhaps the same
                self._append_row(head, clock)
            self._tell()

    def _read_on(self) -> Iterator[JournalRow]:
        """The next rows of the journal, compared, while there are items."""
        rows = rows_after(self._journal, self._head)
        while self._next is not None and (row := next(rows, None)) is not None:
            for position, event in numbered(decode_events(row), row.first_position):
                self._compare(position, event)
            self._head = row.head()
            yield row

    def _compare(self, position: int, event: JournalEvent) -> None:
        item = self._next
        if item is None:
            return
        if event == item.event and item.position in (None, position):
            self._advance(position)
        elif item.position is not None or self._items.are_in(stream_of(event)):
            reason = f"{_described(event)} stands where {_described(item.event)} would"
            advice = "" if item.position is None else "; under new ids (renumber) an import goes behind what is there"
            raise PositionTaken(reason + advice, position=position)

    def _advance(self, position: int) -> None:
        self.first_position = self.first_position or position
        self.last_position = position
        self.done += 1
        self._next = next(self._rest, None)

    def _append_row(self, head: Head, clock: Callable[[], int]) -> None:
        events = self._take_row(head.position + 1)
        if not events:
            return
        recorded_at = time_of_commit(self._journal, head, clock)
        row = make_row(head.digest, head.position + 1, recorded_at, (), (len(events),), encode_events(events))
        try:
            append(self._journal, row, _entries(events, row.first_position))
        except Overtaken as error:
            raise StorageUnavailable(f"nothing was recorded: {error}") from error
        self._head = row.head()

    def _take_row(self, position: int) -> list[Foreign]:
        """The next items, as many as go into a row that begins at `position`."""
        events: list[Foreign] = []
        size = 0
        while self._next is not None and len(events) < ROW_EVENTS:
            event = self._next.event
            size += len(event.topic) + len(event.state)
            if events and size > ROW_BYTES:
                break
            events.append(event)
            self._advance(position)
            position += 1
        return events

    def _tell(self) -> None:
        if self._progress is not None:
            self._progress(self.done)


def _entries(events: Sequence[Foreign], first_position: int) -> list[StreamEntry]:
    entries: dict[str, StreamEntry] = {}
    for event in events:
        entry = entries.get(event.stream)
        first_version = event.version if entry is None else entry.first_version
        entries[event.stream] = StreamEntry(event.stream, first_version, event.version, first_position)
    return list(entries.values())


def _described(event: JournalEvent) -> str:
    if isinstance(event, Foreign):
        return f"version {event.version} of {event.stream!r}"
    return f"{type(event).__name__} of {stream_of(event)!r}"
