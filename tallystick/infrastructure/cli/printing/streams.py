"""Where things are printed: data to standard output, messages and progress to standard error.

Whatever is no data goes through `say`, so that no text of a book can act on a terminal and no password of an address is told.
Whatever is data goes through `write`, which notices that it cannot be written.
"""

import errno
import os
import sys
from typing import Any, TextIO

import msgspec
from rich.console import Console

from tallystick.domain.errors import LedgerError, OutcomeUnknown, StorageError, StorageFull, StorageUnavailable
from tallystick.domain.values.result import plain_error
from tallystick.infrastructure.cli.printing.invocation import Recorded, invocation
from tallystick.infrastructure.cli.printing.visible import visible, visible_json
from tallystick.infrastructure.system.passwords import masked


class ReaderGone(Exception):
    """Whoever read standard output reads no more."""


def output() -> Console:
    """Standard output, for data. Texts are shown as they are: no markup, no emoji, no colours for what looks like a number.

    Raises `StorageUnavailable` where it is closed.
    """
    return Console(soft_wrap=not _standard_output().isatty(), highlight=False, markup=False, emoji=False)


def errors() -> Console:
    """Standard error, for progress."""
    return Console(stderr=True, highlight=False, markup=False, emoji=False)


def write(text: str) -> None:
    """Writes data to standard output. Raises `ReaderGone`, and a `StorageError` where it cannot be written."""
    stream = _standard_output()
    try:
        stream.write(text)
        stream.flush()
    except OSError as error:
        raise failed_output(error) from error


def failed_output(error: OSError) -> StorageError | ReaderGone:
    """What it means that standard output cannot be written. What is left to be written there is dropped."""
    let_go(sys.stdout)
    return ReaderGone() if error.errno == errno.EPIPE else storage_error(error, "standard output cannot be written: ")


def storage_error(error: OSError, what: str = "") -> StorageError:
    """The system's error as one of ours; `what` begins its message."""
    kind = StorageFull if error.errno in (errno.ENOSPC, errno.EDQUOT) else StorageUnavailable
    return kind(f"{what}{error.strerror or error}")


def say(text: str) -> None:
    """A line on standard error, in which everything can be seen."""
    _tell(visible(masked(text)))


def say_error(error: LedgerError, *, recorded: Recorded | None = None) -> None:
    """What was refused or has failed, in a line; as JSON where a program reads. `recorded`: else what the run has noted."""
    run = invocation()
    if not run.for_programs:
        say(f"error: {error.code}: {error}")
        return
    if recorded is None:
        recorded = "unknown" if isinstance(error, OutcomeUnknown) else run.recorded
    counted = {"decimals": error.decimals} if error.decimals else {}
    say_json({**plain_error(error, "text"), **counted, "recorded": recorded})


def say_json(record: dict[str, Any]) -> None:
    """A record in one line of JSON on standard error."""
    record = {name: masked(value) if isinstance(value, str) else value for name, value in record.items()}
    _tell(visible_json(msgspec.json.encode(record, enc_hook=str).decode(), ascii_only=not is_unicode(sys.stderr)))


def is_unicode(stream: TextIO | None) -> bool:
    """Whether every character can be written there."""
    return (getattr(stream, "encoding", None) or "utf-8").lower().replace("-", "").startswith("utf")


def let_go(stream: TextIO | None) -> None:
    """Has nothing more written there, not at the end of the process either."""
    try:
        if stream is not None:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)
    except (OSError, ValueError):  # a stream without a file
        pass


def _standard_output() -> TextIO:
    stream: TextIO | None = sys.stdout
    if stream is None:
        raise StorageUnavailable("standard output is closed, and what was asked for cannot be written")
    return stream


def _tell(line: str) -> None:
    try:
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()
    except (OSError, AttributeError):  # nobody is told, and the exit code still says it
        let_go(sys.stderr)
