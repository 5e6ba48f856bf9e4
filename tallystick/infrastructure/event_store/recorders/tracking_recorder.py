"""How far the events of applications were processed, in a journal: a projection's view tracks them, and a process application.

What was tracked of an application is a stream, whose versions are the notification ids, so it only rises. With each step goes
what it changed in a view, if the view keeps that here: both are one commit, and a view that is made anew takes up all changes.
"""

from collections.abc import Iterator, Sequence
from functools import cached_property
from threading import Event
from time import monotonic
from typing import Any

from eventsourcing import persistence
from eventsourcing.persistence import StoredEvent, Tracking, WaitInterruptedError

from tallystick.infrastructure.event_store.errors import in_library_errors
from tallystick.infrastructure.event_store.log.writer import foreign
from tallystick.infrastructure.event_store.recorders.application_recorder import JournalRecorder
from tallystick.infrastructure.event_store.recorders.log_recorder import LogRecorder
from tallystick.infrastructure.event_store.stream_names import TRACKING, StreamSpace
from tallystick.infrastructure.journal.format import Foreign
from tallystick.infrastructure.journal.port import PAGE_ROWS, VERSION_MAX


class JournalTrackingRecorder(LogRecorder, persistence.TrackingRecorder):
    """Tracks what `application`, or the projection of this name, has processed; views are subclasses."""

    @cached_property
    def _tracked(self) -> StreamSpace:
        return StreamSpace(self.application, TRACKING)

    def insert_tracking(self, tracking: Tracking) -> None:
        """Makes it durable that an application's events were processed so far.

        Raises `IntegrityError` where as much was tracked before, and what `library_errors` lists.
        """
        self.insert_change(tracking, b"")

    @in_library_errors
    def insert_change(self, tracking: Tracking, change: bytes) -> None:
        """The same, together with what processing the event changed in a view. Raises as `insert_tracking`."""
        self._log.insert([self._step(tracking, change)])

    def select_changes(self, application_name: str, gt: int | None = None) -> Iterator[tuple[Tracking, bytes]]:
        """What was tracked of an application above the notification id `gt`, in order, and what it changed.

        Raises what `library_errors` lists.
        """
        above = -1 if gt is None else gt
        while page := self._changes(application_name, above):
            yield from page
            above = page[-1][0].notification_id

    @in_library_errors
    def _changes(self, application_name: str, above: int) -> list[tuple[Tracking, bytes]]:
        found = self._log.reader.stream(self._tracked.stream_of(application_name), above, VERSION_MAX, limit=PAGE_ROWS)
        return [(Tracking(application_name, version), event.state) for version, event in found if isinstance(event, Foreign)]

    @in_library_errors
    def max_tracking_id(self, application_name: str) -> int | None:
        """The notification id up to which an application's events were processed; None where none was."""
        stream = self._tracked.stream_of(application_name)
        newest = self._log.journal.last_entries([stream]).get(stream)
        return None if newest is None else newest.last_version

    @in_library_errors
    def wait(
        self, application_name: str, notification_id: int | None, timeout: float = 1.0, interrupt: Event | None = None
    ) -> None:
        """Returns when the application's events were processed up to `notification_id`.

        Raises `TimeoutError` when that takes longer than `timeout` seconds, `WaitInterruptedError` when `interrupt` is set.
        """
        deadline = monotonic() + timeout

        def is_over() -> bool:
            return monotonic() >= deadline or (interrupt is not None and interrupt.is_set())

        end = self._log.end()
        while not self.has_tracking_id(application_name, notification_id):
            if interrupt is not None and interrupt.is_set():
                raise WaitInterruptedError
            if monotonic() >= deadline:
                raise TimeoutError(f"{application_name} was not processed up to {notification_id} in {timeout} s")
            end = self._log.wait(end, is_over)

    def _step(self, tracking: Tracking, change: bytes) -> Foreign:
        stream = self._tracked.stream_of(tracking.application_name)
        return foreign(stream, StoredEvent(stream, tracking.notification_id, "", change))


class JournalProcessRecorder(JournalTrackingRecorder, JournalRecorder, persistence.ProcessRecorder):
    """Records the events of a process application, and in the same commit how far it has processed others' events."""

    def insert_events(self, stored_events: Sequence[StoredEvent], **kwargs: Any) -> Sequence[int]:
        """Makes the events, and `tracking` if it is given, durable as one commit, and gives the events' positions.

        Raises as `JournalRecorder.insert_events`, and `IntegrityError` where as much was tracked before.
        """
        tracking: Tracking | None = kwargs.get("tracking")
        steps = () if tracking is None else (self._step(tracking, b""),)
        return list(self._insert(stored_events, *steps))
