"""What the tests of apps share: the tokens of their book, and doing things to it. TEA settles."""

from collections.abc import Callable
from typing import Any

from tallystick import HIDDEN_BONDING_CURVE_ACCOUNT, Ledger, SquareRootCurve, Token

T = 10**12
BONDING = HIDDEN_BONDING_CURVE_ACCOUNT
TOKENS = (
    Token("TEA", decimals=12, max_supply=10**6 * T, role="settlement"),
    Token("USDT", decimals=6),
    Token("DAI", decimals=2, unit=100),
    Token("GlobalToken", decimals=12, role="app", curve=SquareRootCurve(10)),
    Token("TeaParty", decimals=12, role="app", curve=SquareRootCurve(10, 7), owner="dev", accepts=("USDT",)),
)


def do(ledger: Ledger, *work: Callable[[Any], Any]) -> list[Any]:
    with ledger.atomic() as tx:
        return [each(tx) for each in work]
