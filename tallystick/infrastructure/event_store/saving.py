"""Saving events of an application within a transaction of the ledger: what `Application.save` does, in two halves.

First the events are only looked at and encoded, so nothing has to be put back where the transaction is refused. Once they
stand they are taken out of their aggregates, and the application is told, as it would be at the end of its own `save`.
"""

import logging
from collections.abc import Callable, Sequence
from typing import Any, cast

from eventsourcing.application import Application, ProcessingEvent
from eventsourcing.domain import CollectEventsProtocol, DomainEventProtocol
from eventsourcing.persistence import DataError, Notification, ProgrammingError, Recording

from tallystick.domain.errors import InvalidRequest
from tallystick.infrastructure.event_store.recorders.application_recorder import JournalRecorder
from tallystick.infrastructure.journal.format import Foreign
from tallystick.infrastructure.journal.port import Journal

_log = logging.getLogger("tallystick.save")


class ApplicationSave:
    """What one call saves. `is_void` where the block went back behind it.

    `is_taken` says of an event whether the block saves it already. Raises `InvalidRequest`.
    """

    is_void = False

    def __init__(
        self, application: object, objects: Sequence[object], journal: Journal, is_taken: Callable[[object], bool]
    ) -> None:
        self._application, self._recorder = _checked(application, journal)
        self._pending: list[tuple[list[object], list[object]]] = []
        self._seen: set[int] = set()
        self._processing = ProcessingEvent[Any]()
        for each in objects:
            self._look_at(each, is_taken)
        try:
            self._stored = [self._application.events.mapper.to_stored_event(event) for event in self.domain_events]
            self.events: Sequence[Foreign] = self._recorder.as_journal_events(self._stored)
        except (DataError, ProgrammingError) as error:
            raise InvalidRequest(str(error)) from error

    @property
    def domain_events(self) -> Sequence[Any]:
        """The events as the application knows them."""
        return self._processing.events

    def _look_at(self, each: Any, is_taken: Callable[[object], bool]) -> None:
        """Notes the events of an aggregate, which keeps them, or an event that was given as one."""
        if each is None:
            return
        if isinstance(each, DomainEventProtocol):
            self._processing.events.append(cast(Any, each))
            return
        if isinstance(each, CollectEventsProtocol):
            pending = getattr(each, "pending_events", None)
            if not isinstance(pending, list):
                raise InvalidRequest(f"an aggregate that is saved in a block has its events in a list pending_events: {each!r}")
            events = [event for event in cast(list[Any], pending) if id(event) not in self._seen and not is_taken(event)]
            self._seen.update(map(id, events))
            self._pending.append((cast(list[object], pending), events))
            self._processing.events += events
        aggregate: Any = each
        if not hasattr(aggregate, "id"):
            raise InvalidRequest(f"aggregates and their events are saved, not {aggregate!r}")
        self._processing.aggregates[aggregate.id] = aggregate

    def take_out(self) -> None:
        """The events stand: they are pending no more. What came after the call still is."""
        for pending, events in self._pending:
            saved = set(map(id, events))
            pending[:] = [event for event in pending if id(event) not in saved]

    def tell(self, first_position: int) -> None:
        """Has the application do what it does once events stand, the first of them at this position.

        Nothing that goes wrong in that makes the transaction undone, so it is logged and not raised.
        """
        application: Any = self._application
        recordings = [
            Recording(event, Notification(stored.originator_id, stored.originator_version, stored.topic, stored.state, id))
            for id, (event, stored) in enumerate(zip(self.domain_events, self._stored, strict=True), first_position)
        ]
        self._recorder.wake()
        for step in (
            self._cache,
            lambda: application._take_snapshots(self._processing),
            lambda: application._notify(recordings),
            lambda: application.notify(self._processing.events),
        ):
            try:
                step()
            except Exception:
                _log.exception("events of %s stand from position %d on; after that", application.name, first_position)

    def _cache(self) -> None:
        repository = self._application.repository
        if repository.cache and not repository.fastforward:
            for id, aggregate in self._processing.aggregates.items():
                repository.cache.put(id, aggregate)


def _checked(application: object, journal: Journal) -> tuple[Application[Any], JournalRecorder]:
    if not isinstance(application, Application):
        raise InvalidRequest(f"events are saved of an Application of the eventsourcing library, not of {application!r}")
    known = cast(Application[Any], application)
    recorder = known.events.recorder
    if not isinstance(recorder, JournalRecorder) or not journal.is_same(recorder.journal):
        raise InvalidRequest(f"{known.name} keeps its events elsewhere: one commit is in one journal, which is the ledger's")
    return known, recorder
