"""Curves follow the decimals of the app's token and of the settlement token, from their registration on."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick import (
    HIDDEN_BONDING_CURVE_ACCOUNT,
    Curve,
    FixedPriceCurve,
    InvalidCurve,
    Ledger,
    LinearCurve,
    SquareRootCurve,
    Token,
    TokenAlreadyRegistered,
    TokenNotFound,
)
from tallystick.events import TokenRegistered
from tests.domain.app.test_trading import Flat

SCALES = st.one_of(st.tuples(st.integers(0, 77), st.integers(0, 77)), st.sampled_from([(0, 0), (2, 2), (18, 6), (6, 18)]))
KS = st.one_of(st.integers(1, 100), st.integers(1, 2**64 - 1))
GIVEN = st.one_of(
    st.tuples(KS, KS).map(lambda ks: SquareRootCurve(max(ks), min(ks))),
    st.builds(FixedPriceCurve, KS),
    st.builds(LinearCurve, KS),
)


class Recorded:
    """A projection: the parameters of each token's curve as they are recorded."""

    name, version = "recorded", 1

    def __init__(self) -> None:
        self.state: dict[str, tuple[int, ...]] = {}

    def apply(self, position: int, recorded_at: int, event: Any, /) -> None:
        if isinstance(event, TokenRegistered):
            self.state[event.token] = event.parameters


def opened(url: Any, curve: Curve, decimals: int, settlement_decimals: int) -> Ledger:
    ledger = Ledger.open(url)
    ledger.register_token(Token("TEA", settlement_decimals, 2**256 - 1, role="settlement"))
    ledger.register_token(Token("App", decimals, 2**256 - 1, role="app", curve=curve, owner="dev"))
    return ledger


@pytest.mark.parametrize(
    ("given_curve", "decimals", "settlement_decimals", "recorded"),
    [
        (SquareRootCurve(10), 6, 2, (10, 10, 6, 2)),
        (SquareRootCurve(10, 7), 12, 12, (10, 7, 12, 12)),
        (SquareRootCurve(10, 7, 0, 77), 0, 77, (10, 7, 0, 77)),
        (FixedPriceCurve(5), 18, 6, (5, 18, 6)),
        (LinearCurve(5), 0, 0, (5, 0, 0)),
    ],
)
def test_the_decimals_are_recorded_with_the_curve(
    shared_url: str | Path, given_curve: Any, decimals: int, settlement_decimals: int, recorded: tuple[int, ...]
) -> None:
    with opened(shared_url, given_curve, decimals, settlement_decimals) as ledger:
        token = ledger.token("App")
        assert token.curve is not None
        assert token.curve.parameters == given_curve.scaled(decimals, settlement_decimals).parameters
        before = ledger.verify()
        for again in (given_curve, token.curve):
            ledger.register_token(Token("App", decimals, 2**256 - 1, role="app", curve=again, owner="dev"))
        assert ledger.verify() == before
        with pytest.raises(TokenAlreadyRegistered):
            ledger.register_token(Token("App", decimals, 2**256 - 1, role="app", curve=FixedPriceCurve(6), owner="dev"))
        assert ledger.replay(Recorded()).state == {"TEA": (), "App": recorded}
        assert ledger.audit().ok
    with Ledger.open(shared_url) as ledger:
        assert ledger.token("App") == token


def test_a_settlement_token_comes_first() -> None:
    with Ledger.open("memory:") as ledger:
        with pytest.raises(TokenNotFound, match="settlement"):
            ledger.register_token(Token("App", role="app", curve=LinearCurve(1)))
        ledger.register_token(Token("Bare", role="app"))
        ledger.register_token(Token("Own", role="app", curve=Flat(3)))
        assert [token.code for token in ledger.tokens()] == ["Bare", "Own"]
        own = ledger.token("Own").curve
        assert own is not None
        assert (own.name, own.parameters) == ("flat", (3,))


@pytest.mark.parametrize("scale", [(2, 3), (3, 2), (0, 0), (12, 12)])
def test_a_curve_of_other_decimals_is_refused(scale: tuple[int, int]) -> None:
    with Ledger.open("memory:") as ledger:
        ledger.register_token(Token("TEA", 2, role="settlement"))
        with pytest.raises(InvalidCurve, match="decimals"):
            ledger.register_token(Token("App", 2, role="app", curve=FixedPriceCurve(1, *scale)))
        with pytest.raises(InvalidCurve, match="decimals"):
            ledger.take_over([Token("App", 2, role="app", curve=FixedPriceCurve(1, *scale))], [])


def test_a_curve_of_ones_own_has_a_name_of_its_own() -> None:
    curve: Any = Flat(3)
    curve.name = "linear"
    with Ledger.open("memory:", curves={"linear": lambda *_: curve}) as ledger:
        ledger.register_token(Token("TEA", 2, role="settlement"))
        with pytest.raises(InvalidCurve, match="another name"):
            ledger.register_token(Token("App", 2, role="app", curve=curve))


def test_an_older_book_keeps_the_curve_by_which_its_reserve_came_about(url: str | Path) -> None:
    """A reserve that covers the supply to the unit by the old formula would not by the new one, which cuts off less."""
    supply = 5 * 10**15 + 7
    old, new = SquareRootCurve(10), SquareRootCurve(10, 10, 12, 12)
    reserve = old.cost(0, supply)
    assert reserve < new.cost(0, supply)
    with Ledger.open(url) as ledger:
        tokens = [Token("App", 12, role="app", curve=old), Token("TEA", 12, role="settlement")]
        ledger.take_over(tokens, [("App", "alice", supply), ("App", HIDDEN_BONDING_CURVE_ACCOUNT, reserve)])
        ledger.register_token(tokens[0])
        assert ledger.token("App").curve == SquareRootCurve(10, 10)
        ledger.app("App").sell("alice", supply)
        assert ledger.balance("TEA", "alice").available == reserve
        assert ledger.audit().ok


@given(GIVEN, SCALES, st.lists(st.tuples(st.integers(1, 2**100), st.integers(0, 100)), min_size=1, max_size=8), st.booleans())
def test_trades_are_covered_at_any_decimals(
    curve: Any, scale: tuple[int, int], trades: list[tuple[int, int]], in_whole_tokens: bool
) -> None:
    """Payments of units and of whole tokens; some of what was bought is sold, and at the end all of it."""
    with opened("memory:", curve, *scale) as ledger:
        unit = 10 ** scale[1] if in_whole_tokens else 1
        for payment, share in trades:
            payment = min(payment * unit, 2**250)
            ledger.mint("TEA", "alice", payment)
            app = ledger.app("App")
            followed = curve.scaled(*scale)
            expected = followed.amount_for(app.supply, payment)
            if not 0 < expected <= ledger.supply("App").reserve:
                continue
            assert app.quote_buy(payment) == expected
            (trade,) = app.buy("alice", payment).trades
            assert (trade.paid, trade.received) == (payment, expected)
            sold = ledger.app("App").supply * share // 100
            if sold and followed.proceeds(ledger.app("App").supply, sold):
                app.sell("alice", sold)
            app = ledger.app("App")
            assert app.reserve >= followed.proceeds(app.supply, app.supply)
        rest = ledger.app("App")
        if rest.supply and followed.proceeds(rest.supply, rest.supply):
            rest.sell("alice", rest.supply)
        assert ledger.audit().ok
