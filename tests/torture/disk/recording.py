"""A recording of what a process wrote and synced, and of what it said was committed, in the order in which it happened."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import msgspec

from tests.torture.disk.calls import Call


class Step(msgspec.Struct, frozen=True):
    """A call of the disk that has succeeded, or with the kind "said" what was said, in `path`.

    A sync has on the disk what was written before the step of number `offset`: what others wrote while it ran may be missing.
    """

    kind: Literal["create", "write", "truncate", "sync", "delete", "said"]
    path: str
    offset: int = 0
    content: bytes = b""
    syncs_folder: bool = False


class Recorder:
    """Watches the disk and keeps each call, of any thread. With `loses_syncs` no sync is kept: a disk that lies."""

    def __init__(self, *, loses_syncs: bool = False) -> None:
        self._steps: list[Step] = []
        self._begun = threading.local()
        self._loses_syncs = loses_syncs

    def before(self, call: Call, write_part: Callable[[int], object]) -> None:
        """Notes how far the recording is, which is all that a sync that begins now is sure to reach."""
        self._begun.at = len(self._steps)

    def after(self, call: Call) -> None:
        """Keeps it."""
        if call.kind != "sync":
            self._steps.append(Step(*call))
        elif not self._loses_syncs:
            self._steps.append(Step("sync", call.path, self._begun.at))

    def say(self, text: str) -> None:
        """Keeps that this was said now."""
        self._steps.append(Step("said", text))

    def save(self, path: Path) -> None:
        """Writes all of it to a file."""
        path.write_bytes(msgspec.msgpack.encode(self._steps))


def load(path: Path) -> list[Step]:
    """The steps of a recording."""
    return msgspec.msgpack.decode(path.read_bytes(), type=list[Step])
