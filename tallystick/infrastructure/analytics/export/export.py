"""An export: which format is meant, what is written where, and what is told of it."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple

from tallystick.domain.errors import InvalidRequest
from tallystick.domain.values.token import Token
from tallystick.infrastructure.analytics.database import write_database
from tallystick.infrastructure.analytics.export.append import append_parts
from tallystick.infrastructure.analytics.export.exported import ENDINGS, FORMATS, Exported, ExportedTable, Format
from tallystick.infrastructure.analytics.export.files import write_csv, write_parquet
from tallystick.infrastructure.analytics.plain_text.beancount import Beancount
from tallystick.infrastructure.analytics.plain_text.hledger import Hledger
from tallystick.infrastructure.analytics.plain_text.writing import Style, write_journal
from tallystick.infrastructure.analytics.tables import GROWING, MOVEMENTS, Stream, names_of, streams
from tallystick.infrastructure.analytics.whole import whole_file, whole_folder
from tallystick.infrastructure.rebuild.progress import Progress
from tallystick.infrastructure.rebuild.source import Source

_STYLES: dict[Format, Callable[[], Style]] = {"hledger": Hledger, "beancount": Beancount}
_WRITERS: dict[Format, Callable[[Stream, Path, Mapping[str, str]], int]] = {"parquet": write_parquet, "csv": write_csv}


class Wanted(NamedTuple):
    """What is asked for: tables by name, a place, a format, and whether it is added to what is there."""

    tables: tuple[str, ...]
    to: Path
    format: Format
    is_folder: bool
    append: bool


def wanted(tables: str | Iterable[str], to: str | Path, format: str | None, append: bool) -> Wanted:
    """What the arguments mean. Raises `InvalidRequest` where they do not go together."""
    names, path = names_of(tables), Path(to).expanduser()
    if not names:
        raise InvalidRequest(f"no table is named to be exported: {', '.join(GROWING)}, balances, ...")
    is_folder = str(to).endswith("/") or path.is_dir() or (not path.suffix and format in (None, "parquet", "csv"))
    meant = format or ("parquet" if is_folder else ENDINGS.get(path.suffix.lower()))
    if meant not in FORMATS:
        forms = f"a format is {', '.join(FORMATS)}, which a file's ending tells ({', '.join(ENDINGS)})"
        raise InvalidRequest(f"{forms}; not {format or path.name!r}")
    if is_folder and meant not in _WRITERS:
        raise InvalidRequest(f"{meant} is one file, and {path} is a folder")
    if meant in _STYLES and names != (MOVEMENTS,):
        raise InvalidRequest(f"{meant} has movements alone, and not {', '.join(names)}")
    if append and (meant != "parquet" or not is_folder or not set(names) <= set(GROWING)):
        raise InvalidRequest(f"what is added to is a folder of Parquet, of tables that grow: {', '.join(GROWING)}")
    if meant in _WRITERS and not is_folder and len(names) > 1:
        raise InvalidRequest(f"a file of {meant} has one table, and {len(names)} are named: name a folder, as {path.stem}/")
    return Wanted(names, path, meant, is_folder, append)


def export(source: Source, asked: Wanted, tokens: Iterable[Token], progress: Progress | None = None) -> Exported:
    """Writes it, all up to where the journal ends now. As `Ledger.export`."""
    head = source.head()
    position, digest = head
    if asked.append:
        added = append_parts(source, asked.to, asked.tables, head, progress)
        return _told(asked, position, added)
    if asked.format == "duckdb":
        rows = write_database(source, asked.to, asked.tables, head, progress)
        return _told(asked, position, {name: (count, asked.to) for name, count in rows.items()})
    if asked.format in _STYLES:
        with whole_file(asked.to) as beside:
            count = write_journal(_STYLES[asked.format](), beside, source, head, list(tokens), progress)
        return _told(asked, position, {MOVEMENTS: (count, asked.to)})
    write, noted = _WRITERS[asked.format], {"position": str(position), "digest": digest}
    place: AbstractContextManager[Path] = whole_folder(asked.to) if asked.is_folder else whole_file(asked.to)
    written: dict[str, tuple[int, Path | None]] = {}
    with place as beside:
        for stream in streams(source, asked.tables, position, progress):
            name = f"{stream.name}.{asked.format}"
            rows = write(stream, beside / name if asked.is_folder else beside, noted)
            written[stream.name] = (rows, asked.to / name if asked.is_folder else asked.to)
    return _told(asked, position, written)


def _told(asked: Wanted, position: int, written: Mapping[str, tuple[int, Path | None]]) -> Exported:
    tables = (
        ExportedTable(name, rows, None if path is None else str(path))
        for name, (rows, path) in ((name, written[name]) for name in asked.tables)
    )
    return Exported(position, asked.format, tuple(tables))
