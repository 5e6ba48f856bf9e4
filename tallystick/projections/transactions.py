"""The recorded transactions: every movement of money with who gave, who got, how much and why.

One event that moves money is one transaction, and its position is the transaction's id. Money that enters from the supply
reserve has no sender, and money that leaves into it no receiver; `burned_amount` left the sender and `minted_amount` reached
the receiver.
"""

from datetime import datetime
from typing import Any

from tallystick.domain.effects import RESERVE, effects
from tallystick.domain.entry.kinds import Kind
from tallystick.domain.events import RECORDED, MoneyEvent
from tallystick.domain.values.instant import from_microseconds
from tallystick.domain.values.result import Amount, Result


class Transaction(Result, frozen=True):
    """One movement of money in `token`: from `sender` to `receiver`, None for the supply reserve, with its `memo`.

    `burned_amount` is what the sender gave and `minted_amount` what the receiver got, in the token's smallest unit. `hold`
    names the hold it opened or drew from. Its `id` is its `position` in the journal, which took it at `recorded_at`.
    `entry_id` is the first position of the atomic block that it belongs to, and `kind` says which operation it was part of;
    both are None where it is told from its own event alone. It happened at `occurred_at`, which is `recorded_at` where nothing
    else is said, and `reference` is that of its block, or of its row of a batch.
    """

    id: int
    token: str
    sender: str | None
    receiver: str | None
    burned_amount: Amount
    minted_amount: Amount
    memo: str
    recorded_at: datetime
    position: int
    hold: str | None = None
    entry_id: int | None = None
    kind: Kind | None = None
    occurred_at: datetime | None = None
    reference: str | None = None


def parties(event: MoneyEvent) -> tuple[str | None, str | None]:
    """Who gave and who got; None stands for the supply reserve."""
    (giver, _, _), (taker, _, _) = effects(event)
    return (None if giver == RESERVE else giver), (None if taker == RESERVE else taker)


def transaction_of(
    position: int,
    recorded_at: int,
    event: Any,
    entry_id: int | None = None,
    kind: Kind | None = None,
    occurred_at: int | None = None,
    reference: str | None = None,
) -> Transaction | None:
    """The transaction that an event records; None where the event moves no money."""
    if not isinstance(event, RECORDED):
        return None
    sender, receiver = parties(event)
    return Transaction(
        id=position,
        token=event.token,
        sender=sender,
        receiver=receiver,
        burned_amount=0 if sender is None else event.amount,
        minted_amount=0 if receiver is None else event.amount,
        memo=event.memo,
        recorded_at=from_microseconds(recorded_at),
        position=position,
        hold=getattr(event, "hold", None),
        entry_id=entry_id,
        kind=kind,
        occurred_at=from_microseconds(recorded_at if occurred_at is None else occurred_at),
        reference=reference,
    )


class Transactions:
    """Every transaction by its id, oldest first: `state[id]` is a `Transaction`."""

    name = "transactions"
    version = 1

    def __init__(self) -> None:
        self.state: dict[int, Transaction] = {}

    def apply(self, position: int, recorded_at: int, event: Any, /) -> None:
        """Adds one event."""
        transaction = transaction_of(position, recorded_at, event)
        if transaction is not None:
            self.state[position] = transaction
