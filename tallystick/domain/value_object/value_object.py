"""A value object: one fragment of money, and how it ends."""

import enum

import msgspec


class FragmentState(enum.Enum):
    """Alive -> Reserved -> Alive, Alive -> Burned, Reserved -> Burned; Burned is final."""

    ALIVE = "alive"
    RESERVED = "reserved"
    BURNED = "burned"


class ValueObject(msgspec.Struct, frozen=True):
    """One fragment: `amount` smallest units of `token` that are the `owner`'s, under an `id` that no other fragment ever has.

    One whose `state` is reserved names the `hold` it lies under and keeps its payer.
    """

    id: int
    token: str
    owner: str
    amount: int
    state: FragmentState
    hold: str | None = None
