"""Every command's answer in every format: what is printed is what is there, and nothing in a name or a memo changes it."""

import csv
import io
import json
import os
import pty
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tallystick import Ledger, Token
from tests.support.programs.command_line import ENVIRONMENT, run

NAMES = ["assets:bank:checking", "[red]bob[/red]", ":gem:", "=1+1", "<b>&amp;", 'a,"b"', "DOMAIN\\user"]
MEMOS = [
    "thanks\n3\t2026-11-26T05:00:00+00:00\tmint\tUSD\talice\tmallory\t999.00\t0.00\t999.00\t0.00\t\tpaid back",
    "\x1b[2J\x1b[31m",
    "\r\x9b2J\u2028next",
    "\u202eturned\u2069",
    "two\\nwords",
    ":bank: [bold]x[/bold]",
    '"quoted", and <i>more</i>',
]
ACTING = "\x1b\x9b\r\t\u2028\u202e\u2069"
COMMANDS = [
    ["balances"],
    ["balances", "USD"],
    ["supply"],
    ["contracts"],
    ["contract", "pool:one[1]"],
    ["tokens"],
    ["accounts", "USD"],
    ["history", "USD", "alice"],
    ["statement", "USD", "alice"],
    ["explain", "USD", "alice"],
    ["diff", "3", "END"],
    ["entry", "4"],
    ["holds"],
    ["hold", "h-1"],
    ["lineage", "FRAGMENT"],
    ["replay"],
    ["replay-diff", "balances", "balances"],
    ["verify"],
    ["audit", "--lock", "USD=1.00"],
]


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("answers") / "books.db"
    with Ledger.open(path, ids=iter(["h-1", "h-2"]).__next__) as ledger:
        ledger.register_token(Token("USD", decimals=2, max_supply=2**200))
        ledger.register_token(Token("x:gem:", max_supply=10**6))
        ledger.register_token(Token("held", max_supply=10**6, unit=5))
        with ledger.atomic(reference=MEMOS[0], metadata={MEMOS[1]: [MEMOS[3], {"amount": 5, "decimals": 2}]}) as tx:
            tx.mint("USD", "alice", 2**100)
            tx.mint("x:gem:", "alice", 10, memo=MEMOS[0])
            for name, memo in zip(NAMES, MEMOS, strict=True):
                tx.transfer("USD", "alice", name, 1_00, memo=memo)
            pool = tx.register_contract("pool:one[1]", backed_by="USD")
            pool.fund("alice", 5_00)
            pool.alloc("[red]bob[/red]")
            pool.shadow_up("[red]bob[/red]", 2_50)
        ledger.mint("held", "payer", 10)
        ledger.reserve("held", "payer", NAMES[1], 6, memo=MEMOS[3])
        ledger.reserve("held", "payer", NAMES[2], 2, memo=MEMOS[0])
        ledger.settle("held", NAMES[1], NAMES[4], 4)
    return path


def answer(books: Path, command: list[str], *options: str, code: int | None = None) -> str:
    with Ledger.open(books, read_only=True) as ledger:
        named = {"END": ledger.status().head.position, "FRAGMENT": ledger.fragments("held", NAMES[4])[0].id}
    command = [str(named.get(word, word)) for word in command]
    done = run(*command, *options, "--url", books)
    assert done.returncode == ((1 if "--lock" in command else 0) if code is None else code), done.stderr
    return done.stdout


@pytest.mark.parametrize("form", [[], ["--table"], ["--csv"], ["--html"], ["--json"], ["--jsonl"]], ids=str)
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_nothing_in_an_answer_acts(books: Path, command: list[str], form: list[str]) -> None:
    printed = answer(books, command, *form)
    fields = "\t" if not form or (form == ["--table"] and command[0] in ("verify", "audit")) else ""  # a verdict is a line
    assert [each for each in set(printed) if not (each.isprintable() or each in fields + "\n")] == []
    assert "🏦" not in printed
    assert "💎" not in printed


