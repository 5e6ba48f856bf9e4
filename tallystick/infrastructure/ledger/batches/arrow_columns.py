"""Arrow's columns, and other libraries', as batches take them. pyarrow is only looked at where a caller has imported it."""

import sys
from typing import Any

import numpy as np

from tallystick.domain.arithmetic.columns import Column
from tallystick.domain.batch.request import column_of
from tallystick.domain.errors import InvalidAccount, InvalidRequest


def prepared(given: Any) -> Any:
    """A column as a list, a tuple or an array; an Arrow column as that, but for names, whose distinct ones can be looked up.

    `InvalidRequest` where it is no column, or one of what a batch has none of.
    """
    column: Any = given
    arrow = _arrow(column)
    if arrow is None:
        return column_of(column.to_numpy() if hasattr(column, "to_numpy") else column)
    types, kind = arrow.types, column.type
    if types.is_string_view(kind):
        return column.cast(arrow.string())
    if _is_text(arrow, column) or (types.is_dictionary(kind) and types.is_string(kind.value_type)):
        return column
    if types.is_dictionary(kind):
        return _listed(column)
    if types.is_integer(kind) and not column.null_count:
        return np.asarray(column)
    if types.is_decimal(kind) and kind.scale == 0:
        return [None if value is None else int(value) for value in column.to_pylist()]
    if types.is_temporal(kind):
        raise InvalidRequest(f"a column of {kind} holds neither accounts nor amounts nor ids")
    return _listed(column)


def prepared_texts(given: Any) -> Any:
    """A column of texts, or of ids that may be texts, as a list, a tuple or an array."""
    column = prepared(given)
    if _arrow(column) is None:
        return column
    try:
        return column.to_pylist()
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"a column of text is UTF-8: {error}") from error


def prepared_times(given: Any) -> Any:
    """A column of times likewise; Arrow's are numpy's, a time of day left out where there is none."""
    column: Any = given
    arrow = _arrow(column)
    if arrow is None or not (arrow.types.is_timestamp(column.type) or arrow.types.is_date(column.type)):
        return prepared_texts(column)
    if column.null_count:
        raise InvalidRequest("a time is not null", row=int(np.argmax(np.array(column.is_null()))))
    return np.asarray(column)


def encoded_names(given: Any) -> tuple[list[str], Column] | None:
    """The distinct names in an Arrow column of text and where in them each row's is; None where it is no such column."""
    column: Any = given
    arrow = _arrow(column)
    if arrow is None:
        return None
    if _is_text(arrow, column):
        column = column.dictionary_encode()
    if isinstance(column, arrow.ChunkedArray):
        column = column.unify_dictionaries().combine_chunks()
    if column.null_count:
        raise InvalidAccount("an account is a str, not null", row=int(np.argmax(np.array(column.is_null()))))
    places = column.indices.to_numpy(zero_copy_only=False)
    is_used = np.zeros(len(column.dictionary), dtype=np.bool_)
    is_used[places] = True
    return _listed(column.dictionary.filter(arrow.array(is_used))), (np.cumsum(is_used) - 1)[places]


def _listed(column: Any) -> list[Any]:
    try:
        return column.to_pylist()
    except UnicodeDecodeError as error:
        raise InvalidAccount(f"a column of text is UTF-8: {error}") from error


def _is_text(arrow: Any, column: Any) -> bool:
    return arrow.types.is_string(column.type) or arrow.types.is_large_string(column.type)


def _arrow(column: Any) -> Any:
    """pyarrow, where it is wholly imported and the column is one of its own."""
    arrow: Any = sys.modules.get("pyarrow")
    kinds = [getattr(arrow, name, None) for name in ("Array", "ChunkedArray")]
    is_whole = None not in kinds and hasattr(arrow, "types")
    return arrow if is_whole and any(isinstance(column, kind) for kind in kinds if kind is not None) else None
