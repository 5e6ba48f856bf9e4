"""A reversal: that a movement took another one back, in whole or in part."""

from typing import NamedTuple


class Reversal(NamedTuple):
    """The movement at `position` takes `amount` of the movement `reverses` back."""

    position: int
    reverses: int
    amount: int
