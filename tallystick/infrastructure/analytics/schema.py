"""The tables as DuckDB has them, and the views and the macro over them.

Amounts are exact text, and beside each stands the same as a HUGEINT where 38 digits hold it, else NULL. Sums of HUGEINT that do
not fit are an error and never a DOUBLE. A BIGNUM has any width; sums, differences and comparisons of it are exact. Times are
TIMESTAMPs without a zone, and in UTC, so that a day is the same day whoever asks: what has a zone is cut into days by the zone
of the session.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tallystick.infrastructure.analytics.tables import MOVEMENTS
from tallystick.infrastructure.rebuild.columns import pyarrow
from tallystick.projections.movements.schema import movement_schema
from tallystick.projections.tables import INT_BEHIND, Kind, Shape

JOURNAL = "journal"
VIEWS = {
    "postings": (MOVEMENTS,),
    "cells": (MOVEMENTS,),
}
"""The views, each with the tables that it is made of."""

_TYPES: dict[Kind, str] = {
    "text": "VARCHAR",
    "int": "BIGINT",
    "amount": "VARCHAR",
    "time": "TIMESTAMP",
    "bool": "BOOLEAN",
}
_JOURNAL = f"CREATE TABLE {JOURNAL} (position BIGINT NOT NULL, digest VARCHAR NOT NULL)"
_EXACT_SUM = "CREATE MACRO exact_sum(amount) AS sum(CAST(amount AS BIGNUM))"
_POSTINGS = """CREATE VIEW postings AS
SELECT position, entry_id, transaction_id, recorded_at, occurred_at, kind, token, receiver AS account, sender AS counterparty,
    receiver_held AS held, amount AS change, amount_int AS change_int, memo, reference, hold
FROM movements
UNION ALL
SELECT position, entry_id, transaction_id, recorded_at, occurred_at, kind, token, sender, receiver,
    sender_held, '-' || amount, -amount_int, memo, reference, hold
FROM movements"""
_CELLS = """CREATE VIEW cells AS
WITH summed AS (
    SELECT token, account,
        coalesce(sum(CAST(change AS BIGNUM)) FILTER (NOT held), 0::BIGNUM) AS can_spend,
        coalesce(sum(CAST(change AS BIGNUM)) FILTER (held), 0::BIGNUM) AS is_held
    FROM postings WHERE account IS NOT NULL GROUP BY token, account
), written AS (
    SELECT token, account, CAST(can_spend AS VARCHAR) AS available, CAST(is_held AS VARCHAR) AS reserved,
        CAST(can_spend + is_held AS VARCHAR) AS total
    FROM summed
)
SELECT token, account, available, {available} AS available_int, reserved, {reserved} AS reserved_int,
    total, {total} AS total_int
FROM written"""


def tables_made(shapes: Mapping[str, Shape], *, with_movements: bool) -> Iterator[str]:
    """The statements that make these tables without rows, and what stands over them."""
    yield _JOURNAL
    yield _EXACT_SUM
    for name, shape in shapes.items():
        columns = (f"{column} {kind}" for column, kind in _columns(shape))
        yield f"CREATE TABLE {name} ({', '.join(columns)})"
    if with_movements:
        columns = (f"{field.name} {_type(field.type)}{'' if field.nullable else ' NOT NULL'}" for field in movement_schema())
        yield f"CREATE TABLE {MOVEMENTS} ({', '.join(columns)})"
        yield _POSTINGS
        yield _CELLS.format(**{name: fitting(name) for name in ("available", "reserved", "total")})


def values_of(shape: Shape | None) -> str:
    """What of a stream's columns goes into its table, as a list of expressions."""
    if shape is not None:
        return ", ".join(_values(shape))
    return ", ".join(f"CAST({field.name} AS {_type(field.type)})" for field in movement_schema())


def fitting(amount: str) -> str:
    """The expression of a text of digits as a HUGEINT, NULL where it has more than 38."""
    return f"CAST(TRY_CAST({amount} AS DECIMAL(38, 0)) AS HUGEINT)"


def _columns(shape: Shape) -> Iterator[tuple[str, str]]:
    for name, kind in shape.columns.items():
        yield name, _TYPES[kind]
        if kind == "amount":
            yield f"{name}{INT_BEHIND}", "HUGEINT"


def _values(shape: Shape) -> Iterable[str]:
    for name, kind in shape.columns.items():
        yield f"CAST({name} AS {_TYPES[kind]})"
        if kind == "amount":
            yield fitting(name)


def _type(arrow_type: Any) -> str:
    types = pyarrow().types
    if types.is_timestamp(arrow_type):
        return "TIMESTAMP"
    if types.is_decimal(arrow_type):
        return "HUGEINT"
    return "BOOLEAN" if types.is_boolean(arrow_type) else "BIGINT" if types.is_int64(arrow_type) else "VARCHAR"
