"""Files as people have them: every importer notices the same things, and says what is wrong so that it can be mended."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tallystick import InvalidRequest, Ledger, LedgerError, MalformedRow, MeaninglessCell, Token
from tallystick.infrastructure.imports.allocations import import_allocations
from tallystick.infrastructure.imports.erc20 import ZERO_ADDRESS, import_erc20
from tallystick.infrastructure.imports.report import ImportReport
from tallystick.infrastructure.imports.tea_state import import_tea_state
from tallystick.infrastructure.imports.transfers.transfers import import_transfers
from tests.support.books.transfers_file import funds, parquet, write
from tests.support.programs.command_line import run
from tests.support.programs.old_version import OldVersion

TOKEN, ALICE, BOB = "0x" + "aa" * 20, "0x" + "01" * 20, "0x" + "02" * 20
ROW = {"token_address": TOKEN, "from_address": ZERO_ADDRESS, "to_address": ALICE, "value": 5}

Take = Callable[[Ledger, Path], ImportReport]


def transfers(ledger: Ledger, path: Path) -> ImportReport:
    return import_transfers(ledger, path, max_supply=10**30)


def allocations(ledger: Ledger, path: Path) -> ImportReport:
    return import_allocations(ledger, path, "T", 10**30)


STATE = {"tea_state": {"ft_state": {"T": {"alice": 5}}}, "tokens": {"T": {}}}
GOOD: list[tuple[str, Take]] = [
    ("token,sender,receiver,amount\nT,,alice,2\nT,,alice,3\n", transfers),
    ("safe_address,tokens\nalice,2\nalice,3\n", allocations),
    (json.dumps(ROW) + "\n", import_erc20),
    ("token_address,from_address,to_address,value\n" + ",".join(map(str, ROW.values())) + "\n", import_erc20),
    (json.dumps(STATE), import_tea_state),
]
SHAPES: list[Callable[[str], bytes]] = [
    str.encode,
    lambda text: text.encode("utf-8-sig"),
    lambda text: text.replace("\n", "\r\n").encode(),
    lambda text: text.encode("utf-16"),
    lambda text: b"\xfe\xff" + text.encode("utf-16-be"),
    lambda text: gzip.compress(text.encode()),
    lambda text: gzip.compress(text.encode("utf-16")),
    lambda text: text.rstrip("\n").encode(),
]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("content", "take"), GOOD)
def test_marks_line_ends_and_packing(tmp_path: Path, content: str, take: Take, shape: Callable[[str], bytes]) -> None:
    path = tmp_path / "file"
    path.write_bytes(shape(content))
    with Ledger.open("memory:") as ledger:
        assert take(ledger, path).recorded > 0
        assert list(funds(ledger).values()) in ([{"alice": 5}], [{ALICE: 5}])


@pytest.mark.parametrize(("content", "take"), GOOD)
def test_what_is_packed_and_damaged(tmp_path: Path, content: str, take: Take) -> None:
    packed = gzip.compress(content.encode())
    with Ledger.open("memory:") as ledger:
        for damaged in (packed[:-9], packed[:12], packed[:-8] + b"\0" * 8, content.encode("utf-16")[:-1]):
            (tmp_path / "file").write_bytes(damaged)
            with pytest.raises(InvalidRequest):
                take(ledger, tmp_path / "file")
        assert ledger.tokens() == []


@pytest.mark.parametrize(
    ("content", "take", "known"),
    [
        ("Token,SENDER, receiver ,Amount\nT,,alice,5\n", transfers, True),
        (" Safe_Address,TOKENS\nalice,5\n", allocations, True),
        (json.dumps({name.upper(): value for name, value in ROW.items()}), import_erc20, True),
        ("token,sender,receiver,amount,Amount\nT,,alice,5,5\n", transfers, False),
        ("safe_address,tokens,tokens\na,1,2\n", allocations, False),
        ("safe_address,tokens,Safe_Address\na,1,2\n", allocations, False),
        (json.dumps(ROW)[:-1] + ', "value": 6}', import_erc20, False),
        (json.dumps({**ROW, "note": {"a": 1}})[:-2] + ',"a": 2}}', import_erc20, False),
        (
            json.dumps({**ROW, "Value": 5, "VALUE": 5, "to_address": 1})[:-1].replace('"value"', '"vAlue"') + "}",
            import_erc20,
            False,
        ),
        ("value,value,token_address,from_address,to_address\n1,2,3,4,5\n", import_erc20, False),
    ],
)
def test_names_in_other_case_and_names_that_stand_twice(tmp_path: Path, content: str, take: Take, known: bool) -> None:
    (tmp_path / "file").write_text(content)
    with Ledger.open("memory:") as ledger:
        if known:
            assert take(ledger, tmp_path / "file").recorded == 1
        else:
            with pytest.raises(MalformedRow, match=r"stands twice|columns|each once"):
                take(ledger, tmp_path / "file")
            assert ledger.tokens() == []


# Rows that are no ERC-20 transfers.


@pytest.mark.parametrize(
    ("changed", "verdict"),
    [
        ({"token_address": "nonsense"}, "a token's address is"),
        ({"token_address": ""}, "a token's address is"),
        ({"token_address": None}, "a token's address is"),
        ({"value": None}, "ERC-721"),
        ({"value": ""}, "ERC-721"),
        ({"value": 1, "token_id": 7}, "ERC-721"),
        ({"value": 2**256}, "a value is an integer"),
        ({"value": "1.5"}, "a value is an integer"),
    ],
)
def test_rows_that_are_no_transfers_are_said_and_may_be_passed_over(
    tmp_path: Path, changed: dict[str, Any], verdict: str
) -> None:
    path = tmp_path / "file"
    path.write_text(f"{json.dumps(ROW)}\n\n{json.dumps({**ROW, **changed})}\n{json.dumps({**ROW, 'to_address': BOB})}\n")
    found: list[LedgerError] = []
    with Ledger.open("memory:") as ledger:
        with pytest.raises(MalformedRow, match=f"row 3: .*{verdict}"):
            import_erc20(ledger, path)
        assert ledger.tokens() == []
        for _ in range(2):
            report = import_erc20(ledger, path, on_refused=found.append)
            assert (report.rows, report.recorded + report.known, report.refused) == (3, 2, 1)
        assert [error.fields["row"] for error in found] == [3, 3]
        assert funds(ledger) == {TOKEN: {ALICE: 5, BOB: 5}}


def test_a_token_of_which_more_is_made_than_there_can_be(tmp_path: Path) -> None:
    path = tmp_path / "file"
    rows = [{**ROW, "value": 2**256 - 1}, {**ROW, "value": 1}, {**ROW, "from_address": BOB, "value": 7}]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    found: list[LedgerError] = []
    with Ledger.open("memory:") as ledger:
        with pytest.raises(LedgerError, match=r"row 2: 1 .* exceed the 0 left"):
            import_erc20(ledger, path)
        assert ledger.tokens() == []
        assert import_erc20(ledger, path, on_refused=found.append).recorded == 1
        assert [error.fields["row"] for error in found] == [2, 3]
        assert funds(ledger) == {TOKEN: {ALICE: 2**256 - 1}}
        assert import_erc20(ledger, path, on_refused=found.append).refused == 2


# Files of other kinds, and of those that people have.

OFX = "OFXHEADER:100\nDATA:OFXSGML\n\n<OFX>\n\t<SIGNONMSGSRSV1>\n"
STRIPE = '"balance_transaction_id","created_utc","currency","gross"\n"txn_1","2020-01-23 08:26:29","usd","12.00"\n'
PAYPAL = '"Date","Time","Currency","Gross","To Email Address"\n"10/01/2019","03:46:20","USD","-6.99","x@example.org"\n'
COINBASE = "Timestamp,Balance,Amount,Currency,To,Notes\n2017-09-29 15:40:00 -0700,0.1,0.1,BTC,12345.0,Bought.\n"
HLEDGER = '"txnidx","date","account","amount","commodity"\n"1","2008-01-01","assets:bank:checking","1","$"\n'
ETHERSCAN = '"Transaction Hash","UnixTimestamp","From","To","Quantity"\n"0x9c","1765280111","0xf7","0xff","10.013614"\n'
ETHEREUM_ETL = f"token_address,from_address,to_address,value,transaction_hash,log_index\n{TOKEN},{ALICE},{BOB},9,0x1,0\n"


@pytest.mark.parametrize(
    ("content", "command", "code", "verdict"),
    [
        (
            "0x0039F2,616769324436087513975\n0xbB1332,101420402187403279886\n",
            "allocations",
            2,
            "row 1: the header has the columns",
        ),
        ("safe_address,tokens\na,5\nJos\udce9,5\n", "allocations", 2, "row 3: it is no UTF-8"),
        ("safe_address,tokens,tokens\na,1,2\n", "allocations", 2, "each once"),
        (OFX, "transfers", 2, "row 1: there is no column"),
        (OFX, "erc20", 2, "row 1: it is no JSON"),
        (COINBASE, "transfers", 2, "no column token and no sender and no receiver among"),
        ("address,score,amount,category\nio1f,100,847,early\n", "allocations", 2, "['address', 'score', 'amount', 'category']"),
        ("[" * 1000 + "]" * 1000, "erc20", 2, "row 1: it is no JSON"),
        ("[" * 1000 + "]" * 1000, "tea-state", 2, "is no older state"),
        ("[" * 1000 + "]" * 1000, "transfers", 2, "this is JSON: import erc20"),
        ("token,sender,receiver,amount\nT,,\U0001f98a,500\n", "transfers", 0, ""),
        ("\ufeff" + json.dumps(ROW), "erc20", 0, ""),
        (ETHEREUM_ETL, "erc20", 0, "1 senders had less than they sent"),
        (ETHEREUM_ETL, "transfers", 2, "no column token and no sender and no receiver"),
        (ETHERSCAN, "erc20", 2, "this is CSV: import transfers reads it"),
        (HLEDGER, "transfers", 2, "no column token and no sender"),
        (PAYPAL, "transfers", 2, "no column token and no sender"),
        (STRIPE, "transfers", 2, "no column token and no sender"),
        ("address,allocation\r\n0xDE59,26880000\r\n,0\r\n", "allocations", 2, "name those of this file so"),
        ("safe_address,tokens\r\n0xDE59,26880000\r\n,0\r\n", "allocations", 0, "1 rows move nothing"),
        ("safe_address,tokens\n0xe2,874.570242953\n", "allocations", 2, "--amounts decimal for 874.570242953"),
    ],
)
def test_files_that_people_have(tmp_path: Path, content: str, command: str, code: int, verdict: str) -> None:
    path, books = tmp_path / "file", tmp_path / "books.db"
    path.write_bytes(content.encode(errors="surrogateescape"))
    options = {"allocations": ["--token", "T", "--max-supply", 10**30], "transfers": ["--max-supply", 10**30]}
    done = run("import", command, path, *options.get(command, []), "--create", "--url", books)
    assert (done.returncode, verdict in done.stderr, books.exists()) == (code, True, code == 0), done.stderr


def test_one_holder_in_two_spellings(tmp_path: Path) -> None:
    path = tmp_path / "file"
    mixed = "0xA40bD8fAb4F6c1EB5d8a0e2e1C47ed1A3A4B5C6D"
    path.write_text(f"safe_address,tokens\n{mixed},100\n{mixed.lower()},1\n")
    moved = write(tmp_path / "moved", f"T,{mixed},{mixed.swapcase().replace('X', 'x')},1", f"T,{mixed.lower()},{BOB},2")
    with Ledger.open("memory:") as ledger:
        allocations(ledger, path)
        assert funds(ledger) == {"T": {mixed.lower(): 101}}
        transfers(ledger, moved)
        assert funds(ledger) == {"T": {mixed.lower(): 99, BOB: 2}}
    with OldVersion() as old:  # of before spellings were one
        old.open(tmp_path / "old.db")
        old(f"ledger.register_token(Token('T')); ledger.mint_many('T', [{mixed!r}], [5]); ledger.close()")
    with Ledger.open(tmp_path / "old.db") as ledger:
        allocations(ledger, path)
        assert funds(ledger) == {"T": {mixed: 105, mixed.lower(): 1}}


def test_one_holder_in_a_distribution_of_a_name_gets_its_share_once(tmp_path: Path) -> None:
    mixed = "0xA40bD8fAb4F6c1EB5d8a0e2e1C47ed1A3A4B5C6D"
    first, second = tmp_path / "first.csv", tmp_path / "second.csv"
    first.write_text(f"safe_address,tokens\n{mixed},100\n")
    second.write_text(f"safe_address,tokens\n{mixed.lower()},100\n{BOB},1\n")
    with Ledger.open("memory:") as ledger:
        for path in (first, second, first):
            import_allocations(ledger, path, "T", 1000, import_id="airdrop")
        assert funds(ledger) == {"T": {mixed.lower(): 100, BOB: 1}}


@pytest.mark.parametrize("name", ["cafe\u0301", "heart\ufe0f", "\u3164"])
def test_a_name_of_two_spellings_is_refused_with_its_row(tmp_path: Path, name: str) -> None:
    path = tmp_path / "file"
    path.write_text(f"safe_address,tokens\n{BOB},1\n{name},2\n")
    moved = write(tmp_path / "moved", f"T,,{BOB},1", f"T,{BOB},{name},1")
    token = write(tmp_path / "token", f"T,,{BOB},1", f"{name},,{BOB},1")
    with Ledger.open("memory:") as ledger:
        for take, file, row in ((allocations, path, 3), (transfers, moved, 3), (transfers, token, 3)):
            with pytest.raises(InvalidRequest, match=rf"row {row}: .*U\+"):
                take(ledger, file)
        assert ledger.tokens() == []
        ledger.register_token(Token("T"))
        with pytest.raises((MeaninglessCell, InvalidRequest)):
            allocations(ledger, path)
        assert funds(ledger) == {"T": {}}


def test_tokens_and_cells_of_other_spellings(tmp_path: Path) -> None:
    code, app = "0xA40bD8fAb4F6c1EB5d8a0e2e1C47ed1A3A4B5C6D", "AAAAAAAA-0000-4000-8000-000000000001"
    user = "0x" + "Cd" * 20
    path, moved = tmp_path / "state.json", write(tmp_path / "moved", f"{code},,{BOB},1", f"{code.lower()},{BOB},carol,1")
    state = {
        "tokens": {code: {}, "TEA": {"role": "settlement"}, app: {"role": "app"}},
        "tea_state": {"ft_state": {code.lower(): {code: 5}}, "ft_deposit_state": {app.lower(): {user: 7}}},
    }
    path.write_text(json.dumps(state))
    with Ledger.open("memory:") as ledger:
        import_tea_state(ledger, path)
        assert funds(ledger)[code.lower()] == {code.lower(): 5}
        assert ledger.state[user.lower()][app] == 7
        transfers(ledger, moved)
        assert ledger.balance(code, "carol").total == 1
        assert len(ledger.tokens()) == 3
        path.write_text(f"safe_address,tokens\n{BOB},1\n")
        for spelled in (code, code.lower(), code):
            import_allocations(ledger, path, spelled)
        assert ledger.balance(code, BOB).total == 1


def test_parquet_pages_are_held_against_their_sums(tmp_path: Path) -> None:
    files, arrow = pytest.importorskip("pyarrow.parquet"), pytest.importorskip("pyarrow")
    path = tmp_path / "file"
    table = arrow.table({"token": ["USD"], "sender": [""], "receiver": ["a"], "amount": [5]})
    files.write_table(table, path, write_page_checksum=True, write_statistics=False, compression="none", use_dictionary=False)
    whole = path.read_bytes()
    places = [place for place in range(len(whole)) if whole[place : place + 3] == b"USD"]
    with Ledger.open("memory:") as ledger:
        path.write_bytes(whole[: places[0]] + b"WSD" + whole[places[0] + 3 :])
        with pytest.raises(MalformedRow, match="checksum"):
            transfers(ledger, path)
        for take in (allocations, import_erc20):
            with pytest.raises(MalformedRow, match="this is Parquet: import transfers"):
                take(ledger, path)
        names = parquet(path, token=["T"], sender=[""], receiver=["a"], amount=[5]).read_bytes().replace(b"token", b"\xf4oken")
        path.write_bytes(names)
        with pytest.raises(MalformedRow, match="no Parquet"):
            transfers(ledger, path)
        assert ledger.tokens() == []
