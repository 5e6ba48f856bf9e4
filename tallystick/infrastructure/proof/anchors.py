"""Anchors: digests that were noted elsewhere, each with a position, against which a journal is held.

A chain of digests proves that rows fit each other, and not that they are those that were written: whoever may write the store
can cut rows off its end, or write all of them anew. Both are found by whoever kept what the digest was at some position.
"""

from collections.abc import Iterable, Iterator
from typing import Any, cast

from tallystick.domain.errors import InvalidRequest
from tallystick.infrastructure.journal.format import EMPTY, Head, JournalRow
from tallystick.projections.invariants.invariants import Finding

_DIGEST_BYTES = 32
POSITION_MAX = 2**63 - 1


class Anchors:
    """What is expected, held against the rows of a journal one after another."""

    def __init__(self, expected: Iterable[tuple[int, str]]) -> None:
        """Raises `InvalidRequest` where something of it is no position and digest."""
        self._expected = sorted({(_position(position), _digest(digest)) for position, digest in _pairs(expected)}, reverse=True)

    def start(self) -> Iterator[Finding]:
        """What does not fit before the first row."""
        yield from self._up_to(EMPTY.position, EMPTY.digest)

    def add(self, row: JournalRow) -> Iterator[Finding]:
        """What does not fit the next row."""
        if self._expected and self._expected[-1][0] <= row.last_position:
            yield from self._up_to(row.last_position, row.digest)

    def finish(self, head: Head) -> Iterator[Finding]:
        """What was expected behind the last row that could be read, which ends at `head`."""
        for position, _ in reversed(self._expected):
            yield Finding(position, f"a digest was expected here, and the journal can be read up to {head.position} alone")

    def _up_to(self, position: int, digest: bytes) -> Iterator[Finding]:
        while self._expected and self._expected[-1][0] <= position:
            at, expected = self._expected.pop()
            if expected != digest:
                yield Finding(at, f"the digest {expected.hex()} was expected here, and the journal has {digest.hex()}")


def _pairs(expected: object) -> Iterator[tuple[object, object]]:
    if isinstance(expected, str | bytes) or not isinstance(expected, Iterable):
        raise InvalidRequest(f"what is expected are pairs of a position and a digest, not {expected!r}")
    for each in cast("Iterable[Any]", expected):
        try:
            position, digest = each
        except (TypeError, ValueError) as error:
            raise InvalidRequest(f"what is expected are pairs of a position and a digest, not {each!r}") from error
        yield position, digest


def _position(position: object) -> int:
    if type(position) is not int or not 0 <= position <= POSITION_MAX:
        raise InvalidRequest(f"a position is an int, 0 or more, not {position!r}")
    return position


def _digest(digest: object) -> bytes:
    try:
        found = bytes.fromhex(digest) if isinstance(digest, str) else b""
    except ValueError:
        found = b""
    if len(found) != _DIGEST_BYTES or not isinstance(digest, str) or len(digest) != 2 * _DIGEST_BYTES:
        raise InvalidRequest(f"a digest is a text of {2 * _DIGEST_BYTES} hexadecimal digits, not {digest!r}")
    return found
