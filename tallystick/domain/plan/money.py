"""Money taken from an owner within a plan, to be divided and sent on until nothing is left.

`tx.money` takes it, `slice` divides it, and sending, burning or reserving consumes a part. When the block ends all that
was taken must have been used: a remainder that nobody decided about is an error, and not change that silently stays.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol

from tallystick.domain.arithmetic.shares import largest_remainder
from tallystick.domain.cells import check_holder
from tallystick.domain.errors import InvalidAmount
from tallystick.domain.values.amount import check_amount
from tallystick.domain.values.token import Token


class Spending(Protocol):
    """What a purse asks of the plan that it belongs to."""

    def open_purse(self, purse: "Purse") -> None: ...
    def set_remaining(self, purse: "Purse", amount: int) -> None: ...
    def check_usable(self, purse: "Purse") -> None: ...
    def savepoint(self) -> AbstractContextManager[None]: ...
    def spend_transfer(self, purse: "Purse", receiver: str, amount: int, memo: str) -> None: ...
    def spend_burn(self, purse: "Purse", amount: int, memo: str) -> None: ...
    def spend_reserve(self, purse: "Purse", authority: str, amount: int, expires_at: datetime | None, memo: str) -> str: ...


class Purse:
    """What `Money` and `MoneySlice` have in common: an owner's money of which `remaining` is not decided about yet."""

    def __init__(self, plan: Spending, token: Token, owner: str) -> None:
        self._plan = plan
        self._token = token
        self.owner = owner
        self.remaining = 0
        self.void = False
        plan.open_purse(self)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.remaining} {self.token} from {self.owner}>"

    @property
    def token(self) -> str:
        """The code of the token."""
        return self._token.code

    def slice(self, amount: int) -> "MoneySlice":
        """A part of `amount` smallest units; `InvalidAmount` where that is zero or more than remains."""
        self._plan.check_usable(self)
        if check_amount(amount) > self.remaining:
            raise InvalidAmount(f"{amount} {self.token} cannot be sliced from the {self.remaining} remaining")
        part = MoneySlice(self._plan, self._token, self.owner)
        self._plan.set_remaining(self, self.remaining - amount)
        self._plan.set_remaining(part, amount)
        return part

    def transfer_to(self, receiver: str, *, memo: str = "") -> None:
        """Sends what remains; where nothing does, nothing is recorded."""
        self._plan.spend_transfer(self, receiver, self.remaining, memo)

    def burn(self, *, memo: str = "") -> None:
        """Burns what remains; where nothing does, nothing is recorded."""
        self._plan.spend_burn(self, self.remaining, memo)

    def reserve(self, authority: str, expires_at: datetime | None = None, *, memo: str = "") -> str | None:
        """Puts what remains into `authority`'s keeping, and gives the hold's id; None where nothing remains."""
        if not self.remaining:
            self._plan.check_usable(self)
            return None
        return self._plan.spend_reserve(self, authority, self.remaining, expires_at, memo)

    def split(self, weights: Mapping[str, int], *, memo: str = "") -> dict[str, int]:
        """Sends what remains in shares as the weights are to each other, by largest remainder; gives each one's share."""
        self._plan.check_usable(self)
        if not isinstance(weights, Mapping):
            raise InvalidAmount(f"a split maps receivers to weights, not {weights!r}")
        receivers = [check_holder(self._token, receiver) for receiver in weights]
        shares = dict(zip(receivers, largest_remainder(self.remaining, list(weights.values())), strict=True))
        with self._plan.savepoint():
            for receiver, share in shares.items():
                self._plan.spend_transfer(self, receiver, share, memo)
        return shares


class Money(Purse):
    """Money taken with `tx.money`: all of it must be sliced or sent before the block ends."""


class MoneySlice(Purse):
    """A part of money: it must be consumed, or sliced up, before the block ends."""
