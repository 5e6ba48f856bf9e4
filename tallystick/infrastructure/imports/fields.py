"""What stands in the fields of imported files, whatever their format: accounts, and numbers that are written as text."""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from tallystick.domain.errors import InvalidAccount, InvalidAmount, InvalidRequest, MalformedRow
from tallystick.domain.values.account import check_form
from tallystick.domain.values.amount import AMOUNT_MAX
from tallystick.domain.values.instant import check_year, to_microseconds

AMOUNT_DIGITS = len(str(AMOUNT_MAX))
_DECIMAL = re.compile(r"[0-9]+(\.[0-9]+)?")


def account_at(row: int, account: object) -> str:
    """The account in a field of row number `row`, as it is written there; `MalformedRow` where it is none."""
    if isinstance(account, str) and any("\ud800" <= letter <= "\udfff" for letter in account):
        raise MalformedRow(f"it is no UTF-8: {account[:80]!r}", row=row)
    try:
        return check_form(account)
    except InvalidAccount as error:
        raise MalformedRow(str(error), row=row) from error


def as_number(value: Any) -> Any:
    """A text of decimal digits, not more than an amount may have, as a number; anything else as it is."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= AMOUNT_DIGITS:
        return int(value)
    return value


def hint(amount: object) -> str:
    """What is added to a message about an amount that looks like one of whole tokens and parts."""
    if isinstance(amount, str) and _DECIMAL.fullmatch(amount) and "." in amount:
        return f": amounts are whole smallest units; --amounts decimal for {amount[:20]}"
    return ""


class Units:
    """What the amounts in a file are counted in: smallest units, or where they are `decimal` whole tokens and their parts, with
    as many places as `decimals_of` says of a token.
    """

    def __init__(self, decimal: bool, decimals_of: Callable[[str], int]) -> None:
        self.decimal = decimal
        self._decimals_of = decimals_of

    def amounts(self, tokens: Sequence[str], given: Sequence[Any]) -> Sequence[int]:
        """The amounts of rows in smallest units, each above 0; `InvalidAmount`."""
        places = {token: self._decimals_of(token) for token in set(tokens)}
        return [self._amount(token, places[token], amount) for token, amount in zip(tokens, given, strict=True)]

    def _amount(self, token: str, places: int, given: Any) -> int:
        amount = self.amount(token, places, given)
        if amount < 1:
            raise InvalidAmount(f"an amount is above 0, not {str(given)[:80]!r}")
        return amount

    def amount(self, token: str, places: int, given: Any) -> int:
        """An amount in smallest units, which may be 0; `InvalidAmount`."""
        text = str(given)
        if not isinstance(given, str | int) or isinstance(given, bool) or not _DECIMAL.fullmatch(text):
            raise InvalidAmount(f"an amount is written like 19.99, not {text[:80]!r}")
        whole, _, part = text.partition(".")
        if len(part.rstrip("0")) > places:
            raise InvalidAmount(f"{token} has {places} decimals, and {text[:80]!r} more")
        amount = int(whole + part.rstrip("0").ljust(places, "0")) if len(whole) <= AMOUNT_DIGITS else AMOUNT_MAX + 1
        if amount > AMOUNT_MAX:
            raise InvalidAmount(f"an amount is at most 2**256 - 1 smallest units, not {text[:80]!r}")
        return amount


def instants_of(given: Sequence[Any]) -> Sequence[int | None]:
    """The instants of a column of times, in microseconds since 1970 in UTC; `InvalidRequest`."""
    if all(type(value) is int for value in given):
        for value in (min(given), max(given)):
            check_year(value)
        return given
    found = {value: value if type(value) is int else instant_of(value) for value in set(given)}
    return [found[value] for value in given]


def instant_of(given: Any) -> int | None:
    """The instant of a text of ISO 8601, or of seconds since 1970 as digits, in microseconds; None where there is none.

    A time without a zone is one of UTC. `InvalidRequest`.
    """
    if given is None or given == "":
        return None
    text = str(given)
    if text.isascii() and text.isdigit() and len(text) <= 12 and len(text) != 8:
        return check_year(int(text) * 1_000_000)
    try:
        found = datetime.fromisoformat(text.removesuffix(" UTC"))
    except ValueError:
        raise InvalidRequest(f"a time is written like 2026-10-31T12:00:00Z, not {text[:80]!r}") from None
    return check_year(to_microseconds(found if found.tzinfo is not None else found.replace(tzinfo=UTC)))
