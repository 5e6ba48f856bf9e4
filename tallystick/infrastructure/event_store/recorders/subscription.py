"""Events as they are recorded, by whomever: once each and in the order of the journal.

Nothing is missed, because a commit that is visible has every commit before it visible too: writers follow each other.
"""

from collections import deque
from collections.abc import Sequence

from eventsourcing.persistence import ApplicationRecorder, Notification, Subscription

from tallystick.infrastructure.event_store.errors import in_library_errors
from tallystick.infrastructure.event_store.log.log import EventLog

PULL_LIMIT = 500
PULL_SPAN = 20_000
"""So many positions are looked through before it is asked again whether to stop."""


class JournalSubscription(Subscription[ApplicationRecorder]):
    """The notifications of `recorder` above position `gt`, of `topics` if any. Iterating waits for more until `stop`."""

    def __init__(self, recorder: ApplicationRecorder, log: EventLog, gt: int | None = None, topics: Sequence[str] = ()) -> None:
        super().__init__(recorder, gt, topics)
        self._log = log
        self._ready: deque[Notification] = deque()
        self._position = self._given = gt or 0

    def stop(self) -> None:
        """Ends the iteration, from whatever thread."""
        super().stop()
        self._log.wake()

    @in_library_errors
    def __next__(self) -> Notification:
        while not self._has_been_stopped:
            if self._ready:
                notification = self._ready.popleft()
                if notification.id > self._given:  # else somebody was interrupted
                    self._given = notification.id
                    return notification
                continue
            end = self._log.wait(self._position, lambda: self._has_been_stopped)
            if end > self._position:
                self._pull(min(end, self._position + PULL_SPAN))
        raise StopIteration

    def _pull(self, end: int) -> None:
        self._ready.extend(
            self._recorder.select_notifications(self._position, PULL_LIMIT, end, self._topics, inclusive_of_start=False)
        )
        self._position = self._ready[-1].id if len(self._ready) == PULL_LIMIT else end
