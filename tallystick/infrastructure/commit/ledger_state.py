"""The state of a ledger: the books, and beside them all that is derived from the journal up to one head.

It is made of rows, one after another: of a row that was just committed the books have the changes already and the rest is
noted, and a row that was read is applied first. What is derived beside the books are the idempotency keys, the ids of
transfers, the references of entries, how far each stream has come, and how much the journal has grown since the last snapshot.
"""

from collections.abc import Mapping, Sequence
from typing import cast

from tallystick.domain.batch.batch import numbered
from tallystick.domain.books.books import Books
from tallystick.domain.contract.contract import FrozenContract
from tallystick.domain.events import DomainEvent
from tallystick.domain.values.curve import CurveMaker
from tallystick.infrastructure.commit.idempotency import UsedKeys
from tallystick.infrastructure.indexes.keys import KeyIndex
from tallystick.infrastructure.indexes.references import ReferenceIndex
from tallystick.infrastructure.indexes.runs.checked_words import DamagedRun
from tallystick.infrastructure.indexes.transfer_ids import TransferIdIndex
from tallystick.infrastructure.journal.details import reversals_of
from tallystick.infrastructure.journal.format import (
    EMPTY,
    Foreign,
    Head,
    JournalEvent,
    JournalRow,
    Key,
    decode_keys,
    may_hold_batches,
    may_hold_foreign,
)
from tallystick.infrastructure.journal.port import Journal, StreamEntry
from tallystick.infrastructure.journal.stream_versions import StreamVersions
from tallystick.infrastructure.snapshots.contract_shelf import ContractShelf
from tallystick.infrastructure.snapshots.contract_snapshots import Anchor
from tallystick.infrastructure.snapshots.keeper import Restored, SnapshotKeeper
from tallystick.infrastructure.snapshots.snapshots import IDS, KEYS, REFERENCES, FrozenState, Part


class LedgerState:
    """The state at `head`. Whoever keeps it guards it by a lock; `is_void` while it is not to be trusted."""

    def __init__(self, journal: Journal, contracts_in_memory: int, curves: Mapping[str, CurveMaker]) -> None:
        self._journal = journal
        self._shelf = ContractShelf(journal, self._anchor)
        self.books = Books(self._shelf, contracts_in_memory, curves)
        self.snapshots = SnapshotKeeper(journal)
        self.keys = UsedKeys(journal, self.books.is_app)
        self.transfer_ids = TransferIdIndex()
        self.references = ReferenceIndex()
        self.reset()

    def reset(self) -> None:
        """Makes it as empty as a new one."""
        self.is_void = True  # until all of it is done, should this be interrupted
        self.books.reset()
        self._shelf.forget()
        self.head = EMPTY
        self.keys.close()
        self.keys = UsedKeys(self._journal, self.books.is_app)
        self.transfer_ids.close()
        self.transfer_ids = TransferIdIndex(self._journal.cache_folder)
        self.references.close()
        self.references = ReferenceIndex(self._journal.cache_folder)
        self.versions = StreamVersions()
        self.is_void = False

    def close(self) -> None:
        """Writes what is being written, puts the contracts in memory on the shelf, and gives up what lies on disk."""
        self.snapshots.close()
        self._shelf.close(self.books.contracts.in_memory())
        self.keys.close()
        self.transfer_ids.close()
        self.references.close()

    # Row after row.

    def note(
        self, row: JournalRow, events: Sequence[JournalEvent], keys: Sequence[Key], entries: Sequence[StreamEntry]
    ) -> None:
        """The row stands, and the books have its changes."""
        index = self.keys.index
        if keys and index is not None:
            index.add(keys, row.first_position)
        self.versions.advance(entries)
        self.head = Head(row.last_position, row.digest, row.recorded_at)  # a call is measurable when reading on
        if may_hold_batches(row.body):
            self.transfer_ids.note(events)
        if row.details is not None:
            self.references.note(row, events)
            self.snapshots.grown_bytes += len(row.details)
        self.books.forget(row.recorded_at)
        self.snapshots.grown_bytes += len(row.body)

    def apply(self, row: JournalRow, events: Sequence[JournalEvent]) -> None:
        """Makes the changes of the next row, which has these events, and notes it.

        Raises `LookupError`, `ArithmeticError`, `ValueError` or `CorruptJournal` where they cannot have happened, or are not
        understood; what was begun is not undone then.
        """
        own = events
        if may_hold_foreign(row.body):
            own = self._apply_own(events, row.first_position)
        else:
            self.books.apply_commit(cast(Sequence[DomainEvent], events), row.first_position)
        if row.details is not None:
            for reversal in reversals_of(row, events):
                self.books.reversals.add(reversal)
        self.note(row, own, decode_keys(row), self.versions.entries(own, row))

    def _apply_own(self, events: Sequence[JournalEvent], position: int) -> list[JournalEvent]:
        """Applies the events that are not somebody else's, and gives those."""
        own: list[JournalEvent] = []
        for at, event in numbered(events, position):
            if isinstance(event, Foreign):
                if " " not in event.stream:  # a token or a contract may get this name
                    self.versions.set(event.stream, event.version)
            else:
                self.books.apply(event, at)
                own.append(event)
        return own

    # Kept beside the journal.

    def freeze(self) -> FrozenState:
        """All of it as it is now, copied where it may change. Raises `DamagedRun`."""
        parts: dict[str, Part] = {IDS: self.transfer_ids.freeze(), REFERENCES: self.references.freeze()}
        if self.keys.index is not None:
            parts[KEYS] = self.keys.index.freeze()
        return FrozenState(self.head, self.books.freeze(), self.versions.freeze(), parts)

    def freeze_contracts(self) -> list[FrozenContract]:
        """Those that are in memory, as they are now; others are on the shelf."""
        return [contract.freeze() for contract in self.books.contracts.in_memory()]

    def restore(self) -> None:
        """Goes on from the newest snapshot of which everything can be read, if there is one; nothing is in it yet."""
        while (restored := self.snapshots.restore(self.books)) is not None:
            try:
                self._load_parts(restored)
            except (DamagedRun, LookupError):
                self.snapshots.discard()
                self.reset()
                continue
            self.versions = StreamVersions(restored.versions)
            self.head = restored.head
            return

    def _load_parts(self, restored: Restored) -> None:
        parts, folder, cache = restored.parts, restored.folder, self._journal.cache_folder
        if self.keys.index is not None:
            index = KeyIndex.load(folder / KEYS, parts[KEYS], cache)
            self.keys.close()
            self.keys = UsedKeys(self._journal, self.books.is_app, index)
        ids = TransferIdIndex.load(folder / IDS, parts[IDS], cache)
        self.transfer_ids.close()
        self.transfer_ids = ids
        references = ReferenceIndex.load(folder / REFERENCES, parts[REFERENCES], cache)
        self.references.close()
        self.references = references

    def _anchor(self, contract: str) -> Anchor:
        return Anchor(self.head.position, self.head.digest, self.versions.of(contract))
