"""The rules of rounding that this version knows, by the number that an event carries.

An event that shares an amount says by which rule, so that a replay of any age gets the same figures. A number that is not in
this table was written by a newer version: whoever would compute with it raises `CorruptJournal` and never takes another rule.
"""

from tallystick.domain.dispatch import Rules
from tallystick.domain.errors import CorruptJournal
from tallystick.domain.events import AllShadowsLowered, AllShadowsRaised, Distributed

LARGEST_REMAINDER = 1
"""Of a distribution: everybody's floor, and the units left to the largest remainders, ties in turn."""
WHOLE_SATI_DOWN = 1
"""Of a proportional change of allocations: the quotient rounded down to whole sati-satoshis."""

RoundedEvent = Distributed | AllShadowsRaised | AllShadowsLowered
ROUNDINGS: Rules[frozenset[int]] = Rules(
    {
        Distributed: frozenset({LARGEST_REMAINDER}),
        AllShadowsRaised: frozenset({WHOLE_SATI_DOWN}),
        AllShadowsLowered: frozenset({WHOLE_SATI_DOWN}),
    }
)


def is_known_rounding(event: RoundedEvent) -> bool:
    """Whether this version knows the event's rule of rounding."""
    return event.rounding in ROUNDINGS[type(event)]


def check_rounding(event: RoundedEvent, position: int = 0) -> None:
    """Raises `CorruptJournal` where it does not; `position` is the event's, where it is known."""
    if not is_known_rounding(event):
        reason = f"{type(event).__name__} has rounding {event.rounding}, written by a newer version of this package"
        raise CorruptJournal(reason, position=position)
