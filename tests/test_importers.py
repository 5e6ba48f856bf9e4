"""Importing files: exact sums, importing again, and files that are wrong."""

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tallystick import InvalidToken, Ledger, MalformedRow, SupplyExhausted
from tallystick.infrastructure.import_allocations import import_allocations
from tallystick.infrastructure.import_erc20 import ZERO_ADDRESS, import_erc20

DATA = Path(os.environ.get("TALLYSTICK_DATA", "absent"))
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="TALLYSTICK_DATA names no folder with the public data sets")

TOKEN = "0x" + "aa" * 20
ALICE, BOB = "0x" + "01" * 20, "0x" + "02" * 20


def transfer(sender: str, receiver: str, value: Any, token: str = TOKEN, **fields: Any) -> dict[str, Any]:
    named = {"token_address": token, "from_address": sender, "to_address": receiver, "value": value}
    return {**named, "transaction_hash": "0xff", "log_index": 1, **fields}


def write(path: Path, transfers: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in transfers))
    return path


def opening_balances(ledger: Ledger, token: str) -> Counter[str]:
    found: Counter[str] = Counter()
    for account in ledger.balances(token):
        for minted in ledger.history(token, account):
            if minted.memo == "opening balance" and minted.receiver == account:
                found[account] += minted.minted_amount
    return found


def check_against_an_independent_sum(ledger: Ledger, transfers: list[dict[str, Any]]) -> None:
    net: dict[str, Counter[str]] = {}
    for row in transfers:
        if value := int(row["value"]):
            cells = net.setdefault(row["token_address"], Counter())
            cells[row["from_address"]] -= value
            cells[row["to_address"]] += value
    for token, cells in net.items():
        minted, burned = -cells.pop(ZERO_ADDRESS, 0), 0
        balances = {account: balance.total for account, balance in ledger.balances(token).items()}
        # an account that was emptied has no balance, and had its openings all the same
        openings = Counter({account: balances.get(account, 0) - amount for account, amount in cells.items()})
        assert min(openings.values(), default=0) >= 0
        for account, amount in opening_balances(ledger, token).items():
            assert openings[account] == amount
        assert set(balances) <= set(cells)
        assert ledger.supply(token).circulating == sum(balances.values()) == minted - burned + sum(openings.values())


def test_transfers_mints_burns_and_openings(ledger: Ledger, tmp_path: Path) -> None:
    rows = [
        transfer(ALICE, BOB, 10),
        transfer(ZERO_ADDRESS, ALICE, 2**255),
        transfer(ALICE, BOB, 2**255 - 1),
        transfer(BOB, ZERO_ADDRESS, "7"),
        transfer(ALICE, BOB, 0, token="0x" + "bb" * 20),
        transfer(ALICE.replace("x01", "x01").upper().replace("X", "x"), BOB, 1),
        transfer(ALICE, BOB, 5),
    ]
    report = import_erc20(ledger, write(tmp_path / "a.json", rows))
    assert (report.rows, report.tokens, report.transfers, report.mints, report.burns) == (7, 2, 4, 1, 1)
    assert (report.skipped, report.openings, report.batches, report.batches_before) == (1, 2, 1, 0)
    assert ledger.balance(TOKEN, BOB).available == 10 + 2**255 - 1 - 7 + 1 + 5
    assert opening_balances(ledger, TOKEN) == {}
    opened = [t.minted_amount for t in ledger.history(TOKEN, ALICE) if t.memo == "opening balance"]
    assert opened == [10, 5]
    assert ledger.history(TOKEN, BOB)[0].memo == "0xff:1"
    position = ledger.verify().position
    again = import_erc20(ledger, tmp_path / "a.json")
    assert (again.batches_before, again.openings) == (1, 0)
    assert ledger.verify().position == position
    assert ledger.audit().ok


