"""Snapshots of contracts: a cache that saves replaying a large contract's events, and may be deleted at any time.

A snapshot is one file: the SHA-256 of all that follows, a header in JSON, and the allocations as raw little-endian columns.
It names the position and digest of the commit at which it was taken, so that one of another journal is not mistaken. A file
that is damaged, missing or in the way costs time and nothing else.
"""

import contextlib
import os
import struct
from collections.abc import Iterable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import msgspec

from tallystick.domain.arithmetic.scaling import ScaledColumns, ScaledValues
from tallystick.domain.contract.contract import Contract
from tallystick.infrastructure.system.own_folder import fault_of, make_own_folder

FORMAT = 1


class Anchor(NamedTuple):
    """Up to where a contract's events are in it: the journal's head, and the last version of the contract's stream."""

    position: int
    digest: bytes
    version: int


class ContractSnapshot(NamedTuple):
    """A contract, and up to where its events are in it."""

    contract: Contract
    anchor: Anchor


class _Header(msgspec.Struct):
    format: int
    id: str
    backed_by: str | None
    balance: int
    allocs_sum: int
    changes: int
    position: int
    digest: bytes
    version: int
    columns: list[tuple[int, int]]
    """The width of an entry and the number of entries of each column; names are text of that many bytes."""


class ContractSnapshots:
    """The snapshots in a folder, which is made when it is needed; none at all without one."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def save(self, contract: Contract, anchor: Anchor) -> None:
        """Keeps the contract; where that cannot be, it is not kept."""
        if self._folder is None:
            return
        path = self._path(self._folder, contract.id)
        unfinished = path.with_suffix(f".{os.getpid()}.unfinished")
        content = _encode(contract, anchor)
        with contextlib.suppress(OSError):
            make_own_folder(path.parent)
            try:
                unfinished.write_bytes(content)
                unfinished.replace(path)
            finally:
                unfinished.unlink(missing_ok=True)

    def load(self, id: str) -> ContractSnapshot | None:
        """The contract as it was kept; None where it was not, or cannot be read."""
        if self._folder is None:
            return None
        path = self._path(self._folder, id)
        if fault_of(path.parent) is not None:
            return None
        try:
            snapshot = _decode(path.read_bytes())
        except (OSError, ValueError, struct.error):
            return None
        return snapshot if snapshot.contract.id == id else None

    def kept(self, ids: Iterable[str]) -> list[str]:
        """Which of these contracts were kept."""
        folder = self._folder
        if folder is None:
            return []
        try:
            there = {path.name for path in (folder / "contracts").iterdir()}
        except OSError:
            return []
        return [id for id in ids if self._path(folder, id).name in there] if there else []

    @staticmethod
    def _path(folder: Path, id: str) -> Path:
        return folder / "contracts" / f"{sha256(id.encode()).hexdigest()}.snapshot"


def _encode(contract: Contract, anchor: Anchor) -> bytes:
    columns = contract.values.columns()
    names = "\n".join(columns.names).encode()
    packed = [
        _pack(column)
        for column in (columns.values, columns.missed, [old for old, _ in columns.steps], [new for _, new in columns.steps])
    ]
    header = _Header(
        FORMAT,
        contract.id,
        contract.backed_by,
        contract.balance,
        contract.allocs_sum,
        contract.changes,
        *anchor,
        [(1, len(names)), *((width, count) for width, count, _ in packed)],
    )
    content = b"\n".join((msgspec.json.encode(header), names + b"".join(raw for _, _, raw in packed)))
    return b"\n".join((sha256(content).hexdigest().encode(), content))


def _decode(stored: bytes) -> ContractSnapshot:
    checksum, _, content = stored.partition(b"\n")
    if sha256(content).hexdigest().encode() != checksum:
        raise ValueError("the checksum does not fit")
    encoded, _, raw = content.partition(b"\n")
    header = msgspec.json.decode(encoded, type=_Header)
    if header.format != FORMAT:
        raise ValueError(f"format {header.format}")
    (_, size), *widths = header.columns
    names = raw[:size].decode().split("\n") if size else []
    columns: list[list[int]] = []
    for width, count in widths:
        columns.append(_unpack(raw[size : size + width * count], width))
        size += width * count
    values, missed, olds, news = columns
    scaled = ScaledValues.from_columns(ScaledColumns(names, values, missed, list(zip(olds, news, strict=True))))
    contract = Contract(header.id, header.backed_by, scaled)
    contract.balance, contract.allocs_sum, contract.changes = header.balance, header.allocs_sum, header.changes
    return ContractSnapshot(contract, Anchor(header.position, header.digest, header.version))


def _pack(column: Sequence[int]) -> tuple[int, int, bytes]:
    width = max(8, (max(column, default=0).bit_length() + 7) // 8)
    if width == 8:
        return width, len(column), struct.pack(f"<{len(column)}Q", *column)
    return width, len(column), b"".join([entry.to_bytes(width, "little") for entry in column])


def _unpack(raw: bytes, width: int) -> list[int]:
    if width == 8:
        return list(struct.unpack(f"<{len(raw) // 8}Q", raw))
    return [int.from_bytes(raw[start : start + width], "little") for start in range(0, len(raw), width)]
