"""Importing ERC-20 transfers: a file with one JSON object a line, as blockchain exporters write them.

A transfer from the zero address is a mint and one to it a burn. A file begins in the middle of a chain's life, so a sender
may spend what it got before: where its balance falls short, an opening mint of the difference is recorded first, in the open.
Transfers of nothing are counted and passed over. Amounts are 256-bit integers and stay exact.
"""

import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

import msgspec

from tallystick.domain.errors import MalformedRow
from tallystick.domain.values.amount import AMOUNT_MAX
from tallystick.domain.values.token import Token
from tallystick.infrastructure.imports.fields import account_at, as_number
from tallystick.infrastructure.imports.pieces import import_pieces, in_batches, keyed
from tallystick.infrastructure.imports.report import ImportReport, Progress
from tallystick.infrastructure.ledger.ledger import Ledger
from tallystick.infrastructure.ledger.transaction import TransactionContext

ZERO_ADDRESS = "0x" + 40 * "0"

_ADDRESS = re.compile(r"0x[0-9a-f]{40}")


class Erc20Transfer(msgspec.Struct, frozen=True, array_like=True):
    """One row: `value` smallest units of the token at `token` went from `sender` to `receiver`."""

    token: str
    sender: str
    receiver: str
    value: int
    memo: str


def import_erc20(ledger: Ledger, path: Path, progress: Progress | None = None) -> ImportReport:
    """Records the transfers of a file and registers their tokens; a second run changes nothing.

    Raises `MalformedRow`, which names the row, before anything is written.
    """
    report = ImportReport()
    transfers: list[Erc20Transfer] = []
    tokens: set[str] = set()
    with path.open("rb") as lines:
        for row, line in enumerate(lines, 1):
            if not line.strip():
                continue
            report.rows += 1
            transfer = _parse(row, line)
            tokens.add(transfer.token)
            if transfer.value == 0 or transfer.sender == transfer.receiver == ZERO_ADDRESS:
                report.skipped += 1
                continue
            _count(report, transfer)
            transfers.append(transfer)
    report.tokens = len(tokens)
    for token in sorted(tokens):
        ledger.register_token(Token(token, max_supply=AMOUNT_MAX))

    def record(key: str, batch: Sequence[Erc20Transfer]) -> int:
        openings = ledger.run(partial(_record, batch), idempotency_key=key)
        report.openings += openings
        return len(batch) + openings

    import_pieces(ledger, keyed("erc20", in_batches(transfers)), record, report, progress)
    return report


def _count(report: ImportReport, transfer: Erc20Transfer) -> None:
    if transfer.sender == ZERO_ADDRESS:
        report.mints += 1
    elif transfer.receiver == ZERO_ADDRESS:
        report.burns += 1
    else:
        report.transfers += 1


def _record(transfers: Sequence[Erc20Transfer], tx: TransactionContext) -> int:
    """Plans the transfers, and says how many openings they need."""
    openings = 0
    for token, sender, receiver, value, memo in map(msgspec.structs.astuple, transfers):
        if sender == ZERO_ADDRESS:
            tx.mint(token, receiver, value, memo=memo)
            continue
        missing = value - tx.balance(token, sender).available
        if missing > 0:
            tx.mint(token, sender, missing, memo="opening balance")
            openings += 1
        if receiver == ZERO_ADDRESS:
            tx.burn(token, sender, value, memo=memo)
        else:
            tx.transfer(token, sender, receiver, value, memo=memo)
    return openings


def _parse(row: int, line: bytes) -> Erc20Transfer:
    try:
        fields: Any = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MalformedRow(f"it is no JSON: {error}", row=row) from error
    if not isinstance(fields, dict):
        raise MalformedRow("it is no JSON object", row=row)
    found = cast(dict[str, Any], fields)
    get = partial(_field, row, found)
    memo = ":".join(str(found[name]) for name in ("transaction_hash", "log_index") if name in found)
    return Erc20Transfer(
        _address(row, get("token_address")),
        _address(row, get("from_address")),
        _address(row, get("to_address")),
        _value(row, get("value")),
        memo[:200],
    )


def _field(row: int, fields: dict[str, Any], name: str) -> Any:
    if name not in fields:
        raise MalformedRow(f"it has no {name}", row=row)
    return fields[name]


def _address(row: int, address: Any) -> str:
    if isinstance(address, str) and _ADDRESS.fullmatch(address.lower()):
        return address.lower()
    return account_at(row, address)


def _value(row: int, value: Any) -> int:
    value = as_number(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= AMOUNT_MAX:
        raise MalformedRow(f"a value is an integer from 0 to 2**256 - 1, not {value!r}", row=row)
    return value
