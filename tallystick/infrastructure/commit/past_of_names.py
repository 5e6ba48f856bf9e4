"""What became of a name before: whether it is somebody's, told from the whole journal, outside every lock."""

from collections.abc import Sequence
from typing import Any

import msgspec

from tallystick.domain.batch.batch import numbered, read_batch
from tallystick.domain.effects import effects
from tallystick.domain.events import BATCHES, FRAGMENT_EVENTS, Allocated, ContractEvent, Deallocated, Distributed, Event
from tallystick.infrastructure.journal.format import decode_events, may_hold_batches
from tallystick.infrastructure.journal.port import Journal

_PASSED_OVER = (*FRAGMENT_EVENTS, Distributed)


def is_somebodys(journal: Journal, head: int, account: str, numbers: dict[str, tuple[int, Sequence[str]]]) -> bool:
    """Whether, up to `head`, anything ever left what the account can spend or was held by it, or a contract allocates it
    something.

    `numbers` are, by token, the account's number in batches and the names of all that have one, where batches named it.
    """
    name = msgspec.json.encode(account)
    contracts: set[str] = set()
    for row in journal.rows():
        if row.first_position > head:
            break
        body = row.body
        if name not in body and b"\\" not in body and not (numbers and may_hold_batches(body)):
            continue
        for _, event in numbered(decode_events(row), row.first_position):
            if isinstance(event, Allocated) and event.account == account:
                contracts.add(event.contract)
            elif isinstance(event, Deallocated) and event.account == account:
                contracts.discard(event.contract)
            elif isinstance(event, Event) and _gives(event, account, numbers):
                return True
    return bool(contracts)


def _gives(event: Any, account: str, numbers: dict[str, tuple[int, Sequence[str]]]) -> bool:
    if isinstance(event, (*_PASSED_OVER, ContractEvent)):
        return False
    if not isinstance(event, BATCHES):
        return any(cell == account and (available < 0 or held) for cell, available, held in effects(event))
    if event.token not in numbers:
        return False
    number, names = numbers[event.token]
    batch = read_batch(event, names)
    rows = (batch.event(row) for row in batch.rows_of(number))
    return any(cell == account and available < 0 for row in rows for cell, available, _ in effects(row))
