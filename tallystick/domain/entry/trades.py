"""Trades: what was bought and sold on the curves of apps in an entry, told from its movements."""

from collections.abc import Sequence
from typing import ClassVar

from tallystick.domain.entry.kinds import Movement
from tallystick.domain.events import Burned, Minted, Moved
from tallystick.domain.values.result import Amount, Result


class Trade(Result, frozen=True):
    """A trade of `account` on the curve of `app`, as it was executed: its `side` is "buy" or "sell".

    Of a buy, `paid` is in settlement units and includes the owner's spread, and `received` in units of the app's token; of a
    sell it is the other way round. `transaction_id` is the id of the trade's first movement.
    """

    _counted_in: ClassVar[str | None] = None

    app: str
    side: str
    account: str
    paid: Amount
    received: Amount
    transaction_id: int


def trades(movements: Sequence[Movement]) -> list[Trade]:
    """The trades among an entry's movements, in order. What is bought for an app's holders is none: it is a distribution."""
    found: list[Trade] = []
    legs: list[Movement] = []
    for movement in movements:
        if movement.kind not in ("buy", "sell"):
            continue
        legs.append(movement)
        if movement.kind == "buy" and isinstance(movement.event, Minted):
            found.append(_bought(legs, movement.event))
            legs = []
        elif movement.kind == "sell" and isinstance(movement.event, Moved):
            found += _sold(legs, movement.event)
            legs = []
    return found


def _bought(legs: Sequence[Movement], minted: Minted) -> Trade:
    paid = sum(leg.event.amount for leg in legs if isinstance(leg.event, Moved))
    return Trade(minted.token, "buy", minted.account, paid, minted.amount, legs[0].position)


def _sold(legs: Sequence[Movement], proceeds: Moved) -> list[Trade]:
    return [
        Trade(leg.event.token, "sell", proceeds.receiver, leg.event.amount, proceeds.amount, leg.position)
        for leg in legs
        if isinstance(leg.event, Burned)
    ]
