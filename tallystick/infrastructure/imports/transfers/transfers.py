"""Importing transfers: a CSV or Parquet file with the columns token, sender, receiver, amount and perhaps id, memo, reference
and occurred_at.

A row without a sender is a mint and one without a receiver a burn. A file is read twice, so that any length of it takes
little memory: first every row is checked, then they are recorded, consecutive ones of the same token and kind as one batch.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tallystick.infrastructure.imports.files import PARQUET, beginning, check_is_file, check_looks_like
from tallystick.infrastructure.imports.new_tokens import NewTokens
from tallystick.infrastructure.imports.report import ImportReport, Progress
from tallystick.infrastructure.imports.rows.desk import ImportDesk
from tallystick.infrastructure.imports.rows.earlier import EarlierCut
from tallystick.infrastructure.imports.rows.importing import RowImport
from tallystick.infrastructure.imports.rows.name import name_of
from tallystick.infrastructure.imports.rows.row_file import ImportOptions, OnRefused, RowFile
from tallystick.infrastructure.imports.rows.transfer_rows import TransferRows
from tallystick.infrastructure.imports.transfers.csv_file import read_csv
from tallystick.infrastructure.imports.transfers.parquet_file import read_parquet
from tallystick.infrastructure.imports.transfers.rows import Reading
from tallystick.infrastructure.ledger.ledger import Ledger


def import_transfers(
    ledger: Ledger,
    path: Path,
    token: str | None = None,
    max_supply: int | None = None,
    on_refused: OnRefused | None = None,
    progress: Progress | None = None,
    checked: Progress | None = None,
    *,
    decimals: int = 0,
    amounts: str = "units",
    import_id: str | None = None,
    again: bool = False,
    dry_run: bool = False,
) -> ImportReport:
    """Records the rows of a file, all of `token` where one is given. A row with an id is recorded once, whatever file it comes
    in; a file's rows without ids once under the name `import_id`, by default the file's SHA-256, or `again`.

    Amounts are in smallest units, or with `amounts="decimal"` written like 19.99. With `max_supply` tokens that are not there
    are registered with that and `decimals`. `checked` is called while the file is read for the first time, `progress` for the
    second. Before anything is written: `InvalidRequest` where the path is no file, `MalformedRow`, `TokenNotFound` or
    `InvalidToken`, and what the books would refuse a row for: `InsufficientFunds`, `SupplyExhausted`, `DuplicateTransferId`
    where an id stands for something else. What they refuse for other reasons leaves the batches before it. With `on_refused`
    a row that is refused is passed over and told to it instead; with `dry_run` nothing is recorded. Each error names the row
    of the file; CSV's header is row 1.
    """
    check_is_file(path)
    check_looks_like(path, "CSV", {"JSON": "import erc20 reads transfers of ERC-20 tokens, one JSON object a line"})
    new = NewTokens(ledger, max_supply, decimals)
    token = None if token is None else ImportDesk(ledger).code(token)
    reading = Reading(token, new.units(amounts))
    read = read_parquet if beginning(path).startswith(PARQUET) else read_csv

    def blocks() -> Iterator[TransferRows]:
        return read(path, reading)

    report = ImportReport()
    name = name_of("transfers", import_id, path, token)
    cut = EarlierCut("transfers", TransferRows.runs_of_one_memo, _content, counts_rows=True)
    options = ImportOptions(new.token, on_refused, progress, checked, again, dry_run)
    RowImport(ledger, RowFile(path, blocks, cut), name, options, report).run()
    report.rows = report.recorded + report.known + report.refused
    return report


def _content(rows: TransferRows) -> Any:
    return rows.tokens[0], rows.memos[0], rows.senders, rows.receivers, rows.amounts, rows.ids
