"""Holds as users see them: what was put into escrow, and every leg by which it left.

A hold is told from the event that opened it and from those that drew from it. What is left in one that is open is said by the
books; one that they do not have open was drawn to nothing.
"""

from datetime import datetime
from typing import Any, Literal

from tallystick.domain.events import Released, Reserved, Settled
from tallystick.domain.values.instant import from_microseconds
from tallystick.domain.values.result import Amount, Result


class Leg(Result, frozen=True):
    """What left a hold at once: `amount`, in the token's smallest unit, to `receiver`.

    `kind`: "settle" where the authority paid it, "release" where it went back to the payer, "expire" where it did because the
    hold was due. It is the transaction `transaction_id`, which the journal took at `recorded_at`.
    """

    kind: Literal["settle", "release", "expire"]
    receiver: str
    amount: Amount
    transaction_id: int
    recorded_at: datetime


class Hold(Result, frozen=True):
    """Money of `payer` in the keeping of `authority`, under an `id` that no other hold has.

    `amount` was reserved, and `remaining` of it is still held, in the smallest unit of `token`; the rest left by its `legs`,
    oldest first. From `expires_at` on it can only be released; None is never. `reserved_at` and `memo` are those of the
    transaction that opened it, at `position`.
    """

    id: str
    token: str
    payer: str
    authority: str
    amount: Amount
    remaining: Amount
    expires_at: datetime | None
    reserved_at: datetime
    memo: str
    position: int
    legs: tuple[Leg, ...]

    @property
    def is_open(self) -> bool:
        """Whether something is still held."""
        return self.remaining > 0

    def is_due(self, now: datetime) -> bool:
        """Whether its time has come at `now`, an aware datetime: from then on it can only be released."""
        return self.expires_at is not None and self.expires_at <= now


class HoldStory:
    """One hold as it is told, event after event."""

    def __init__(self, id: str, remaining: int) -> None:
        self.id = id
        self._remaining = remaining
        self._opened: tuple[int, int, Reserved] | None = None
        self._legs: list[Leg] = []
        self._drawn = self._upto = 0

    @property
    def is_complete(self) -> bool:
        """Whether it was opened, and all that is not left was drawn."""
        return self._opened is not None and self._drawn >= self._opened[2].amount - self._remaining

    def apply(self, position: int, recorded_at: int, event: Any) -> None:
        """Takes an event of this hold, or passes it over where it is not the next, or all is known."""
        if type(event) not in _OF_HOLDS or event.hold != self.id or position <= self._upto or self.is_complete:
            return
        self._upto = position
        if isinstance(event, Reserved):
            self._opened = self._opened or (position, recorded_at, event)
        elif self._opened is not None:
            self._legs.append(_leg(position, recorded_at, event))
            self._drawn += event.amount

    def hold(self) -> Hold | None:
        """The hold; None where it was not opened."""
        if self._opened is None:
            return None
        position, recorded_at, event = self._opened
        return Hold(
            id=self.id,
            token=event.token,
            payer=event.payer,
            authority=event.authority,
            amount=event.amount,
            remaining=self._remaining,
            expires_at=None if event.expires_at is None else from_microseconds(event.expires_at),
            reserved_at=from_microseconds(recorded_at),
            memo=event.memo,
            position=position,
            legs=tuple(self._legs),
        )


_OF_HOLDS = frozenset((Reserved, Settled, Released))


def _leg(position: int, recorded_at: int, event: Settled | Released) -> Leg:
    if isinstance(event, Settled):
        return Leg("settle", event.receiver, event.amount, position, from_microseconds(recorded_at))
    kind = "expire" if event.expired else "release"
    return Leg(kind, event.payer, event.amount, position, from_microseconds(recorded_at))
