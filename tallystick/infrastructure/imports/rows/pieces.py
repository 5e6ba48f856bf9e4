"""Pieces: the parts of a file that an earlier version recorded, each one commit under a key of its own.

A piece's key is made from its place and all content up to it. How a file was cut, and what of it went into the keys, is a
format: what was imported then is known again by it.
"""

from collections.abc import Iterator

from tallystick.infrastructure.imports.rows.transfer_rows import TransferRows

BATCH_ROWS = 250
"""How many rows of a list were a piece."""


def in_batches(rows: TransferRows) -> Iterator[TransferRows]:
    """Rows in parts of `BATCH_ROWS`."""
    return (rows.part(start, start + BATCH_ROWS) for start in range(0, len(rows), BATCH_ROWS))


def key_of(kind: str, place: int, digest: str) -> str:
    """The key of the piece at this place, counted from 0; the digest, in hex, is of the kind and all content up to its end."""
    return f"import:{kind}:{place}:{digest}"
