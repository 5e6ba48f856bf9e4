"""Rows of ERC-20 transfers as blockchain exporters write them: a JSON object a line, or CSV with the same names."""

import csv
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import msgspec

from tallystick.domain.errors import InvalidRequest, MalformedRow
from tallystick.domain.values.amount import AMOUNT_MAX
from tallystick.infrastructure.imports.csv_format import wrong_width
from tallystick.infrastructure.imports.fields import account_at, as_number, instant_of
from tallystick.infrastructure.imports.files import check_looks_like, looks_like, open_text
from tallystick.infrastructure.imports.rows.row_file import OnRefused

ZERO_ADDRESS = "0x" + 40 * "0"
NEEDED = ("token_address", "from_address", "to_address", "value")
OPTIONAL = ("transaction_hash", "log_index", "block_number", "block_timestamp")

_ADDRESS = re.compile(r"0x[0-9a-f]{40}")
_MEMO_LENGTH = 200
_REFERENCE_LENGTH = 256


class Erc20Transfer(msgspec.Struct, frozen=True):
    """One row: `value` smallest units of the token at `token` went from `sender` to `receiver`. `is_keyed`: it has both a
    transaction `hash` and a log `index`. `time`: that of its block, in microseconds since 1970 in UTC.
    """

    number: int
    token: str
    sender: str
    receiver: str
    value: int
    memo: str
    is_keyed: bool
    hash: str | None
    index: int
    block: int | None
    time: int | None


class NoTransfer(MalformedRow):
    """A row that can be read, and is no ERC-20 transfer: it may be passed over."""

    code = MalformedRow.code


class Erc20Reader:
    """Reads a file. Raises `MalformedRow`; with `on_refused`, rows that are no ERC-20 transfers are told to it instead."""

    def __init__(self, path: Path, on_refused: OnRefused | None) -> None:
        self.rows = self.refused = 0
        self.transfers: list[Erc20Transfer] = []
        for number, fields in _read(path):
            self.rows += 1
            try:
                self.transfers.append(_parse(number, fields))
            except NoTransfer as error:
                if on_refused is None:
                    raise
                self.refused += 1
                on_refused(error)


def _read(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The rows with their numbers."""
    check_looks_like(path, "JSON", {"Parquet": "import transfers reads it"})
    with open_text(path, "surrogateescape") as text:
        try:
            yield from _read_csv(text) if looks_like(path) == "CSV" else _read_json(text)
        except UnicodeError as error:
            raise MalformedRow(f"it is no text: {error}", row=1) from error


def _read_csv(text: Any) -> Iterator[tuple[int, dict[str, Any]]]:
    reader = csv.reader(text, strict=True)
    number = 1
    try:
        header = [name.strip().lower() for name in next(reader)]
        missing = [name for name in NEEDED if name not in header]
        if missing:
            raise MalformedRow(f"this is CSV: import transfers reads it; of ERC-20 it has no {', no '.join(missing)}", row=1)
        for name in (*NEEDED, *OPTIONAL):
            if header.count(name) > 1:
                raise MalformedRow(f"there are {header.count(name)} columns {name}", row=1)
        for number, record in enumerate(reader, 2):
            if record and len(record) != len(header):
                raise wrong_width(number, record, len(header))
            if record:
                yield number, dict(zip(header, record, strict=True))
    except csv.Error as error:
        raise MalformedRow(str(error), row=number + 1) from error


def _read_json(text: Any) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(text, 1):
        if line.strip():
            yield number, _decoded(number, line)


def _decoded(row: int, line: str) -> dict[str, Any]:
    try:
        fields: Any = msgspec.json.decode(line)
        if isinstance(fields, dict) and line.count('":') + line.count('" :') != len(cast(dict[str, Any], fields)):
            json.loads(line, object_pairs_hook=_unique)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise MalformedRow(f"it is no JSON: {error}", row=row) from error
    if not isinstance(fields, dict):
        raise MalformedRow("it is no JSON object: one a line is read", row=row)
    found = cast(dict[str, Any], fields)
    if any(name not in found for name in NEEDED):
        lowered = {name.strip().lower(): value for name, value in found.items()}
        if len(lowered) < len(found):
            raise MalformedRow(f"a name stands twice among {', '.join(found)[:200]}", row=row)
        return lowered
    return found


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) < len(pairs):
        raise ValueError(f"a name stands twice among {', '.join(name for name, _ in pairs)[:200]}")
    return dict(pairs)


def _parse(row: int, fields: dict[str, Any]) -> Erc20Transfer:
    for name in NEEDED:
        if name not in fields:
            raise MalformedRow(f"it has no {name}", row=row)
    hash, index = (None if fields.get(name) in (None, "") else str(fields[name]) for name in OPTIONAL[:2])
    memo = ":".join(part for part in (hash, index) if part is not None)
    is_keyed = hash is not None and index is not None
    block = as_number(fields.get("block_number"))
    number = as_number(index)
    ordered = type(block) is int and type(number) is int and is_keyed
    return Erc20Transfer(
        row,
        _token(row, fields["token_address"]),
        _address(row, fields["from_address"]),
        _address(row, fields["to_address"]),
        _value(row, fields),
        memo[:_MEMO_LENGTH],
        is_keyed and len(memo) <= _MEMO_LENGTH,
        hash if hash is not None and len(hash) <= _REFERENCE_LENGTH else None,
        cast(int, number) if ordered else 0,
        cast(int, block) if ordered else None,
        _time(row, fields.get("block_timestamp")),
    )


def _time(row: int, given: Any) -> int | None:
    try:
        return instant_of(given)
    except InvalidRequest as error:
        raise MalformedRow(str(error), row=row) from error


def _token(row: int, token: Any) -> str:
    if isinstance(token, str) and _ADDRESS.fullmatch(token.lower()):
        return token.lower()
    raise NoTransfer(f"a token's address is 0x and 40 hex digits, not {str(token)[:80]!r}", row=row)


def _address(row: int, address: Any) -> str:
    if isinstance(address, str) and _ADDRESS.fullmatch(address.lower()):
        return address.lower()
    return account_at(row, address)


def _value(row: int, fields: dict[str, Any]) -> int:
    value = as_number(fields["value"])
    if "token_id" in fields and fields["token_id"] not in (None, ""):
        raise NoTransfer("it has a token_id: an ERC-721 transfer is of one thing and has no amount", row=row)
    if value is None or value == "":
        raise NoTransfer("a value is an integer, and it has none, as transfers of ERC-721 tokens", row=row)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= AMOUNT_MAX:
        raise NoTransfer(f"a value is an integer from 0 to 2**256 - 1, not {value!r}", row=row)
    return value
