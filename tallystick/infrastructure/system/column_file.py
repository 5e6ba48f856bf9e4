"""A file of columns, one after another as raw little-endian values, and the description by which they are read again.

The description gives each column's place, type and SHA-256. A column is read into memory as a whole and checked before anybody
sees it: the file is not mapped, for what damages a file later could then still reach who reads the map.
"""

import os
from collections.abc import Iterable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

import msgspec
import numpy as np
from numpy.typing import NDArray

_CHUNK_BYTES = 1 << 20


class ColumnDescription(msgspec.Struct, frozen=True):
    """Where a column begins, in bytes; numpy's name of its type; how many values it has; the SHA-256 of its bytes, in hex."""

    offset: int
    type: str
    count: int
    sha256: str


def write_columns(path: Path, columns: Iterable[tuple[str, Any]]) -> dict[str, ColumnDescription]:
    """Writes the columns to a new file, and returns when they are durable. Raises `OSError`."""
    described: dict[str, ColumnDescription] = {}
    with path.open("xb") as file:
        for name, column in columns:
            digest, offset = sha256(), file.tell()
            content = np.ascontiguousarray(column).view(np.uint8).data
            for start in range(0, len(content), _CHUNK_BYTES):
                digest.update(content[start : start + _CHUNK_BYTES])
                file.write(content[start : start + _CHUNK_BYTES])
            described[name] = ColumnDescription(offset, column.dtype.str, len(column), digest.hexdigest())
        file.flush()
        os.fsync(file.fileno())
    return described


def read_columns(path: Path, described: Mapping[str, ColumnDescription]) -> dict[str, Any]:
    """The columns again. Raises `OSError`, and `ValueError` where one is not what was written."""
    with path.open("rb", buffering=0) as file:
        return {name: _read(file, name, description) for name, description in described.items()}


def _read(file: Any, name: str, description: ColumnDescription) -> Any:
    content: NDArray[np.uint8] = np.empty(description.count * np.dtype(description.type).itemsize, dtype=np.uint8)
    file.seek(description.offset)
    digest, read = sha256(), 0
    while read < len(content):
        chunk = content[read : read + _CHUNK_BYTES].data
        count = file.readinto(chunk)
        if not count:
            raise ValueError(f"column {name} ends early")
        digest.update(chunk[:count])
        read += count
    if digest.hexdigest() != description.sha256:
        raise ValueError(f"column {name} is not what was written")
    return cast(Any, content.view(description.type))
