"""Whether a movement is the way back of another."""

from collections.abc import Callable
from typing import Any

from tallystick.domain.events import Burned, Minted, Moved, Released
from tallystick.domain.operation import Operation
from tallystick.domain.reversal.decisions import counter_of
from tallystick.domain.reversal.original import Original
from tallystick.domain.token.operations import Burn, Mint, Release, Transfer


def takes_back(original: Original, event: Any) -> bool:
    """Whether the event is what takes as much of the original back as it moves."""
    kind: type[Any] = event.__class__
    asked = _ASKED.get(kind)
    return asked is not None and asked(event) == counter_of(original, event.amount, event.memo)


_ASKED: dict[type, Callable[[Any], Operation]] = {
    Moved: lambda event: Transfer(event.token, event.sender, event.receiver, event.amount, event.memo),
    Burned: lambda event: Burn(event.token, event.account, event.amount, event.memo),
    Minted: lambda event: Mint(event.token, event.account, event.amount, event.memo),
    Released: lambda event: Release(event.hold, event.amount, event.memo),
}
"""What an event is asked for as, by its type; others take nothing back."""
