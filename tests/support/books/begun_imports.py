"""Inputs of every resumable import, the same whenever they are written, for what has to be known again by later code."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

ZERO_ADDRESS = "0x" + "0" * 40
TRANSFERS = ("token", "sender", "receiver", "amount", "id", "memo")
TransferFields = tuple[str, str, str, int, int | None, str]


def erc20_input(path: Path) -> Path:
    """700 transfers of three tokens, of which every fifth moves nothing."""
    accounts = [f"0x{number:040x}" for number in range(12)]
    with path.open("w") as file:
        for row in range(700):
            sender, receiver = accounts[row * 7 % 12], accounts[(row * 5 + 1) % 12]
            value = row % 5 * (10**20 + row)
            named = {"token_address": f"0x{row % 3 + 100:040x}", "from_address": sender, "to_address": receiver}
            fields = {
                **named,
                "value": str(value) if row % 2 else value,
                "transaction_hash": f"0x{row:x}",
                "log_index": row % 4,
            }
            file.write(json.dumps(fields) + "\n")
    return path


def allocations_input(path: Path) -> Path:
    """700 allocations, of which every sixth is of nothing."""
    rows = [f"0x{row % 500:040x},{row % 6 * 11}" for row in range(700)]
    path.write_text("\n".join(("safe_address,tokens", *rows)) + "\n")
    return path


def tea_state_input(path: Path) -> Path:
    """Balances, deposits and a bonding reserve, of a settlement token and an app's."""
    tea, app = "0x" + "7e" * 32, "0x" + "aa" * 32
    state = {
        "tea_state": {
            "ft_state": {tea: {"alice": 900, "bob": "250", "carol": 0}, app: {"alice": 30}},
            "ft_deposit_state": {app: {"alice": 60}},
        },
        "bonding_state": {app: 1000},
        "tokens": {tea: {"role": "settlement", "max_supply": 2**32 - 1}, app: {"role": "app", "max_supply": 100}},
    }
    path.write_text(json.dumps(state))
    return path


def long_transfers() -> Iterator[TransferFields]:
    """Rows of one token and kind, more than are recorded at once."""
    for row in range(33_000):
        yield "PLN", "", f"account-{row % 101}", row + 1, None, ""


def mixed_transfers() -> Iterator[TransferFields]:
    """Rows whose tokens, kinds, memos and ids change; the books refuse the fourth and the fifth, and one of the last three."""
    yield "PLN", "", "alice", 100, None, ""
    yield "PLN", "", "b\u00f6b", 2**200, None, ""
    yield "PLN", "alice", "b\u00f6b", 30, None, ""
    yield "PLN", "nobody", "alice", 1, None, "rent"
    yield "PLN", "nobody", "alice", 2, None, "rent"
    yield "WEI", "", "alice", 10**30, 7, ""
    yield "WEI", "", "alice", 10**30, 2**128 - 1, ""
    yield "WEI", "", "alice", 10**30, None, ""
    yield "WEI", "alice", "", 5, None, 'rent, "May"\nand June'
    yield "PLN", "alice", "b\u00f6b", 40, None, ""
    yield "PLN", "alice", "b\u00f6b", 40, None, ""
    yield "PLN", "alice", "b\u00f6b", 30, None, ""


def csv_transfers(path: Path, rows: Iterator[TransferFields]) -> Path:
    """The rows as CSV."""
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([TRANSFERS, *rows])
    return path


def parquet_transfers(path: Path, rows: Iterator[TransferFields]) -> Path:
    """The rows as Parquet, senders of nothing and ids of nothing as nulls, numbers as text for they may be wide."""
    arrow, files = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    tokens, senders, receivers, amounts, ids, memos = zip(*rows, strict=True)
    nulled = [sender or None for sender in senders]
    texts = [list(map(str, amounts)), [None if id is None else str(id) for id in ids]]
    columns = dict(zip(TRANSFERS, (tokens, nulled, receivers, *texts, memos), strict=True))
    files.write_table(arrow.table(columns), path, row_group_size=777)
    return path
