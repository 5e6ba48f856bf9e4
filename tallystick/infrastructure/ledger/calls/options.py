"""The keywords that every direct call takes: those of a block, and what becomes of a key that was used.

They are named once, in `request_of`; the calls show them in their signatures, and hand them on as they were given.
"""

import inspect
from collections.abc import Callable
from typing import Any, Literal, TypedDict, TypeVar

from tallystick.domain.errors import DuplicateIdempotencyKey, InvalidRequest
from tallystick.infrastructure.commit.idempotency import Request, make_request
from tallystick.infrastructure.commit.receipt import Receipt

OnRepeat = Literal["raise", "receipt"]

DirectCall = TypeVar("DirectCall", bound=Callable[..., Any])


class CallOptions(TypedDict, total=False):
    """The keywords as a call was given them."""

    idempotency_key: str | None
    request: Any
    on_repeat: OnRepeat


def request_of(*, idempotency_key: str | None = None, request: Any = None, on_repeat: OnRepeat = "raise") -> Request | None:
    """The key and the request's digest; `InvalidRequest` where a keyword cannot be what it is."""
    if on_repeat != "raise" and on_repeat != "receipt":
        raise InvalidRequest(f'on a repeat a call is to "raise" or to give the first "receipt", not {on_repeat!r}')
    return make_request(idempotency_key, request)


def first_receipt(options: CallOptions, error: DuplicateIdempotencyKey) -> Receipt:
    """The receipt of the key's first use, where it is to be given; else the error is raised."""
    if options.get("on_repeat") != "receipt":
        raise error
    return error.receipt


def direct_call(call: DirectCall) -> DirectCall:
    """Shows the keywords of every call in this one's signature."""
    own = inspect.signature(call)
    parameters = [each for each in own.parameters.values() if each.kind is not inspect.Parameter.VAR_KEYWORD]
    parameters += inspect.signature(request_of).parameters.values()
    setattr(call, "__signature__", own.replace(parameters=parameters))  # noqa: B010
    return call
