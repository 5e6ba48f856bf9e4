"""Anchors as text: a position, a colon and the digest there in hex; in a file one a line, with whatever stands behind them."""

from collections.abc import Iterator
from pathlib import Path

from tallystick.domain.errors import InvalidRequest
from tallystick.infrastructure.ledger.reading.ledger_reads import LedgerReads

FORM = "POSITION:DIGEST, such as 1200:9f86d08188..., with 64 hexadecimal digits"


def anchor_of(ledger: LedgerReads) -> tuple[int, str, str]:
    """The position where the journal ends, the digest there, and when that was recorded; nothing is said of an empty one."""
    head = ledger.status().head
    at = "" if head.recorded_at is None else head.recorded_at.isoformat()
    return head.position, ledger.digest_at(head.position), at


def expected(given: list[str], files: list[Path]) -> list[tuple[int, str]]:
    """What was given and what stands in files. Raises `InvalidRequest` where something of it is no anchor."""
    return [*(_anchor(text, "--expect") for text in given), *(anchor for path in files for anchor in _in_file(path))]


def _in_file(path: Path) -> Iterator[tuple[int, str]]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise InvalidRequest(f"{path} cannot be read: {error}") from error
    for number, line in enumerate(lines, 1):
        words = line.split()
        if words and not line.startswith("#"):
            yield _anchor(words[0], f"line {number} of {path}")


def _anchor(text: str, where: str) -> tuple[int, str]:
    position, colon, digest = text.partition(":")
    if not colon or not (position.isascii() and position.isdecimal()) or len(position) > 19:
        raise InvalidRequest(f"{where}: an anchor is {FORM}, not {text!r}")
    return int(position), digest
