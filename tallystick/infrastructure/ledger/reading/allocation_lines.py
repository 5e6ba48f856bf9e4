"""The history of an allocation: what each change of a contract did to one account's part, with what it was after it.

An account's part changes by its own events and, where it has one, by those that change all at once in proportion; and these
round as the contract's own rules do. So the contract is made again out of its stream, and asked after each event.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Literal

from tallystick.domain.batch.batch import numbered
from tallystick.domain.contract.contract import Allocation, Contract, allocation_of
from tallystick.domain.errors import CorruptJournal
from tallystick.domain.events import (
    Allocated,
    AllShadowsLowered,
    AllShadowsRaised,
    ContractEvent,
    ContractRegistered,
    Deallocated,
    ShadowLowered,
    ShadowRaised,
)
from tallystick.domain.values.instant import from_microseconds
from tallystick.domain.values.result import Result, Sati
from tallystick.infrastructure.journal.format import JournalRow
from tallystick.infrastructure.ledger.core import LedgerCore
from tallystick.infrastructure.ledger.reading.lines.entries import EntryEvents, entries_of

AllocationKind = Literal["alloc", "dealloc", "shadow_up", "shadow_down", "shadow_up_all", "shadow_down_all"]
_KINDS: dict[type[Any], AllocationKind] = {
    Allocated: "alloc",
    Deallocated: "dealloc",
    ShadowRaised: "shadow_up",
    ShadowLowered: "shadow_down",
    AllShadowsRaised: "shadow_up_all",
    AllShadowsLowered: "shadow_down_all",
}


class AllocationLine(Result, frozen=True):
    """What one event did to the allocation of `account` in a `contract`.

    It changed by `change`, and the `allocation` after it is None where the account has none from there on. `kind` is the call
    that recorded it; `position` is the event's, and `entry_id` the first of its atomic block. `memo` is the event's,
    `reference` the block's or None, and it was `recorded_at` and had `occurred_at` then.
    """

    _counted_in = None

    position: int
    entry_id: int
    kind: AllocationKind
    contract: str
    account: str
    change: Sati
    allocation: Allocation | None
    memo: str
    reference: str | None
    recorded_at: datetime
    occurred_at: datetime


def allocation_lines(core: LedgerCore, contract: str, account: str) -> list[AllocationLine]:
    """All lines of an account's allocation, the oldest first; `ContractNotFound`, `InvalidAccount`."""
    with core.locked():
        core.reach_head()
        id, account = core.books.contract(contract).id, core.books.spelled(account)
    made: Contract | None = None
    lines: list[AllocationLine] = []
    for entry in _entries_of_stream(core, id):
        for position, event in numbered(entry.events, entry.first_position):
            if not isinstance(event, ContractEvent) or event.contract != id:
                continue
            if isinstance(event, ContractRegistered):
                made = Contract.registered_by(event)
                continue
            if made is None:
                raise CorruptJournal(f"contract {id} changes before it is registered", position=position)
            was = made.sati_of(account)
            made.apply(event)  # pyright: ignore[reportArgumentType]
            made.forget()
            concerns = getattr(event, "account", account) == account and type(event) in _KINDS
            if concerns and (was is not None or isinstance(event, Allocated)):
                lines.append(_line(entry, position, event, account, was, made.sati_of(account)))
    return lines


def _entries_of_stream(core: LedgerCore, stream: str) -> Iterator[EntryEvents]:
    for part in core.journal.stream(stream):
        row: JournalRow | None = core.journal.row_at(part.first_position)
        if row is None:
            raise CorruptJournal("no row holds what a stream names", position=part.first_position)
        yield from entries_of(row)


def _line(entry: EntryEvents, position: int, event: Any, account: str, was: int | None, now: int | None) -> AllocationLine:
    return AllocationLine(
        position,
        entry.first_position,
        _KINDS[type(event)],
        event.contract,
        account,
        (now or 0) - (was or 0),
        None if now is None else allocation_of(now),
        event.memo,
        entry.details.reference,
        from_microseconds(entry.recorded_at),
        from_microseconds(entry.details.occurred_at),
    )
