"""How a command ends: its exit code, and what is said where it did not do what was asked.

0 fine, 1 a comparison that was asked for failed, 2 the request is wrong or refused, 3 the storage failed, 4 the journal is not
what was written, 5 done, but some rows were refused, 70 a fault of this program, 130 interrupted, 141 the reader went away.
"""

import shlex
import sys
import tempfile
import traceback
from typing import Any, cast

import typer

import tallystick
from tallystick.domain.errors import ImportDiffers, IntegrityError, LedgerError, RebuildDiffers, StorageError
from tallystick.infrastructure.cli.printing.invocation import invocation, invoked
from tallystick.infrastructure.cli.printing.streams import (
    ReaderGone,
    failed_output,
    let_go,
    say,
    say_error,
    say_json,
    storage_error,
)
from tallystick.infrastructure.cli.printing.visible import visible
from tallystick.infrastructure.system.passwords import masked

FINE, DIFFERENCE, USAGE, STORAGE, INTEGRITY, SOME_REFUSED = range(6)
FAULT = 70
INTERRUPTED = 130
READER_GONE = 141

_UsageError = cast(type[Exception], typer.BadParameter.__mro__[2])
"""What Typer raises where a command line cannot be read: its module is another in each version."""


def run(app: typer.Typer) -> int:
    """Runs the command that the process was started with, and gives its exit code."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")  # a character that cannot be written there can be seen
    arguments = sys.argv[1:]
    with invoked(arguments):
        try:
            return _ended(app, arguments)
        finally:
            _drop_unwritten()


def _ended(app: typer.Typer, arguments: list[str]) -> int:
    try:
        code: int | None = app(arguments, standalone_mode=False)
        _flush()
        return code or FINE
    except LedgerError as error:
        say_error(error)
        return code_of(error)
    except _UsageError as error:
        _say_usage(error)
        return USAGE
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except (ReaderGone, BrokenPipeError, SystemExit):  # Typer and Rich leave so where a pipe has broken, and nobody else does
        let_go(sys.stdout)
        return READER_GONE
    except OSError as error:
        say_error(storage_error(error, _place(error)))
        return STORAGE
    except Exception as error:
        _say_fault(error, arguments)
        return FAULT


def code_of(error: LedgerError) -> int:
    """The exit code of a command that an error ends."""
    if isinstance(error, (ImportDiffers, RebuildDiffers)):
        return DIFFERENCE
    return INTEGRITY if isinstance(error, IntegrityError) else STORAGE if isinstance(error, StorageError) else USAGE


def _flush() -> None:
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError as error:
        raise failed_output(error) from error


def _drop_unwritten() -> None:
    """What could not be written is not tried again when the process ends, which would change its exit code."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        let_go(sys.stdout)


def _place(error: OSError) -> str:
    return f"{error.filename!r}: " if error.filename is not None else ""


def _say_usage(error: Exception) -> None:
    """What is wrong with the command line; where nothing was asked for, Typer has shown what there is."""
    if type(error).__name__ == "NoArgsIsHelpError":
        return
    said: str = cast(Any, error).format_message()
    if invocation().for_programs:
        say_json({"code": "usage", "message": said, "recorded": False})
        return
    context = getattr(error, "ctx", None)
    if context is not None:
        say(context.get_usage())
        say(f"Try '{context.command_path} --help' for help.")
    say(f"error: usage: {said}")


def _say_fault(error: Exception, arguments: list[str]) -> None:
    """One line, and where its traceback lies."""
    kind, said = type(error).__name__, str(error)
    place = _kept("".join(traceback.format_exception(error)), arguments)
    message = f"a fault of tallystick and not of the request: {kind}: {said}"[:500]
    if invocation().for_programs:
        fields = {"code": "fault", "message": message, "kind": kind, "traceback": place}
        say_json({**fields, "recorded": invocation().recorded})
    else:
        say(f"error: fault: {message}; its traceback is in {place}")


def _kept(lines: str, arguments: list[str]) -> str:
    """Where a traceback lies now; nothing of an address's password is in it."""
    head = f"tallystick {tallystick.__version__}, Python {sys.version}\ntallystick {shlex.join(arguments)}\n\n"
    text = masked(head + lines)
    try:
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", errors="backslashreplace", prefix="tallystick-", suffix=".txt", delete=False
        ) as file:
            file.write(text)
        return file.name
    except OSError as error:
        return f"no file, for none can be written ({visible(str(error))})"
