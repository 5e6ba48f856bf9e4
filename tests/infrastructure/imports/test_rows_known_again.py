"""Rows that are known again: by their own keys whatever file they come in, or by the name of the import they came with."""

import json
from collections.abc import Callable
from itertools import permutations
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tallystick import CellNotEmpty, DuplicateTransferId, InvalidRequest, Ledger, LedgerError, MalformedRow, Token
from tallystick.infrastructure.imports.allocations import import_allocations
from tallystick.infrastructure.imports.erc20 import ZERO_ADDRESS, import_erc20
from tallystick.infrastructure.imports.report import ImportReport
from tallystick.infrastructure.imports.tea_state import import_tea_state
from tallystick.infrastructure.imports.transfers.transfers import import_transfers
from tests.infrastructure.imports.test_importers import DATA, needs_data
from tests.support.books.transfers_file import funds, parquet, write
from tests.support.programs.command_line import run

TOKEN, ALICE, BOB, CAROL = (f"0x{digit * 40}" for digit in "abcd")
IDS = "token,sender,receiver,amount,id"


@pytest.fixture
def books(url: str | Path) -> Any:
    with Ledger.open(url) as ledger:
        ledger.register_token(Token("PLN", decimals=2))
        yield ledger


# ERC-20.


def erc20(number: int, sender: str, receiver: str, value: int, **fields: Any) -> str:
    named = {"token_address": TOKEN, "from_address": sender, "to_address": receiver, "value": value}
    return json.dumps({**named, "transaction_hash": f"0x{number:064x}", "log_index": 0, **fields}) + "\n"


CHAIN = [erc20(1, ZERO_ADDRESS, ALICE, 100), erc20(2, ALICE, BOB, 60), erc20(3, BOB, ALICE, 10), erc20(4, BOB, CAROL, 50)]


def lines(path: Path, rows: list[str]) -> Path:
    path.write_text("".join(rows))
    return path


@pytest.mark.parametrize("skips", [False, True])
@pytest.mark.parametrize(
    "parts", [[CHAIN[:2], CHAIN], [CHAIN[:2], CHAIN[1:]], [CHAIN[:3], CHAIN[2:], CHAIN[:1]], [CHAIN, CHAIN[::-1]]]
)
def test_a_transfer_of_a_chain_is_taken_once(books: Ledger, tmp_path: Path, parts: list[list[str]], skips: bool) -> None:
    recorded = known = 0
    for number, part in enumerate(parts):
        path = lines(tmp_path / f"{number}.json", part)
        report = import_erc20(books, path, on_refused=(lambda error: None) if skips else None)
        recorded, known = recorded + report.recorded, known + report.known
        assert report.refused == 0
    assert (recorded, known) == (len(CHAIN), sum(map(len, parts)) - len(CHAIN))
    assert funds(books)[TOKEN] == {ALICE: 50, CAROL: 50}
    assert books.audit().ok


