"""What an export can be, and what is told of one."""

from typing import Literal, get_args

from tallystick.domain.values.result import Result

Format = Literal["parquet", "csv", "duckdb", "hledger", "beancount"]
FORMATS: tuple[Format, ...] = get_args(Format)
ENDINGS: dict[str, Format] = {
    ".parquet": "parquet",
    ".csv": "csv",
    ".duckdb": "duckdb",
    ".journal": "hledger",
    ".hledger": "hledger",
    ".beancount": "beancount",
    ".bean": "beancount",
}
"""Which format a file of what ending has."""


class ExportedTable(Result, frozen=True):
    """The table `name`, of which so many `rows` were written into the file `path`; None where there was nothing to add."""

    name: str
    rows: int
    path: str | None


class Exported(Result, frozen=True):
    """What an export wrote: these `tables` have all events up to `position`, in this `format`."""

    position: int
    format: str
    tables: tuple[ExportedTable, ...]