def test_a_memo_forges_no_row(books: Path) -> None:
    plain = [line.split("\t") for line in answer(books, ["history", "USD", "alice"]).splitlines()]
    comma = list(csv.reader(io.StringIO(answer(books, ["history", "USD", "alice"], "--csv"))))
    exact = json.loads(answer(books, ["history", "USD", "alice"], "--json"))
    lines = [json.loads(line) for line in answer(books, ["history", "USD", "alice"], "--jsonl").splitlines()]
    table = answer(books, ["history", "USD", "alice"], "--table")
    assert len(plain) == len(comma) == len(exact) + 1 == len(lines) + 1 == 1 + 1 + len(NAMES) + 1
    assert {len(row) for row in plain} == {len(row) for row in comma} == {len(exact[0]) - 1}
    counterparty = plain[0].index("counterparty")
    assert [row[counterparty] for row in comma[2:-1]] == NAMES
    assert [row[counterparty].replace("\\\\", "\\") for row in plain[2:-1]] == NAMES
    assert [record["memo"] for record in exact[1:-1]] == MEMOS
    assert lines == exact
    assert [row[-1].encode("latin-1").decode("unicode_escape") for row in plain[2:-1]] == MEMOS
    assert len([line for line in table.splitlines() if line.strip()]) == len(plain) + 1  # the line under the header


