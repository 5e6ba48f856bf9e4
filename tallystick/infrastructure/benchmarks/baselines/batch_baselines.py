"""What batches are compared with: less than a ledger does, or the same done one by one.

Each is given the rows that the ledger is given, in the form that suits it.
"""

import sqlite3
from functools import partial
from pathlib import Path

import numpy as np

from tallystick.domain.arithmetic.columns import listed
from tallystick.domain.errors import InsufficientFunds
from tallystick.infrastructure.benchmarks.baselines.bare import BareTable, last_commits
from tallystick.infrastructure.benchmarks.inputs.batch_books import BatchBooks, Prepare, Rows
from tallystick.infrastructure.benchmarks.measuring.timing import Baseline, Work

ROW_BY_ROW = Baseline(
    "SQLite, a row a transfer",
    "inserts names, amount and id as they are given, all rows of a batch by one executemany in one durable commit; "
    "where there are ids an index keeps them unique",
    "check or keep a balance, or chain anything",
)
ONE_BY_ONE = Baseline(
    "ledger.atomic()",
    "does the same on the same books by a call of tx.transfer for each row, in one durable commit",
    "take ids",
)
COLUMNS = Baseline(
    "numpy's add and subtract",
    "subtracts the amounts from the senders' and adds them to the receivers' column in memory, given as arrays",
    "check anything, look up a name, or write",
)


class SameBytes:
    """Inserts the row with which the journal kept one of the batches, again and again."""

    def __init__(self, folder: Path, books: BatchBooks, prepare: Prepare, rows: int) -> None:
        prepare(books.draw(rows))()
        self._commits = last_commits(books.path, 1)
        self._table = BareTable(folder / "same-bytes.db")

    def prepare(self, rows: Rows) -> Work:
        """A batch as the row of it that the journal has."""
        return partial(self._insert, len(rows))

    def _insert(self, rows: int) -> int:
        self._table.insert_each(self._commits)
        return rows

    def close(self) -> None:
        """Closes the file."""
        self._table.close()


class RowByRow:
    """A table with a row a transfer."""

    def __init__(self, folder: Path, books: BatchBooks, *, ids: bool = False, wider_by: int = 0) -> None:
        self._books = books
        self._ids = ids
        self._wider_by = wider_by
        self._connection = sqlite3.connect(folder / "row-by-row.db", isolation_level=None)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.execute(f"CREATE TABLE transfers (sender, receiver, amount, id {'UNIQUE' if ids else ''})")

    def prepare(self, rows: Rows) -> Work:
        """A batch as lists; amounts that SQLite has no integers for as text, ids as 16 bytes."""
        amounts: list[int] | list[str] = listed(rows.amounts)
        if self._wider_by:
            amounts = [str(amount + self._wider_by) for amount in listed(rows.amounts)]
        given = self._books.rising_ids(len(rows)) if self._ids else None
        ids = [None] * len(rows) if given is None else [id.to_bytes(16, "big") for id in given]
        return partial(self._insert, self._books.kept(rows.senders), self._books.kept(rows.receivers), amounts, ids)

    def _insert(
        self, senders: list[str], receivers: list[str], amounts: list[int] | list[str], ids: list[None] | list[bytes]
    ) -> int:
        rows = zip(senders, receivers, amounts, ids, strict=True)
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.executemany("INSERT INTO transfers VALUES (?, ?, ?, ?)", rows)
        self._connection.execute("COMMIT")
        return len(amounts)

    def close(self) -> None:
        """Closes the file."""
        self._connection.close()


class OneByOne:
    """The ledger's own way for single transfers, many in a transaction."""

    def __init__(self, books: BatchBooks, *, wider_by: int = 0) -> None:
        self._books = books
        self._wider_by = wider_by

    def prepare(self, rows: Rows) -> Work:
        """A batch as lists."""
        amounts = [amount + self._wider_by for amount in listed(rows.amounts)]
        return partial(self._transfer, self._books.kept(rows.senders), self._books.kept(rows.receivers), amounts)

    def _transfer(self, senders: list[str], receivers: list[str], amounts: list[int]) -> int:
        token = self._books.token
        with self._books.ledger.atomic() as tx:
            for sender, receiver, amount in zip(senders, receivers, amounts, strict=True):
                try:
                    tx.transfer(token, sender, receiver, amount)
                except InsufficientFunds:  # which batches of theirs pass over as well
                    continue
        return len(amounts)


class Columns:
    """A column of balances in memory."""

    def __init__(self, accounts: int, funds: int) -> None:
        self._balances = np.full(accounts, funds, dtype=np.int64)

    def prepare(self, rows: Rows) -> Work:
        """A batch as arrays."""
        return partial(self._transfer, rows)

    def _transfer(self, rows: Rows) -> int:
        np.subtract.at(self._balances, rows.senders, rows.amounts)
        np.add.at(self._balances, rows.receivers, rows.amounts)
        return len(rows)