@pytest.mark.parametrize(
    ("line", "verdict"),
    [
        ("no json", "no JSON"),
        ("[1, 2]", "no JSON object"),
        ('{"token_address": "0x', "no JSON"),
        (json.dumps({"token_address": TOKEN}), "it has no from_address"),
        (json.dumps(transfer(ALICE, BOB, 1.5)), "a value is an integer"),
        (json.dumps(transfer(ALICE, BOB, 1e3)), "a value is an integer"),
        (json.dumps(transfer(ALICE, BOB, -1)), "a value is an integer"),
        (json.dumps(transfer(ALICE, BOB, True)), "a value is an integer"),
        (json.dumps(transfer(ALICE, BOB, None)), "a value is an integer"),
        (json.dumps(transfer(ALICE, BOB, "-1")), "a value is an integer"),
        (json.dumps(transfer(ALICE, BOB, 2**256)), "a value is an integer"),
        (json.dumps(transfer("no body", BOB, 1)), "white space"),
        (json.dumps(transfer(5, BOB, 1)), "an account is a str"),  # type: ignore[arg-type]
    ],
)
def test_a_malformed_row_is_named_and_nothing_remains(ledger: Ledger, tmp_path: Path, line: str, verdict: str) -> None:
    path = write(tmp_path / "a.json", [transfer(ZERO_ADDRESS, ALICE, 1)] * 400)
    path.write_text(path.read_text() + "\n" + line + "\n")
    before = ledger.verify().position
    with pytest.raises(MalformedRow, match=verdict) as caught:
        import_erc20(ledger, path)
    assert caught.value.row == 402
    assert str(caught.value).startswith("row 402: ")
    assert ledger.verify().position == before


def test_a_file_that_is_no_text(ledger: Ledger, tmp_path: Path) -> None:
    path = tmp_path / "binary"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(MalformedRow):
        import_erc20(ledger, path)
    with pytest.raises(MalformedRow):
        import_allocations(ledger, path, "SAFE", 5)


def allocations(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_allocations(ledger: Ledger, tmp_path: Path) -> None:
    many = "".join(f"0x{k:040x},{k}\n" for k in range(1000))
    path = allocations(tmp_path / "a.csv", "safe_address,tokens\n" + many + "0x" + "0" * 39 + "1,41\n")
    report = import_allocations(ledger, path, "SAFE", 10**6)
    assert (report.rows, report.mints, report.skipped, report.batches) == (1001, 1000, 1, 4)
    assert ledger.balance("SAFE", "0x" + "0" * 39 + "1").available == 42
    assert ledger.supply("SAFE").circulating == sum(range(1000)) + 41
    position = ledger.verify().position
    assert import_allocations(ledger, path, "SAFE", 10**6).batches_before == 4
    assert ledger.verify().position == position


@pytest.mark.parametrize(
    ("text", "row"),
    [
        ("", 1),
        ("address,amount\n", 1),
        ("safe_address,tokens\nalice,5\nbob\n", 3),
        ("safe_address,tokens\nalice,5\nbob,1,2\n", 3),
        ("safe_address,tokens\nalice,1.5\n", 2),
        ("safe_address,tokens\nalice,-1\n", 2),
        ("safe_address,tokens\nalice,\n", 2),
        ("safe_address,tokens\nalice,٣\n", 2),
        ("safe_address,tokens\nalice," + "9" * 78 + "\n", 2),
        ("safe_address,tokens\nno body,1\n", 2),
        ('safe_address,tokens\n"alice,1\n', 2),
    ],
)
def test_malformed_allocations(ledger: Ledger, tmp_path: Path, text: str, row: int) -> None:
    before = ledger.verify().position
    with pytest.raises(MalformedRow) as caught:
        import_allocations(ledger, allocations(tmp_path / "a.csv", text), "SAFE", 100)
    assert caught.value.row == row
    assert ledger.verify().position == before


def test_allocations_beyond_the_supply(ledger: Ledger, tmp_path: Path) -> None:
    path = allocations(tmp_path / "a.csv", "safe_address,tokens\nalice,5\nbob,6\n")
    with pytest.raises(SupplyExhausted):
        import_allocations(ledger, path, "SAFE", 10)
    assert ledger.balances("SAFE") == {}
    with pytest.raises(InvalidToken):
        import_allocations(ledger, path, "SAFE2", 0)


@needs_data
def test_the_real_transfers(ledger: Ledger) -> None:
    path = DATA / "eth_token_transfers_17173049_50.json"
    report = import_erc20(ledger, path)
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert (report.rows, report.tokens, report.skipped) == (291, 76, 3)
    assert report.transfers + report.mints + report.burns == 288
    assert sum(row["from_address"] == ZERO_ADDRESS for row in rows) == 12
    assert (report.burns, max(row["value"] for row in rows) > 2**64) == (3, True)
    check_against_an_independent_sum(ledger, rows)
    assert ledger.audit().ok
    position = ledger.verify().position
    import_erc20(ledger, path)
    assert ledger.verify().position == position


@needs_data
def test_the_real_allocations(ledger: Ledger) -> None:
    report = import_allocations(ledger, DATA / "safe_user_allocations_reviewed.csv", "SAFE", 50_000_000)
    assert report.rows == 43_469
    supply = ledger.supply("SAFE")
    assert (supply.circulating, supply.reserve, supply.max) == (47_037_456, 2_962_544, 50_000_000)
    assert ledger.audit().ok
