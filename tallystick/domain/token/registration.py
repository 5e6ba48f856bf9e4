"""A token and the event that registers it: each says the same as the other."""

from collections.abc import Mapping

from tallystick.domain.events import TokenRegistered
from tallystick.domain.values.curve import CurveMaker, make_curve
from tallystick.domain.values.token import Token


def registered_token(event: TokenRegistered, curves: Mapping[str, CurveMaker]) -> Token:
    """The token; its curve is made by one of `curves`."""
    curve = None if event.curve is None else make_curve(event.curve, event.parameters, curves)
    return Token(
        event.token,
        event.decimals,
        event.max_supply,
        event.unit,
        event.role,  # pyright: ignore[reportArgumentType]
        curve,
        event.owner,
        event.accepts,
    )


def registration_of(token: Token) -> TokenRegistered:
    """The event that registers the token as it is now."""
    curve = token.curve
    return TokenRegistered(
        token.code,
        token.decimals,
        token.max_supply,
        token.unit,
        token.role,
        None if curve is None else curve.name,
        () if curve is None else tuple(curve.parameters),
        token.owner,
        token.accepts,
    )
