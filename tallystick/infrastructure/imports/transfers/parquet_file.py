"""Reading transfers from Parquet with pyarrow, which is imported when such a file comes. Row 1 is the first row of data.

A column is read as what its type says: text, whole numbers, or decimals without places. Floats and whatever else are refused
by their type, before any value of theirs is looked at.
"""

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from tallystick.domain.errors import InvalidRequest, MalformedRow
from tallystick.infrastructure.imports.transfers.rows import BLOCK_ROWS, NUMBERS, TransferRows, columns_to_read, parse_rows

MAGIC = b"PAR1"


def is_parquet(path: Path) -> bool:
    """Whether a file begins as Parquet does."""
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def read_parquet(path: Path, token: str | None) -> Iterator[TransferRows]:
    """The rows of a file, a block at a time, of `token` where one is given. Raises `MalformedRow`."""
    arrow, parquet = _pyarrow()
    first = 1
    try:
        with parquet.ParquetFile(path) as file:
            names = columns_to_read(file.schema_arrow.names, token)
            for name in names:
                _check_type(arrow, name, file.schema_arrow.field(name).type)
            for table in _blocks(arrow, file.iter_batches(BLOCK_ROWS, columns=names)):
                numbers = range(first, first + table.num_rows)
                yield parse_rows(numbers, {name: _values(arrow, name, table.column(name), first) for name in names}, token)
                first = numbers.stop
    except (arrow.ArrowException, OSError) as error:
        raise MalformedRow(f"it is no Parquet that can be read: {error}", row=first) from error


def _pyarrow() -> tuple[Any, Any]:
    try:
        return import_module("pyarrow"), import_module("pyarrow.parquet")
    except ImportError as error:
        raise InvalidRequest('a Parquet file needs pyarrow: pip install "tallystick[arrow]"') from error


def _blocks(arrow: Any, batches: Any) -> Iterator[Any]:
    """Tables of `BLOCK_ROWS` rows and one of the rest, however long the batches are."""
    table: Any = None
    for batch in batches:
        more = arrow.Table.from_batches([batch])
        table = more if table is None else arrow.concat_tables([table, more])
        while table.num_rows >= BLOCK_ROWS:
            yield table.slice(0, BLOCK_ROWS)
            table = table.slice(BLOCK_ROWS)
    if table is not None and table.num_rows:
        yield table


def _check_type(arrow: Any, name: str, given: Any) -> None:
    types = arrow.types
    kind = given.value_type if types.is_dictionary(given) else given
    is_text = types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)
    is_number = types.is_integer(kind) or (types.is_decimal(kind) and kind.scale == 0)
    if not (is_text or types.is_null(kind) or (name in NUMBERS and is_number)):
        expected = "whole numbers, decimals without places or text" if name in NUMBERS else "text"
        raise MalformedRow(f"the column {name} is of {expected}, not of {given}", row=1)


def _values(arrow: Any, name: str, column: Any, first: int) -> list[Any]:
    """The values as text, with "" for null, or as ints; `first` is the number of the first row."""
    try:
        values: list[Any] = column.to_pylist()
    except UnicodeDecodeError:
        values = [_text(row, name, value) for row, value in enumerate(column, first)]
    if name not in NUMBERS:
        return ["" if value is None else value for value in values] if column.null_count else values
    if arrow.types.is_decimal(getattr(column.type, "value_type", column.type)):
        return [None if value is None else int(value) for value in values]
    return values


def _text(row: int, name: str, value: Any) -> Any:
    try:
        return value.as_py()
    except UnicodeDecodeError as error:
        raise MalformedRow(f"its {name} is no UTF-8: {error}", row=row) from error
