"""Tokens of an imported file: those that are registered, and how those that are not are to be."""

from tallystick.domain.errors import InvalidRequest, TokenNotFound
from tallystick.domain.values.token import Token
from tallystick.infrastructure.imports.fields import Units
from tallystick.infrastructure.ledger.ledger import Ledger


class NewTokens:
    """Tokens that are not there are registered with this supply and so many decimals, where a supply was given."""

    def __init__(self, ledger: Ledger, max_supply: int | None, decimals: int) -> None:
        self._ledger = ledger
        self._max_supply = max_supply
        self._decimals = decimals

    def token(self, code: str) -> Token | None:
        """The definition of a new token, None where there is to be none. Raises `InvalidToken`."""
        return None if self._max_supply is None else Token(code, self._decimals, self._max_supply)

    def units(self, amounts: str) -> Units:
        """What amounts are counted in: `InvalidRequest` where that is neither "units" nor "decimal"."""
        if amounts not in ("units", "decimal"):
            raise InvalidRequest(f"amounts are written in units or decimal, not {amounts!r}")
        return Units(amounts == "decimal", self._decimals_of)

    def _decimals_of(self, code: str) -> int:
        try:
            return self._ledger.token(code).decimals
        except TokenNotFound:
            return self._decimals
