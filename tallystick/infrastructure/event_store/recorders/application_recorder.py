"""The sequence of an application's events in a journal, by position: its own, and the ledger's between them.

Other applications' events in the same journal are left out, and so are snapshots and what is tracked. So notification ids rise
and may have gaps.
"""

from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import islice
from typing import Any
from uuid import UUID

from eventsourcing import persistence
from eventsourcing.persistence import Notification, StoredEvent

from tallystick.infrastructure.event_store.errors import in_library_errors
from tallystick.infrastructure.event_store.recorders.aggregate_recorder import JournalAggregateRecorder
from tallystick.infrastructure.event_store.recorders.subscription import JournalSubscription
from tallystick.infrastructure.event_store.stored_events import notification, topic_of
from tallystick.infrastructure.journal.format import Foreign, JournalEvent, stream_of

IDS_KEPT = 100_000


class JournalRecorder(JournalAggregateRecorder, persistence.ApplicationRecorder):
    """Records and reads the events of `application` in `journal`. Notification ids are positions."""

    _newest: tuple[int, int | None] = (0, None)

    @cached_property
    def _ids(self) -> dict[str, UUID | str | None]:
        """What the application knows somebody's streams by; None for one that is not the application's."""
        return {}

    def insert_events(self, stored_events: Sequence[StoredEvent], **kwargs: Any) -> Sequence[int]:
        """Makes the events durable as one commit, all or nothing, and gives their positions; raises as the base does."""
        return list(self._insert(stored_events))

    @in_library_errors
    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> Sequence[Notification]:
        """The events from position `start` (or the one after it) to `stop`, of `topics` if any, up to `limit`."""
        first = 1 if start is None else max(1, start if inclusive_of_start else start + 1)
        return list(islice(self._notifications(first, limit, stop, frozenset(topics)), limit))

    @in_library_errors
    def max_notification_id(self) -> int | None:
        """The position of the newest event that `select_notifications` gives; None where there is none."""
        looked_to, newest = self._newest
        end = self._log.end()
        if end < looked_to:  # an older journal was put there
            looked_to, newest = 0, None
        newest = self._log.reader.last(self._is_given, looked_to, end) or newest
        self._newest = (end, newest)
        return newest

    def subscribe(self, gt: int | None = None, topics: Sequence[str] = ()) -> JournalSubscription:
        """The events above position `gt`, of `topics` if any, and then those that are yet to come."""
        return JournalSubscription(self, self._log, gt, topics)

    def wake(self) -> None:
        """Has the subscriptions of this recorder look at once whether there is something new."""
        self._log.wake()

    def _notifications(self, start: int, size: int, stop: int | None, topics: frozenset[str]) -> Iterator[Notification]:
        ids = self._ids
        for position, version, event in self._log.reader.events(start, stop, size):
            if isinstance(event, Foreign):
                id = ids[event.stream] if event.stream in ids else self._learn_id(event.stream)
                if id is None:
                    continue
            else:
                id = stream_of(event)
            if not topics or topic_of(event) in topics:
                yield notification(id, version, event, position)

    def _is_given(self, event: JournalEvent) -> bool:
        return not isinstance(event, Foreign) or self._space.id_of(event.stream) is not None

    def _learn_id(self, stream: str) -> UUID | str | None:
        """What the application knows somebody's stream by; None where it is not the application's."""
        if len(self._ids) >= IDS_KEPT:
            self._ids.clear()
        text = self._space.id_of(stream)
        id = self._ids[stream] = None if text is None else self._id(text)
        return id
