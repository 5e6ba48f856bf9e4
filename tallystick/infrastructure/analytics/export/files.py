"""A table as one file: Parquet, with all columns; or CSV, with amounts as exact text alone.

A CSV has every text as it is: quoted, and with the quotes in it doubled. A text that begins with "=", "+", "-" or "@" is one
too, and stays what it is; a spreadsheet that takes it for a formula is to be told that the column is text. NULL is nothing
between two commas, and an empty text is two quotes.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tallystick.infrastructure.analytics.tables import Stream
from tallystick.infrastructure.rebuild.columns import pyarrow
from tallystick.projections.movements.schema import LIMBS
from tallystick.projections.tables import INT_BEHIND, Shape

_GROUP_ROWS = 262_144
_DIGITS = 38
_NUMBERS_OF_MOVEMENTS = frozenset(("amount_int", *(f"amount_{limb}" for limb in range(LIMBS))))


def write_parquet(stream: Stream, path: Path, noted: Mapping[str, str]) -> int:
    """Writes the table, with what is `noted` of it in the file, and gives how many rows it has."""
    arrow, parquet = pyarrow(), pyarrow("parquet")
    schema = _with_numbers(stream.shape, stream.schema.empty_table()).schema
    schema = schema.with_metadata({f"tallystick.{name}": text for name, text in noted.items()})
    rows = 0
    with parquet.ParquetWriter(path, schema, compression="zstd", write_page_checksum=True) as writer:
        for table in _grouped(stream):
            table = _with_numbers(stream.shape, table)
            writer.write_table(arrow.Table.from_arrays(table.columns, schema=schema))
            rows += table.num_rows
    return rows


def write_csv(stream: Stream, path: Path, noted: Mapping[str, str]) -> int:
    """The same as CSV, in which nothing more is noted."""
    del noted
    csv = pyarrow("csv")
    left_out = _NUMBERS_OF_MOVEMENTS if stream.shape is None else frozenset[str]()
    columns = [name for name in stream.schema.names if name not in left_out]
    schema = pyarrow().schema([stream.schema.field(name) for name in columns])
    rows = 0
    with csv.CSVWriter(path, schema) as writer:
        for batch in stream.batches:
            writer.write_batch(batch.select(columns))
            rows += batch.num_rows
    return rows


def _grouped(stream: Stream) -> Iterator[Any]:
    """The batches, some together, as row groups are best read."""
    arrow = pyarrow()
    gathered: list[Any] = []
    rows = 0
    for batch in stream.batches:
        gathered.append(batch)
        rows += batch.num_rows
        if rows >= _GROUP_ROWS:
            yield arrow.Table.from_batches(gathered, stream.schema)
            gathered, rows = [], 0
    if gathered:
        yield arrow.Table.from_batches(gathered, stream.schema)


def _with_numbers(shape: Shape | None, table: Any) -> Any:
    """The table with a decimal behind each amount, null where it has more digits than that can have. Movements have theirs."""
    if shape is None:
        return table
    arrow, compute = pyarrow(), pyarrow("compute")
    columns: dict[str, Any] = {}
    for (name, kind), column in zip(shape.columns.items(), table.columns, strict=True):
        columns[name] = column
        if kind == "amount":
            digits = compute.utf8_length(compute.utf8_ltrim(column, "-"))
            fitting = compute.if_else(compute.less_equal(digits, _DIGITS), column, None)
            columns[f"{name}{INT_BEHIND}"] = fitting.cast(arrow.decimal128(_DIGITS, 0))
    return arrow.table(columns)
