"""The aggregate of one fragment of money: what it is for life, and the states that it goes through.

    mint:    nothing -> Alive
    reserve: Alive -> Reserved
    release: Reserved -> Alive
    burn:    Alive -> Burned, Reserved -> Burned; Burned is final

A value object never changes: every transition gives another one, and one that the state does not allow is refused. This is the
plain form, which says what a fragment is. `ValueObjects` keeps those of a whole token as packed integers, which is the fast
form; it is tested against this one.
"""

import enum
from typing import Self

import msgspec

from tallystick.domain.errors import IllegalTransition
from tallystick.domain.events import (
    FragmentEvent,
    FragmentsBurned,
    FragmentsMinted,
    FragmentsMintedMany,
    FragmentsReleased,
    FragmentsReserved,
    RunsBurnedMany,
    RunsMintedMany,
    RunsReleasedMany,
    RunsReservedMany,
)
from tallystick.domain.values.amount import check_amount
from tallystick.domain.values.result import Amount, Result


class FragmentState(enum.Enum):
    """Alive -> Reserved -> Alive, Alive -> Burned, Reserved -> Burned; Burned is final."""

    ALIVE = "alive"
    RESERVED = "reserved"
    BURNED = "burned"


class ValueObject(Result, frozen=True):
    """One fragment: `amount` smallest units of `token` that are the `owner`'s, under an `id` that no other fragment ever has.

    One whose `state` is reserved names the `hold` it lies under and keeps its payer. `mint` and `minted_by` make one;
    `reserve`, `release` and `burn` give it in its next state, `apply` in that after an event. They raise `IllegalTransition`
    where its state does not allow that.
    """

    id: int
    token: str
    owner: str
    amount: Amount
    state: FragmentState
    hold: str | None = None

    @classmethod
    def mint(cls, id: int, token: str, owner: str, amount: int) -> Self:
        """A new fragment, alive. Raises `InvalidAmount`."""
        return cls(id, token, owner, check_amount(amount), FragmentState.ALIVE)

    @classmethod
    def minted_by(cls, event: FragmentsMinted | RunsMintedMany) -> list[Self]:
        """The fragments that began with `event`; a `FragmentsMintedMany` stands for one such event a row (`fragments_of`)."""
        if isinstance(event, RunsMintedMany):
            amounts = [amount for amount, count in zip(event.amounts, event.counts, strict=True) for _ in range(count)]
            event = FragmentsMinted(event.token, event.owner, event.first_id, amounts)
        return [cls.mint(id, event.token, event.owner, amount) for id, amount in enumerate(event.amounts, event.first_id)]

    def reserve(self, hold: str) -> Self:
        """Held under `hold`, until it pays somebody or its owner gets it back."""
        if self.state is not FragmentState.ALIVE:
            raise self._refused(f"reserved under {hold!r}")
        return msgspec.structs.replace(self, state=FragmentState.RESERVED, hold=hold)

    def release(self) -> Self:
        """Its owner's to spend again."""
        if self.state is not FragmentState.RESERVED:
            raise self._refused("released")
        return msgspec.structs.replace(self, state=FragmentState.ALIVE, hold=None)

    def burn(self) -> Self:
        """Ended, whether it was alive or reserved."""
        if self.state is FragmentState.BURNED:
            raise self._refused("burned")
        return msgspec.structs.replace(self, state=FragmentState.BURNED, hold=None)

    def apply(self, event: FragmentEvent) -> Self:
        """The fragment after `event`: this very one where that names others."""
        if event.token != self.token or not _names(event, self.id):
            return self
        match event:
            case FragmentsMinted() | FragmentsMintedMany() | RunsMintedMany():
                raise self._refused("minted")
            case FragmentsReserved() | RunsReservedMany():
                return self.reserve(event.hold)
            case FragmentsReleased() | RunsReleasedMany():
                if event.hold != self.hold:
                    raise self._refused(f"released from {event.hold!r}")
                return self.release()
            case FragmentsBurned() | RunsBurnedMany():
                return self.burn()

    def _refused(self, change: str) -> IllegalTransition:
        state = self.state.value if self.hold is None else f"{self.state.value} under {self.hold!r}"
        return IllegalTransition(token=self.token, fragment=self.id, state=state, change=change)


def _names(event: FragmentEvent, id: int) -> bool:
    """Whether the event is one of the fragment with this id."""
    match event:
        case FragmentsMinted():
            return event.first_id <= id < event.first_id + len(event.amounts)
        case FragmentsMintedMany():
            return event.first_id <= id < event.first_id + event.count
        case RunsMintedMany():
            return event.first_id <= id < event.first_id + sum(event.counts)
        case RunsBurnedMany() | RunsReservedMany() | RunsReleasedMany():
            return any(first <= id < first + count for first, count in zip(event.first_ids, event.counts, strict=True))
        case _:
            return id in event.ids
