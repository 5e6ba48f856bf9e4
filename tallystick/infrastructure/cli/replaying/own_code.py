"""Code of the caller's own that a command runs: where it is found, and what is said where it fails.

What it raises is no fault of this program, and is told as what is wrong with the request.
"""

import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from types import TracebackType

from tallystick.domain.errors import IntegrityError, InvalidRequest, StorageError


@contextmanager
def own_code(*places: str) -> Generator[None]:
    """While what is named by these is loaded and called; those with a colon, "module:name", are the caller's.

    Modules are looked for where the command is run, too. What one of them raises is `InvalidRequest`, with the notes of it.
    """
    if "" not in sys.path:
        sys.path.insert(0, "")
    modules = [place.partition(":")[0] for place in places if ":" in place]
    try:
        yield
    except (IntegrityError, StorageError):
        raise
    except Exception as error:
        module = _raised_in(error.__traceback__, modules)
        if module is None:
            raise
        said = "".join(f"; {note}" for note in getattr(error, "__notes__", ()))
        raise InvalidRequest(f"{module} has raised {type(error).__name__}: {error}{said}") from error


def _raised_in(traceback: TracebackType | None, modules: Sequence[str]) -> str | None:
    """The first of the modules that was called on the way to an error."""
    while traceback is not None:
        module = traceback.tb_frame.f_globals.get("__name__")
        if module in modules:
            return module
        traceback = traceback.tb_next
    return None
