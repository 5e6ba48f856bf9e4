"""A journal as the log of everybody's events, which the recorders of an application share: reading, appending, and waiting.

Who waits for more is woken at once by what is recorded through the same log, and looks for what others record from time to
time: often at first, and then less and less until something comes.
"""

import threading
from collections.abc import Callable, Sequence

from tallystick.infrastructure.event_store.log.reader import EventReader
from tallystick.infrastructure.event_store.log.writer import EventWriter
from tallystick.infrastructure.journal.clock import system_time
from tallystick.infrastructure.journal.format import Foreign
from tallystick.infrastructure.journal.port import Journal
from tallystick.infrastructure.system.forked_children import close_in_children

POLL_SECONDS = 0.1
FIRST_POLL_SECONDS = 0.002


class EventLog:
    """Reads and appends events in `journal`; `clock` gives the time in microseconds since 1970 in UTC."""

    def __init__(self, journal: Journal, clock: Callable[[], int] = system_time) -> None:
        self.journal = journal
        self.reader = EventReader(journal)
        self._writer = EventWriter(journal, self.reader, clock)
        self._grown = threading.Condition()
        self._waiting = 0
        self._times_woken = 0
        close_in_children(self)

    def insert(self, events: Sequence[Foreign]) -> int:
        """Makes the events durable in one commit, and gives the first one's position; raises as `EventWriter.insert`."""
        position = self._writer.insert(events)
        self.wake()
        return position

    def end(self) -> int:
        """The position of the newest event; 0 where there is none."""
        return self.journal.head().position

    def wake(self) -> None:
        """Has those who wait look at once."""
        if self._waiting:  # who comes after this looks before it waits
            with self._grown:
                self._times_woken += 1
                self._grown.notify_all()

    def wait(self, position: int, until: Callable[[], bool]) -> int:
        """The newest event's position, once it is above `position` or `until` holds."""
        seconds = FIRST_POLL_SECONDS
        self._change_waiting(1)
        try:
            while True:
                times_woken = self._times_woken
                end = self.end()
                if end > position or until():
                    return end
                with self._grown:
                    if self._times_woken == times_woken:
                        self._grown.wait(seconds)
                seconds = min(2 * seconds, POLL_SECONDS)
        finally:
            self._change_waiting(-1)

    def close_in_child(self) -> None:
        """Those who wait are the parent's threads."""
        self._grown = threading.Condition()
        self._waiting = 0

    def _change_waiting(self, change: int) -> None:
        with self._grown:
            self._waiting += change
