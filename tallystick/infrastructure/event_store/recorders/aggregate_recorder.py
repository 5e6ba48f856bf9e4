"""Streams of stored events in a journal: what the `eventsourcing` library keeps its aggregates, and their snapshots, with.

Each call of `insert_events` is recorded as one commit, so it has positions, digests and audits like all else, and a ledger may
be open on the same journal. The ledger's own streams are read here too: a token's by its code and a contract's by its id, an
event's topic being its class and its state the JSON that stands in the journal. Only the ledger adds to those.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import Any
from uuid import UUID

from eventsourcing import persistence
from eventsourcing.persistence import IntegrityError, StoredEvent

from tallystick.domain.events import ACCOUNTS_STREAM
from tallystick.infrastructure.event_store.errors import in_library_errors
from tallystick.infrastructure.event_store.log.writer import foreign
from tallystick.infrastructure.event_store.recorders.log_recorder import LogRecorder
from tallystick.infrastructure.event_store.stored_events import stored_event
from tallystick.infrastructure.event_store.stream_names import EVENTS, SNAPSHOTS, StreamSpace
from tallystick.infrastructure.journal.format import Foreign
from tallystick.infrastructure.journal.port import VERSION_MAX

OWN_KEPT = 100_000


class JournalAggregateRecorder(LogRecorder, persistence.AggregateRecorder):
    """Records and reads streams of stored events.

    Of snapshots, one that is older than the newest of its aggregate is not kept.
    """

    @cached_property
    def _space(self) -> StreamSpace:
        return StreamSpace(self.application, self.purpose)

    @cached_property
    def _own(self) -> set[str]:
        """Streams that the application is known to have."""
        return set()

    def insert_events(self, stored_events: Sequence[StoredEvent], **kwargs: Any) -> Sequence[int] | None:
        """Makes the events durable as one commit, all or nothing.

        Raises `IntegrityError` where a version is not above its stream's last one or the stream is a token's, and what
        `library_errors` lists. After an `OperationalError` caused by `OutcomeUnknown` the events may stand; after any other
        error nothing was recorded.
        """
        if self.purpose != SNAPSHOTS:
            self._insert(stored_events)
            return None
        while True:
            newer = [event for event in stored_events if not self._is_older(event)]
            try:
                self._insert(newer)
                return None
            except IntegrityError:  # somebody else may have been faster with a newer one
                if not any(map(self._is_older, newer)):
                    raise

    @in_library_errors
    def select_events(
        self,
        originator_id: UUID | str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> Sequence[StoredEvent]:
        """The events of a stream with versions above `gt` up to `lte`, the newest first if `desc`, up to `limit`.

        Where the application has no such stream, the ledger's of this name is read.
        """
        above = -1 if gt is None else max(-1, min(gt, VERSION_MAX))
        upto = VERSION_MAX if lte is None else max(-1, min(lte, VERSION_MAX))
        text = str(originator_id)
        own = self._space.stream_of(text)
        read = self._log.reader.stream
        found = read(own, above, upto, descending=desc, limit=limit)
        if not found and self._may_be_ledgers(text, own):
            found = [
                event for event in read(text, above, upto, descending=desc, limit=limit) if not isinstance(event[1], Foreign)
            ]
        id = self._id(text)
        return [stored_event(id if isinstance(event, Foreign) else text, version, event) for version, event in found]

    def as_journal_events(self, stored_events: Sequence[StoredEvent]) -> list[Foreign]:
        """The events as the journal keeps them. Raises the library's `DataError` where it cannot."""
        stream_of = self._space.stream_of
        return [foreign(stream_of(event.originator_id), event) for event in stored_events]

    @in_library_errors
    def _insert(self, stored_events: Sequence[StoredEvent], *others: Foreign) -> range:
        """Makes the events durable, and some others in the same commit; gives the positions of the first ones."""
        events = [*self.as_journal_events(stored_events), *others]
        if not events:
            return range(0)
        position = self._log.insert(events)
        return range(position, position + len(stored_events))

    def _may_be_ledgers(self, text: str, own: str) -> bool:
        """Whether a token or a contract may be meant: the application has no stream of this name. It is looked up once."""
        if own in self._own or own == text or (" " in text and text != ACCOUNTS_STREAM) or self.purpose != EVENTS:
            return False
        if self._log.journal.last_entries([own]):
            if len(self._own) >= OWN_KEPT:
                self._own.clear()
            self._own.add(own)
            return False
        return True

    @in_library_errors
    def _is_older(self, event: StoredEvent) -> bool:
        stream = self._space.stream_of(event.originator_id)
        newest = self._log.journal.last_entries([stream]).get(stream)
        return newest is not None and event.originator_version < newest.last_version
