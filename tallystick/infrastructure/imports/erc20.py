"""Importing ERC-20 transfers: a file with one JSON object a line, or CSV, as blockchain exporters write them.

A transfer from the zero address is a mint and one to it a burn. A file begins in the middle of a chain's life, so a sender
may spend what it got before: where its balance falls short, an opening mint of the difference is recorded first, in the open.
Transfers of nothing are counted and passed over. A transfer is known by its token, transaction hash and log index, whatever
file it comes in, and happened when its block was made. Where all rows have the numbers of their blocks, they are taken in the
chain's order.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tallystick.domain.batch.batch import RowEvent
from tallystick.domain.values.amount import AMOUNT_MAX
from tallystick.domain.values.token import Token
from tallystick.infrastructure.imports.erc20_rows import ZERO_ADDRESS, Erc20Reader, Erc20Transfer
from tallystick.infrastructure.imports.files import check_is_file
from tallystick.infrastructure.imports.report import ImportReport, Progress
from tallystick.infrastructure.imports.rows.earlier import EarlierCut
from tallystick.infrastructure.imports.rows.importing import RowImport
from tallystick.infrastructure.imports.rows.name import name_of, row_key
from tallystick.infrastructure.imports.rows.pieces import BATCH_ROWS, in_batches
from tallystick.infrastructure.imports.rows.row_file import ImportOptions, OnRefused, RowFile
from tallystick.infrastructure.imports.rows.transfer_rows import TransferRows
from tallystick.infrastructure.ledger.ledger import Ledger

__all__ = ["ZERO_ADDRESS", "import_erc20"]

BLOCK_ROWS = 65 * BATCH_ROWS


def import_erc20(
    ledger: Ledger,
    path: Path,
    progress: Progress | None = None,
    *,
    decimals: int = 0,
    max_supply: int = AMOUNT_MAX,
    import_id: str | None = None,
    again: bool = False,
    dry_run: bool = False,
    on_refused: OnRefused | None = None,
) -> ImportReport:
    """Records the transfers of a file that are not known, and registers the tokens that are not there.

    Rows without a transaction hash and a log index are those of the file, which is taken once, or `again`, under the name
    `import_id`, by default its SHA-256. Raises `InvalidRequest` where the path is no file, `MalformedRow`, which names the
    row, and `DuplicateTransferId` and `SupplyExhausted` before anything is written; with `on_refused` a row that is no ERC-20
    transfer, or that the books refuse, is passed over and told to it instead.
    """
    check_is_file(path)
    report = ImportReport()
    reader = Erc20Reader(path, on_refused)
    moving = [transfer for transfer in reader.transfers if transfer.value]
    if all(transfer.block is not None and transfer.memo for transfer in moving):
        moving.sort(key=lambda transfer: (transfer.block or 0, transfer.index))
    report.rows, report.refused = reader.rows, reader.refused
    report.skipped = len(reader.transfers) - len(moving)

    def blocks() -> Iterator[TransferRows]:
        for start in range(0, len(moving), BLOCK_ROWS):
            yield _rows(moving[start : start + BLOCK_ROWS])

    file = RowFile(
        path,
        blocks,
        EarlierCut("erc20", in_batches, _content, counts_rows=False),
        opens=True,
        by_token=True,
        key_of_movement=_key_of,
        further_tokens=frozenset(transfer.token for transfer in reader.transfers),
    )
    name = name_of("erc20", import_id, path, None)
    options = ImportOptions(lambda code: Token(code, decimals, max_supply), on_refused, progress, None, again, dry_run)
    RowImport(ledger, file, name, options, report).run()
    return report


def _rows(transfers: list[Erc20Transfer]) -> TransferRows:
    return TransferRows(
        [each.number for each in transfers],
        [each.token for each in transfers],
        ["" if each.sender == ZERO_ADDRESS else each.sender for each in transfers],
        ["" if each.receiver == ZERO_ADDRESS else each.receiver for each in transfers],
        [each.value for each in transfers],
        [row_key("erc20", each.token, each.memo) if each.is_keyed else None for each in transfers],
        [each.memo for each in transfers],
        [each.time for each in transfers],
        [each.hash for each in transfers],
    )


def _key_of(event: RowEvent) -> str:
    return row_key("erc20", event.token, event.memo)


def _content(rows: TransferRows) -> Any:
    senders = [sender or ZERO_ADDRESS for sender in rows.senders]
    receivers = [receiver or ZERO_ADDRESS for receiver in rows.receivers]
    return list(zip(rows.tokens, senders, receivers, rows.amounts, rows.memos, strict=True))
