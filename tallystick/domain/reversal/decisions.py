"""Deciding a reversal: how much of the original is left, and the movement that takes it back, by the rules of today.

What a transfer or a settlement brought is transferred back, what was minted is burned and what was burned is minted; of what
was reserved, that which is still held is released. A movement that takes another back is an ordinary one, and can be taken
back itself: the first original stays taken back.
"""

from collections.abc import Callable, Sequence
from typing import Any

from tallystick.domain.dispatch import Rules
from tallystick.domain.errors import AlreadyReversed
from tallystick.domain.events import Burned, DomainEvent, Minted, Moved, Reserved, Settled
from tallystick.domain.operation import Operation
from tallystick.domain.reversal.operations import Reverse
from tallystick.domain.reversal.original import Original
from tallystick.domain.token.decisions import TOKEN_RULES
from tallystick.domain.token.operations import Burn, Mint, Release, Transfer
from tallystick.domain.values.reversal import Reversal
from tallystick.domain.view import View


def decide_reversal(view: View, operation: Reverse, now: int) -> Sequence[DomainEvent]:
    """`AlreadyReversed` where less is left than is asked for, or nothing; then as the movement that takes it back."""
    original = operation.original
    left = left_of(view, original)
    amount = left if operation.amount is None else operation.amount
    if amount > left or not left:
        asked = operation.amount or original.event.amount
        raise AlreadyReversed(decimals=decimals_of(view, original), id=original.id, amount=asked, left=left)
    counter = counter_of(original, amount, operation.memo)
    return TOKEN_RULES[type(counter)](view, counter, now)


def counter_of(original: Original, amount: int, memo: str) -> Operation:
    """The movement that takes so much of the original back."""
    return _COUNTERS[type(original.event)](original.event, original.payer, amount, memo)


def left_of(view: View, original: Original) -> int:
    """How much of the original can still be taken back: of what was reserved, what is still held."""
    event = original.event
    if isinstance(event, Reserved):
        hold = view.hold(event.hold)
        return 0 if hold is None else hold.amount
    return event.amount - view.reversed_amount(original.id)


def decimals_of(view: View, original: Original) -> int:
    """The decimals in which people write its amount."""
    return view.token_state(original.event.token).token.decimals


def reversal_by(operation: Reverse, events: Sequence[DomainEvent], position: int) -> Reversal:
    """What the operation's events, the first of which stands at `position`, take back."""
    taking: Any = events[0]
    return Reversal(position, operation.original.id, taking.amount)


_COUNTERS: Rules[Callable[[Any, str | None, int, str], Operation]] = Rules(
    {
        Moved: lambda event, payer, amount, memo: Transfer(event.token, event.receiver, event.sender, amount, memo),
        Settled: lambda event, payer, amount, memo: Transfer(event.token, event.receiver, payer or "", amount, memo),
        Minted: lambda event, payer, amount, memo: Burn(event.token, event.account, amount, memo),
        Burned: lambda event, payer, amount, memo: Mint(event.token, event.account, amount, memo),
        Reserved: lambda event, payer, amount, memo: Release(event.hold, amount, memo),
    }
)
"""What takes an event back. The payer is that of the hold from which it settled."""
