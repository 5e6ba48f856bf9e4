"""DuckDB, imported where it is used, and connections that need nothing from elsewhere.

No extension is installed or loaded: what is asked for is what the package itself can do. What DuckDB raises becomes one of our
errors, with its message.
"""

from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

from tallystick.domain.errors import InvalidRequest, StorageFull, StorageUnavailable

Given = TypeVar("Given")

_ALONE = {"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}
_AGAIN_SECONDS = 0.05
_FULL = ("No space left", "Disk quota", "max_temp_directory_size")


def duckdb() -> Any:
    """The library. Raises `InvalidRequest` where it is not installed."""
    try:
        return import_module("duckdb")
    except ImportError as error:
        raise InvalidRequest('this needs DuckDB: pip install "tallystick[analytics]"') from error


@contextmanager
def translated() -> Generator[None]:
    """What DuckDB raises within, as `StorageFull`, `StorageUnavailable` or `InvalidRequest`."""
    library = duckdb()
    try:
        yield
    except library.IOException as error:
        kind = StorageFull if any(each in str(error) for each in _FULL) else StorageUnavailable
        raise kind(f"DuckDB: {error}") from error
    except library.Error as error:
        raise InvalidRequest(f"DuckDB: {error}") from error


def connected(path: Path | None = None, **options: str) -> Any:
    """A connection to the database file, which is made where it is missing, or to a database in memory."""
    with translated():
        return duckdb().connect(":memory:" if path is None else str(path), config={**_ALONE, **options})


def interruptible(database: Any, call: Callable[[], Given]) -> Given:
    """What a call of the connection gives. It is made on a thread of its own, so that whoever waits can be interrupted.

    Then DuckDB is, and it has let go of the connection when this is left.
    """
    with ThreadPoolExecutor(1, "tallystick-duckdb") as thread:
        called = thread.submit(call)
        try:
            wait([called])
        except BaseException:
            while not called.done():
                database.interrupt()
                wait([called], _AGAIN_SECONDS)
            raise
        return called.result()
