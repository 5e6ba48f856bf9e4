"""Saving in a block: events of applications of the `eventsourcing` library, in one commit with the block's money.

The library is imported by the first call that saves, and by nothing that does without.
"""

from typing import TYPE_CHECKING, Any

from tallystick.domain.errors import InvalidRequest
from tallystick.domain.plan.plan import Plan
from tallystick.domain.plan.recording import Recording
from tallystick.infrastructure.commit.saved_events import SavedEvents
from tallystick.infrastructure.journal.port import Journal

if TYPE_CHECKING:
    from tallystick.infrastructure.event_store.saving import ApplicationSave


class Saves:
    """What one block saves, call by call."""

    def __init__(self, recording: Recording, journal: Journal) -> None:
        self._recording = recording
        self._journal = journal
        self._calls: list[ApplicationSave] = []
        self._by_event: dict[int, ApplicationSave] = {}

    def add(self, application: Any, objects: tuple[Any, ...]) -> None:
        """Looks at what is pending now. Raises `InvalidRequest`, and `TransactionClosed` where the block has ended."""
        self._recording.check_open()
        try:
            from tallystick.infrastructure.event_store.saving import ApplicationSave
        except ImportError as error:
            raise InvalidRequest(f"saving needs the eventsourcing library: {error}") from error
        call = ApplicationSave(application, objects, self._journal, self._is_taken)
        self._recording.take_along(call)
        self._calls.append(call)
        self._by_event.update((id(event), call) for event in call.domain_events)

    def finished(self) -> SavedEvents | None:
        """All that the block saves; None where that is nothing. Raises `InvalidRequest`."""
        self._calls = [call for call in self._calls if not call.is_void]
        events = [event for call in self._calls for event in call.events]
        return SavedEvents(events) if events else None

    def take_out(self) -> None:
        """The events stand, or there were none: aggregates have them pending no more."""
        for call in self._calls:
            call.take_out()

    def tell(self, saved: SavedEvents | None) -> None:
        """Has the applications do what they do once their events stand."""
        position = 0 if saved is None else saved.first_position
        for call in self._calls:
            call.tell(position)
            position += len(call.events)

    def _is_taken(self, event: object) -> bool:
        call = self._by_event.get(id(event))
        return call is not None and not call.is_void


class SavingPlan(Plan):
    """A plan that takes along events of applications."""

    _saves: Saves | None = None

    def save(self, application: Any, *aggregates: Any) -> None:
        """Saves pending events of an application's aggregates, or events, in one commit with the block's money, or neither.

        The application keeps its events in this ledger's journal, by `PERSISTENCE_MODULE=tallystick.recorders`.
        What is pending now is saved, once, when the block ends; until that stands, the aggregates have it pending. After that
        the application does what follows its own `save`: snapshots, cache, `notify`; what goes wrong there is logged, as
        `tallystick.save`, and not raised.

        Raises `InvalidRequest` where the journal is another, or an event cannot be kept there. Where a version is taken by the
        end of the block, that raises `Conflict`.
        """
        if self._saves is None:
            self._saves = Saves(self._recording, self._ledgers_journal())
        self._saves.add(application, aggregates)

    def _ledgers_journal(self) -> Journal:
        raise NotImplementedError
