"""The aggregates, which have one shape, and a token or a contract out of the events of its stream alone.

Each of the three has an `id`, begins with an event (`TokenState.registered_by`, `Contract.registered_by`,
`ValueObject.minted_by`), and is from then on what `apply(event)` makes of it. A token and a contract are large, and change; a
value object is small, and gives itself in its next state.

A token's or a contract's stream holds all that its cells and allocations need. What lies between streams does not come of one:
holds, the fragments that carry the money, and which accounts are special.
"""

from collections.abc import Mapping
from typing import Any, Protocol

from tallystick.domain.contract.contract import Contract
from tallystick.domain.events import BookEvent, ContractEvent, ContractRegistered, DomainEvent, FragmentEvent, TokenRegistered
from tallystick.domain.token.token_state import TokenState
from tallystick.domain.value_object.value_object import ValueObject
from tallystick.domain.values.curve import CURVES, CurveMaker


class Aggregate(Protocol):
    """What an aggregate is."""

    @property
    def id(self) -> str | int:
        """The token's code, the contract's id, or the fragment's number."""
        ...

    def apply(self, event: Any, /) -> object:
        """Makes the event's change, or gives what has changed by it."""
        ...


AGGREGATES: tuple[type[Aggregate], ...] = (TokenState, Contract, ValueObject)

StreamAggregate = TokenState | Contract
"""The aggregates that have a stream of their own; fragments are in their token's."""


def aggregate_after(
    event: DomainEvent, aggregate: StreamAggregate | None, version: int, curves: Mapping[str, CurveMaker] = CURVES
) -> StreamAggregate:
    """The aggregate after an event with the number `version` in its stream; None stands for one that was not there before.

    Batches are taken as the events of their rows. Raises `ValueError` where an event is not of this aggregate's stream.
    """
    if aggregate is None:
        aggregate = _registered_by(event, curves)
    elif not _is_of(event, aggregate):
        raise ValueError(f"no event of {type(aggregate).__name__} {aggregate.id}: {event!r}")
    elif not isinstance(event, FragmentEvent):
        aggregate.apply(event)  # pyright: ignore[reportArgumentType]
    if isinstance(aggregate, Contract):
        aggregate.forget()
    aggregate.version = version
    return aggregate


def _registered_by(event: DomainEvent, curves: Mapping[str, CurveMaker]) -> StreamAggregate:
    if isinstance(event, TokenRegistered):
        return TokenState.registered_by(event, curves)
    if isinstance(event, ContractRegistered):
        return Contract.registered_by(event)
    raise ValueError(f"a stream of the ledger begins with a registration, not with {event!r}")


def _is_of(event: DomainEvent, aggregate: StreamAggregate) -> bool:
    if isinstance(event, ContractEvent):
        return isinstance(aggregate, Contract) and event.contract == aggregate.id
    if isinstance(event, BookEvent):
        return False
    return isinstance(aggregate, TokenState) and event.token == aggregate.id
