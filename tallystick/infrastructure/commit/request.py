"""A request under an idempotency key: what makes a transaction the same one when it is sent again."""

import hashlib
from typing import Any

import msgspec

from tallystick.domain.errors import InvalidRequest

KEY_LENGTH_MAX = 256


class Request(msgspec.Struct, frozen=True, gc=False):
    """An idempotency key and the SHA-256, in hex, of the request that goes with it, if one does."""

    key: str
    digest: str | None


def make_request(key: str | None, request: Any) -> Request | None:
    """The idempotency key and its request's digest; `InvalidRequest` where they cannot be that."""
    if key is None:
        if request is not None:
            raise InvalidRequest("a request is compared under an idempotency key, and none was given")
        return None
    if type(key) is not str or not 1 <= len(key) <= KEY_LENGTH_MAX or not key.isprintable():
        raise InvalidRequest(f"an idempotency key is a str of 1 to {KEY_LENGTH_MAX} printable characters, not {key!r}")
    if request is None:
        return Request(key, None)
    try:
        content = msgspec.json.encode(request, order="deterministic")
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise InvalidRequest(f"a request is something that JSON can write: {error}") from error
    return Request(key, hashlib.sha256(content).hexdigest())
