"""Imports that an earlier version began: they are known by the keys of their pieces, each made from all content up to it.

Whatever lies in a file before the last piece that is in the ledger was tried, and is not tried again. So a file that begins
as one that was imported then goes on where that ended.
"""

import hashlib
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from tallystick.infrastructure.imports.rows.pieces import key_of
from tallystick.infrastructure.imports.rows.transfer_rows import TransferRows
from tallystick.infrastructure.ledger.ledger import Ledger

PIECES_MAX = 1_000
"""An import of which none of so many first pieces is in the ledger was not begun by an earlier version."""

_encode = msgspec.json.Encoder().encode


class EarlierCut(msgspec.Struct, frozen=True):
    """How an earlier version cut rows of this `kind` into pieces, and what of each its key is made from.

    `counts_rows`: a piece's transactions are its rows, but for those that were refused.
    """

    kind: str
    parts: Callable[[TransferRows], Iterable[TransferRows]]
    content: Callable[[TransferRows], Any]
    counts_rows: bool


class EarlierImport:
    """One file, as an earlier version would have imported it. `through`: the number of the last row that was tried then."""

    def __init__(self, ledger: Ledger, cut: EarlierCut) -> None:
        self._ledger = ledger
        self._cut = cut
        self._chain = hashlib.sha256(cut.kind.encode())
        self._place = 0
        self._is_over = False
        self.through = 0
        self.counts = {"mints": 0, "transfers": 0, "burns": 0}
        self.refused = 0
        self._waiting = 0

    def add(self, rows: TransferRows) -> None:
        """Goes on with the next rows."""
        if self._is_over:
            return
        for part in self._cut.parts(rows):
            self._chain.update(_encode(self._cut.content(part)))
            receipt = self._ledger.receipt(key_of(self._cut.kind, self._place, self._chain.hexdigest()))
            self._place += 1
            if receipt is None:
                self._waiting += len(part)
                if self._place >= PIECES_MAX and not self.through:
                    self._is_over = True
                    return
                continue
            self.through = part.numbers[-1]
            self.refused, self._waiting = self.refused + self._waiting, 0
            self._count(part, len(receipt.transaction_ids))

    def _count(self, part: TransferRows, transactions: int) -> None:
        if self._cut.counts_rows:
            self.counts[part.kind] += transactions
            self.refused += len(part) - transactions
            return
        for sender, receiver in zip(part.senders, part.receivers, strict=True):
            self.counts["mints" if not sender else "transfers" if receiver else "burns"] += 1

    @property
    def known(self) -> int:
        """How many rows it recorded."""
        return sum(self.counts.values())
