"""Making the changes of a batch: the event of its rows, and what that event, new or read back, does to a token's cells."""

import numpy as np

from tallystick.domain.arithmetic.columns import Column, Numbers
from tallystick.domain.batch.batch import fragments_of, read_batch
from tallystick.domain.batch.carrying import carry_batch
from tallystick.domain.batch.columns import pack
from tallystick.domain.batch.notes import Notes
from tallystick.domain.batch.request import BatchRequest
from tallystick.domain.batch.transfer_ids import TransferIds
from tallystick.domain.errors import PlanTooLarge
from tallystick.domain.events import (
    BatchEvent,
    BurnedMany,
    DomainEvent,
    FragmentsMintedMany,
    MintedMany,
    MovedMany,
    NotedBurnedMany,
    NotedMintedMany,
    NotedMovedMany,
)
from tallystick.domain.token.token_state import TokenState
from tallystick.domain.value_object.fragments import ValueObjects


def record_batch(state: TokenState, fragments: ValueObjects | None, request: BatchRequest, position: int) -> list[DomainEvent]:
    """Makes the changes of a batch all of whose rows were accepted, the first at `position`; gives the events.

    Raises `PlanTooLarge` where its fragments are too many, and then it changes nothing.
    """
    event = event_of(state, request)
    if fragments is None:
        apply_batch(state, event)
        return [event]
    _number(state, event)
    try:
        return [event, *carry_batch(state, fragments, request, position)]
    except PlanTooLarge:
        state.numbering.remove(len(event.names))
        raise


def event_of(state: TokenState, request: BatchRequest) -> BatchEvent:
    """The event that says that all rows of `request` happened."""
    token, count, memo = request.token, len(request), request.memo
    amounts = pack(request.amounts)
    ids = b"" if request.ids is None else request.ids.to_bytes()
    columns = [column for column in (request.givers, request.takers) if column is not None]
    numbers, new = state.numbering.number(np.concatenate(columns), len(state.names))
    names = [state.names[handle] for handle in new]
    notes = request.notes.written()
    if request.givers is not None and request.takers is not None:
        places = pack(numbers[:count]), pack(numbers[count:])
        if notes is None:
            return MovedMany(token, count, names, *places, amounts, memo, ids)
        return NotedMovedMany(token, count, names, *places, amounts, memo, ids, notes)
    if notes is None:
        kind = MintedMany if request.givers is None else BurnedMany
        return kind(token, count, names, pack(numbers), amounts, memo, ids)
    noted = NotedMintedMany if request.givers is None else NotedBurnedMany
    return noted(token, count, names, pack(numbers), amounts, memo, ids, notes)


def apply_batch(state: TokenState, event: BatchEvent) -> None:
    """Moves what the rows move."""
    _number(state, event)
    state.move_many(*_rows(state, event))


def rows_of(state: TokenState, event: BatchEvent) -> BatchRequest:
    """The rows of the next batch, as they could be asked for; its names have their numbers from here on. `ValueError`."""
    _number(state, event)
    givers, takers, amounts = _rows(state, event)
    ids = TransferIds.of_bytes(event.ids) if event.ids else None
    return BatchRequest(event.token, givers, takers, amounts, event.memo, ids, False, Notes.read(event))


def revert_batch(state: TokenState, event: BatchEvent) -> None:
    """Takes back the newest batch applied."""
    givers, takers, amounts = _rows(state, event)
    state.move_many(takers, givers, amounts)
    state.numbering.remove(len(event.names))


def mint_fragments(state: TokenState, fragments: ValueObjects, event: FragmentsMintedMany) -> None:
    """Makes the fragments of `event`, whose owners it names by number."""
    for minted in fragments_of(event, state.numbered_names):
        fragments.apply(minted)


def _number(state: TokenState, event: BatchEvent) -> None:
    state.numbering.add(map(state.handle, event.names))


def _rows(state: TokenState, event: BatchEvent) -> tuple[Column | None, Column | None, Numbers]:
    """The givers and takers by handle, None where that is the supply reserve, and the amounts."""
    batch = read_batch(event, state.numbered_names)
    handles_of = state.numbering.handles_of
    givers = None if batch.senders is None else handles_of(batch.senders)
    return givers, None if batch.receivers is None else handles_of(batch.receivers), batch.amounts
