"""One fragment as the journal tells it, from the entry that minted it to the one that ended it."""

from typing import Self

import msgspec

from tallystick.domain.events import FragmentEvent
from tallystick.domain.value_object.value_object import FragmentState, ValueObject


class RecordedFragment(ValueObject, frozen=True):
    """A value object of any state, and the ids of the entries in which it became what it is.

    `id`, `token`, `owner`, `amount`, `state` and `hold` are those of every value object, with the same transitions. `minted_in`
    is where it began, `held_in` where it was reserved last, None where it is not held and was not when it ended, and `ended_in`
    where it was burned, None while it lives.
    """

    minted_in: int = 0
    held_in: int | None = None
    ended_in: int | None = None

    def after(self, entry: int, event: FragmentEvent) -> Self:
        """The fragment after an event of this entry, which may be one of others. Raises `IllegalTransition`."""
        fragment = self.apply(event)
        if fragment is self:
            return self
        match fragment.state:
            case FragmentState.RESERVED:
                return msgspec.structs.replace(fragment, held_in=entry)
            case FragmentState.ALIVE:
                return msgspec.structs.replace(fragment, held_in=None)
            case FragmentState.BURNED:
                return msgspec.structs.replace(fragment, ended_in=entry)
