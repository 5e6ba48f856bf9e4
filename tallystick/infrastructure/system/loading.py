"""Loading what is named "module:name": projections and predicates of one's own."""

from importlib import import_module
from typing import Any

from tallystick.domain.errors import InvalidRequest


def loaded(place: str) -> Any:
    """What a module has under a name. Raises `InvalidRequest`."""
    module, _, name = place.partition(":")
    try:
        return getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError, TypeError) as error:
        raise InvalidRequest(f"{place} cannot be loaded: {error}") from error
