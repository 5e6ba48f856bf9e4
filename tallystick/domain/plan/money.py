"""Money taken from an owner within a plan, to be divided and sent on until nothing is left.

`tx.money` takes it, `slice` divides it, and sending, burning or reserving consumes a part. When the block ends all that
was taken must have been used: a remainder that nobody decided about is an error, and not change that silently stays.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import cast

from tallystick.domain.arithmetic.shares import floors, largest_remainder
from tallystick.domain.errors import InvalidAccount, InvalidAmount
from tallystick.domain.plan.due_date import due_date
from tallystick.domain.plan.purse import Purse
from tallystick.domain.plan.recording import Recording
from tallystick.domain.plan.savepoint import Savepoint
from tallystick.domain.token.operations import Burn, Reserve, Transfer
from tallystick.domain.values.amount import check_amount
from tallystick.domain.values.memo import check_memo


class PlannedMoney:
    """What `Money` and `MoneySlice` have in common: an owner's money, of which some is not decided about yet."""

    def __init__(self, recording: Recording, purse: Purse) -> None:
        self._recording = recording
        self._purse = purse

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.remaining} {self.token} from {self.owner}>"

    @property
    def token(self) -> str:
        """The code of the token."""
        return self._purse.token.code

    @property
    def owner(self) -> str:
        """The account from which it was taken."""
        return self._purse.owner

    @property
    def remaining(self) -> int:
        """How many smallest units are not decided about yet."""
        return self._purse.remaining

    def slice(self, amount: int) -> "MoneySlice":
        """A part of `amount` smallest units; `InvalidAmount` where that is zero or more than remains."""
        recording, purse = self._recording, self._purse
        recording.check_usable(purse)
        amount = check_amount(amount)
        if amount > purse.remaining:
            asked, left = (purse.token.format(each) for each in (amount, purse.remaining))
            raise InvalidAmount(f"{asked} {self.token} cannot be sliced from the {left} remaining")
        part = recording.open_purse(purse.token, purse.owner, is_slice=True)
        recording.set_remaining(purse, purse.remaining - amount)
        recording.set_remaining(part, amount)
        return MoneySlice(recording, part)

    def slices(self, weights: Mapping[str, int], remainder_to: str | None = None) -> dict[str, "MoneySlice"]:
        """What remains, sliced as the weights are to each other: a slice for each name, which may be any text.

        What does not divide is shared as `split` does. A slice of nothing need not be consumed.
        """
        recording, purse = self._recording, self._purse
        recording.check_usable(purse)
        shares = _shares(purse.remaining, weights, remainder_to)
        parts = {name: recording.open_purse(purse.token, purse.owner, is_slice=True) for name in shares}
        recording.set_remaining(purse, 0)
        for name, part in parts.items():
            recording.set_remaining(part, shares[name])
        return {name: MoneySlice(recording, part) for name, part in parts.items()}

    def transfer_to(self, receiver: str, *, memo: str = "") -> None:
        """Sends what remains; where nothing does, nothing is recorded."""
        self._send(receiver, self._purse.remaining, memo)

    def burn(self, *, memo: str = "") -> None:
        """Burns what remains; where nothing does, nothing is recorded."""
        recording, purse = self._recording, self._purse
        recording.check_usable(purse)
        amount = purse.remaining
        recording.spend(purse, amount, Burn(purse.token.code, purse.owner, amount, check_memo(memo)))

    def reserve(
        self, authority: str, expires_at: datetime | None = None, *, expires_in: timedelta | None = None, memo: str = ""
    ) -> str | None:
        """Puts what remains into `authority`'s keeping, and gives the hold's id; None where nothing remains.

        It falls due as with the block's `reserve`.
        """
        recording, purse = self._recording, self._purse
        recording.check_usable(purse)
        amount = purse.remaining
        if not amount:
            return None
        token = purse.token.code
        keeper = recording.token_state(token).holder(authority)
        due = due_date(recording.surroundings, expires_at, expires_in)
        hold = recording.surroundings.new_hold_id()
        recording.spend(purse, amount, Reserve(token, purse.owner, keeper, amount, hold, due, check_memo(memo)))
        return hold

    def split(self, weights: Mapping[str, int], remainder_to: str | None = None, *, memo: str = "") -> dict[str, int]:
        """Sends what remains in shares as the weights are to each other, and gives each one's share; they sum to the whole.

        Everybody gets the floor of the exact share. The units that are left go to the largest remainders, one each and of equal
        ones to who is named first; or all of them to `remainder_to`, who may have a weight or none. `InvalidAmount`.
        """
        purse = self._purse
        self._recording.check_usable(purse)
        if isinstance(weights, Mapping):
            holder = self._recording.token_state(purse.token.code).holder
            named = {holder(receiver): weight for receiver, weight in weights.items()}
            if len(named) < len(weights):
                raise InvalidAccount("a receiver is named twice: an address is the same one in any case")
            weights = named
            remainder_to = None if remainder_to is None else holder(remainder_to)
        shares = _shares(purse.remaining, weights, remainder_to)
        with Savepoint(self._recording):
            for receiver, share in shares.items():
                self._send(receiver, share, memo)
        return shares

    def _send(self, receiver: str, amount: int, memo: str) -> None:
        recording, purse = self._recording, self._purse
        recording.check_usable(purse)
        token = purse.token.code
        holder = recording.token_state(token).holder(receiver)
        recording.spend(purse, amount, Transfer(token, purse.owner, holder, amount, check_memo(memo)))


class Money(PlannedMoney):
    """Money taken with `tx.money`: all of it must be sliced or sent before the block ends."""


class MoneySlice(PlannedMoney):
    """A part of money: it must be consumed, or sliced up, before the block ends."""


def _shares(whole: int, weights: object, remainder_to: str | None) -> dict[str, int]:
    if not isinstance(weights, Mapping):
        raise InvalidAmount(f"money is divided by a mapping of names to weights, not by {weights!r}")
    named = cast(Mapping[str, int], weights)
    if remainder_to is None:
        return dict(zip(named, largest_remainder(whole, list(named.values())), strict=True))
    if type(remainder_to) is not str:
        raise InvalidAmount(f"the remainder of a division goes to a name, not to {remainder_to!r}")
    shares = dict(zip(named, floors(whole, list(named.values())), strict=True))
    shares[remainder_to] = shares.get(remainder_to, 0) + whole - sum(shares.values())
    return shares
