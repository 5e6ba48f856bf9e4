"""What the curve of a token cannot say: decimals that are not those of the tokens between which it trades."""

from collections.abc import Iterator, Mapping

from tallystick.domain.events import TokenRegistered
from tallystick.domain.values.curve import scale_of


def impossible_curves(event: TokenRegistered, tokens: Mapping[str, TokenRegistered]) -> Iterator[str]:
    """What is wrong with the curve of a token that is registered after these."""
    scale = scale_of(event.curve, event.parameters)
    settling = [token.decimals for token in tokens.values() if token.role == "settlement"]
    if scale is not None and scale not in [(event.decimals, decimals) for decimals in settling]:
        yield f"the curve of {event.token} is of tokens with {scale} decimals, which they have not"
