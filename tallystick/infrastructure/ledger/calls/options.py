"""The keywords that every direct call takes: those of a block, and what becomes of a key that was used.

They are named once, in `given_with`; the calls show them in their signatures, and hand them on as they were given.
"""

import inspect
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Literal, TypedDict, TypeVar

from tallystick.domain.errors import DuplicateIdempotencyKey, InvalidRequest
from tallystick.domain.values.entry_details import EntryDetails, details_of
from tallystick.infrastructure.commit.idempotency import Request, make_request
from tallystick.infrastructure.commit.receipt import Receipt, repeated

OnRepeat = Literal["raise", "receipt"]

DirectCall = TypeVar("DirectCall", bound=Callable[..., Any])


class CallOptions(TypedDict, total=False):
    """The keywords as a call was given them."""

    idempotency_key: str | None
    request: Any
    occurred_at: datetime | None
    reference: str | None
    metadata: Mapping[str, Any] | None
    on_repeat: OnRepeat


def given_with(
    *,
    idempotency_key: str | None = None,
    request: Any = None,
    occurred_at: datetime | None = None,
    reference: str | None = None,
    metadata: Mapping[str, Any] | None = None,
    on_repeat: OnRepeat = "raise",
) -> tuple[Request | None, EntryDetails | None]:
    """The key with the request's digest, and the entry's details; `InvalidRequest` where a keyword cannot be what it is."""
    if on_repeat != "raise" and on_repeat != "receipt":
        raise InvalidRequest(f'on a repeat a call is to "raise" or to give the first "receipt", not {on_repeat!r}')
    has_details = occurred_at is not None or reference is not None or metadata is not None
    return make_request(idempotency_key, request), details_of(occurred_at, reference, metadata) if has_details else None


def first_receipt(options: CallOptions, error: DuplicateIdempotencyKey) -> Receipt:
    """The receipt of the key's first use, where it is to be given; else the error is raised."""
    if options.get("on_repeat") != "receipt":
        raise error
    return repeated(error.receipt)


def direct_call(call: DirectCall) -> DirectCall:
    """Shows the keywords of every call in this one's signature."""
    own = inspect.signature(call)
    parameters = [each for each in own.parameters.values() if each.kind is not inspect.Parameter.VAR_KEYWORD]
    parameters += inspect.signature(given_with).parameters.values()
    setattr(call, "__signature__", own.replace(parameters=parameters))  # noqa: B010
    return call
