"""Importing allocations: a CSV file with the columns `safe_address` and `tokens`, minted to each address.

Amounts are in smallest units, which are whole tokens where a token has no decimals. Rows of zero are counted and passed over.
Two rows of one address add up, but in a distribution that has a name: there an address is known, and gets its share once.
"""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tallystick.domain.errors import InvalidAmount, MalformedRow
from tallystick.domain.values.amount import AMOUNT_MAX
from tallystick.infrastructure.imports.csv_format import open_csv, wrong_width
from tallystick.infrastructure.imports.fields import Units, account_at, as_number, hint
from tallystick.infrastructure.imports.files import check_is_file, check_looks_like
from tallystick.infrastructure.imports.new_tokens import NewTokens
from tallystick.infrastructure.imports.report import ImportReport, Progress
from tallystick.infrastructure.imports.rows.desk import ImportDesk
from tallystick.infrastructure.imports.rows.earlier import EarlierCut
from tallystick.infrastructure.imports.rows.importing import RowImport
from tallystick.infrastructure.imports.rows.name import name_of, row_key
from tallystick.infrastructure.imports.rows.pieces import BATCH_ROWS, in_batches
from tallystick.infrastructure.imports.rows.row_file import ImportOptions, OnRefused, RowFile
from tallystick.infrastructure.imports.rows.transfer_rows import TransferRows
from tallystick.infrastructure.ledger.ledger import Ledger

COLUMNS = ("safe_address", "tokens")
BLOCK_ROWS = 65 * BATCH_ROWS

_Allocation = tuple[int, str, int]  # the row's number, the account and the amount


def import_allocations(
    ledger: Ledger,
    path: Path,
    token: str,
    max_supply: int | None = None,
    progress: Progress | None = None,
    *,
    decimals: int = 0,
    amounts: str = "units",
    import_id: str | None = None,
    again: bool = False,
    dry_run: bool = False,
    on_refused: OnRefused | None = None,
) -> ImportReport:
    """Mints the file's allocations of `token`, which is registered with `max_supply` and `decimals` where it is not there.

    The same file is taken once, or `again`. `import_id` names the distribution: an address that has its share of that is
    known, whatever file it comes in. Raises, before anything is written, `InvalidRequest` where the path is no file,
    `MalformedRow`, which names the row, `TokenNotFound`, `InvalidToken`, and `SupplyExhausted` and `DuplicateTransferId`,
    which name the row, or with `on_refused` are told to it for the row that is then passed over.
    """
    check_is_file(path)
    others = {"JSON": "import erc20 or import tea-state reads it", "Parquet": "import transfers reads it"}
    check_looks_like(path, "CSV", others)
    new = NewTokens(ledger, max_supply, decimals)
    desk = ImportDesk(ledger)
    token = desk.code(token)
    report = ImportReport()
    found = _read(path, token, new.units(amounts), report)
    name = name_of("allocations", import_id, path, token)

    def blocks() -> Iterator[TransferRows]:
        for start in range(0, len(found), BLOCK_ROWS):
            yield _rows(found[start : start + BLOCK_ROWS], token, import_id, desk)

    cut = EarlierCut("allocations", in_batches, _content, counts_rows=False)
    options = ImportOptions(new.token, on_refused, progress, None, again, dry_run)
    file = RowFile(path, blocks, cut, further_tokens=frozenset([token]))
    RowImport(ledger, file, name, options, report).run()
    return report


def _rows(found: list[_Allocation], token: str, distribution: str | None, desk: ImportDesk) -> TransferRows:
    numbers, accounts, amounts = zip(*found, strict=True)
    count = len(found)
    ids: list[str | None] = [None] * count
    if distribution is not None:
        ids = [row_key("allocation", token, desk.code(account), distribution) for account in accounts]
    nothing = [None] * count
    return TransferRows(
        list(numbers),
        [token] * count,
        [""] * count,
        list(accounts),
        list(amounts),
        ids,
        ["allocation"] * count,
        nothing,
        nothing,
    )


def _content(rows: TransferRows) -> Any:
    return list(zip(rows.tokens, rows.receivers, rows.amounts, strict=True))


def _read(path: Path, token: str, units: Units, report: ImportReport) -> list[_Allocation]:
    allocations: list[_Allocation] = []
    with open_csv(path, "surrogateescape") as reader:
        try:
            header = [name.strip().lower() for name in next(reader, list[str]())]
            if any(header.count(column) != 1 for column in COLUMNS):
                raise MalformedRow(_wanted(header), row=1)
            places = [header.index(column) for column in COLUMNS]
            for row, fields in enumerate(reader, 2):
                if not fields:
                    continue
                report.rows += 1
                allocation = _parse(row, fields, places, len(header), token, units)
                if allocation is None:
                    report.skipped += 1
                else:
                    allocations.append(allocation)
        except (csv.Error, UnicodeError) as error:
            raise MalformedRow(str(error), row=report.rows + 2) from error
    return allocations


def _wanted(header: list[str]) -> str:
    wanted = " and ".join(COLUMNS)
    return f"the header has the columns {wanted}, each once, and this one {header}: name those of this file so"


def _parse(row: int, fields: list[str], places: list[int], width: int, token: str, units: Units) -> _Allocation | None:
    if len(fields) != width:
        raise wrong_width(row, fields, width)
    account, tokens = (fields[place] for place in places)
    if units.decimal:
        try:
            amount: Any = units.amounts([token], [tokens])[0] if tokens.strip("0.") else 0
        except InvalidAmount as error:
            raise MalformedRow(str(error), row=row) from error
    else:
        amount = as_number(tokens)
    if not isinstance(amount, int) or amount > AMOUNT_MAX:
        reason = f"tokens are a whole number up to 2**256 - 1, not {tokens[:80]!r}{hint(tokens)}"
        raise MalformedRow(reason, row=row)
    if not account and not amount:
        return None
    checked = account_at(row, account)
    return (row, checked, amount) if amount else None
