"""Reading transfers from Parquet with pyarrow, which is imported when such a file comes. Row 1 is the first row of data.

A column is read as what its type says: text, whole numbers, or decimals without places. Floats and whatever else are refused
by their type, before any value of theirs is looked at.
"""

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from tallystick.domain.errors import InvalidRequest, MalformedRow
from tallystick.infrastructure.imports.rows.transfer_rows import TransferRows
from tallystick.infrastructure.imports.transfers.rows import BLOCK_ROWS, NUMBERS, TIMES, Reading, columns_to_read, parse_rows


def read_parquet(path: Path, reading: Reading) -> Iterator[TransferRows]:
    """The rows of a file, a block at a time, checked against the sums that its pages may have. Raises `MalformedRow`."""
    arrow, parquet = _pyarrow()
    first = 1
    try:
        with parquet.ParquetFile(path, page_checksum_verification=True) as file:
            names = columns_to_read(file.schema_arrow.names, reading.token)
            for name, given in names.items():
                _check_type(arrow, name, file.schema_arrow.field(given).type)
            for table in _blocks(arrow, file.iter_batches(BLOCK_ROWS, columns=list(names.values()))):
                numbers = range(first, first + table.num_rows)
                columns = {name: _values(arrow, name, table.column(given), first) for name, given in names.items()}
                yield parse_rows(numbers, columns, reading)
                first = numbers.stop
    except (arrow.ArrowException, OSError, UnicodeDecodeError) as error:
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
    is_time = name in TIMES and (types.is_timestamp(kind) or types.is_date(kind))
    if not (is_text or types.is_null(kind) or is_time or (name in NUMBERS and is_number)):
        expected = "whole numbers, decimals without places or text" if name in NUMBERS else "text"
        if name in TIMES:
            expected = "times or text"
        raise MalformedRow(f"the column {name} is of {expected}, not of {given}", row=1)


def _values(arrow: Any, name: str, column: Any, first: int) -> list[Any]:
    """The values as text, with "" for null, or as ints; `first` is the number of the first row."""
    if arrow.types.is_timestamp(column.type) or arrow.types.is_date(column.type):
        return _instants(arrow, column)
    try:
        values: list[Any] = column.to_pylist()
    except UnicodeDecodeError:
        values = [_text(row, name, value) for row, value in enumerate(column, first)]
    if name not in NUMBERS:
        return ["" if value is None else value for value in values] if column.null_count else values
    if arrow.types.is_decimal(getattr(column.type, "value_type", column.type)):
        return [None if value is None else int(value) for value in values]
    return values


def _instants(arrow: Any, column: Any) -> list[int | None]:
    """Times in microseconds since 1970 in UTC; those without a zone are of UTC."""
    return column.cast(arrow.timestamp("us"), safe=False).cast(arrow.int64()).to_pylist()


def _text(row: int, name: str, value: Any) -> Any:
    try:
        return value.as_py()
    except UnicodeDecodeError as error:
        raise MalformedRow(f"its {name} is no UTF-8: {error}", row=row) from error
