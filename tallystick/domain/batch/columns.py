"""Columns of whole numbers as bytes: how the rows of a batch stand in an event, and so a part of the journal's format.

Every value takes the same number of bytes, the lowest first, and all are zero or more. How wide they are follows from the
length of the column and the number of its rows: the narrowest of 1, 2, 4, 8, 16 and 32 bytes that holds the largest value.
Up to 8 bytes a column is read as one of machine integers, beyond that as a list of Python's.
"""

import numpy as np

from tallystick.domain.arithmetic.columns import Column, Numbers

_NARROW = {width: np.dtype(f"<u{width}") for width in (1, 2, 4, 8)}
_WIDE = (16, 32)


def pack(values: Numbers) -> bytes:
    """The values as bytes, each as wide as the largest needs."""
    if isinstance(values, list):
        width = next(width for width in (8, *_WIDE) if max(values) < 1 << 8 * width)
        return b"".join([value.to_bytes(width, "little") for value in values])
    largest = int(values.max())
    width = next(width for width in _NARROW if largest < 1 << 8 * width)
    return values.astype(_NARROW[width]).tobytes()


def unpack(content: bytes, rows: int) -> Numbers:
    """The values again; `ValueError` where the bytes are not so many of one width."""
    width, rest = divmod(len(content), rows)
    if rest or (width not in _NARROW and width not in _WIDE):
        raise ValueError(f"{len(content)} bytes are no column of {rows} rows")
    if width in _NARROW:
        values = np.frombuffer(content, dtype=_NARROW[width])
        if width < 8 or not int(values.max()) >> 63:
            return values.astype(np.int64)
    return [int.from_bytes(content[start : start + width], "little") for start in range(0, len(content), width)]


def unpack_places(content: bytes, rows: int, limit: int) -> Column:
    """The same of a column of places below `limit`; `ValueError` where one is not."""
    places = unpack(content, rows)
    if isinstance(places, list) or int(places.max()) >= limit:
        raise ValueError(f"a column names number {max(places)} of {limit}")
    return places
