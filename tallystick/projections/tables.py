"""Tables: what a projection has as rows, so that a rebuild can write it into a database or into files.

A projection that has `tables()` gives them when it was given all events: each a name, its columns by name with the kind of
each, and the rows. In place of the kinds names alone will do; then each is told from the values. The rows of a table come in
one order whenever the same events were applied, for a rebuild that was interrupted goes on behind those that it has written.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple, Protocol, cast, get_args, runtime_checkable

from tallystick.domain.errors import InvalidRequest

Kind = Literal["text", "int", "amount", "time", "bool"]
"""What a column has: texts, integers of 64 bits, amounts (integers of any width), times, or truths; or None in each.

A time is an aware datetime, or an int of microseconds since 1970 in UTC.
"""

KINDS: tuple[Kind, ...] = get_args(Kind)
INT_BEHIND = "_int"
"""What a sink puts behind the name of an amount for the column beside it that has the same as a number, where it fits."""

_NAME = re.compile("[a-z][a-z0-9_]{0,39}")
_OURS = "tallystick_"
_INT_MAX = 2**63 - 1


class Shape(NamedTuple):
    """A table without its rows: what it is called, the kind of each column by name, and the columns by which rows are found."""

    name: str
    columns: Mapping[str, Kind]
    key: Sequence[str] = ()


class Table(NamedTuple):
    """A table: its name, the kind of each column by name, its rows in order, and if given the columns they are found by."""

    name: str
    columns: Mapping[str, Kind]
    rows: Iterable[Sequence[Any]]
    key: Sequence[str] = ()

    @property
    def shape(self) -> Shape:
        """The table without its rows."""
        return Shape(self.name, self.columns, self.key)


class Changes(NamedTuple):
    """What became of a table's rows since it was asked last: those that are new or other, and the keys of those that are gone.

    A projection whose tables are kept current may have `changes()`, which gives these of each of its tables; else all rows are
    compared each time. A key has the values of the table's `key`, by which each row is found.
    """

    name: str
    rows: Iterable[Sequence[Any]]
    gone: Iterable[Sequence[Any]] = ()


@runtime_checkable
class Tracked(Protocol):
    """What a projection is that says which of its rows changed."""

    def changes(self) -> Iterable[Changes]:
        """What became of each of its tables since it was asked last."""
        ...


def tables_of(projection: Any) -> list[Table]:
    """The tables that a projection has, checked.

    `InvalidRequest` where it has no `tables`, or one of them is not of the form that stands above.
    """
    name: str = projection.name
    if not callable(getattr(projection, "tables", None)):
        raise InvalidRequest(f"the projection {name} has no tables(), which gives (name, columns, rows) of each")
    tables = [_table(name, given) for given in projection.tables()]
    if not tables:
        raise InvalidRequest(f"the projection {name} has no tables to write")
    return tables


def check_shape(shape: Shape) -> None:
    """`InvalidRequest` where its names are not such as every sink takes, or it has a kind that there is none of."""
    name, columns, key = shape
    _check_name(name, "a table")
    if name.startswith(_OURS) or "__" in name:
        raise InvalidRequest(f"a table is not called {name}: '{_OURS}' and '__' are for what a rebuild keeps of its own")
    if not columns:
        raise InvalidRequest(f"the table {name} has no columns")
    for column, kind in columns.items():
        _check_name(column, f"a column of {name}")
        if kind not in KINDS:
            raise InvalidRequest(f"{name}.{column}: a column is of the kind {', '.join(KINDS)}, not {kind!r}")
        if column.endswith(INT_BEHIND) and columns.get(column.removesuffix(INT_BEHIND)) == "amount":
            raise InvalidRequest(f"{name}.{column}: that is what the amount as a number is called")
    for column in key:
        if column not in columns:
            raise InvalidRequest(f"{name}: rows are found by {column}, which is no column of it")


def _check_name(name: object, what: str) -> None:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InvalidRequest(f"the name of {what} is of up to 40 lower-case letters, digits and '_', not {name!r}")


def _table(projection: str, given: Any) -> Table:
    if not isinstance(given, tuple) or not 3 <= len(cast(tuple[Any, ...], given)) <= 4:
        raise InvalidRequest(f"the projection {projection}: a table is (name, columns, rows), not {given!r:.80}")
    name, columns, rows, *rest = cast(tuple[Any, ...], given)
    key: Sequence[str] = rest[0] if rest else ()
    if not isinstance(columns, Mapping):
        rows = list(rows)
        columns = {column: _kind([row[at] for row in rows]) for at, column in enumerate(columns)}
    table = Table(name, cast(Mapping[str, Kind], columns), rows, key)
    check_shape(table.shape)
    return table


def _kind(values: Sequence[Any]) -> Kind:
    """The kind of a column that has these values."""
    types: set[type[Any]] = {type(value) for value in values if value is not None}
    if types == {bool}:
        return "bool"
    if types and all(issubclass(each, datetime) for each in types):
        return "time"
    if types == {int}:
        fits = all(value is None or -_INT_MAX <= value <= _INT_MAX for value in values)
        return "int" if fits else "amount"
    return "text"