class Cells(HTMLParser):
    """The texts of a table's rows."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
        else:
            assert tag in ("meta", "title", "style", "table", "thead", "tbody")

    def handle_data(self, data: str) -> None:
        if self.rows and self.rows[-1] and data.strip():
            self.rows[-1][-1] += data


def test_a_page_has_the_rows_of_the_csv(books: Path) -> None:
    for command in COMMANDS:
        cells = Cells()
        cells.feed(answer(books, command, "--html"))
        assert cells.rows == list(csv.reader(io.StringIO(answer(books, command, "--csv"))))


def test_amounts_are_decimals_for_people_and_text_for_programs(books: Path) -> None:
    left = 2**100 - 100 * len(NAMES) - 5_00
    people = f"{left // 100}.{left % 100:02}"
    assert f"USD\talice\t{people}\t0.00\t{people}\n" in answer(books, ["balances"])
    assert f"USD,alice,{people},0.00,{people}\n" in answer(books, ["balances"], "--csv")
    for content in (
        *json.loads(answer(books, ["balances"], "--json")),
        *json.loads(answer(books, ["supply"], "--json")),
        *json.loads(answer(books, ["contracts"], "--json")),
        *json.loads(answer(books, ["history", "USD", "alice"], "--json")),
        json.loads(answer(books, ["contract", "pool:one[1]"], "--json")),
        *json.loads(answer(books, ["diff", "3", "END"], "--json")),
        *json.loads(answer(books, ["holds"], "--json")),
        *json.loads(answer(books, ["tokens"], "--json")),
        json.loads(answer(books, ["explain", "USD", "alice"], "--json")),
        *json.loads(answer(books, ["explain", "USD", "alice"], "--json"))["transactions"],
        *json.loads(answer(books, ["entry", "4"], "--json"))["transactions"],
        *json.loads(answer(books, ["contract", "pool:one[1]"], "--json"))["allocations"],
    ):
        whole = {name: value for name, value in content.items() if isinstance(value, int)}
        assert set(whole) <= {"decimals", "position", "num_allocs", "entry_id", "transaction_id", "complete"}
        assert "decimals" in whole
    alice = next(each for each in json.loads(answer(books, ["balances", "USD"], "--json")) if each["account"] == "alice")
    assert (alice["available"], alice["decimals"]) == (str(left), 2)
    (allocation,) = json.loads(answer(books, ["contract", "pool:one[1]"], "--json"))["allocations"]
    assert (allocation["sats"], allocation["sati"]) == ("250", "25000000000")


LINE = ["position", "occurred_at", "recorded_at", "kind", "token", "account", "counterparty", "change", "reserved_change",
        "available", "reserved", "entry_id", "transaction_id", "hold", "reference", "memo", "decimals"]  # fmt: skip
HOLD = ["hold", "token", "payer", "authority", "amount", "remaining", "expires_at", "reserved_at", "position", "memo",
        "decimals"]  # fmt: skip
ORIGIN = ["fragment", "token", "owner", "amount", "kind", "entry_id", "transaction_id", "recorded_at", "parents", "certain",
          "decimals"]  # fmt: skip
SCHEMAS = {
    "balances": ["token", "account", "available", "reserved", "total", "decimals"],
    "supply": ["token", "max", "reserve", "circulating", "decimals"],
    "contracts": ["contract", "backed_by", "balance", "allocs_sum", "num_allocs", "decimals"],
    "contract": ["contract", "backed_by", "balance", "allocs_sum", "num_allocs", "decimals", "allocations"],
    "tokens": ["token", "role", "decimals", "max", "unit", "curve", "owner", "accepts"],
    "accounts": ["token", "account"],
    "history": ["position", "recorded_at", "kind", "token", "account", "counterparty", "change", "reserved_change", "available",
                "reserved", "hold", "memo", "decimals"],
    "statement": ["token", "account", "by", "since", "until", "opening", "lines", "closing", "decimals"],
    "explain": ["token", "account", "available", "reserved", "total", "complete", "decimals", "transactions"],
    "diff": ["token", "account", "available_before", "available_after", "change", "reserved_before", "reserved_after",
             "reserved_change", "decimals"],
    "entry": ["entry_id", "position", "last_position", "recorded_at", "occurred_at", "key", "reference", "metadata", "reverses",
              "reversed_by", "transactions"],
    "holds": HOLD,
    "hold": [*HOLD, "legs"],
    "lineage": [*ORIGIN, "complete", "ancestors"],
    "replay": ["projection", "position", "digest", "differences"],
    "replay-diff": ["old", "new", "upto", "parts_at", "event", "recorded_at", "entry", "differing"],
    "verify": ["ok", "position", "digest", "findings"],
    "audit": ["ok", "position", "digest", "findings"],
}  # fmt: skip
FINDING = ["position", "reason"]
PARTS = {
    "contract": ("allocations", ["contract", "account", "sats", "sati", "decimals"]),
    "statement": ("lines", LINE),
    "explain": ("transactions", LINE),
    "entry": ("transactions", ["transaction_id", "kind", "token", "sender", "receiver", "amount", "hold", "reference", "memo",
                               "decimals"]),
    "lineage": ("ancestors", ORIGIN),
    "hold": ("legs", ["kind", "receiver", "amount", "transaction_id", "recorded_at", "decimals"]),
    "replay-diff": ("differing", ["path", "old_value", "new_value"]),
    "verify": ("findings", FINDING),
    "audit": ("findings", FINDING),
}  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_the_fields_of_json(books: Path, command: list[str]) -> None:
    content = json.loads(answer(books, command, "--json"))
    assert content
    for record in content if isinstance(content, list) else [content]:
        assert list(record) == SCHEMAS[command[0]]
    name, fields = PARTS.get(command[0], ("", []))
    assert all(list(each) == fields for each in content[name]) if name else True
    if name and command[0] not in ("verify", "replay-diff"):
        assert content[name]


def test_the_guide_has_the_fields_of_json() -> None:
    guide = (Path(__file__).parents[4] / "docs" / "USING.md").read_text().split("## What is printed")[1]
    rows = dict(re.findall(r"^\| `([a-z-]+)`(?:, `[a-z]+`)? \| (.*) \|$", guide, re.MULTILINE))
    told = {command: re.findall("`([a-z_]+)`", fields) for command, fields in rows.items()}
    told["contract"] = [*told["contracts"], *told["contract"]]
    told["hold"] = [*told["holds"], *told["hold"]]
    told["explain"] += LINE  # "as a statement has them"
    told["lineage"][-1:] = ORIGIN  # "a list of the same"
    for command, fields in SCHEMAS.items():
        name, part = PARTS.get(command, ("", []))
        balance = ["available", "reserved", "total", "decimals"] if name == "lines" else []
        assert told["verify" if command == "audit" else command] == [*fields, *balance, *part]


def test_metadata_is_told_as_it_was_given(books: Path) -> None:
    given = {MEMOS[1]: [MEMOS[3], {"amount": 5, "decimals": 2}]}
    found = json.loads(answer(books, ["entry", "4"], "--json"))
    assert (found["metadata"], found["reference"]) == (given, MEMOS[0])
    (row, *_) = csv.DictReader(io.StringIO(answer(books, ["entry", "4"], "--csv")))
    assert json.loads(row["metadata"]) == given


@pytest.mark.parametrize(
    ("name", "option"),
    [("a.json", "--json"), ("a.JSONL", "--jsonl"), ("a.ndjson", "--jsonl"), ("a.csv", "--csv"), ("a.html", "--html")],
)
def test_a_file_has_the_format_of_its_ending(books: Path, tmp_path: Path, name: str, option: str) -> None:
    (tmp_path / name).write_text("what was there before, and was longer than what comes" * 500)
    for command in COMMANDS:
        assert answer(books, command, "-o", str(tmp_path / name)) == ""
        assert (tmp_path / name).read_text() == answer(books, command, option)
    assert [file.name for file in tmp_path.iterdir()] == [name]


def test_a_table_in_a_file(books: Path, tmp_path: Path) -> None:
    for name, option in (("a.txt", ["--table"]), ("a.tsv", [])):
        answer(books, ["history", "USD", "alice"], "-o", str(tmp_path / name))
        assert (tmp_path / name).read_text() == answer(books, ["history", "USD", "alice"], *option)


@pytest.mark.parametrize(
    ("options", "verdict"),
    [
        (["--json", "--csv"], "--csv, --json are asked for"),
        (["--table", "--html"], "--table, --html are asked for"),
        (["-o", "TMP/a.xlsx"], "-o writes files that end with"),
        (["-o", "TMP/books.db"], "-o writes files that end with"),
        (["-o", "TMP/a.csv", "--json"], "ends as a file of the format csv, and --json is asked for"),
        (["-o", "TMP/no/a.csv"], "there is no folder"),
    ],
)
def test_formats_that_cannot_be(books: Path, tmp_path: Path, options: list[str], verdict: str) -> None:
    done = run("balances", *(each.replace("TMP", str(tmp_path)) for each in options), "--url", books)
    assert (done.returncode, done.stdout) == (2, "")
    assert verdict in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_nothing_in_each_format(tmp_path: Path) -> None:
    Ledger.open(tmp_path / "empty.db").close()
    empty = ["balances", "--url", str(tmp_path / "empty.db")]
    printed = {form: run(*empty, *([form] if form else [])).stdout for form in ("", "--table", "--csv", "--json", "--jsonl")}
    header = "token,account,available,reserved,total\n"
    assert printed == {"": "", "--table": "nothing\n", "--csv": header, "--json": "[]\n", "--jsonl": ""}
    assert "<th>account</th>" in run(*empty, "--html").stdout


def on_terminal(*arguments: object, width: int = 400) -> tuple[int, str]:
    """What a terminal that does not interpret anything would be sent by a command."""
    ours, theirs = pty.openpty()
    variables = {**ENVIRONMENT, "TERM": "xterm", "COLUMNS": str(width)}
    command = [sys.executable, "-m", "tallystick", *map(str, arguments)]
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=variables) as process:
        os.close(theirs)
        parts: list[bytes] = []
        try:
            while part := os.read(ours, 65_536):
                parts.append(part)
        except OSError:  # the terminal is closed when the command has ended
            pass
    os.close(ours)
    return process.returncode, b"".join(parts).decode()


def without_colours(sent: str) -> str:
    for sequence in ("\x1b[1m", "\x1b[0m", "\x1b[3m", "\x1b[1;3m"):
        sent = sent.replace(sequence, "")
    return sent.replace("\r\n", "\n")


def test_a_terminal_gets_a_table_and_nothing_else(books: Path) -> None:
    code, sent = on_terminal("history", "USD", "alice", "--url", books)
    shown = without_colours(sent)
    assert code == 0
    assert [each for each in ACTING if each in shown] == []
    for text in (*NAMES, "\\u202eturned\\u2069", "\\x1b[2J\\x1b[31m", MEMOS[5], "thanks\\n3\\t2026"):
        assert text in shown
    code, sent = on_terminal("balances", "x:gem:", "--csv", "--url", books)
    assert without_colours(sent) == "token,account,available,reserved,total\nx:gem:,alice,10,0,10\n"


def test_a_refusal_on_a_terminal(books: Path) -> None:
    code, sent = on_terminal("history", "USD:gem:[b]x", "a", "--url", books)
    assert (code, sent) == (2, "error: token_not_found: token 'USD:gem:[b]x' is not registered\r\n")
    code, sent = on_terminal("balances", "\x1b[2J\u202e\n", "--url", books)
    assert code == 2
    assert [each for each in ACTING if each in sent.replace("\r\n", "")] == []
