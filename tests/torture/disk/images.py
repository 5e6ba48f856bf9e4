"""What a power cut may leave of a folder, made from a recording of the calls before it.

What a sync covered is there. Of what was written since to a file, any part may be: none, all, any of the writes, any of their
sectors, the last ones without the first, the length without the content, garbage in place of it. And of the folder any prefix
of its changes is there that has what syncs of the folder covered: a file may be missing, or be there again.
"""

from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Literal, NamedTuple

from tests.torture.disk.recording import Step

Fate = Literal["lost", "kept", "some writes", "some sectors", "the last writes", "only the length", "garbage"]
FATES: tuple[Fate, ...] = ("lost", "kept", "some writes", "some sectors", "the last writes", "only the length", "garbage")
SECTORS_BYTES = (512, 4096)


class Cut(NamedTuple):
    """The number of steps before the cut, and what becomes of what was not synced; `strict` where a sync of a file leaves open
    whether its folder names it.
    """

    steps: int
    fate: Fate
    sector_bytes: int
    strict: bool


class _File:
    """A file whatever its name: what was done to it, and how many of these steps are on the disk for sure."""

    def __init__(self, syncs_folder: bool) -> None:
        self.syncs_folder = syncs_folder
        self.done: list[tuple[int, Step]] = []
        self.synced_until = 0


class _Naming(NamedTuple):
    """A change of the folder: the path names this file from then on, or none."""

    path: str
    file: _File | None


class Folder:
    """The folder after the steps before a cut: what must be there of it and what may."""

    def __init__(self, steps: Sequence[Step], *, strict: bool) -> None:
        self._names: dict[str, _File] = {}
        self._changes: list[_Naming] = []
        self._sure_changes = 0
        for number, step in enumerate(steps):
            if step.kind == "create":
                self._name(step.path, _File(step.syncs_folder))
            elif step.kind == "delete":
                del self._names[step.path]
                self._changes.append(_Naming(step.path, None))
                self._sure_changes = len(self._changes) if step.syncs_folder else self._sure_changes
            elif step.kind == "sync":
                self._sync(self._names[step.path], step.offset, strict)
            elif step.kind != "said":
                self._names[step.path].done.append((number, step))

    def _name(self, path: str, file: _File) -> None:
        self._names[path] = file
        self._changes.append(_Naming(path, file))

    def _sync(self, file: _File, until: int, strict: bool) -> None:
        file.synced_until = max(file.synced_until, until)
        if file.syncs_folder or not strict:
            self._sure_changes = len(self._changes)
            file.syncs_folder = False

    def write(self, folder: Path, cut: Cut, chance: Random) -> int:
        """Writes what the cut leaves into an empty folder; gives how many calls might have been lost."""
        names: dict[str, _File] = {}
        for path, file in self._changes[: self._kept_changes(cut, chance)]:
            if file is None:
                names.pop(path, None)
            else:
                names[path] = file
        unsure = 0
        for path, file in names.items():
            content = bytearray()
            for number, step in file.done:
                if number < file.synced_until:
                    _apply(content, step)
            pending = [step for number, step in file.done if number >= file.synced_until]
            _befall(content, pending, cut, chance)
            (folder / Path(path).name).write_bytes(content)
            unsure += len(pending)
        return unsure

    def _kept_changes(self, cut: Cut, chance: Random) -> int:
        if cut.fate in ("lost", "kept"):
            return self._sure_changes if cut.fate == "lost" else len(self._changes)
        return chance.randint(self._sure_changes, len(self._changes))


def _befall(content: bytearray, pending: list[Step], cut: Cut, chance: Random) -> None:
    """Does to the content what is left of the calls that were not synced."""
    match cut.fate:
        case "lost":
            left = []
        case "kept":
            left = pending
        case "some writes":
            left = [step for step in pending if chance.random() < 0.5]
        case "the last writes":
            left = pending[chance.randint(0, len(pending)) :]
        case "only the length":
            left = [
                Step(step.kind, step.path, step.offset, bytes(len(step.content))) for step in pending if step.kind == "write"
            ]
            left = [step for step in left if step.offset >= len(content)]
        case "some sectors" | "garbage":
            left = [part for step in pending for part in _sectors(step, cut.sector_bytes) if chance.random() < 0.5]
            if cut.fate == "garbage":
                left += [_garbled(step, chance) for step in left if step.kind == "write" and chance.random() < 0.2]
    for step in left:
        _apply(content, step)


def _apply(content: bytearray, step: Step) -> None:
    end = step.offset + len(step.content)
    if step.kind == "truncate":
        del content[step.offset :]
    if len(content) < end:
        content.extend(bytes(end - len(content)))
    content[step.offset : end] = step.content or content[step.offset : end]


def _sectors(step: Step, sector_bytes: int) -> list[Step]:
    """A write by its sectors, which reach the disk each by itself."""
    if step.kind != "write":
        return [step]
    end, parts = step.offset + len(step.content), list[Step]()
    for sector in range(step.offset // sector_bytes, -(-end // sector_bytes)):
        first, last = max(step.offset, sector * sector_bytes), min(end, (sector + 1) * sector_bytes)
        parts.append(Step("write", step.path, first, step.content[first - step.offset : last - step.offset]))
    return parts


def _garbled(step: Step, chance: Random) -> Step:
    return Step("write", step.path, step.offset, chance.randbytes(len(step.content)))
