"""Importing transfers: what rows mean, which are wrong, being stopped at any moment, and the command."""

import csv
import json
import os
import signal
import struct
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tallystick import (
    TOTAL_SUPPLY_RESERVE,
    DuplicateTransferId,
    InsufficientFunds,
    InvalidAccount,
    InvalidRequest,
    InvalidToken,
    Ledger,
    LedgerError,
    MalformedRow,
    Refused,
    SupplyExhausted,
    Token,
    TokenNotFound,
)
from tallystick.infrastructure import transfer_rows, transfers_csv, transfers_parquet
from tallystick.infrastructure.import_transfers import import_transfers

HEADER = "token,sender,receiver,amount"
MINTED = "PLN,,alice,100"
Row = tuple[str, str, str, int]


def write(path: Path, *lines: str, header: str = HEADER) -> Path:
    path.write_text("\n".join((header, *lines)) + "\n")
    return path


def parquet(path: Path, **columns: Any) -> Path:
    arrow, files = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    files.write_table(arrow.table(columns), path, row_group_size=3)
    return path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "transfers"


@pytest.fixture
def blocks_of_4(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (transfer_rows, transfers_csv, transfers_parquet):
        monkeypatch.setattr(module, "BLOCK_ROWS", 4)


def funds(ledger: Ledger) -> dict[str, dict[str, int]]:
    return {
        token.code: {account: balance.total for account, balance in ledger.balances(token.code).items()}
        for token in ledger.tokens()
    }


def random_rows(count: int, tokens: Sequence[str] = ("PLN", "WEI")) -> list[Row]:
    """Rows none of which asks for more than there is."""
    random, cells = Random(count), Counter[tuple[str, str]]()
    rows: list[Row] = []
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


def sums(rows: Sequence[Row]) -> dict[str, dict[str, int]]:
    found: dict[str, Counter[str]] = {code: Counter() for code in ("PLN", "USD", "WEI")}
    for token, sender, receiver, amount in rows:
        found[token][sender] -= amount
        found[token][receiver] += amount
    return {token: {name: units for name, units in cells.items() if name and units} for token, cells in found.items()}


# What rows mean.


def test_rows_mean_what_they_say_one_after_another(ledger: Ledger, file: Path, blocks_of_4: None) -> None:
    rows = random_rows(80)
    write(file, *(",".join(map(str, row)) for row in rows))
    report = import_transfers(ledger, file)
    assert (report.rows, report.tokens, report.refused, report.batches_before) == (len(rows), 2, 0, 0)
    assert report.mints == sum(not sender for _, sender, _, _ in rows)
    assert report.burns == sum(not receiver for _, _, receiver, _ in rows)
    assert report.transfers == report.rows - report.mints - report.burns > 0
    assert report.batches > len(rows) / 4
    assert funds(ledger) == sums(rows)
    position = ledger.verify().position
    again = import_transfers(ledger, file)
    assert (again.batches_before, again.mints, again.rows) == (report.batches, report.mints, report.rows)
    assert ledger.verify().position == position
    assert ledger.audit().ok


def test_every_token_from_parquet_as_from_csv(ledger: Ledger, token: str, file: Path, blocks_of_4: None) -> None:
    rows = random_rows(60, [token])
    _, senders, receivers, amounts = zip(*rows, strict=True)
    nulled = [sender or None for sender in senders]
    columns = {"token": [token] * len(rows), "sender": nulled, "receiver": receivers, "amount": amounts}
    report = import_transfers(ledger, parquet(file, **columns))
    assert (report.rows, funds(ledger)[token]) == (len(rows), sums(rows)[token])
    position = ledger.verify().position
    write(file, *(",".join(map(str, row)) for row in rows))  # the same content
    assert import_transfers(ledger, file).batches_before == report.batches
    assert ledger.verify().position == position


def test_wide_amounts_and_decimals(ledger: Ledger, file: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    write(file, f"WEI,,alice,{2**256 - 1}", f"WEI,alice,bob,{2**255 + 1}", f"WEI,bob,,{2**255}")
    import_transfers(ledger, file)
    assert funds(ledger)["WEI"] == {"alice": 2**255 - 2, "bob": 1}
    decimals = arrow.array([Decimal(10**75), Decimal(1)], arrow.decimal256(76, 0))
    nobody = arrow.nulls(2)
    import_transfers(ledger, parquet(file, sender=nobody, receiver=["carol", "carol"], amount=decimals), token="WEI")
    assert ledger.balance("WEI", "carol").total == 10**75 + 1
    texts = arrow.array([str(10**70), "7"]).dictionary_encode()
    import_transfers(ledger, parquet(file, sender=["carol"] * 2, receiver=["dave"] * 2, amount=texts), token="WEI")
    assert ledger.balance("WEI", "dave").total == 10**70 + 7


def test_quotes_marks_and_further_columns(ledger: Ledger, file: Path) -> None:
    file.write_bytes(
        b'\xef\xbb\xbfmemo,note,"amount",receiver,sender,token\r\n'
        b'"rent, ""May""\nand June",x,100,alice,,PLN\r\n\r\n'
        b'"rent, ""May""\nand June",\xff,100,"b\xc3\xb6b","",PLN\r\n'
    )
    report = import_transfers(ledger, file)
    assert (report.rows, report.batches) == (2, 1)
    assert [each.memo for each in ledger.history("PLN", "b\u00f6b")] == ['rent, "May"\nand June']


def test_one_token_for_all_rows_and_tokens_that_are_new(ledger: Ledger, file: Path) -> None:
    write(file, ",alice,7", header="sender,receiver,amount")
    import_transfers(ledger, file, token="PLN")
    assert funds(ledger)["PLN"] == {"alice": 7}
    with pytest.raises(MalformedRow, match="no column token"):
        import_transfers(ledger, file)
    write(file, "NEW,,alice,7", MINTED)
    import_transfers(ledger, file, max_supply=10)
    assert (ledger.supply("NEW").reserve, ledger.token("PLN").max_supply) == (3, 2**128 - 1)
    with pytest.raises(MalformedRow, match="was named for all rows"):
        import_transfers(ledger, file, token="PLN")
    with pytest.raises(InvalidToken, match="row 3: "):
        import_transfers(ledger, write(file, MINTED, "N W,,alice,5"), max_supply=10)


def test_ids(ledger: Ledger, file: Path) -> None:
    id = UUID(int=2**127 + 5)
    header = HEADER + ",id"
    import_transfers(ledger, write(file, MINTED + f",{id}", MINTED + ",", MINTED + f",{2**128 - 1}", header=header))
    assert ledger.balance("PLN", "alice").total == 300
    for used in (id.int, str(id).upper(), 2**128 - 1):
        with pytest.raises(DuplicateTransferId, match="row 4: ") as caught:
            import_transfers(ledger, write(file, MINTED + ",0", MINTED + ",1", MINTED + f",{used}", header=header))
        assert caught.value.fields["row"] == 4
    columns = {"sender": ["", ""], "receiver": ["bob", "bob"], "amount": [1, 1], "id": [8, None]}
    import_transfers(ledger, parquet(file, **columns), token="PLN")
    with pytest.raises(DuplicateTransferId, match="row 1: "):
        import_transfers(ledger, parquet(file, **{**columns, "amount": [2, 2]}), token="PLN")


def test_files_of_nothing(ledger: Ledger, file: Path) -> None:
    file.write_text("")
    with pytest.raises(MalformedRow, match="row 1: "):
        import_transfers(ledger, file)
    assert import_transfers(ledger, write(file)).rows == 0
    assert import_transfers(ledger, write(file, "", "", "")).rows == 0
    assert import_transfers(ledger, parquet(file, sender=[], receiver=[], amount=[]), token="PLN").batches == 0


# Rows that are wrong: nothing is written.


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
        (HEADER + ",id", MINTED + ",x", "an id"),
        (HEADER + ",id", MINTED + ",-1", "an id"),
        (HEADER + ",id", MINTED + f",{2**128}", "an id"),
        (HEADER + ",id", MINTED + "," + UUID(int=5).hex.replace("0", "a"), "an id"),
        (HEADER + ",memo", MINTED + "," + "m" * 70_000, "a memo"),
    ],
)
def test_malformed_ids_and_memos(ledger: Ledger, file: Path, header: str, line: str, verdict: str) -> None:
    with pytest.raises(MalformedRow, match=verdict) as caught:
        import_transfers(ledger, write(file, MINTED + ",", line, header=header))
    assert caught.value.row == 3


