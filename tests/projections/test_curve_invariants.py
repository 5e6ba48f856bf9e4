"""An audit finds a curve that follows decimals which are not those of its tokens."""

import pytest

from tallystick.events import TokenRegistered
from tallystick.projections.invariants.invariants import Invariants

SETTLING = TokenRegistered("S", 2, 100, None, "settlement")


def app(decimals: int, curve: str, *parameters: int) -> TokenRegistered:
    return TokenRegistered("A", decimals, 100, None, "app", curve, parameters)


@pytest.mark.parametrize(
    ("events", "verdict"),
    [
        ([SETTLING, app(3, "linear", 7, 3, 2)], []),
        ([SETTLING, app(3, "square_root", 10, 7, 3, 2)], []),
        ([SETTLING, app(3, "square_root", 10, 7)], []),
        ([SETTLING, app(3, "mine", 7, 9, 9)], []),
        ([app(3, "fixed_price", 7)], []),
        ([SETTLING, app(3, "linear", 7, 2, 3)], [2]),
        ([SETTLING, app(3, "fixed_price", 7, 3, 3)], [2]),
        ([SETTLING, app(3, "square_root", 10, 7, 2, 2)], [2]),
        ([app(3, "linear", 7, 3, 2)], [1]),
        ([app(3, "linear", 7, 3, 2), SETTLING], [1]),
    ],
)
def test_curves_of_other_decimals(events: list[TokenRegistered], verdict: list[int]) -> None:
    audit = Invariants()
    for position, event in enumerate(events, 1):
        audit.apply(position, 0, event)
    assert [finding.position for finding in audit.finish()] == verdict
