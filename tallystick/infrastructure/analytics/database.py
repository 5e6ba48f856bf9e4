"""A DuckDB database of the journal's tables: in memory, or a file that is made whole or not at all."""

from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

from tallystick.domain.errors import InvalidRequest, LedgerError
from tallystick.infrastructure.analytics.engine import connected, translated
from tallystick.infrastructure.analytics.loading import load, make_tables
from tallystick.infrastructure.analytics.schema import JOURNAL
from tallystick.infrastructure.analytics.tables import names_of
from tallystick.infrastructure.analytics.whole import whole_file
from tallystick.infrastructure.rebuild.progress import Progress
from tallystick.infrastructure.rebuild.source import Source

LOADING_MEMORY = "256MB"
"""So much, at most, DuckDB keeps in memory of a file while it is made."""


def opened_database(
    source: Source, path: str | Path | None, tables: str | Iterable[str], progress: Progress | None = None
) -> Any:
    """A connection to a database of these tables up to where the journal ends now. As `Ledger.duckdb`."""
    names = names_of(tables)
    if path is not None:
        write_database(source, Path(path), names, source.head(), progress)
        return connected(Path(path))
    database = connected()
    try:
        make_tables(database, names)
        load(database, source, names, source.head(), progress)
    except BaseException:
        database.close()
        raise
    return database


def write_database(
    source: Source, path: Path, names: Iterable[str], head: tuple[int, str], progress: Progress | None = None
) -> dict[str, int]:
    """Makes the file, and gives how many rows each table has. Raises `InvalidRequest` where another file is there."""
    names = list(names)
    if path.is_file() and not _is_ours(path):
        raise InvalidRequest(f"{path} is there already, and in use or not made from a journal: name another file")
    with whole_file(path) as beside, closing(_file_made(beside)) as database:
        make_tables(database, names)
        rows = load(database, source, names, head, progress)
        with translated():
            database.execute("CHECKPOINT")
            database.close()  # before it takes its place
    return rows


def _file_made(path: Path) -> Any:
    return connected(path, memory_limit=LOADING_MEMORY, temp_directory=f"{path}.tmp")


def _is_ours(path: Path) -> bool:
    """Whether the file has what every database that was made here has."""
    try:
        with closing(connected(path, access_mode="read_only")) as database, translated():
            return bool(database.execute(f"SELECT count(position) FROM {JOURNAL}").fetchone())
    except LedgerError:
        return False
