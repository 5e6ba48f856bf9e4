"""What an import is known by: the name that is given to it, by default the SHA-256 of the whole file.

Its pieces are recorded under keys made from the name, the token that was named for all rows, and their place. So the same
file is the same import, and one that only begins alike is another. The keys are a format: cut or named in another way, what
was imported would not be known again.
"""

import hashlib
from pathlib import Path
from typing import NamedTuple

from tallystick.domain.errors import InvalidRequest

NAME_LENGTH_MAX = 64


class ImportName(NamedTuple):
    """The import of a file of this `kind`, under a `name`, for the `token` of all its rows, "" where they say theirs; `time`
    counts how often it was asked for again. `digest`: the file's, where the name `is_given` and not that.
    """

    kind: str
    name: str
    token: str
    digest: str = ""
    time: int = 1

    @property
    def is_given(self) -> bool:
        """Whether somebody gave the name."""
        return bool(self.digest)

    @property
    def text(self) -> str:
        """The name, as people see it."""
        return self.name if self.time == 1 else f"{self.name}#{self.time}"

    def key(self, place: int, *, has_ids: bool) -> str:
        """The idempotency key of the piece at this place, counted from 1. One whose rows have ids is its file's: in another
        one of the same name rows are known by their ids.
        """
        return self._key(f"{place} {self.digest}" if has_ids and self.digest else str(place))

    @property
    def end_key(self) -> str:
        """The key under which its end is recorded, where the last of its rows left nothing."""
        return self._key(f"end {self.digest}" if self.digest else "end")

    def _key(self, part: str) -> str:
        return f"import:{self.kind} {self.token} {part} {self.text}"

    def again(self) -> "ImportName":
        """The same for one more time."""
        return self._replace(time=self.time + 1)


def name_of(kind: str, given: str | None, path: Path, token: str | None) -> ImportName:
    """The name of an import; `InvalidRequest` where the one that was given cannot be one."""
    if given is None:
        return ImportName(kind, digest_of_file(path), token or "")
    if not 1 <= len(given) <= NAME_LENGTH_MAX or not given.isprintable() or given != given.strip():
        raise InvalidRequest(f"an import's name has 1 to {NAME_LENGTH_MAX} printable characters, not {given!r}")
    return ImportName(kind, given, token or "", digest_of_file(path))


def digest_of_file(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def row_key(*parts: str) -> str:
    """The id of a row that is known by these: the text itself, or its SHA-256 where that is too long for an id."""
    text = ":".join(parts)
    return text if len(text) <= 256 else f"{parts[0]}:sha256:{hashlib.sha256(text.encode()).hexdigest()}"
