"""The `eventsourcing` library's view of event counters, kept in a journal: each step's change is recorded with its tracking."""

from collections import Counter
from typing import Any

from eventsourcing.persistence import Tracking
from eventsourcing.tests.projection import EventCountersView

from tallystick.infrastructure.recorders import JournalTrackingRecorder


class CountersInJournal(JournalTrackingRecorder, EventCountersView):
    """Counts what was recorded by any of the applications that it may follow."""

    followed = ("upstream", "Application", "DCBApplication")

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._counts: Counter[bytes] = Counter()
        self._counted_to = dict.fromkeys(self.followed, 0)

    def get_created_event_counter(self) -> int:
        return self._count(b"created")

    def get_subsequent_event_counter(self) -> int:
        return self._count(b"subsequent")

    def incr_created_event_counter(self, tracking: Tracking) -> None:
        self.insert_change(tracking, b"created")

    def incr_subsequent_event_counter(self, tracking: Tracking) -> None:
        self.insert_change(tracking, b"subsequent")

    def _count(self, kind: bytes) -> int:
        for name, counted in self._counted_to.items():
            for tracking, change in self.select_changes(name, gt=counted):
                self._counts[change] += 1
                self._counted_to[name] = tracking.notification_id
        return self._counts[kind]
