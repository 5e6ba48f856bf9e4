"""Rows of a file of transfers, a block at a time: columns whose every value was checked, each row known by its number.

A block is checked column by column, which is fast. Only where something is wrong with it are its rows looked at one by one,
to name the first that is to blame. No amount is ever a float on its way.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tallystick.domain.batch.transfer_ids import ID_MAX
from tallystick.domain.errors import InvalidAmount, InvalidRequest, MalformedRow
from tallystick.domain.values.account import check_form
from tallystick.domain.values.amount import AMOUNT_MAX
from tallystick.domain.values.entry_details import check_reference
from tallystick.domain.values.ids import check_text_id
from tallystick.domain.values.memo import check_memo
from tallystick.infrastructure.imports.fields import AMOUNT_DIGITS, Units, hint, instants_of
from tallystick.infrastructure.imports.rows.transfer_rows import TransferRows

BLOCK_ROWS = 16_380
"""How many rows a file is read and recorded by. An import that another number began is not recognised any more."""

TEXTS = ("token", "sender", "receiver", "memo", "reference")
NUMBERS = ("amount", "id")
TIMES = ("occurred_at",)
OPTIONAL = ("id", "memo", "reference", "occurred_at")

_ID_DIGITS = len(str(ID_MAX))
_NUMBER = re.compile(r"[-+]?[0-9]+(\.[0-9]*)?")
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class Reading(NamedTuple):
    """How a file is to be read: `token`, that of all its rows where one was named, and the `units` of its amounts."""

    token: str | None
    units: Units


def columns_to_read(header: Sequence[str], token: str | None) -> dict[str, str]:
    """Which columns of a file are read, by what they are: the names they have there. Upper case and spaces around do not count.

    The rest are not looked at. `MalformedRow` where it lacks one or has one twice.
    """
    found: dict[str, str] = {}
    for given in header:
        name = given.strip().lower()
        if name in (*TEXTS, *NUMBERS, *TIMES):
            if name in found:
                raise MalformedRow(f"there are {sum(each.strip().lower() == name for each in header)} columns {name}", row=1)
            found[name] = given
    missing = [name for name in (*TEXTS, *NUMBERS) if name not in (*found, *OPTIONAL)]
    if token is not None:
        if "token" in found:
            raise MalformedRow(f"there is a column token, and the token {token!r} was named for all rows", row=1)
        missing.remove("token")
    if missing:
        raise MalformedRow(f"there is no column {' and no '.join(missing)} among {list(header)}", row=1)
    return found


def parse_rows(numbers: Sequence[int], columns: Mapping[str, Sequence[Any]], reading: Reading) -> TransferRows:
    """The rows of columns of text, or of whole numbers where `NUMBERS` says so.

    Raises `MalformedRow` for the first row that is wrong.
    """
    try:
        return _parse(numbers, columns, reading)
    except InvalidRequest:
        for place, number in enumerate(numbers):
            try:
                _parse([number], {name: column[place : place + 1] for name, column in columns.items()}, reading)
            except InvalidRequest as error:
                raise MalformedRow(str(error), row=number) from None
        raise


def _parse(numbers: Sequence[int], columns: Mapping[str, Sequence[Any]], reading: Reading) -> TransferRows:
    count = len(numbers)
    senders, receivers = columns["sender"], columns["receiver"]
    if (
        "" in senders
        and "" in receivers
        and any(not sender and not receiver for sender, receiver in zip(senders, receivers, strict=True))
    ):
        raise InvalidRequest("it has neither a sender nor a receiver")
    for account in {*senders, *receivers} - {""}:
        check_form(account)
    memos = columns.get("memo", [""] * count)
    for memo in set(memos):
        check_memo(memo)
    references = [text or None for text in columns["reference"]] if "reference" in columns else [None] * count
    for reference in set(references) - {None}:
        check_reference(reference)
    tokens = columns["token"] if reading.token is None else [reading.token] * count
    if not all(tokens):
        raise InvalidRequest("it names no token")
    for code in set(tokens):
        if any("\ud800" <= letter <= "\udfff" for letter in code):
            raise InvalidRequest(f"its token is no UTF-8: {code!r}")
    ids = _ids(columns["id"]) if "id" in columns else [None] * count
    times = instants_of(columns["occurred_at"]) if "occurred_at" in columns else [None] * count
    amounts = _amounts(columns["amount"]) if not reading.units.decimal else reading.units.amounts(tokens, columns["amount"])
    return TransferRows(numbers, tokens, senders, receivers, amounts, ids, memos, times, references)


def _amounts(given: Sequence[Any]) -> Sequence[int]:
    amounts = _whole_numbers(given, AMOUNT_DIGITS)
    if amounts is None or min(amounts) < 1 or max(amounts) > AMOUNT_MAX:
        raise InvalidAmount(f"an amount is a whole number from 1 to 2**256 - 1, not {str(given[0])[:80]!r}{hint(given[0])}")
    return amounts


def _ids(given: Sequence[Any]) -> Sequence[int | str | None]:
    ids = _whole_numbers(given, _ID_DIGITS)
    if ids is None:
        ids = [_id(id) for id in given]
    elif min(ids) < 0 or max(ids) > ID_MAX:
        ids = [_id(str(id)) for id in ids]
    return ids


def _id(given: int | str | None) -> int | str | None:
    """A number or a UUID is one of 128 bits, another text is itself."""
    if given is None or given == "":
        return None
    if isinstance(given, str) and _UUID.fullmatch(given):
        return int(given.replace("-", ""), 16)
    numbers = _whole_numbers([given], _ID_DIGITS)
    if numbers is not None and 0 <= numbers[0] <= ID_MAX:
        return numbers[0]
    if numbers is None and isinstance(given, str) and not _NUMBER.fullmatch(given):
        return check_text_id(given)
    raise InvalidRequest(f"an id is a whole number from 0 to 2**128 - 1, a UUID or a text, not {str(given)[:80]!r}")


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
