"""The shelf: contracts that are not in memory are loaded from their own events, large ones from a snapshot and what followed.

The journal knows which commits hold a contract's events, so loading one reads those alone, however long the journal is.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor

from tallystick.domain.contract.contract import Contract
from tallystick.domain.errors import CorruptJournal
from tallystick.domain.events import AllocationEvent, BalanceEvent, ContractEvent, ContractRegistered
from tallystick.infrastructure.journal.format import decode_events
from tallystick.infrastructure.journal.port import Journal
from tallystick.infrastructure.snapshots.contract_snapshots import Anchor, ContractSnapshot, ContractSnapshots

SNAPSHOT_EVENTS = 1000
"""A contract is worth a snapshot once so many events, and a quarter of its allocations, were added to its last one."""

WAITING_MAX = 4


class ContractShelf:
    """Contracts of one journal. `anchor` says how far the books have read it, and which version a contract has there."""

    def __init__(self, journal: Journal, anchor: Callable[[str], Anchor]) -> None:
        self._journal = journal
        self._anchor = anchor
        self._snapshots = ContractSnapshots(journal.kept_cache_folder)
        self._writer: ThreadPoolExecutor | None = None
        self._waiting: list[Future[None]] = []
        self._snapshot_changes: dict[str, int] = {}
        self._last_read: tuple[int, dict[str, list[BalanceEvent | AllocationEvent]]] = (0, {})

    def forget(self) -> None:
        """The journal may not be what it was."""
        self._last_read = (0, {})

    def kept(self, ids: Iterable[str]) -> list[str]:
        """Which of these contracts may be loaded from a snapshot, and not from their events alone."""
        return self._snapshots.kept(ids)

    def load(self, id: str, backed_by: str | None) -> Contract:
        """The contract as its events up to the books' head have made it. Raises `CorruptJournal`."""
        head = self._anchor(id).position
        snapshot = self._snapshot(id, head)
        if snapshot is None:
            contract, version = Contract(id, backed_by), -1
        else:
            contract, version = snapshot.contract, snapshot.anchor.version
        self._snapshot_changes[id] = contract.changes
        for entry in self._journal.stream(id, gt=version):
            if entry.first_position > head:
                break
            for event in self._events(entry.first_position).get(id, ()):
                contract.apply(event)
            contract.forget()
        contract.forget()
        return contract

    def put_away(self, contract: Contract) -> None:
        """Takes a snapshot if the contract is worth one, in the background. It must not change any more."""
        if not self._worth_a_snapshot(contract):
            return
        self._waiting = [future for future in self._waiting if not future.done()]
        if len(self._waiting) >= WAITING_MAX:
            self._waiting.pop(0).result()
        if self._writer is None:
            self._writer = ThreadPoolExecutor(1, "snapshots")
        self._waiting.append(self._writer.submit(self._snapshots.save, contract, self._anchor(contract.id)))

    def close(self, contracts: Iterable[Contract]) -> None:
        """Puts all these away, and returns when that is done."""
        for contract in contracts:
            self.put_away(contract)
        if self._writer is not None:
            self._writer.shutdown()
            self._writer = None

    def _worth_a_snapshot(self, contract: Contract) -> bool:
        new = contract.changes - self._snapshot_changes.pop(contract.id, 0)
        return new >= max(SNAPSHOT_EVENTS, contract.num_allocs // 4) and self._journal.cache_folder is not None

    def _snapshot(self, id: str, head: int) -> ContractSnapshot | None:
        snapshot = self._snapshots.load(id)
        if snapshot is None or snapshot.anchor.position > head:
            return None
        row = self._journal.row_at(snapshot.anchor.position)
        anchored = row is not None and row.last_position == snapshot.anchor.position and row.digest == snapshot.anchor.digest
        return snapshot if anchored else None

    def _events(self, first_position: int) -> dict[str, list[BalanceEvent | AllocationEvent]]:
        """What one commit changed, by contract. The last one read is kept: many contracts are often in the same."""
        if self._last_read[0] != first_position:
            row = self._journal.row_at(first_position)
            if row is None:
                raise CorruptJournal("a stream's entry leads nowhere", position=first_position)
            events: defaultdict[str, list[BalanceEvent | AllocationEvent]] = defaultdict(list)
            for event in decode_events(row):
                if isinstance(event, ContractEvent) and not isinstance(event, ContractRegistered):
                    events[event.contract].append(event)
            self._last_read = (first_position, events)
        return self._last_read[1]
