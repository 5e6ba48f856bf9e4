"""Importing allocations: a CSV file with the columns `safe_address` and `tokens`, minted to each address.

Tokens are whole ones. Two rows of one address add up, and rows of zero tokens are counted and passed over.
"""

import csv
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import msgspec

from tallystick.domain.errors import MalformedRow
from tallystick.domain.values.amount import AMOUNT_MAX
from tallystick.domain.values.token import Token
from tallystick.infrastructure.imports.csv_format import open_csv, wrong_width
from tallystick.infrastructure.imports.fields import account_at, as_number
from tallystick.infrastructure.imports.pieces import import_pieces, in_batches, keyed
from tallystick.infrastructure.imports.report import ImportReport, Progress
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

    def record(key: str, batch: Sequence[Allocation]) -> int:
        ledger.run(partial(_record, batch), idempotency_key=key)
        return len(batch)

    import_pieces(ledger, keyed("allocations", in_batches(allocations)), record, report, progress)
    return report


def _record(allocations: Sequence[Allocation], tx: TransactionContext) -> None:
    for allocation in allocations:
        tx.mint(allocation.token, allocation.account, allocation.amount, memo="allocation")


def _read(path: Path, token: str, report: ImportReport) -> list[Allocation]:
    allocations: list[Allocation] = []
    row = 1
    with open_csv(path, "strict") as reader:
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
        raise wrong_width(row, fields, width)
    account, tokens = (fields[place] for place in places)
    amount = as_number(tokens)
    if not isinstance(amount, int) or amount > AMOUNT_MAX:
        raise MalformedRow(f"tokens are a whole number up to 2**256 - 1, not {tokens[:80]!r}", row=row)
    return Allocation(token, account_at(row, account), amount)