@pytest.mark.parametrize(
    ("header", "verdict"),
    [
        ("token,sender,receiver", "no column amount"),
        ("token;sender;receiver;amount", "no column token and no sender and no receiver and no amount"),
        ("Token,sender,receiver,amount", "no column token"),
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
    assert (report.batches_before, funds(ledger)["PLN"]) == (1, {"alice": 200})


# Rows that the books refuse.

REFUSED = [MINTED, *["PLN,alice,bob,30"] * 5, "PLN,bob,,60", "PLN,bob,,31", "PLN,,alice,1"]


def test_a_refused_row_stops_the_import_and_is_named(ledger: Ledger, file: Path, blocks_of_4: None) -> None:
    with pytest.raises(InsufficientFunds, match="row 6: alice has 10 PLN") as caught:
        import_transfers(ledger, write(file, *REFUSED))
    assert (caught.value.fields["row"], funds(ledger)["PLN"]) == (6, {"alice": 10, "bob": 90})
    with pytest.raises(SupplyExhausted, match="row 3: "):
        import_transfers(ledger, write(file, "PLN,,alice,1", f"PLN,,alice,{2**128 - 1}"))
    with pytest.raises(InvalidAccount, match="row 2: "):
        import_transfers(ledger, write(file, f"PLN,,{TOTAL_SUPPLY_RESERVE},1"), on_refused=lambda refused: None)


def test_an_app_s_token_is_not_minted(ledger: Ledger, file: Path) -> None:
    ledger.register_token(Token("TEA", role="settlement"))
    ledger.register_token(Token("App", role="app", max_supply=5))
    with pytest.raises(LedgerError, match="row 2: "):
        import_transfers(ledger, write(file, "App,,alice,1"))


def test_refused_rows_are_passed_over_where_that_is_asked_for(ledger: Ledger, file: Path, blocks_of_4: None) -> None:
    found: list[Refused] = []
    write(file, *REFUSED)
    report = import_transfers(ledger, file, on_refused=found.append)
    assert [(each.code, each.fields["row"]) for each in found] == [("insufficient_funds", row) for row in (6, 7, 9)]
    assert (report.refused, report.mints, report.transfers, report.burns) == (3, 2, 3, 1)
    assert funds(ledger)["PLN"] == {"alice": 11, "bob": 30}
    with ledger.atomic() as tx:
        tx.mint("PLN", "alice", 1000)
    before = ledger.verify().position
    again = import_transfers(ledger, file, on_refused=found.append)  # also batches that left nothing are not tried again
    assert (again.refused, again.burns, len(found), ledger.verify().position) == (3, 1, 3, before)
    assert import_transfers(ledger, file).refused == 3


def test_an_import_that_was_refused_goes_on_where_it_was(ledger: Ledger, file: Path, blocks_of_4: None) -> None:
    write(file, *REFUSED)
    with pytest.raises(InsufficientFunds):
        import_transfers(ledger, file)
    report = import_transfers(ledger, file, on_refused=lambda refused: None)
    assert (report.batches_before, report.refused, funds(ledger)["PLN"]) == (2, 3, {"alice": 11, "bob": 30})


# Being stopped.


class Stopped(Exception):
    pass


def stop_after(batches: int) -> Any:
    left = iter(range(batches))

    def progress(rows: int) -> None:
        if next(left, None) is None:
            raise Stopped

    return progress


@pytest.mark.parametrize("skips", [False, True])
def test_stopped_after_each_batch_the_outcome_is_the_same(tmp_path: Path, file: Path, blocks_of_4: None, skips: bool) -> None:
    rows = random_rows(40)
    spoiled = [*rows[:9], ("PLN", "nobody", "bob", 1), *rows[9:18], ("WEI", "nobody", "bob", 1), *rows[18:]] if skips else rows
    write(file, *(",".join(map(str, row)) for row in spoiled))
    on_refused = (lambda refused: None) if skips else None
    outcomes: list[Any] = []
    batches, stops = 1, 0
    while stops < batches:
        with Ledger.open("memory:") as ledger:
            for code in ("PLN", "USD", "WEI"):
                ledger.register_token(Token(code))
            with pytest.raises(Stopped):
                import_transfers(ledger, file, on_refused=on_refused, progress=stop_after(stops))
            report = import_transfers(ledger, file, on_refused=on_refused)
            outcomes.append((ledger.verify().position, funds(ledger), report.rows, report.refused, report.burns))
            batches, stops = report.batches, stops + 1
    assert outcomes[0][1] == sums(rows)
    assert all(outcome == outcomes[0] for outcome in outcomes)
    assert len(outcomes) > 20


IMPORT = """
import sys
from pathlib import Path
from tallystick import Ledger
from tallystick.infrastructure import transfers_csv
transfers_csv.BLOCK_ROWS = 50
from tallystick.infrastructure.import_transfers import import_transfers
with Ledger.open(Path(sys.argv[1])) as ledger:
    import_transfers(ledger, Path(sys.argv[2]), progress=lambda rows: print(rows, flush=True))
"""


@pytest.fixture
def many(file: Path) -> tuple[Path, list[Row]]:
    rows: list[Row] = [("PLN", "", f"account-{k % 97}", 10) for k in range(5_000)]
    rows += [("PLN", f"account-{k % 97}", f"account-{k % 89}", 1) for k in range(5_000)]
    with file.open("w", newline="") as written:
        csv.writer(written).writerows([HEADER.split(","), *rows])
    return file, rows


def test_killed_at_any_moment_the_outcome_is_the_same(tmp_path: Path, many: tuple[Path, list[Row]]) -> None:
    file, rows = many
    books = tmp_path / "books.db"
    with Ledger.open(books) as ledger:
        ledger.register_token(Token("PLN"))
    positions: list[int] = []
    for batches in (0, 1, 60, 130, 131):
        with subprocess.Popen([sys.executable, "-c", IMPORT, books, file], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            for _ in range(batches):
                process.stdout.readline()
            process.send_signal(signal.SIGKILL)
        with Ledger.open(books) as ledger:
            assert ledger.verify().ok
            positions.append(ledger.verify().position)
    subprocess.run([sys.executable, "-c", IMPORT, books, file], check=True, stdout=subprocess.DEVNULL)
    with Ledger.open(books) as ledger:
        assert ledger.verify().position == len(rows) + 1
        assert funds(ledger)["PLN"] == sums(rows)["PLN"]
        assert ledger.audit().ok
    assert positions == sorted(positions)
    assert positions[1] < positions[2] < positions[-1] < len(rows) + 1


# The command.


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tallystick", "import", "transfers", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, "COLUMNS": "200"})


def test_the_command(tmp_path: Path, file: Path) -> None:
    to = ("--url", tmp_path / "books.db")
    write(file, *REFUSED)
    done = run(file, *to)
    assert (done.returncode, done.stdout) == (2, "")
    assert "error: token_not_found: row 2: token 'PLN' is not registered" in done.stderr
    done = run(file, *to, "--max-supply", 1000)
    assert (done.returncode, done.stdout) == (2, "")
    assert "error: insufficient_funds: row 6: alice has 10 PLN to give of the 30 required" in done.stderr
    done = run(file, *to, "--skip-refused", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert {name: found[name] for name in ("rows", "mints", "transfers", "burns", "refused", "batches_before")} == {
        "rows": 9,
        "mints": 2,
        "transfers": 3,
        "burns": 1,
        "refused": 3,
        "batches_before": 1,
    }
    assert "3 rows are refused by the books and were passed over" in done.stderr
    assert "insufficient_funds: row 9: bob has 30 PLN" in done.stderr
    again = json.loads(run(file, *to, "--json").stdout)
    assert (again["position"], again["batches_before"]) == (found["position"], found["batches"])
    malformed = run(write(file, "5,6", header="receiver,amount"), *to, "--token", "PLN")
    assert (malformed.returncode, "error: malformed_row: row 1: " in malformed.stderr) == (2, True)


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
