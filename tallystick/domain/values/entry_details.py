"""The details of an entry: what its caller says of it beside what it does.

When it happened, where that is not when it is recorded; a reference, by which it is found again; and metadata, a JSON object
that can be erased. They decide nothing: not the order of entries, nor what is due or who gets a share.
"""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, cast

import msgspec

from tallystick.domain.errors import InvalidRequest
from tallystick.domain.values.instant import check_occurred_at, check_year, to_microseconds

REFERENCE_LENGTH_MAX = 256
METADATA_BYTES_MAX = 2**16
METADATA_LEVELS_MAX = 128
"""What nests deeper could be written here, and not be read by whoever calls from further down a stack."""


class EntryDetails(msgspec.Struct, frozen=True, gc=False):
    """Checked details. `occurred_at`: microseconds since 1970 in UTC; `metadata`: the text of a JSON object."""

    occurred_at: int | None = None
    reference: str | None = None
    metadata: str | None = None

    def check(self, now: int) -> None:
        """Raises `InvalidRequest` where it happened more than a day after `now`, when it is recorded."""
        if self.occurred_at is not None:
            check_occurred_at(self.occurred_at, now)


def details_of(
    occurred_at: datetime | None = None, reference: str | None = None, metadata: Mapping[str, Any] | None = None
) -> EntryDetails | None:
    """The details, checked; None where there are none. Raises `InvalidRequest`."""
    if occurred_at is None and reference is None and metadata is None:
        return None
    return EntryDetails(
        None if occurred_at is None else check_year(to_microseconds(occurred_at)),
        None if reference is None else check_reference(reference),
        None if metadata is None else metadata_text(metadata),
    )


def check_reference(reference: object) -> str:
    """The reference itself, where it is text of 1 to `REFERENCE_LENGTH_MAX` characters; else `InvalidRequest`."""
    if type(reference) is not str or not 1 <= len(reference) <= REFERENCE_LENGTH_MAX:
        raise InvalidRequest(f"a reference is a str of 1 to {REFERENCE_LENGTH_MAX} characters, not {str(reference)[:80]!r}")
    try:
        reference.encode()
    except UnicodeEncodeError:
        raise InvalidRequest(f"a reference is text that UTF-8 can write, not {reference[:80]!r}") from None
    return reference


def metadata_text(metadata: object) -> str:
    """A JSON object as text, of which `metadata_of` makes an equal one again; else `InvalidRequest`.

    Its names are text, its values texts, ints, finite numbers, booleans, nulls, lists and such objects, at most
    `METADATA_LEVELS_MAX` within each other.
    """
    if not isinstance(metadata, Mapping):
        raise InvalidRequest(f"metadata is a JSON object, not {str(metadata)[:80]!r}")
    given = dict(cast(Mapping[Any, Any], metadata))
    try:
        text = json.dumps(given, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        size = len(text.encode())
        read = None if size > METADATA_BYTES_MAX else metadata_of(text)
        is_equal = read is None or read == given
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidRequest(f"metadata is what JSON can write, with finite numbers: {error}") from None
    if size > METADATA_BYTES_MAX:
        raise InvalidRequest(f"metadata has at most {METADATA_BYTES_MAX} bytes as JSON, not {size}")
    if not is_equal:
        raise InvalidRequest("metadata is given back equal: its names are text, its sequences lists")
    if text.count("[") + text.count("{") > METADATA_LEVELS_MAX and _levels(read) > METADATA_LEVELS_MAX:
        raise InvalidRequest(f"metadata nests at most {METADATA_LEVELS_MAX} levels deep")
    return text


def _levels(content: Any) -> int:
    """How many lists and objects are within each other, counted level by level."""
    levels = 0
    level: list[Any] = [content]
    while level:
        levels += 1
        level = [each for outer in level for each in _within(outer) if isinstance(each, (list, dict))]
    return levels


def _within(outer: Any) -> Iterable[Any]:
    return cast(Iterable[Any], outer.values()) if isinstance(outer, dict) else outer


def metadata_of(text: str) -> dict[str, Any]:
    """The object that the text says."""
    return json.loads(text)
