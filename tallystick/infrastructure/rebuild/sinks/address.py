"""Where tables are to be written: what an address means, and the sink there.

A path is a folder of Parquet files where it has no suffix, or that of Parquet, or a folder lies there; any other path is an
SQLite file.
"""

from functools import partial
from pathlib import Path
from urllib.parse import unquote, urlsplit

from tallystick.domain.errors import InvalidURL, StorageUnavailable
from tallystick.infrastructure.journal.stores.postgres.address import SCHEMES, PostgresAddress, split_options
from tallystick.infrastructure.rebuild.sinks.parquet import ParquetSink
from tallystick.infrastructure.rebuild.sinks.port import Sink
from tallystick.infrastructure.rebuild.sinks.sqlite import SQLiteSink
from tallystick.infrastructure.system.passwords import shown

_FORMS = (
    "'tables.db', 'sqlite:///tables.db', a folder for Parquet as 'tables/' or 'parquet:///tables', or "
    "'postgresql://user@host/database?schema=NAME'"
)


def open_sink(into: str | Path) -> Sink:
    """The sink at an address. Raises `InvalidURL`, `InvalidRequest`, and the errors of storage."""
    return sink_at(into)()


def sink_at(into: str | Path) -> "partial[Sink]":
    """What opens the sink at an address, for which nothing is opened yet. Raises `InvalidURL`, `InvalidRequest`."""
    if isinstance(into, Path):
        return _in_files(into)
    if not isinstance(into, str) or not into.strip() or "\0" in into:
        raise InvalidURL(f"tables are written into {_FORMS}, not {shown(into)!r}")
    if into.startswith(SCHEMES):
        return _postgres(into)
    scheme, mark, _ = into.partition(":")
    if not mark:
        path = Path(into).expanduser()
        return partial(ParquetSink, path) if into.endswith("/") else _in_files(path)
    parts = urlsplit(into) if into.startswith(("sqlite:///", "parquet:///")) else None
    if parts is None or len(parts.path) < 2 or parts.query or parts.fragment:
        raise InvalidURL(f"tables are written into {_FORMS}, not {shown(into)!r}")
    path = Path(unquote(parts.path[1:]))
    return partial(SQLiteSink if scheme == "sqlite" else ParquetSink, path)


def _in_files(path: Path) -> "partial[Sink]":
    is_folder = path.is_dir() or (path.suffix in ("", ".parquet") and not path.is_file())
    return partial(ParquetSink if is_folder else SQLiteSink, path)


def _postgres(url: str) -> "partial[Sink]":
    try:
        from tallystick.infrastructure.rebuild.sinks.postgres import PostgresSink
    except ImportError as error:
        raise StorageUnavailable(f'PostgreSQL needs psycopg: pip install "tallystick[postgres]" ({error})') from error
    address = PostgresAddress.parse(url)
    if not any(unquote(part).startswith("schema=") for part in split_options(url)[1].split("&")):
        address = address._replace(schema="public")
    return partial(PostgresSink, address)
