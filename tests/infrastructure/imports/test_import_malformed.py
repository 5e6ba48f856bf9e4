"""Importing transfers whose rows, headers or files are wrong: the row is named, and nothing is written."""

import os
import struct
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tallystick import (
    InvalidAccount,
    InvalidRequest,
    Ledger,
    MalformedRow,
    Token,
    TokenNotFound,
)
from tallystick.infrastructure.imports.transfers.transfers import import_transfers
from tests.support.books.transfers_file import HEADER, MINTED, funds, parquet, write


@pytest.mark.parametrize(
    ("line", "verdict"),
    [
        ("PLN,,,5", "neither a sender nor a receiver"),
        (",alice,bob,5", "names no token"),
        ("PLN,alice,bob", "3 columns"),
        ("PLN,alice,bob,5,,,6", "7 columns"),
        ("PLN,al ice,bob,5", "white space"),
        ("PLN,alice," + "b" * 129 + ",5", "1 to 128"),
        ("PLN,alice,b\udcffb,5", "printable"),
        ("PLN,alice,bob,", "an amount"),
        ("PLN,alice,bob,0", "an amount"),
        ("PLN,alice,bob,-5", "an amount"),
        ("PLN,alice,bob,+5", "an amount"),
        ("PLN,alice,bob,5.0", "an amount"),
        ("PLN,alice,bob,1e3", "an amount"),
        ("PLN,alice,bob, 5", "an amount"),
        ("PLN,alice,bob,1_000", "an amount"),
        ("PLN,alice,bob,\u0663", "an amount"),
        (f"PLN,alice,bob,{2**256}", "an amount"),
        ("PLN,alice,bob," + "9" * 5000, "an amount"),
        ('PLN,alice,bob,"5', "unexpected end"),
        ('PLN,alice,"bob"by,5', "expected after"),
    ],
)
def test_a_malformed_row_is_named_and_nothing_is_written(
    ledger: Ledger, file: Path, blocks_of_4: None, line: str, verdict: str
) -> None:
    before = ledger.verify().position
    for rows_before in (0, 1, 3, 4, 9):
        lines = [*[MINTED] * rows_before, line, *([] if '"' in line else [MINTED, "PLN,alice"])]
        file.write_bytes("\n".join((HEADER, *lines)).encode(errors="surrogateescape"))
        with pytest.raises(MalformedRow, match=verdict) as caught:
            import_transfers(ledger, file)
        assert caught.value.row == rows_before + 2
    assert ledger.verify().position == before


@pytest.mark.parametrize(
    ("header", "line", "verdict"),
    [
        (HEADER + ",id", MINTED + ",1.5", "an id"),
        (HEADER + ",id", MINTED + "," + "x" * 257, "an id"),
        (HEADER + ",reference", MINTED + "," + "x" * 257, "a reference"),
        (HEADER + ",occurred_at", MINTED + ",yesterday", "a time is written like"),
        (HEADER + ",occurred_at", MINTED + ",1969-12-31", "between 1970 and 9999"),
        (HEADER + ",occurred_at", MINTED + ",9999-01-01", "more than a day later"),
        (HEADER + ",id", MINTED + ",-1", "an id"),
        (HEADER + ",id", MINTED + f",{2**128}", "an id"),
        (HEADER + ",memo", MINTED + "," + "m" * 70_000, "a memo"),
    ],
)
def test_malformed_ids_and_memos(ledger: Ledger, file: Path, header: str, line: str, verdict: str) -> None:
    with pytest.raises(InvalidRequest, match=verdict) as caught:
        import_transfers(ledger, write(file, MINTED + ",", line, header=header))
    assert caught.value.fields["row"] == 3


@pytest.mark.parametrize(
    ("header", "verdict"),
    [
        ("token,sender,receiver", "no column amount"),
        ("token;sender;receiver;amount", "no column token and no sender and no receiver and no amount"),
        ("Token,sender,receiver,amount, AMOUNT", "2 columns amount"),
        ("token,sender,receiver,amount,amount", "2 columns amount"),
        ('"token', "unexpected end"),
    ],
)
def test_headers_that_are_wrong(ledger: Ledger, file: Path, header: str, verdict: str) -> None:
    with pytest.raises(MalformedRow, match=verdict) as caught:
        import_transfers(ledger, write(file, header=header))
    assert caught.value.row == 1


