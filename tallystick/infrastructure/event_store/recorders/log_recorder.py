"""What recorders of the `eventsourcing` library over a journal have in common: the log, the application, and its ids."""

import re
from collections.abc import Callable
from typing import Literal
from uuid import UUID

from tallystick.infrastructure.event_store.log.log import EventLog
from tallystick.infrastructure.event_store.stream_names import EVENTS, GAPS, TRACKING
from tallystick.infrastructure.journal.clock import system_time
from tallystick.infrastructure.journal.port import Journal

IdType = Literal["uuid", "text"]

_UUID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class LogRecorder:
    """Records in `journal`, or in a log of it that others share, what is of `application` and serves `purpose`.

    A UUID names a stream by its canonical form. With `originator_id_type` "uuid" such a name is read back as a `UUID`, and
    any other, like a token's code, as it is; with "text" all are text. `clock` gives the time in microseconds since 1970 in
    UTC.
    """

    def __init__(
        self,
        journal: Journal | EventLog,
        originator_id_type: IdType = "uuid",
        clock: Callable[[], int] = system_time,
        *,
        application: str = "",
        purpose: str = EVENTS,
    ) -> None:
        if originator_id_type not in ("uuid", "text"):
            raise ValueError(f"originator_id_type is 'uuid' or 'text', not {originator_id_type!r}")
        self.originator_id_type: IdType = originator_id_type
        if purpose in (TRACKING, GAPS):
            raise ValueError(f"purpose {purpose!r} is for what is recorded otherwise")
        self.application = application
        self.purpose = purpose
        self._log = journal if isinstance(journal, EventLog) else EventLog(journal, clock)

    @property
    def journal(self) -> Journal:
        """Where it records."""
        return self._log.journal

    def _id(self, text: str) -> UUID | str:
        return UUID(text) if self.originator_id_type == "uuid" and _UUID.fullmatch(text) else text
