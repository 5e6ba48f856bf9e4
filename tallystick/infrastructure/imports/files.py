"""Opening files as they come: plain or gzip, UTF-8 with or without a mark or UTF-16; and what a file looks like.

Which importer reads what it looks like is said where it is given to another.
"""

import gzip
import io
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Literal

from tallystick.domain.errors import InvalidRequest, MalformedRow

PARQUET = b"PAR1"
_GZIP = b"\x1f\x8b"
_MARK = b"\xef\xbb\xbf"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_BEGINNING = 512

Undecodable = Literal["strict", "surrogateescape"]


def check_is_file(path: Path) -> None:
    """Raises `InvalidRequest` where the path is no file that can be read twice."""
    if not path.is_file():
        raise InvalidRequest(f"{path} is no file, and an import reads one twice")


@contextmanager
def open_bytes(path: Path) -> Generator[IO[bytes]]:
    """The bytes of a file, unpacked where they are gzip. What is wrong with that raises `MalformedRow`."""
    with path.open("rb") as file:
        packed = file.read(len(_GZIP)) == _GZIP
    with gzip.open(path) if packed else path.open("rb") as opened:
        try:
            yield opened  # pyright: ignore[reportReturnType]
        except (EOFError, gzip.BadGzipFile) as error:
            raise MalformedRow(f"it is no whole gzip file: {error}", row=1) from error


@contextmanager
def open_text(path: Path, undecodable: Undecodable) -> Generator[io.TextIOWrapper]:
    """The text of a file, its line ends as they are. What cannot be decoded raises, or comes as surrogates."""
    encoding = "utf-16" if beginning(path)[:2] in _UTF16 else "utf-8-sig"
    with open_bytes(path) as file, io.TextIOWrapper(file, encoding, undecodable, newline="") as text:
        yield text


def beginning(path: Path) -> bytes:
    """The first bytes of a file, unpacked."""
    with open_bytes(path) as file:
        return file.read(_BEGINNING)


def looks_like(path: Path) -> Literal["Parquet", "JSON", "CSV", ""]:
    """What a file begins as; "" where that is nothing of these."""
    first = beginning(path)
    if first.startswith(PARQUET):
        return "Parquet"
    try:
        text = first.decode("utf-16" if first[:2] in _UTF16 else "utf-8-sig", "ignore").lstrip()
    except UnicodeError:
        return ""
    if text[:1] in ("{", "["):
        return "JSON"
    return "CSV" if "," in text.partition("\n")[0] else ""


def check_looks_like(path: Path, expected: str, other: dict[str, str]) -> None:
    """Raises `MalformedRow` where a file looks like one of another importer, which `other` names by what it looks like."""
    found = looks_like(path)
    if found != expected and found in other:
        raise MalformedRow(f"this is {found}: {other[found]}", row=1)
