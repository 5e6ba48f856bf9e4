"""Importing allocations: a CSV file with the columns `safe_address` and `tokens`, minted to each address.

Tokens are whole ones. Two rows of one address add up, and rows of zero tokens are counted and passed over.
"""

import csv
from collections.abc import Iterable
from pathlib import Path

import msgspec

from tallystick.domain.errors import InvalidAccount, MalformedRow
from tallystick.domain.values.account import check_account
from tallystick.domain.values.amount import AMOUNT_MAX
from tallystick.domain.values.token import Token
from tallystick.infrastructure.imports.batches import ImportReport, Progress, import_batches
from tallystick.infrastructure.ledger.ledger import Ledger
from tallystick.infrastructure.ledger.transaction import TransactionContext

COLUMNS = ("safe_address", "tokens")


class Allocation(msgspec.Struct, frozen=True, array_like=True):
    """One row: `amount` tokens for `account`."""

    token: str
    account: str
    amount: int


def import_allocations(
    ledger: Ledger, path: Path, token: str, max_supply: int, progress: Progress | None = None
) -> ImportReport:
    """Registers `token` with `max_supply` and mints the file's allocations; a second run changes nothing.

    Raises `MalformedRow`, which names the row, before anything is written, and `SupplyExhausted` at the batch that
    exceeds `max_supply`.
    """
    report = ImportReport(tokens=1)
    definition = Token(token, max_supply=max_supply)
    allocations = _read(path, token, report)
    ledger.register_token(definition)
    import_batches(ledger, "allocations", allocations, _record, report, progress)
    return report


def _record(tx: TransactionContext, allocations: Iterable[Allocation]) -> int:
    for allocation in allocations:
        tx.mint(allocation.token, allocation.account, allocation.amount, memo="allocation")
    return 0


def _read(path: Path, token: str, report: ImportReport) -> list[Allocation]:
    allocations: list[Allocation] = []
    row = 1
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, strict=True)
        try:
            header = next(reader, list[str]())
            if any(column not in header for column in COLUMNS):
                raise MalformedRow(f"the header has the columns {', '.join(COLUMNS)}, not {header}", row=1)
            places = [header.index(column) for column in COLUMNS]
            for row, fields in enumerate(reader, 2):
                if not fields:
                    continue
                report.rows += 1
                allocation = _parse(row, fields, places, len(header), token)
                if allocation.amount == 0:
                    report.skipped += 1
                    continue
                report.mints += 1
                allocations.append(allocation)
        except (csv.Error, UnicodeDecodeError) as error:
            raise MalformedRow(str(error), row=row + 1) from error
    return allocations


def _parse(row: int, fields: list[str], places: list[int], width: int, token: str) -> Allocation:
    if len(fields) != width:
        raise MalformedRow(f"it has {len(fields)} columns and the header {width}", row=row)
    account, tokens = (fields[place] for place in places)
    if not tokens.isascii() or not tokens.isdigit() or len(tokens) > 78 or int(tokens) > AMOUNT_MAX:
        raise MalformedRow(f"tokens are a whole number up to 2**256 - 1, not {tokens[:80]!r}", row=row)
    try:
        return Allocation(token, check_account(account), int(tokens))
    except InvalidAccount as error:
        raise MalformedRow(str(error), row=row) from error
