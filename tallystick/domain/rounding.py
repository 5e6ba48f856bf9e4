"""The rules of rounding that this version knows, by the number that an event carries.

An event that shares an amount says by which rule, so that a replay of any age gets the same figures. A number that is not in
this table was written by a newer version: whoever would compute with it raises `CorruptJournal` and never takes another rule.
"""

from collections.abc import Mapping

from tallystick.domain.arithmetic.shares import Sharing, pro_rata, sampled
from tallystick.domain.dispatch import Rules
from tallystick.domain.errors import CorruptJournal
from tallystick.domain.events import AllShadowsLowered, AllShadowsRaised, Distributed

LARGEST_REMAINDER = 1
"""Of a distribution: everybody's floor, and the units left to the largest remainders, ties in turn. So format 1 has them."""
SYSTEMATIC = 2
"""Of a distribution: everybody's floor, and the units left by systematic sampling over the remainders. Since format 2, the rule
of every new distribution.
"""
SHARINGS: Mapping[int, Sharing] = {LARGEST_REMAINDER: pro_rata, SYSTEMATIC: sampled}
"""How a distribution is shared."""
WHOLE_SATI_DOWN = 1
"""Of a proportional change of allocations: the quotient rounded down to whole sati-satoshis."""

RoundedEvent = Distributed | AllShadowsRaised | AllShadowsLowered
ROUNDINGS: Rules[frozenset[int]] = Rules(
    {
        Distributed: frozenset(SHARINGS),
        AllShadowsRaised: frozenset({WHOLE_SATI_DOWN}),
        AllShadowsLowered: frozenset({WHOLE_SATI_DOWN}),
    }
)


def is_known_rounding(event: RoundedEvent) -> bool:
    """Whether this version knows the event's rule of rounding."""
    return event.rounding in ROUNDINGS[type(event)]


def sharing_of(event: Distributed, position: int = 0) -> Sharing:
    """The rule by which a distribution is shared; `CorruptJournal` where it is not known."""
    check_rounding(event, position)
    return SHARINGS[event.rounding]


def check_rounding(event: RoundedEvent, position: int = 0) -> None:
    """Raises `CorruptJournal` where it does not; `position` is the event's, where it is known."""
    if not is_known_rounding(event):
        reason = f"{type(event).__name__} has rounding {event.rounding}, written by a newer version of this package"
        raise CorruptJournal(reason, position=position)
