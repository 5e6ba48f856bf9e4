"""Interrupting a thread at each point at which Python looks at signals: after calls, and where functions and loops begin."""

import dis
import os
import sys
import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import tallystick

PACKAGE = Path(tallystick.__file__).parent
MODULES = (
    "domain/books/books.py",
    "domain/contract/contracts.py",
    "infrastructure/commit/bookkeeper.py",
    "infrastructure/commit/group.py",
    "infrastructure/commit/ledger_state.py",
    "infrastructure/commit/member.py",
    "infrastructure/commit/saved_events.py",
    "infrastructure/event_store/log/batch_names.py",
    "infrastructure/event_store/log/event_group.py",
    "infrastructure/event_store/log/insertion.py",
    "infrastructure/event_store/log/last_versions.py",
    "infrastructure/event_store/log/log.py",
    "infrastructure/event_store/log/writer.py",
    "infrastructure/event_store/recorders/aggregate_recorder.py",
    "infrastructure/event_store/recorders/subscription.py",
    "infrastructure/event_store/saving.py",
    "infrastructure/group_commit/group.py",
    "infrastructure/group_commit/group_commit.py",
    "infrastructure/group_commit/member.py",
    "infrastructure/group_commit/queue.py",
    "infrastructure/journal/appending.py",
    "infrastructure/journal/chain.py",
    "infrastructure/journal/stream_versions.py",
    "infrastructure/ledger/ledger.py",
    "infrastructure/ledger/reads.py",
    "infrastructure/ledger/saving.py",
    "infrastructure/ledger/transaction.py",
)
FILES = {str(PACKAGE / module) for module in MODULES}
assert all(map(os.path.exists, FILES)), "a file that is to be interrupted has another place"
LOOKS = ("CALL", "RESUME", "JUMP_BACKWARD", "POP_JUMP_BACKWARD")


@cache
def looks_of(code: CodeType) -> dict[int, bool]:
    """The offsets of instructions after which Python looks at signals, and whether it does so only where they jump."""
    return {
        instruction.offset: "JUMP" in instruction.opname
        for instruction in dis.get_instructions(code)
        if instruction.opname.startswith(LOOKS) and not instruction.opname.startswith("CALL_INTRINSIC")
    }


@cache
def handler_at(code: CodeType, offset: int) -> int | None:
    """Where the code goes on when an instruction raises."""
    for entry in dis._parse_exception_table(code):  # type: ignore[attr-defined]
        if entry.start <= offset < entry.end:
            return entry.target
    return None


def is_watched(code: CodeType) -> bool:
    return code.co_filename in FILES or (code.co_filename == threading.__file__ and code.co_name.startswith("notify"))


class Interrupter:
    """Calls what it is given, and raises KeyboardInterrupt in it at the point of this number, counted from 1."""

    def __init__(self, point: int) -> None:
        self._point = point
        self._count = 0
        self._before: dict[FrameType, int] = {}
        self.happened = False

    def __call__(self, call: Callable[..., Any], *arguments: Any) -> Any:
        sys.settrace(self._trace)
        try:
            return call(*arguments)
        finally:
            sys.settrace(None)

    def _trace(self, frame: FrameType, event: str, argument: Any) -> Any:
        if not is_watched(frame.f_code):
            return None
        frame.f_trace_lines, frame.f_trace_opcodes = False, True
        if event == "opcode":
            before = self._before.get(frame, 0)
            self._before[frame] = frame.f_lasti
            jumps = looks_of(frame.f_code).get(before)
            looks = jumps is not None and (not jumps or frame.f_lasti < before)
            # Raised by a signal it would be the call's, and raised here it is the next instruction's.
            looks = looks and handler_at(frame.f_code, before) == handler_at(frame.f_code, frame.f_lasti)
            self._count += looks
            if looks and self._count == self._point:
                self.happened = True
                self._before.clear()
                raise KeyboardInterrupt
        return self._trace
