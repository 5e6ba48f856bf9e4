"""The operation that takes a movement back."""

from tallystick.domain.operation import Operation
from tallystick.domain.reversal.original import Original


class Reverse(Operation, frozen=True):
    """`amount` of what `original` did is taken back, or all of it that is left."""

    original: Original
    amount: int | None
    memo: str
