"""Lines: what each movement did to one account, with what the account had after it, as a bank statement has them.

A line belongs to a cell: of an account of a token, or one that crosses over (`tallystick/domain/cells.py`). What a cell has
after a line is what it had before and the line's change, so lines that follow one another always add up.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple, overload

from msgspec import Struct

from tallystick.domain.cells import is_bonding, is_crossing
from tallystick.domain.entry.kinds import Kind
from tallystick.domain.values.account import TOTAL_SUPPLY_RESERVE
from tallystick.domain.values.result import Amount, AmountsAs, Denomination, Result


class Line(Result, frozen=True):
    """What one movement did to `account`, in the smallest unit of `token`.

    Its `position` is that of its event, or of its row of a batch; `entry_id` is the first position of the atomic block that it
    belongs to, and `transaction_id` that of the movement, None for a share of a distribution, which is none. `kind` says which
    operation it was part of. `change` was added to what the account can spend and `reserved_change` to what it holds for
    others; after it these are `available` and `reserved`. `counterparty` gave or got it: None is the supply reserve, and of
    deposits and trades it is the app. `memo` is the movement's, `reference` the block's or None, and `hold` the hold that was
    opened or drawn from. The journal took it at `recorded_at`; `occurred_at` is when it happened, as the caller said.
    """

    position: int
    entry_id: int
    transaction_id: int | None
    kind: Kind
    token: str
    account: str
    counterparty: str | None
    change: Amount
    reserved_change: Amount
    available: Amount
    reserved: Amount
    memo: str
    reference: str | None
    hold: str | None
    recorded_at: datetime
    occurred_at: datetime


class NextPage(Struct, frozen=True):
    """Where a page of lines ends and the next begins: give it as `after`, or of the newest first as `before`, or `**` it.

    `position` is where, and `available` and `reserved` are what the `account` that was asked for in `token` has there.
    `version` is where that is among the token's events, if the newest come first. The position alone goes on there too.
    """

    token: str
    account: str
    position: int
    available: int
    reserved: int
    version: int | None = None

    def keys(self) -> Sequence[str]:
        """The argument of `history` that it is."""
        return ("after",) if self.version is None else ("before",)

    def __getitem__(self, key: str) -> "NextPage":
        if key not in self.keys():
            raise KeyError(key)
        return self


class Page(Sequence[Line]):
    """Lines in their order; `next` is where the next page begins, None where there is none.

    As a dict, and so in JSON, it has `lines`, and as `next` the position alone.
    """

    __slots__ = ("_lines", "next")

    def __init__(self, lines: Sequence[Line], next: NextPage | None = None) -> None:
        self._lines = tuple(lines)
        self.next = next

    def __len__(self) -> int:
        return len(self._lines)

    @overload
    def __getitem__(self, index: int) -> Line: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Line]: ...
    def __getitem__(self, index: int | slice) -> Line | Sequence[Line]:
        return self._lines[index]

    def __iter__(self) -> Iterator[Line]:
        return iter(self._lines)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Page) and (self._lines, self.next) == (other._lines, other.next)

    def __hash__(self) -> int:
        return hash((self._lines, self.next))

    def __repr__(self) -> str:
        return f"Page({list(self._lines)!r}, next={self.next!r})"

    def to_dict(self, amounts: AmountsAs = "int", token: Denomination | None = None) -> dict[str, Any]:
        """Its `lines` as dicts, as `Line.to_dict` has them, and as `next` the position to go on from, or None."""
        return {"lines": [line.to_dict(amounts, token) for line in self], "next": self._next_position()}

    def _next_position(self) -> int | None:
        return None if self.next is None else self.next.position

    def _repr_html_(self) -> str:
        """A table for notebooks, a row a line."""
        from html import escape

        names = Line.__struct_fields__
        head = "".join(f"<th>{name}</th>" for name in names)
        cells = (("" if line[name] is None else escape(str(line[name])) for name in names) for line in self)
        rows = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in cells)
        return f"<table><caption>Page</caption><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        """How pydantic, and with it FastAPI, writes one; it is read from none."""
        from pydantic_core import core_schema as schema

        lines = schema.list_schema(handler.generate_schema(Line))
        given = {"lines": lines, "next": schema.nullable_schema(schema.int_schema())}
        fields = {name: schema.typed_dict_field(field) for name, field in given.items()}
        return schema.is_instance_schema(
            cls,
            serialization=schema.plain_serializer_function_ser_schema(
                cls._shallow, return_schema=schema.typed_dict_schema(fields, cls_name=cls.__name__)
            ),
        )

    def _shallow(self) -> dict[str, Any]:
        return {"lines": list(self), "next": self._next_position()}


class Change(NamedTuple):
    """What one movement did to a cell, and the other cell that it touched, None for that of nobody in particular.

    Of a batch's row `occurred_at` and `reference` are its own, where it has some.
    """

    position: int
    transaction_id: int | None
    kind: Kind
    other: str | None
    available: int
    reserved: int
    memo: str
    hold: str | None
    occurred_at: int | None = None
    reference: str | None = None


def party(cell: str | None, account: str) -> str | None:
    """Who stands for a cell that a movement of `account` touched: None for the supply reserve, and of a cell that crosses
    over the app, for the app itself the user whose deposit it is or the bonding account.
    """
    if cell is None or cell == TOTAL_SUPPLY_RESERVE:
        return None
    if not is_crossing(cell):
        return cell
    first, second = cell.split(" ")
    app, other = (first, second) if is_bonding(cell) else (second, first)
    return app if app != account else other
