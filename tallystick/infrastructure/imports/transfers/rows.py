"""Rows of a file of transfers, a block at a time: columns whose every value was checked, each row known by its number.

A block is checked column by column, which is fast. Only where something is wrong with it are its rows looked at one by one,
to name the first that is to blame. No amount is ever a float on its way.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

import msgspec

from tallystick.domain.batch.transfer_ids import ID_MAX
from tallystick.domain.errors import InvalidAmount, InvalidRequest, MalformedRow
from tallystick.domain.values.account import check_account
from tallystick.domain.values.amount import AMOUNT_MAX
from tallystick.domain.values.memo import check_memo
from tallystick.infrastructure.imports.fields import AMOUNT_DIGITS

BLOCK_ROWS = 16_380
"""How many rows a file is read and recorded by. An import that another number began is not recognised any more."""

TEXTS = ("token", "sender", "receiver", "memo")
NUMBERS = ("amount", "id")
OPTIONAL = ("id", "memo")

_ID_DIGITS = len(str(ID_MAX))
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class TransferRows(msgspec.Struct, frozen=True, eq=False):
    """Rows one after another, `numbers` being their places in the file. A mint has the sender "", a burn the receiver ""."""

    numbers: Sequence[int]
    tokens: Sequence[str]
    senders: Sequence[str]
    receivers: Sequence[str]
    amounts: Sequence[int]
    ids: Sequence[int | None]
    memos: Sequence[str]

    def __len__(self) -> int:
        return len(self.numbers)

    def runs(self) -> Iterator["TransferRows"]:
        """The rows in as few parts as can be, each of one token, one kind and one memo, and with ids or without."""
        first = ((self.tokens, self.tokens[0]), (self.memos, self.memos[0]))
        others = ((self.senders, ""), (self.receivers, ""), (self.ids, None))
        if all(column.count(value) in (0, len(self)) for column, value in (*first, *others)):
            yield self
            return
        kinds = zip(
            self.tokens,
            self.memos,
            map(bool, self.senders),
            map(bool, self.receivers),
            [id is None for id in self.ids],
            strict=True,
        )
        start = 0
        for _, same in groupby(kinds):
            stop = start + len(list(same))
            yield self._part(start, stop)
            start = stop

    def _part(self, start: int, stop: int) -> "TransferRows":
        return TransferRows(*(column[start:stop] for column in msgspec.structs.astuple(self)))


def columns_to_read(header: Sequence[str], token: str | None) -> list[str]:
    """Which columns of a file are read; the rest are not looked at. `MalformedRow` where it lacks one or has one twice."""
    read = [name for name in (*TEXTS, *NUMBERS) if name in header]
    missing = [name for name in (*TEXTS, *NUMBERS) if name not in (*read, *OPTIONAL)]
    if token is not None:
        if "token" in read:
            raise MalformedRow(f"there is a column token, and the token {token!r} was named for all rows", row=1)
        missing.remove("token")
    if missing:
        raise MalformedRow(f"there is no column {' and no '.join(missing)} among {list(header)}", row=1)
    for name in read:
        if header.count(name) > 1:
            raise MalformedRow(f"there are {header.count(name)} columns {name}", row=1)
    return read


def parse_rows(numbers: Sequence[int], columns: Mapping[str, Sequence[Any]], token: str | None) -> TransferRows:
    """The rows of columns of text, or of whole numbers where `NUMBERS` says so; `token` is that of all, where given.

    Raises `MalformedRow` for the first row that is wrong.
    """
    try:
        return _parse(numbers, columns, token)
    except InvalidRequest:
        for place, number in enumerate(numbers):
            try:
                _parse([number], {name: column[place : place + 1] for name, column in columns.items()}, token)
            except InvalidRequest as error:
                raise MalformedRow(str(error), row=number) from None
        raise


def _parse(numbers: Sequence[int], columns: Mapping[str, Sequence[Any]], token: str | None) -> TransferRows:
    count = len(numbers)
    senders, receivers = columns["sender"], columns["receiver"]
    if (
        "" in senders
        and "" in receivers
        and any(not sender and not receiver for sender, receiver in zip(senders, receivers, strict=True))
    ):
        raise InvalidRequest("it has neither a sender nor a receiver")
    for account in {*senders, *receivers} - {""}:
        check_account(account)
    memos = columns.get("memo", [""] * count)
    for memo in set(memos):
        check_memo(memo)
    tokens = columns["token"] if token is None else [token] * count
    if not all(tokens):
        raise InvalidRequest("it names no token")
    for code in set(tokens):
        if any("\ud800" <= letter <= "\udfff" for letter in code):
            raise InvalidRequest(f"its token is no UTF-8: {code!r}")
    ids = _ids(columns["id"]) if "id" in columns else [None] * count
    return TransferRows(numbers, tokens, senders, receivers, _amounts(columns["amount"]), ids, memos)


def _amounts(given: Sequence[Any]) -> Sequence[int]:
    amounts = _whole_numbers(given, AMOUNT_DIGITS)
    if amounts is None or min(amounts) < 1 or max(amounts) > AMOUNT_MAX:
        raise InvalidAmount(f"an amount is a whole number from 1 to 2**256 - 1, not {str(given[0])[:80]!r}")
    return amounts


def _ids(given: Sequence[Any]) -> Sequence[int | None]:
    ids = _whole_numbers(given, _ID_DIGITS)
    if ids is None:
        ids = [_id(id) for id in given]
    elif min(ids) < 0 or max(ids) > ID_MAX:
        ids = [_id(str(id)) for id in ids]
    return ids


def _id(given: int | str | None) -> int | None:
    if given is None or given == "":
        return None
    if isinstance(given, str) and _UUID.fullmatch(given):
        return int(given.replace("-", ""), 16)
    numbers = _whole_numbers([given], _ID_DIGITS)
    if numbers is None or not 0 <= numbers[0] <= ID_MAX:
        raise InvalidRequest(f"an id is a whole number from 0 to 2**128 - 1 or a UUID, not {str(given)[:80]!r}")
    return numbers[0]


def _whole_numbers(given: Sequence[Any], digits: int) -> Sequence[int] | None:
    """Numbers, or texts of up to so many decimal digits, as numbers; None where one is neither."""
    if all(type(value) is int for value in given):
        return given
    try:
        joined = "".join(given)
        fits = joined.isascii() and joined.isdigit() and max(map(len, given)) <= digits
        return list(map(int, given)) if fits else None
    except (TypeError, ValueError):  # a null, or a text of nothing
        return None
