"""The digest of a request: what goes with an idempotency key, so that the key's second use can be told from another request.

A request is what it is as JSON, with its names in order. JSON has no NaN and no Infinity, and would say null for them, as for
nothing: so they are refused wherever they are. A set is the list of what is in it, and bytes are their text in base64.
"""

import hashlib
import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, cast

import msgspec

from tallystick.domain.errors import InvalidRequest
from tallystick.domain.integers import as_int

REQUEST_BYTES_MAX = 2**24
"""A larger request takes longer to be digested than most transactions to be committed."""


def digest_of(request: object) -> str:
    """The SHA-256 of the request, in hex; `InvalidRequest` where JSON cannot write it."""
    try:
        content = _encode(request)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise InvalidRequest(f"a request is something that JSON can write: {error}") from error
    if len(content) > REQUEST_BYTES_MAX:
        raise InvalidRequest(f"a request has at most {REQUEST_BYTES_MAX} bytes as JSON, not {len(content)}: give its digest")
    may_have = b"null" in content or b"NaN" in content or b"Infinity" in content
    if may_have and not _is_finite(request):
        raise InvalidRequest("a request is something that JSON can write, and JSON has no NaN and no Infinity")
    return hashlib.sha256(content).hexdigest()


def _plain(given: object) -> int:
    """What encodes as a number though it is of a class that is not known, as numpy's integers."""
    value = as_int(given)
    if value is None:
        raise TypeError(f"there is no JSON for a {type(given).__name__}")
    return value


_encode = msgspec.json.Encoder(enc_hook=_plain, order="deterministic").encode


def _is_finite(request: object) -> bool:
    """Whether every number in the request is finite."""
    left: list[Any] = [msgspec.to_builtins(request, builtin_types=(Decimal,), enc_hook=as_int)]
    while left:
        each = left.pop()
        if isinstance(each, Mapping):
            left += cast(Mapping[str, Any], each).values()
        elif isinstance(each, list | tuple):
            left += cast(list[Any], each)
        elif isinstance(each, Decimal):
            if not each.is_finite():
                return False
        elif isinstance(each, float) and not math.isfinite(each):
            return False
    return True
