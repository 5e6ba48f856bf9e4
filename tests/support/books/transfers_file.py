"""Files of transfers, and what their rows come to: what the tests of their import share."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tallystick import (
    Ledger,
)

HEADER = "token,sender,receiver,amount"
MINTED = "PLN,,alice,100"
TransferRow = tuple[str, str, str, int]


def write(path: Path, *lines: str, header: str = HEADER) -> Path:
    path.write_text("\n".join((header, *lines)) + "\n")
    return path


def parquet(path: Path, **columns: Any) -> Path:
    arrow, files = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    files.write_table(arrow.table(columns), path, row_group_size=3)
    return path


def funds(ledger: Ledger) -> dict[str, dict[str, int]]:
    return {
        token.code: {account: balance.total for account, balance in ledger.balances(token.code).items()}
        for token in ledger.tokens()
    }


def random_rows(count: int, tokens: Sequence[str] = ("PLN", "WEI")) -> list[TransferRow]:
    """Rows none of which asks for more than there is."""
    random, cells = Random(count), Counter[tuple[str, str]]()
    rows: list[TransferRow] = []
    for _ in range(count):
        token, sender = random.choice(tokens), random.choice(("", "alice", "bob", "carol"))
        receiver = random.choice(("", "alice", "bob"))
        if cells[token, sender] == 0:
            sender, receiver = "", "alice"
        amount = random.randint(1, cells[token, sender]) if sender else 10**6
        if sender or receiver:
            cells[token, sender] -= amount
            cells[token, receiver] += amount
            rows.append((token, sender, receiver, amount))
    return rows


def sums(rows: Sequence[TransferRow]) -> dict[str, dict[str, int]]:
    found: dict[str, Counter[str]] = {code: Counter() for code in ("PLN", "USD", "WEI")}
    for token, sender, receiver, amount in rows:
        found[token][sender] -= amount
        found[token][receiver] += amount
    return {token: {name: units for name, units in cells.items() if name and units} for token, cells in found.items()}
