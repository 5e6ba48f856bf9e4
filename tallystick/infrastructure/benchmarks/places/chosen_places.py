"""The places that are measured: on SQLite, and on PostgreSQL where a server is named; each is made anew and removed again."""

import tempfile
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

from tallystick.infrastructure.benchmarks.measuring.workload import Settings
from tallystick.infrastructure.benchmarks.places.places import MemoryPlace, Place, SQLitePlace, Store

Chosen = TypeVar("Chosen", bound=Store)


def databases(settings: Settings) -> list[Callable[[Path], Place]]:
    """What makes a place in a folder, of each database."""
    if settings.postgres is None:
        return [SQLitePlace]
    from tallystick.infrastructure.benchmarks.places.postgres_place import PostgresPlace  # psycopg is an extra

    return [SQLitePlace, partial(PostgresPlace, settings.postgres)]


def stores(settings: Settings) -> list[Callable[[Path], Store]]:
    """The same, and memory before them."""
    return [MemoryPlace, *databases(settings)]


@contextmanager
def new_place(settings: Settings, make: Callable[[Path], Chosen]) -> Generator[Chosen]:
    """A place in a folder of its own, and nothing of either is left after it."""
    with tempfile.TemporaryDirectory(dir=settings.folder) as folder, closing(make(Path(folder))) as place:
        yield place
