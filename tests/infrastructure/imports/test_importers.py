"""Importing files: exact sums, importing again, and files that are wrong."""

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tallystick import (
    DAO_RESERVED_ACCOUNT,
    HIDDEN_BONDING_CURVE_ACCOUNT,
    SEAT_COLLECTION_POOL,
    TOTAL_SUPPLY_RESERVE,
    InvalidAccount,
    InvalidAmount,
    InvalidRequest,
    InvalidToken,
    Ledger,
    MalformedRow,
    MeaninglessCell,
    SupplyExhausted,
    TokenAlreadyRegistered,
    UnknownCurve,
)
from tallystick.infrastructure.imports.allocations import import_allocations
from tallystick.infrastructure.imports.erc20 import ZERO_ADDRESS, import_erc20
from tallystick.infrastructure.imports.tea_state import import_tea_state

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
            if minted.memo == "opening balance" and minted.kind == "mint":
                found[account] += minted.change
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
    for index, row in enumerate(rows, 1):
        row["log_index"] = index
    report = import_erc20(ledger, write(tmp_path / "a.json", rows))
    assert (report.rows, report.tokens, report.transfers, report.mints, report.burns) == (7, 2, 4, 1, 1)
    assert (report.skipped, report.openings, report.batches, report.batches_before) == (1, 2, 5, 0)
    assert ledger.balance(TOKEN, BOB).available == 10 + 2**255 - 1 - 7 + 1 + 5
    assert opening_balances(ledger, TOKEN) == {}
    opened = [t.change for t in ledger.history(TOKEN, ALICE) if t.memo == "opening balance"]
    assert opened == [10, 5]
    assert ledger.history(TOKEN, BOB)[0].memo == "0xff:1"
    position = ledger.verify().position
    again = import_erc20(ledger, tmp_path / "a.json")
    assert (again.batches_before, again.openings, again.known, again.recorded) == (5, 0, 6, 0)
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
    assert (report.rows, report.mints, report.skipped, report.batches) == (1001, 1000, 1, 1)
    assert ledger.balance("SAFE", "0x" + "0" * 39 + "1").available == 42
    assert ledger.supply("SAFE").circulating == sum(range(1000)) + 41
    position = ledger.verify().position
    assert import_allocations(ledger, path, "SAFE", 10**6).batches_before == 1
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
    assert "SAFE" not in [token.code for token in ledger.tokens()]
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


# An older state.

TEA, PARTY, GLOBAL = "0x" + "7e" * 32, "0x" + "aa" * 32, "0x" + "bb" * 32
STATE: dict[str, Any] = {
    "tea_state": {
        "ft_state": {
            TEA: {ALICE: 900, BOB: "250", PARTY: 7, DAO_RESERVED_ACCOUNT: 11, SEAT_COLLECTION_POOL: 5, "carol": 0},
            "USDT": {ALICE: 2**128 - 1},
            PARTY: {ALICE: 30, BOB: 10, PARTY: 2},
        },
        "ft_deposit_state": {PARTY: {ALICE: 60, BOB: 40}},
    },
    "bonding_state": {PARTY: 1000, GLOBAL: 0},
    "tokens": {
        TEA: {"role": "settlement", "max_supply": 2**32 - 1},
        PARTY: {"role": "app", "max_supply": 100, "curve": {"name": "fixed_price", "parameters": [5]}, "owner": "dev"},
        GLOBAL: {"role": "app", "max_supply": "100"},
        "USDT": {"role": "external", "max_supply": 2**128 - 1, "unit": 2**120, "decimals": 6},
    },
    "key_state": {"ignored": True},
}


def older(path: Path, state: Any = STATE) -> Path:
    path.write_text(json.dumps(state))
    return path


def changed(state: Any, *keys: Any) -> Any:
    """A copy of the older state with the value at a path of keys replaced by the last of them."""
    copy = json.loads(json.dumps(state))
    place = copy
    for key in keys[:-2]:
        place = place[key]
    place[keys[-2]] = keys[-1]
    return copy


