"""The columns of a movement, in Arrow's types. pyarrow is imported when somebody asks for them.

One row is one movement: a movement of a block, a row of a batch, or one holder's share of a distribution. Its sender and its
receiver are cells of the token: an account, a cell that crosses over under both its names with a space between, or null for the
supply reserve. What a cell has received less what it has sent is what it has, what is held for others by itself.
"""

from functools import cache
from importlib import import_module
from typing import Any

from tallystick.domain.errors import InvalidRequest

LIMBS = 9
LIMB_BITS = 31
"""So many columns of so many bits hold every amount, and a sum of 2**32 of one column fits a machine integer."""


@cache
def pyarrow(part: str = "") -> Any:
    """The library, or a part of it; `InvalidRequest` where it is not installed."""
    try:
        return import_module(f"pyarrow.{part}" if part else "pyarrow")
    except ImportError as error:
        raise InvalidRequest('movements come in columns of pyarrow: pip install "tallystick[arrow]"') from error


@cache
def movement_schema() -> Any:
    """The columns, in their order."""
    arrow = pyarrow()
    text, number, time, yes_or_no = arrow.string(), arrow.int64(), arrow.timestamp("us", "UTC"), arrow.bool_()
    required = {"position": number, "entry_id": number}
    always = {"recorded_at": time, "occurred_at": time, "kind": text, "token": text}
    fields = [
        *(arrow.field(name, kind, nullable=False) for name, kind in required.items()),
        arrow.field("transaction_id", number),
        *(arrow.field(name, kind, nullable=False) for name, kind in always.items()),
        arrow.field("sender", text),
        arrow.field("receiver", text),
        arrow.field("sender_held", yes_or_no, nullable=False),
        arrow.field("receiver_held", yes_or_no, nullable=False),
        arrow.field("amount", text, nullable=False),
        arrow.field("amount_int", arrow.decimal128(38, 0)),
        *(arrow.field(f"amount_{limb}", number, nullable=False) for limb in range(LIMBS)),
        arrow.field("memo", text, nullable=False),
        arrow.field("reference", text),
        arrow.field("hold", text),
    ]
    return arrow.schema(fields)


CELL_COLUMNS = ("sender_cell", "receiver_cell")


@cache
def numbered_schema() -> Any:
    """The same with the numbers of both cells (`Cells`) behind."""
    arrow = pyarrow()
    return arrow.schema([*movement_schema(), *(arrow.field(name, arrow.int64(), nullable=False) for name in CELL_COLUMNS)])
