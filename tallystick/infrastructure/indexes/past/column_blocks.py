"""A file of columns that is mapped and never read as a whole: narrow integers side by side, in blocks with checksums.

It begins with a mark, the length of the description, and a checksum over the description and the checksums of the blocks. So
what is no such file, or has a damaged description, is found when it is opened, and a damaged block when it is first read.
Nobody changes a file once it has its name.
"""

import mmap
import os
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from struct import Struct
from typing import Any, NamedTuple, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from tallystick.infrastructure.indexes.runs.checked_words import WORD_BYTES, Blocks, CheckedWords, DamagedRun, blocks_of
from tallystick.infrastructure.indexes.runs.writer import make_durable

MARK = 0x31_54_53_50_59_4C_4C_54
"""The first word of such a file: the text "TLLYPST1" where the machine is little-endian."""
UNFINISHED = ".unfinished"

_numbers = Struct("=QQ")
_SEAL_BYTES = 16
_HEADER_BYTES = _numbers.size + _SEAL_BYTES
_CHUNK_WORDS = 1 << 17

AnyColumn = NDArray[Any]
Facts = TypeVar("Facts")


class MissingFile(DamagedRun):
    """There is no such file any more."""


class Column(NamedTuple):
    """A column of integers: machine integers, or bytes. What is read of `array` is checked before; that raises `DamagedRun`."""

    array: AnyColumn
    check: Callable[[int, int], None]

    def one(self, place: int) -> int:
        """The integer there."""
        self.check(place, place + 1)
        return integer_of(self.array[place])

    def part(self, start: int, stop: int) -> AnyColumn:
        """The integers from one place up to another."""
        self.check(start, stop)
        return self.array[start:stop]

    def all(self) -> AnyColumn:
        """All of them."""
        return self.part(0, len(self.array))


def integer_of(value: Any) -> int:
    """The integer that one value of a column stands for: bytes are one, the lowest first, with a sign."""
    return int.from_bytes(value.tobytes(), "little", signed=True) if value.dtype.kind == "V" else int(value)


def column_in_memory(array: AnyColumn) -> Column:
    """The same of what lies in memory and was not written by anybody."""
    return Column(array, _check_nothing)


def _check_nothing(start: int, stop: int) -> None:
    pass


class _Place(msgspec.Struct, frozen=True, array_like=True):
    """Where a column lies: its first word, numpy's name of its type, and how many integers it has."""

    word: int
    type: str
    count: int


class _Description(msgspec.Struct, frozen=True, array_like=True):
    facts: msgspec.Raw
    words: int
    columns: dict[str, _Place]


def write_columns(path: Path, facts: msgspec.Struct, columns: Mapping[str, AnyColumn]) -> None:
    """Writes a file that has these facts and columns; it gets its name when all of it is durable. Raises `OSError`."""
    places, first = dict[str, _Place](), 0
    for name, column in columns.items():
        places[name] = _Place(first, column.dtype.str, len(column))
        first += -(-column.nbytes // WORD_BYTES)
    description = msgspec.json.encode(_Description(msgspec.Raw(msgspec.json.encode(facts)), first, places))
    description += b" " * (-len(description) % WORD_BYTES)
    unfinished = path.with_name(f"{path.name}.{os.getpid()}-{secrets.token_hex(4)}{UNFINISHED}")
    try:
        with unfinished.open("xb") as file:
            file.write(bytes(_HEADER_BYTES + len(description) + WORD_BYTES * blocks_of(first)))
            blocks = Blocks()
            for column in columns.values():
                for words in _words_of(column):
                    file.write(blocks.add(words))
            file.write(blocks.finish())
            index = description + np.array(blocks.checksums, dtype=np.uint64).tobytes()
            file.seek(0)
            file.write(_numbers.pack(MARK, len(description)) + sha256(index).digest()[:_SEAL_BYTES] + index)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
        make_durable(path.parent)
    except BaseException:
        with suppress(OSError):
            unfinished.unlink()
        raise


def _words_of(column: AnyColumn) -> Any:
    content = np.ascontiguousarray(column).view(np.uint8)
    step = _CHUNK_WORDS * WORD_BYTES
    for start in range(0, len(content), step):
        part = content[start : start + step]
        if len(part) % WORD_BYTES:
            part = np.concatenate((part, np.zeros(-len(part) % WORD_BYTES, dtype=np.uint8)))
        yield part.view(np.uint64)


class ColumnFile:
    """A file of columns that is mapped. `path` is where it was."""

    def __init__(self, path: Path) -> None:
        """Raises `DamagedRun` where there is none, or its description is not what was written."""
        self.path = path
        try:
            with path.open("rb") as file:
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except FileNotFoundError as error:
            raise MissingFile(f"{path} is not there") from error
        except (OSError, ValueError) as error:
            raise DamagedRun(f"{path} cannot be mapped: {error}") from error
        description, checksums, first = self._checked()
        self._facts = description.facts
        self._places = description.columns
        words = memoryview(self._map)
        data = words[first : first + WORD_BYTES * description.words]
        self._words = CheckedWords(data.cast("Q"), checksums)
        self._bytes: AnyColumn = np.frombuffer(data, dtype=np.uint8)

    def facts(self, kind: type[Facts]) -> Facts:
        """The facts that were written with the columns. Raises `DamagedRun` where they are of another kind."""
        try:
            return msgspec.json.decode(self._facts, type=kind)
        except msgspec.ValidationError as error:
            raise DamagedRun(f"{self.path} says something else: {error}") from error

    def column(self, name: str) -> Column:
        """A column. Raises `DamagedRun` where there is none of this name."""
        place = self._places.get(name)
        if place is None:
            raise DamagedRun(f"{self.path} has no column {name}")
        size = np.dtype(place.type).itemsize
        start = WORD_BYTES * place.word
        array = self._bytes[start : start + size * place.count].view(place.type)
        words, first, count = self._words, place.word, place.count
        is_checked = not count

        def check(start: int, stop: int) -> None:
            nonlocal is_checked
            if stop > start and not is_checked:
                words.check(first + start * size // WORD_BYTES, first + -(-stop * size // WORD_BYTES))
                is_checked = (start, stop) == (0, count)

        return Column(array, check)

    def _checked(self) -> tuple[_Description, memoryview, int]:
        content = self._map
        if len(content) < _HEADER_BYTES:
            raise DamagedRun(f"{self.path} is shorter than a header")
        mark, length = _numbers.unpack_from(content)
        end = _HEADER_BYTES + length
        if mark != MARK or length % WORD_BYTES or end > len(content):
            raise DamagedRun(f"{self.path} is no file of columns")
        try:
            description = msgspec.json.decode(content[_HEADER_BYTES:end], type=_Description)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise DamagedRun(f"the description in {self.path} is not what was written: {error}") from error
        first = end + WORD_BYTES * blocks_of(description.words)
        seal = content[_numbers.size : _HEADER_BYTES]
        if sha256(content[_HEADER_BYTES:first]).digest()[:_SEAL_BYTES] != seal:
            raise DamagedRun(f"the description in {self.path} is not what was written")
        if len(content) != first + WORD_BYTES * description.words:
            raise DamagedRun(f"{self.path} has {len(content)} bytes, which is another length than it says")
        return description, memoryview(content)[end:first].cast("Q"), first
