"""One aggregate out of the events of its stream alone, for those who want a token or a contract and not the whole books.

A stream holds all that its aggregate's cells and allocations need. What lies between streams does not come of one: holds, the
fragments that carry the money, and which accounts are special.
"""

from collections.abc import Mapping

from tallystick.domain.contract.contract import Contract
from tallystick.domain.events import ContractEvent, ContractRegistered, DomainEvent, FragmentEvent, TokenRegistered
from tallystick.domain.token.registration import registered_token
from tallystick.domain.token.token_state import TokenState
from tallystick.domain.values.curve import CURVES, CurveMaker

Aggregate = TokenState | Contract


def aggregate_after(
    event: DomainEvent, aggregate: Aggregate | None, version: int, curves: Mapping[str, CurveMaker] = CURVES
) -> Aggregate:
    """The aggregate after an event with the number `version` in its stream; None stands for one that was not there before.

    Batches are taken as the events of their rows. Raises `ValueError` where an event is not of this aggregate's stream.
    """
    if aggregate is None:
        aggregate = _registered(event, curves)
    elif isinstance(aggregate, Contract):
        if not isinstance(event, ContractEvent) or event.contract != aggregate.id:
            raise ValueError(f"no event of contract {aggregate.id}: {event!r}")
        aggregate.apply(event)  # pyright: ignore[reportArgumentType]
        aggregate.forget()
    elif isinstance(event, ContractEvent) or event.token != aggregate.id:
        raise ValueError(f"no event of token {aggregate.id}: {event!r}")
    elif not isinstance(event, FragmentEvent):
        aggregate.apply(event)  # pyright: ignore[reportArgumentType]
    aggregate.version = version
    return aggregate


def _registered(event: DomainEvent, curves: Mapping[str, CurveMaker]) -> Aggregate:
    if isinstance(event, TokenRegistered):
        return TokenState(registered_token(event, curves))
    if isinstance(event, ContractRegistered):
        return Contract(event.contract, event.backed_by)
    raise ValueError(f"a stream of the ledger begins with a registration, not with {event!r}")
