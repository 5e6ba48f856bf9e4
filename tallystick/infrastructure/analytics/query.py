"""A query in SQL, which may come from anywhere: it reads the tables of the journal and reaches nothing else.

Before DuckDB is given the query at all it may not open a file, load anything or have its settings changed. The query is bound
to tables without rows first, which says what is wrong with it; of what it is parsed into is told which of them it names, and
only these are loaded. They lie in a file in a temporary folder, as does what does not fit into the memory that DuckDB may use.
"""

import json
import tempfile
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple, cast

from tallystick.domain.errors import InvalidRequest
from tallystick.infrastructure.analytics.engine import connected, interruptible, translated
from tallystick.infrastructure.analytics.loading import load, make_tables
from tallystick.infrastructure.analytics.schema import VIEWS
from tallystick.infrastructure.analytics.tables import TABLES
from tallystick.infrastructure.rebuild.progress import Progress
from tallystick.infrastructure.rebuild.source import Source

_FETCHED = 2048
_CLOSED = (
    "SET enable_external_access = false",
    "SET python_enable_replacements = false",
    "SET TimeZone = 'UTC'",
    "SET lock_configuration = true",
)
_READING = ("SELECT", "EXPLAIN")
_READ_NO_TABLE = ("range", "generate_series", "unnest")


class Answer(NamedTuple):
    """What a query gives: its columns by name, each with its type as DuckDB has it, and its rows, in parts."""

    columns: Sequence[str]
    types: Sequence[str]
    parts: Iterator[Sequence[Sequence[Any]]]


@contextmanager
def answered(source: Source, query: str, memory: str, progress: Progress | None = None) -> Generator[Answer]:
    """The answer, to be read within, over the tables up to where the journal ends now.

    Raises `InvalidRequest`, with DuckDB's message, where the query is wrong or is more than one that reads.
    """
    head = source.head()
    with tempfile.TemporaryDirectory(prefix="tallystick-sql-") as folder:
        place = Path(folder) / "tables.duckdb"
        options = {"memory_limit": memory, "temp_directory": str(Path(folder) / "spilled"), "allow_persistent_secrets": "false"}
        with closing(connected(place, **options)) as database:
            make_tables(database, TABLES)
            with translated():
                for statement in _CLOSED:
                    database.execute(statement)
            load(database, source, _named_in(database, query), head, progress)
            with translated():
                interruptible(database, lambda: database.execute(query))
                described: list[Any] = database.description or []
            yield Answer(_apart([each[0] for each in described]), [str(each[1]) for each in described], _parts(database))


def _named_in(database: Any, query: str) -> list[str]:
    """The tables that the query may read. Raises `InvalidRequest` where it cannot be answered, whatever they have."""
    if "\0" in query or not _is_unicode(query):
        raise InvalidRequest("a query is text that UTF-8 can write, without a character NUL")
    with translated():
        kinds = [statement.type.name for statement in database.extract_statements(query)]
        if len(kinds) != 1 or kinds[0] not in _READING:
            raise InvalidRequest(
                f"one statement that reads is answered, a SELECT or an EXPLAIN, not {', '.join(kinds) or 'none'}: "
                "Ledger.duckdb() and `tallystick export -o books.duckdb` give a database for all else"
            )
        if kinds[0] != "SELECT":
            return list(TABLES)
        database.sql(query)  # which binds it
        (parsed,) = database.execute("SELECT json_serialize_sql(?)", [query]).fetchone()
    named = set(_tables_in(json.loads(parsed)))
    if None in named:
        return list(TABLES)
    named |= {table for view, tables in VIEWS.items() if view in named for table in tables}
    return [name for name in TABLES if name in named]


def _tables_in(parsed: Any) -> Iterator[str | None]:
    """What a parsed query names as tables, in lower case; None where it may read some that it does not name."""
    if isinstance(parsed, dict):
        node = cast(dict[str, Any], parsed)
        name = node.get("table_name")
        if isinstance(name, str):
            yield name.lower()
        if node.get("error") or (node.get("type") == "TABLE_FUNCTION" and not _is_harmless(node)):
            yield None
        parsed = list(node.values())
    if isinstance(parsed, list):
        for each in cast(list[Any], parsed):
            yield from _tables_in(each)


def _is_harmless(call: dict[str, Any]) -> bool:
    function: dict[str, Any] = call.get("function") or {}
    return function.get("function_name") in _READ_NO_TABLE


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _parts(database: Any) -> Iterator[Sequence[Sequence[Any]]]:
    while True:
        with translated():
            part = interruptible(database, lambda: database.fetchmany(_FETCHED))
        if not part:
            return
        yield part


def _apart(names: Sequence[str]) -> list[str]:
    """The names, with a number behind those that another column had before."""
    found: list[str] = []
    for name in names:
        number, apart = 1, name
        while apart in found:
            number, apart = number + 1, f"{name}_{number}"
        found.append(apart)
    return found
