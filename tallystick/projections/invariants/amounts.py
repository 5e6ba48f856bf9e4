"""How findings write amounts: as people do, in the decimals with which their token was registered."""

from collections.abc import Mapping

from tallystick.domain.decimal_point import written
from tallystick.domain.events import TokenRegistered


def in_decimals(tokens: Mapping[str, TokenRegistered], token: str | None, amount: int) -> str:
    """The amount in the token's decimals; without a token, or one that nobody has registered, in smallest units."""
    registered = None if token is None else tokens.get(token)
    return written(amount, 0 if registered is None else registered.decimals)
