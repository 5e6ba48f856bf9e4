"""One run of the command line: whether a program reads what it prints, and what it has recorded so far."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Literal

from tallystick.domain.errors import LedgerError
from tallystick.infrastructure.ledger.ledger import Ledger

Recorded = bool | Literal["unknown"]
"""Whether the command has recorded something."""


class Invocation:
    """What is known of this run. Errors are JSON where a program asked for JSON."""

    def __init__(self, arguments: Sequence[str] = ()) -> None:
        options = arguments[: arguments.index("--")] if "--" in arguments else arguments
        self.for_programs = "bench" not in arguments[:1] and any(each in ("--json", "--jsonl") for each in options)
        self.recorded: Recorded = False


_CURRENT: ContextVar[Invocation] = ContextVar("_CURRENT")


@contextmanager
def invoked(arguments: Sequence[str]) -> Generator[None]:
    """Within it, this is the run that is under way."""
    token = _CURRENT.set(Invocation(arguments))
    try:
        yield
    finally:
        _CURRENT.reset(token)


def invocation() -> Invocation:
    """The run that is under way."""
    return _CURRENT.get(None) or Invocation()


@contextmanager
def recording(ledger: Ledger) -> Generator[None]:
    """What is done within may record something: notes in the end whether it has, as far as can be said."""
    run = invocation()
    before = ledger.status().head.position
    run.recorded = "unknown"
    try:
        yield
    finally:
        try:
            run.recorded = ledger.status().head.position > before
        except LedgerError:
            run.recorded = "unknown"
