"""What an importer gives to be imported: a file of rows, and how it is to be imported; and one batch of its rows."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from tallystick.domain.errors import LedgerError
from tallystick.domain.values.token import Token
from tallystick.infrastructure.imports.report import Progress
from tallystick.infrastructure.imports.rows.earlier import EarlierCut
from tallystick.infrastructure.imports.rows.known_rows import KeyOfMovement
from tallystick.infrastructure.imports.rows.transfer_rows import TransferRows
from tallystick.infrastructure.ledger.batches.batch_receipt import BatchReceipt
from tallystick.infrastructure.ledger.ledger import Ledger

OnRefused = Callable[[LedgerError], None]
"""Called with why a row was refused; the error's `row` is that of the file."""


class RowFile(msgspec.Struct, frozen=True):
    """A file of rows, whichever importer reads it.

    `blocks` reads it, from the beginning at each call. `opens`: senders that have less than they send are given the rest.
    `by_token`: rows of one token are recorded together, for those of others do not matter to them. `key_of_movement`: by which
    id an earlier version's movements are known.
    """

    path: Path
    blocks: Callable[[], Iterator[TransferRows]]
    earlier: EarlierCut
    opens: bool = False
    by_token: bool = False
    key_of_movement: KeyOfMovement | None = None
    further_tokens: frozenset[str] = frozenset()

    def cut(self, block: TransferRows) -> Iterator[TransferRows]:
        """The pieces of a block."""
        if self.by_token and block.tokens.count(block.tokens[0]) < len(block):
            places = {token: place for place, token in enumerate(dict.fromkeys(block.tokens))}
            block = block.select(sorted(range(len(block)), key=lambda row: places[block.tokens[row]]))
        return block.runs()


class ImportOptions(msgspec.Struct, frozen=True):
    """How a file is imported. Tokens that are not there are registered as `new_token` says of their code, where it says so.
    `dry_run`: it is only seen whether the file fits.
    """

    new_token: Callable[[str], Token | None]
    on_refused: OnRefused | None = None
    progress: Progress | None = None
    checked: Progress | None = None
    again: bool = False
    dry_run: bool = False


def commit_rows(ledger: Ledger, key: str, rows: TransferRows, *, skips: bool) -> BatchReceipt:
    """Records rows of one token and kind as a batch; `skips`: refused ones are passed over. Raises as batches do."""
    memo = rows.memos[0] if rows.memos.count(rows.memos[0]) == len(rows) else list(rows.memos)
    notes: dict[str, Any] = {
        "ids": None if rows.ids[0] is None else list(rows.ids),
        "idempotency_key": key,
        "on_refusal": "skip" if skips else "abort",
        "occurred_at": None if rows.times[0] is None else np.array(rows.times, dtype="M8[us]"),
        "references": None if rows.references.count(None) == len(rows) else list(rows.references),
    }
    token = rows.tokens[0]
    if not rows.senders[0]:
        return ledger.mint_many(token, rows.receivers, rows.amounts, memo, **notes)
    if not rows.receivers[0]:
        return ledger.burn_many(token, rows.senders, rows.amounts, memo, **notes)
    return ledger.transfer_many(token, rows.senders, rows.receivers, rows.amounts, memo, **notes)