@pytest.mark.parametrize(
    ("changed", "row", "verdict"),
    [
        ({"amount": [1.0, 2.0]}, 1, "not of double"),
        ({"amount": [1, None]}, 2, "an amount"),
        ({"amount": [1, 0]}, 2, "an amount"),
        ({"amount": ["1", "-1"]}, 2, "an amount"),
        ({"amount": [Decimal("1.0"), Decimal("2.5")]}, 1, "not of decimal"),
        ({"amount": [True, True]}, 1, "not of bool"),
        ({"receiver": [b"alice", b"bob"]}, 1, "not of binary"),
        ({"receiver": ["alice", None]}, 2, "neither"),
        ({"id": [1, -1]}, 2, "an id"),
        ({"id": [1.0, 2.0]}, 1, "not of double"),
        ({"memo": [1, 2]}, 1, "not of int64"),
    ],
)
def test_parquet_that_is_wrong(ledger: Ledger, file: Path, changed: dict[str, Any], row: int, verdict: str) -> None:
    columns = {"token": ["PLN", "PLN"], "sender": ["", None], "receiver": ["alice", "bob"], "amount": [1, 2], **changed}
    before = ledger.verify().position
    with pytest.raises(MalformedRow, match=verdict) as caught:
        import_transfers(ledger, parquet(file, **columns))
    assert (caught.value.row, ledger.verify().position) == (row, before)


def test_parquet_that_is_damaged_and_parquet_without_pyarrow(
    ledger: Ledger, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parquet(file, token=["PLN"], sender=[""], receiver=["alice"], amount=[1])
    whole = file.read_bytes()
    for content in (whole[:-9], whole[:40], whole[:4] + b"\0" * 40 + whole[44:]):
        file.write_bytes(content)
        with pytest.raises(MalformedRow, match="no Parquet"):
            import_transfers(ledger, file)
    for module in ("pyarrow", "pyarrow.parquet"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(InvalidRequest, match=r"tallystick\[arrow\]"):
        import_transfers(ledger, file)
    assert import_transfers(ledger, write(file, MINTED)).mints == 1


def test_an_unknown_token_is_named_before_anything_is_written(ledger: Ledger, file: Path, blocks_of_4: None) -> None:
    before = ledger.verify().position
    with pytest.raises(TokenNotFound, match="row 8: "):
        import_transfers(ledger, write(file, *[MINTED] * 6, "EUR,,alice,1", MINTED))
    assert ledger.verify().position == before


def test_what_cannot_be_read_twice(ledger: Ledger, tmp_path: Path, file: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "absent", tmp_path / "pipe"):
        with pytest.raises(InvalidRequest, match="is no file"):
            import_transfers(ledger, path)


def test_a_file_that_changes_meanwhile(ledger: Ledger, file: Path) -> None:
    def change(rows: int) -> None:
        write(file, *[MINTED] * (rows + 1))

    with pytest.raises(InvalidRequest, match="was changed"):
        import_transfers(ledger, write(file, MINTED), checked=change)
    report = import_transfers(ledger, file)
    assert (report.batches_before, funds(ledger)["PLN"]) == (0, {"alice": 200})


def test_text_that_is_no_utf8(tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_bytes(b"token,sender,receiver,amount\nT,,a,5\nT\xff,,a,5\n")
    bad = pa.StringArray.from_buffers(2, pa.py_buffer(struct.pack("<3i", 0, 1, 3)), pa.py_buffer(b"aa\xff"))
    table = {"token": ["T", "T"], "sender": pa.array([None, None], pa.string()), "receiver": bad, "amount": [5, 5]}
    pq.write_table(pa.table(table), tmp_path / "bad.parquet")
    with Ledger.open("memory:") as ledger:
        ledger.register_token(Token("T"))
        for name, row in (("bad.csv", 3), ("bad.parquet", 2)):
            with pytest.raises(MalformedRow) as caught:
                import_transfers(ledger, tmp_path / name, max_supply=100)
            assert caught.value.row == row
        with pytest.raises(InvalidAccount):
            ledger.mint_many("T", bad, [1, 1])
        assert ledger.balances("T") == {}