def test_an_older_state_becomes_the_double_map(url: str | Path, tmp_path: Path) -> None:
    file = older(tmp_path / "state.json")
    with Ledger.open(url) as ledger:
        report = import_tea_state(ledger, file)
        assert (report.rows, report.tokens, report.mints, report.skipped, report.batches_before) == (14, 4, 12, 2, 0)
        first = ledger.verify()
        for token, balances in STATE["tea_state"]["ft_state"].items():
            for account, amount in balances.items():
                assert ledger.state[token][account] == int(amount)
        assert (ledger.state[ALICE][PARTY], ledger.state[BOB][PARTY]) == (60, 40)
        assert (ledger.state[PARTY][HIDDEN_BONDING_CURVE_ACCOUNT], ledger.state[GLOBAL][HIDDEN_BONDING_CURVE_ACCOUNT]) == (
            1000,
            0,
        )
        assert ledger.supply(TEA).circulating == 900 + 250 + 7 + 11 + 5 + 60 + 40 + 1000
        assert len(ledger.fragments("USDT", ALICE)) > 1
        with ledger.atomic() as tx:
            tx.app(PARTY).refund(ALICE, 60)
            tx.app(PARTY).distribute_dividend()
        assert ledger.state[PARTY][ALICE] + ledger.state[PARTY][BOB] == 42
        with pytest.raises(UnknownCurve), ledger.atomic() as tx:
            tx.app(GLOBAL).buy(ALICE, 1)
        assert import_tea_state(ledger, file).batches_before == 1
        assert ledger.audit().ok
        assert first.position == 4 + 12 + 1  # the fragments of USDT


@pytest.mark.parametrize(
    ("state", "verdict", "named"),
    [
        (changed(STATE, "tea_state", "ft_state", "EUR", {"alice": 1}), MeaninglessCell, "state[EUR][alice]"),
        (changed(STATE, "tea_state", "ft_state", "USDT", "bob", 1), SupplyExhausted, "state[USDT][bob]"),
        (changed(STATE, "tea_state", "ft_state", "USDT", "two words", 1), InvalidAccount, "state[USDT][two words]"),
        (changed(STATE, "tea_state", "ft_state", "USDT", ALICE, -1), InvalidAmount, f"state[USDT][{ALICE}]"),
        (changed(STATE, "tea_state", "ft_state", "USDT", ALICE, 1.5), InvalidAmount, f"state[USDT][{ALICE}]"),
        (changed(STATE, "tea_state", "ft_state", "USDT", ALICE, True), InvalidAmount, f"state[USDT][{ALICE}]"),
        (changed(STATE, "tea_state", "ft_state", "USDT", ALICE, "1e3"), InvalidAmount, f"state[USDT][{ALICE}]"),
        (changed(STATE, "tea_state", "ft_state", "USDT", DAO_RESERVED_ACCOUNT, 1), MeaninglessCell, "state[USDT]"),
        (changed(STATE, "tea_state", "ft_state", TEA, TOTAL_SUPPLY_RESERVE, 1), MeaninglessCell, f"state[{TEA}]"),
        (changed(STATE, "tea_state", "ft_state", TEA, HIDDEN_BONDING_CURVE_ACCOUNT, 1), MeaninglessCell, f"state[{TEA}]"),
        (changed(STATE, "tea_state", "ft_deposit_state", "USDT", {ALICE: 1}), MeaninglessCell, f"state[{ALICE}][USDT]"),
        (changed(STATE, "tea_state", "ft_deposit_state", PARTY, "USDT", 1), MeaninglessCell, f"state[USDT][{PARTY}]"),
        (changed(STATE, "bonding_state", "USDT", 1), MeaninglessCell, "state[USDT]"),
        (changed(STATE, "bonding_state", PARTY, 2**32), SupplyExhausted, f"state[{PARTY}]"),
        (changed(STATE, "tokens", PARTY, "role", "bank"), InvalidToken, PARTY),
        (changed(STATE, "tokens", PARTY, "max_supply", -5), InvalidToken, PARTY),
        (changed(STATE, "tokens", GLOBAL, "role", "settlement"), TokenAlreadyRegistered, GLOBAL),
        ([], InvalidRequest, "older state"),
        ({"tea_state": 5}, InvalidRequest, "older state"),
    ],
)
def test_an_older_state_that_does_not_fit_changes_nothing(
    tmp_path: Path, state: Any, verdict: type[Exception], named: str
) -> None:
    with Ledger.open(tmp_path / "books.db") as ledger:
        with pytest.raises(verdict) as caught:
            import_tea_state(ledger, older(tmp_path / "state.json", state))
        assert named in str(caught.value)
        assert ledger.tokens() == []
        assert ledger.verify().position == 0
