"""Importing the event store of an application of the `eventsourcing` library, from its own recorders' SQLite or PostgreSQL.

Its events keep their notification ids, which are positions in the journal: so the journal has to be empty, and ids that are
missing in the store are filled with events that say nothing. With `renumber` they are appended behind whatever is there,
in the same order, under new ids.

The store is read as it is at one moment: first all is checked, then it is copied in rows of about a thousand events, then it
is read once more and compared with the journal, byte by byte. An import that was stopped is simply run again. A store to which
events were added since goes on too, as long as no snapshots or tracking were imported behind the older ones.
"""

from collections.abc import Callable

import msgspec

from tallystick.domain.errors import ImportDiffers, PositionTaken
from tallystick.infrastructure.imports.event_store.copying import EventsourcingCopy
from tallystick.infrastructure.imports.event_store.items import EventsourcingItems
from tallystick.infrastructure.imports.event_store.port import EventsourcingStore
from tallystick.infrastructure.imports.event_store.survey import survey
from tallystick.infrastructure.imports.report import Progress
from tallystick.infrastructure.journal.clock import system_time
from tallystick.infrastructure.journal.format import EMPTY, Head
from tallystick.infrastructure.journal.port import Journal


class EventsourcingReport(msgspec.Struct, frozen=True):
    """What was imported, and proved to be in the journal from `first_position` to `last_position` (0 where it is nothing).

    `tracking` are the applications that this one follows, `gaps` the missing notification ids that were filled. Of all these
    together `there_before` were in the journal already. `renumbered`: the events have new notification ids.
    """

    application: str
    events: int
    snapshots: int
    tracking: int
    gaps: int
    there_before: int
    renumbered: bool
    first_position: int
    last_position: int


def import_eventsourcing(
    journal: Journal,
    store: EventsourcingStore,
    *,
    renumber: bool = False,
    clock: Callable[[], int] = system_time,
    progress: Progress | None = None,
    checked: Progress | None = None,
    compared: Progress | None = None,
) -> EventsourcingReport:
    """Copies what is in `store` into `journal`; a second run changes nothing.

    `clock` gives the time in microseconds since 1970 in UTC. `checked` is called while the store is read for the first time,
    `progress` for the second and `compared` for the third. Before anything is written: `MalformedEvent`, `TooManyGaps`, and
    `PositionTaken` where the journal holds something else than the beginning of this import or, if `renumber`, other events
    of the application. After that `PositionTaken` where somebody else appends to the journal in between, and in the end
    `ImportDiffers` where it does not hold what the store does. `CorruptJournal` and the errors of storage at any time.
    """
    found = survey(store, renumber=renumber, checked=checked)
    items = EventsourcingItems(store, renumber=renumber)
    begin = _begin(journal, items) if renumber else EMPTY
    copy = EventsourcingCopy(journal, items, begin, progress)
    copy.compare()
    there_before = copy.done
    if not copy.is_complete:
        copy.append(clock)
        copy = _proved(EventsourcingCopy(journal, items, begin, compared))
    return EventsourcingReport(
        store.application,
        found.events,
        found.snapshots,
        found.tracking,
        found.missing,
        there_before,
        renumber,
        copy.first_position,
        copy.last_position,
    )


def _begin(journal: Journal, items: EventsourcingItems) -> Head:
    """Behind what the first item is, or will be, appended; `PositionTaken` where the application has events before that."""
    first = next(iter(items), None)
    entry = first and next(journal.stream(first.event.stream, first.event.version - 1, first.event.version), None)
    if entry is None:
        begin = journal.head()
    else:
        before = journal.row_at(entry.first_position - 1)
        begin = EMPTY if before is None else before.head()
    for other in journal.streams():
        if other.first_position <= begin.position and items.are_in(other.stream):
            reason = f"{other.stream!r} is there, and an application is imported where it has no events yet"
            raise PositionTaken(reason, position=other.first_position)
    return begin


def _proved(copy: EventsourcingCopy) -> EventsourcingCopy:
    """The copy, gone through to its end; `ImportDiffers` where it does not hold all items."""
    try:
        copy.compare()
    except PositionTaken as error:
        raise ImportDiffers(str(error), position=error.position) from error
    if not copy.is_complete:
        raise ImportDiffers(f"{copy.done} events are there and the next one is missing", position=copy.last_position + 1)
    return copy
