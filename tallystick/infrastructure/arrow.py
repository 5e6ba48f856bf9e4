"""Arrow's columns, and other libraries', as batches take them. pyarrow is only looked at where a caller has imported it."""

import sys
from typing import Any

import numpy as np

from tallystick.domain.columns import Column
from tallystick.domain.errors import InvalidAccount


def encoded_names(given: Any) -> tuple[list[str], Column] | None:
    """The distinct names in an Arrow column of text and where in them each row's is; None where it is no such column."""
    arrow: Any = sys.modules.get("pyarrow")
    if arrow is None or not isinstance(given, (arrow.Array, arrow.ChunkedArray)):
        return None
    types = arrow.types
    column: Any = given
    if types.is_string_view(column.type):
        column = column.cast(arrow.string())
    if types.is_integer(column.type):
        _check_nulls(column)
    if types.is_string(column.type) or types.is_large_string(column.type):
        column = column.dictionary_encode()
    if not types.is_dictionary(column.type):
        return None
    if isinstance(column, arrow.ChunkedArray):
        column = column.unify_dictionaries().combine_chunks()
    _check_nulls(column)
    places = column.indices.to_numpy(zero_copy_only=False)
    is_used = np.zeros(len(column.dictionary), dtype=np.bool_)
    is_used[places] = True
    return column.dictionary.filter(arrow.array(is_used)).to_pylist(), (np.cumsum(is_used) - 1)[places]


def _check_nulls(column: Any) -> None:
    if column.null_count:
        row = int(np.argmax(np.array(column.is_null())))
        raise InvalidAccount("an account is a str or a handle, not null", row=row)


def plain_column(given: Any) -> Any:
    """A column of another library as numpy's, or as a list where numpy has nothing like it; what else there is as it is."""
    arrow: Any = sys.modules.get("pyarrow")
    if arrow is not None and isinstance(given, (arrow.Array, arrow.ChunkedArray)):
        column: Any = given
        if arrow.types.is_integer(column.type) and not column.null_count:
            return column.to_numpy() if isinstance(column, arrow.ChunkedArray) else column.to_numpy(zero_copy_only=False)
        if arrow.types.is_decimal(column.type) and column.type.scale == 0:
            return [None if value is None else int(value) for value in column.to_pylist()]
        return column.to_pylist()
    other: Any = given
    return other.to_numpy() if hasattr(other, "to_numpy") else other