def test_blocks_give_the_order(books: Ledger, tmp_path: Path) -> None:
    places = [{"block_number": place // 2, "log_index": place % 2} for place in range(len(CHAIN))]
    rows = [json.dumps({**json.loads(row), **place}) + "\n" for row, place in zip(CHAIN, places, strict=True)]
    for number, order in enumerate(permutations(rows)):
        with Ledger.open("memory:") as ledger:
            report = import_erc20(ledger, lines(tmp_path / f"{number}.json", list(order)))
            assert (report.openings, funds(ledger)[TOKEN]) == (0, {ALICE: 50, CAROL: 50})


def test_a_known_transfer_that_says_something_else(books: Ledger, tmp_path: Path) -> None:
    import_erc20(books, lines(tmp_path / "a.json", CHAIN))
    before = books.verify().position
    other = lines(tmp_path / "b.json", [CHAIN[0], erc20(5, ALICE, BOB, 1), erc20(2, ALICE, BOB, 61)])
    with pytest.raises(DuplicateTransferId, match="row 3: ") as caught:
        import_erc20(books, other)
    assert (caught.value.fields["row"], books.verify().position) == (3, before)
    found: list[LedgerError] = []
    report = import_erc20(books, other, on_refused=found.append)
    assert (report.recorded, report.known, report.refused) == (1, 1, 1)
    assert [error.fields["row"] for error in found] == [3]
    again = import_erc20(books, other, on_refused=found.append)
    assert (again.recorded, again.known, again.refused) == (0, 2, 1)


def test_in_one_file(books: Ledger, tmp_path: Path) -> None:
    report = import_erc20(books, lines(tmp_path / "a.json", [*CHAIN, CHAIN[1], CHAIN[3]]))
    assert (report.recorded, report.known, funds(books)[TOKEN]) == (4, 2, {ALICE: 50, CAROL: 50})
    with pytest.raises(DuplicateTransferId, match="row 2: "):
        import_erc20(books, lines(tmp_path / "b.json", [erc20(7, ALICE, BOB, 1), erc20(7, ALICE, BOB, 2)]))


def test_what_an_earlier_version_recorded_one_by_one_is_known_in_any_file(books: Ledger, tmp_path: Path) -> None:
    books.register_token(Token(TOKEN, max_supply=2**256 - 1))
    with books.atomic(idempotency_key="import:erc20:0:" + "0" * 64) as tx:
        tx.mint(TOKEN, ALICE, 100, memo=f"0x{1:064x}:0")
        tx.transfer(TOKEN, ALICE, BOB, 60, memo=f"0x{2:064x}:0")
    report = import_erc20(books, lines(tmp_path / "a.json", CHAIN[::-1]))
    assert (report.recorded, report.known) == (2, 2)
    assert books.supply(TOKEN).circulating == 100 + report.openings * 0 + sum(
        line.change for name in (ALICE, BOB) for line in books.history(TOKEN, name) if line.memo == "opening balance"
    )


@needs_data
def test_real_transfers_in_pieces_are_those_of_one_import(tmp_path: Path) -> None:
    rows = (DATA / "eth_token_transfers_17173049_50.json").read_text().splitlines(keepends=True)
    shuffled = rows[:]
    Random(7).shuffle(shuffled)
    with Ledger.open("memory:") as whole, Ledger.open("memory:") as pieces, Ledger.open("memory:") as other:
        import_erc20(whole, lines(tmp_path / "whole.json", rows))
        counts = [
            (report.recorded, report.known)
            for number, part in enumerate((rows[:200], rows[100:291], rows, shuffled))
            for report in [import_erc20(pieces, lines(tmp_path / f"{number}.json", part))]
        ]
        assert counts == [(200, 0), (88, 100), (0, 288), (0, 288)]
        import_erc20(other, tmp_path / "3.json")
        assert funds(whole) == funds(pieces) == funds(other)
        assert pieces.audit().ok
        first = json.loads(rows[0])
        line = whole.history(first["token_address"], first["to_address"])[0]
        assert (line.reference, line.occurred_at.timestamp()) == (first["transaction_hash"], first["block_timestamp"])


# Transfers.


@pytest.mark.parametrize("name", [lambda k: k, lambda k: f"INV-{k}", lambda k: f"{k:08x}-0000-4000-8000-{k:012x}"])
@pytest.mark.parametrize("skips", [False, True])
def test_a_row_with_an_id_is_taken_once(books: Ledger, tmp_path: Path, name: Callable[[int], Any], skips: bool) -> None:
    rows = [f"PLN,,alice,1000,{name(0)}", *(f"PLN,alice,bob,{k},{name(k)}" for k in range(1, 9))]
    on_refused = (lambda error: None) if skips else None
    counts: list[tuple[int, int, int]] = []
    for number, part in enumerate((rows[:4], rows[2:], rows[::-1])):
        file = write(tmp_path / f"{number}.csv", *part, header=IDS)
        report = import_transfers(books, file, on_refused=on_refused)
        counts.append((report.recorded, report.known, report.refused))
    assert counts == [(4, 0, 0), (5, 2, 0), (0, 9, 0)]
    assert funds(books)["PLN"] == {"alice": 964, "bob": 36}
    with pytest.raises(DuplicateTransferId, match="row 2: "):
        import_transfers(books, write(tmp_path / "x.csv", f"PLN,alice,bob,99,{name(3)}", header=IDS))
    again = import_transfers(books, tmp_path / "0.csv")
    assert (again.imported_at is not None, again.known, again.recorded) == (True, 4, 0)


@pytest.mark.parametrize(
    ("header", "first", "second", "same"),
    [
        ("memo", "rent", "rent", True),
        ("memo", "rent", "lent", False),
        ("occurred_at", "2026-01-01T12:00:00Z", "2026-01-01 13:00:00+01:00", True),
        ("occurred_at", "2026-01-01", "2026-01-02", False),
        ("occurred_at", "", "2026-01-02", True),
        ("reference", "A1", "A1", True),
        ("reference", "A1", "A2", False),
        ("reference", "A1", "", True),
    ],
)
def test_what_a_known_row_says_is_compared(
    books: Ledger, tmp_path: Path, header: str, first: str, second: str, same: bool
) -> None:
    header = f"{IDS},{header}"
    import_transfers(books, write(tmp_path / "a.csv", f"PLN,,alice,5,x,{first}", header=header))
    file = write(tmp_path / "b.csv", f"PLN,,alice,5,x,{second}", "PLN,,bob,1,y,", header=header)
    report = import_transfers(books, file, on_refused=lambda error: None)
    assert (report.recorded, report.known, report.refused) == (1, int(same), int(not same))


def test_rows_without_ids_are_of_their_file(books: Ledger, tmp_path: Path) -> None:
    rows = [f"PLN,,alice,{k}" for k in range(1, 6)]
    first = import_transfers(books, write(tmp_path / "a.csv", *rows))
    assert (first.imported_at, first.recorded) == (None, 5)
    again = import_transfers(books, write(tmp_path / "b.csv", *rows))
    assert (again.recorded, again.known, again.name) == (0, 5, first.name)
    assert again.imported_at is not None
    assert import_transfers(books, write(tmp_path / "c.csv", *rows, "PLN,,alice,6")).recorded == 6  # begins alike
    assert import_transfers(books, tmp_path / "b.csv", import_id="November").recorded == 5
    assert import_transfers(books, tmp_path / "b.csv", import_id="November").recorded == 0
    with pytest.raises(InvalidRequest, match=r"an import named 'November' was taken on .*, and said something else"):
        import_transfers(books, write(tmp_path / "d.csv", "PLN,,alice,7"), import_id="November")
    assert import_transfers(books, tmp_path / "a.csv", again=True).name == f"{first.name}#2"
    assert import_transfers(books, tmp_path / "a.csv", again=True).recorded == 5
    assert funds(books)["PLN"] == {"alice": 4 * 15 + 21}
    for name in ("", " x", "x" * 65, "a\nb"):
        with pytest.raises(InvalidRequest, match="an import's name"):
            import_transfers(books, tmp_path / "a.csv", import_id=name)


def test_one_file_for_two_tokens_is_two_imports(books: Ledger, tmp_path: Path) -> None:
    file = write(tmp_path / "a.csv", ",alice,5", header="sender,receiver,amount")
    for token in ("PLN", "USD", "PLN"):
        import_transfers(books, file, token, 100)
    assert (books.balance("PLN", "alice").total, books.balance("USD", "alice").total) == (5, 5)


@pytest.mark.parametrize(
    "rows",
    [
        ["PLN,,alice,100", "PLN,bob,carol,10"],
        ["PLN,bob,carol,10"],
        ["PLN,,alice,100", "PLN,bob,carol,10", "PLN,,dave,1"],
        ["PLN,bob,carol,10", "PLN,,alice,100", "PLN,bob,,1", "PLN,bob,carol,2"],
    ],
)
@pytest.mark.parametrize("ids", [False, True])
def test_a_row_that_was_refused_stays_refused(books: Ledger, tmp_path: Path, rows: list[str], ids: bool) -> None:
    lines = [f"{row},{number}" for number, row in enumerate(rows)] if ids else rows
    file = write(tmp_path / "a.csv", *lines, header=IDS if ids else IDS[:-3])
    first = import_transfers(books, file, on_refused=lambda error: None)
    books.mint_many("PLN", ["bob"], [50])
    before, position = funds(books), books.verify().position
    for skips in (True, False):
        again = import_transfers(books, file, on_refused=(lambda error: None) if skips else None)
        assert (again.recorded, again.known, again.refused) == (0, first.recorded, first.refused)
        assert (funds(books), books.verify().position) == (before, position)
    assert books.audit().ok


# Allocations and older states.


def test_an_address_has_its_share_of_a_named_distribution_once(books: Ledger, tmp_path: Path) -> None:
    def take(content: str, **options: Any) -> ImportReport:
        path = tmp_path / "a.csv"
        path.write_text("safe_address,tokens\n" + content)
        return import_allocations(books, path, "PLN", **options)

    assert take("alice,5\nbob,6\n", import_id="May").recorded == 2
    assert [take("carol,7\nalice,5\n", import_id="May").recorded, books.supply("PLN").circulating] == [1, 18]
    with pytest.raises(DuplicateTransferId, match="row 3: "):
        take("dave,7\nalice,6\n", import_id="May")
    assert take("alice,6\n", import_id="June").recorded == 1
    assert [take("alice,1\nalice,1\n").recorded, take("alice,1\nalice,1\n").recorded] == [2, 0]  # without a name they add up
    assert funds(books)["PLN"] == {"alice": 13, "bob": 6, "carol": 7}


@pytest.mark.parametrize("cell", [("TEA", "alice"), ("App", "alice"), ("alice", "App")])
def test_an_older_state_adds_to_nothing(tmp_path: Path, cell: tuple[str, str]) -> None:
    tokens = {"TEA": {"role": "settlement", "max_supply": 100}, "App": {"role": "app", "max_supply": 5}}
    state = {"ft_state": {"TEA": {"alice": 5}, "App": {"alice": 1}}, "ft_deposit_state": {"App": {"alice": 7}}}
    path = tmp_path / "state.json"
    path.write_text(json.dumps({"tea_state": state, "tokens": tokens}))
    with Ledger.open("memory:") as ledger:
        ledger.register_token(Token("TEA", role="settlement", max_supply=100))
        ledger.register_token(Token("App", role="app", max_supply=5))
        ledger.take_over([], [(*cell, 1)])
        with pytest.raises(CellNotEmpty) as caught:
            import_tea_state(ledger, path)
        assert caught.value.fields == {"first": cell[0], "second": cell[1], "amount": 1}
        assert ledger.state[cell[0]][cell[1]] == 1
    with Ledger.open("memory:") as ledger:
        assert import_tea_state(ledger, path).recorded == 3
        assert (import_tea_state(ledger, path).known, ledger.supply("TEA").circulating) == (3, 12)


# Nothing before a file is known to fit.


def test_a_supply_that_is_too_small_registers_nothing(ledger: Ledger, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("safe_address,tokens\n" + "".join(f"a{k},1\n" for k in range(600)))
    file = write(tmp_path / "b.csv", *(f"NEW,,a{k},1" for k in range(600)))
    chain = lines(tmp_path / "c.json", [erc20(k, ZERO_ADDRESS, ALICE, 1) for k in range(600)])
    tokens, position = ledger.tokens(), ledger.verify().position
    for take in (
        lambda supply: import_allocations(ledger, path, "OLD", supply, decimals=3),
        lambda supply: import_transfers(ledger, file, max_supply=supply, decimals=3),
        lambda supply: import_erc20(ledger, chain, max_supply=supply, decimals=3),
    ):
        with pytest.raises(LedgerError, match=r"0\.001 .* exceed the 0\.000 left"):
            take(599)
        assert (ledger.tokens(), ledger.verify().position) == (tokens, position)
        assert take(600).recorded == 600
        tokens, position = ledger.tokens(), ledger.verify().position
        assert (tokens[-1].decimals, tokens[-1].max_supply) == (3, 600)


def test_no_ledger_is_made_for_a_file_that_does_not_fit(tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    state.write_text(json.dumps({"tea_state": {"ft_state": {"X": {"alice": 5}}}}))
    chain = lines(tmp_path / "c.json", [erc20(1, ZERO_ADDRESS, ALICE, -1)])
    file = write(tmp_path / "b.csv", "NEW,,a,5", "NEW,b,a,5")
    books = tmp_path / "books.db"
    for arguments in (["tea-state", state], ["erc20", chain], ["transfers", file, "--max-supply", 100]):
        assert run("import", *arguments, "--url", books).returncode == 3
        assert run("import", *arguments, "--url", books, "--create").returncode == 2
        assert list(tmp_path.glob("books.db*")) == []
    arguments = ["transfers", write(tmp_path / "d.csv", "NEW,,a,5"), "--max-supply", 9]
    dry = run("import", *arguments, "--create", "--dry-run", "--url", books)
    assert (dry.returncode, list(tmp_path.glob("books.db*"))) == (0, [])


def test_tokens_that_are_there_are_imported_into(books: Ledger, tmp_path: Path) -> None:
    books.register_token(Token(TOKEN, decimals=18))
    assert import_erc20(books, lines(tmp_path / "a.json", CHAIN)).recorded == 4
    (tmp_path / "a.csv").write_text("safe_address,tokens\nalice,19.99\nbob,0.00\ncarol,3\n")
    report = import_allocations(books, tmp_path / "a.csv", "PLN", 5, amounts="decimal")
    assert (report.recorded, report.skipped, funds(books)["PLN"]) == (2, 1, {"alice": 1999, "carol": 300})
    file = write(tmp_path / "b.csv", "PLN,alice,bob,9.99", "PLN,alice,bob,0.010")
    assert import_transfers(books, file, amounts="decimal").recorded == 2
    assert funds(books)["PLN"] == {"alice": 999, "bob": 1000, "carol": 300}
    for amount, verdict in (("0.001", "has 2 decimals"), ("1e3", "like 19.99"), ("0", "above 0"), ("-1", "like 19.99")):
        with pytest.raises(MalformedRow, match=verdict):
            import_transfers(books, write(tmp_path / "c.csv", f"PLN,alice,bob,{amount}"), amounts="decimal")
    with pytest.raises(MalformedRow, match=r"whole smallest units; --amounts decimal for 19\.99"):
        import_transfers(books, write(tmp_path / "c.csv", "PLN,alice,bob,19.99"))
    with pytest.raises(InvalidRequest, match="units or decimal"):
        import_transfers(books, file, amounts="whole")


def test_a_column_of_each_kind_from_parquet(books: Ledger, tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    stamps = arrow.array([1_700_000_000_000_000, 1_700_000_001_000_000], arrow.timestamp("us", tz="UTC"))
    columns = {"Token": ["PLN"] * 2, "SENDER": ["", ""], "receiver": ["alice", "bob"], "amount": [5, 6]}
    file = parquet(tmp_path / "a", **columns, id=["x", "y"], memo=["m", "n"], reference=["r", None], occurred_at=stamps)
    assert import_transfers(books, file).recorded == 2
    line = books.history("PLN", "alice")[0]
    assert (line.memo, line.reference, line.occurred_at.timestamp()) == ("m", "r", 1_700_000_000)
    assert [entry.id for entry in books.find("r")] == [line.entry_id]
    assert import_transfers(books, write(tmp_path / "b.csv", "PLN,,bob,6,y", header=IDS)).known == 1


@pytest.mark.parametrize(
    ("rows", "counts"),
    [
        (["PLN,alice,bob,5,x", "PLN,,alice,9,y", "PLN,alice,bob,5,x"], (2, 0, 1)),  # refused at first, its id is free
        (["PLN,,alice,5,x", "PLN,,alice,5,x", "PLN,,alice,6,x"], (1, 1, 1)),
        (["PLN,alice,bob,5,x", "PLN,,alice,9,x", "PLN,,alice,9,x"], (1, 1, 1)),
        (["PLN,,alice,5,x", "PLN,,bob,5,y", "PLN,,alice,5,x", "PLN,,alice,5,x"], (2, 2, 0)),
    ],
)
def test_an_id_that_stands_twice_in_a_file(books: Ledger, tmp_path: Path, rows: list[str], counts: tuple[int, ...]) -> None:
    report = import_transfers(books, write(tmp_path / "a.csv", *rows, header=IDS), on_refused=lambda error: None)
    assert (report.recorded, report.known, report.refused) == counts
    assert books.audit().ok
