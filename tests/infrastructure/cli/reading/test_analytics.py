"""The commands for who counts: `sql` prints exactly and in every format, `export` writes files."""

import csv
import io
import json
import os
import signal
import sys
import time
from pathlib import Path
from unittest import mock

import duckdb
import pytest

from tallystick import Ledger, Token
from tests.support.programs.command_line import run, run_as_process, start

WIDE = 2**255 + 1
MEMO = 'tab\tline\nnul\0 "quoted", \u202eturned <b>&amp; \\n'
EVERYTHING = """SELECT position, amount, amount_int, exact_sum(amount) AS summed, memo, reference, recorded_at,
    recorded_at::DATE AS day, 0.10::DECIMAL(20, 2) AS exact, 0.1::DOUBLE AS inexact, true AS truth, NULL AS nothing,
    [1::HUGEINT << 100, NULL] AS list, {'a': amount, 'b': [memo]} AS struct, 'a\\x00'::BLOB AS bytes, 1::HUGEINT AS narrow,
    'nan'::DOUBLE AS nan, position AS "=a,b<c>"
FROM movements WHERE kind = 'mint' GROUP BY ALL ORDER BY position"""


@pytest.fixture
def books(tmp_path: Path) -> Path:
    path = tmp_path / "books.db"
    with Ledger.open(path) as ledger:
        ledger.register_token(Token("USD", decimals=2, max_supply=2**256 - 1))
        ledger.mint("USD", "alice", WIDE, memo=MEMO)
        ledger.mint("USD", "bob", 10**37)
        ledger.transfer("USD", "alice", "bob", 30_50)
    return path


def test_json_is_exact(books: Path) -> None:
    done = run("sql", books, EVERYTHING, "--json")
    assert done.returncode == 0, done.stderr
    first, second = json.loads(done.stdout)
    assert (first["amount"], first["amount_int"], first["summed"]) == (str(WIDE), None, str(WIDE))
    assert (second["amount"], second["amount_int"], second["summed"]) == (str(10**37),) * 3
    assert (first["memo"], first["reference"], first["position"], first["narrow"]) == (MEMO, None, 2, "1")
    assert (first["exact"], first["inexact"], first["truth"], first["nothing"], first["nan"]) == (
        "0.10",
        0.1,
        True,
        None,
        "nan",
    )
    assert first["list"] == [str(2**100), None]
    assert first["struct"] == {"a": str(WIDE), "b": [MEMO]}
    assert first["bytes"] == "6100"
    assert first["recorded_at"][:10] == first["day"]
    assert first["=a,b<c>"] == 2
    lines = run("sql", books, EVERYTHING, "--jsonl").stdout.splitlines()
    assert [json.loads(line) for line in lines] == [first, second]
    assert run("sql", books, "SELECT 1 WHERE false", "--json").stdout == "[]\n"


def test_every_other_format_shows_what_is_there(books: Path, tmp_path: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(run("sql", books, EVERYTHING, "--csv").stdout)))
    assert [row["summed"] for row in rows] == [str(WIDE), str(10**37)]
    assert rows[0]["memo"] == 'tab\\tline\\nnul\\x00 "quoted", \\u202eturned <b>&amp; \\n'
    assert (rows[0]["amount_int"], rows[0]["inexact"], rows[0]["nothing"]) == ("", "0.1", "")
    header, *lines = run("sql", books, EVERYTHING).stdout.splitlines()
    assert (len(lines), len(header.split("\t"))) == (2, 18)
    page = run("sql", books, EVERYTHING, "--html").stdout
    assert "&lt;b&gt;&amp;amp;" in page
    assert "<b>" not in page
    assert f'<td class="number">{WIDE}</td>' in page
    assert page.endswith("</table>\n")
    table = run("sql", books, "SELECT kind, amount_int FROM movements ORDER BY position DESC LIMIT 2", "--table").stdout
    assert table.splitlines()[3].split() == ["transfer", "3050"]
    assert run("sql", books, "SELECT 1 AS a WHERE false", "--csv").stdout == "a\n"
    done = run("sql", books, EVERYTHING, "-o", tmp_path / "out.jsonl")
    assert (done.returncode, done.stdout) == (0, "")
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 2


def test_names_of_columns_that_formats_know_are_only_names(books: Path) -> None:
    done = run(
        "sql", books, "SELECT amount AS available, 2 AS decimals, 'x' AS sati FROM movements ORDER BY position", "--json"
    )
    assert json.loads(done.stdout)[2] == {"available": "3050", "decimals": 2, "sati": "x"}
    shown = run("sql", books, "SELECT 'a' AS available, 2 AS decimals")
    assert shown.stdout == "available\tdecimals\na\t2\n"


def test_the_query_is_given_and_read(books: Path) -> None:
    asked = "SELECT count(*) AS n FROM movements"
    assert run("sql", "--url", books, asked).stdout == "n\n3\n"
    assert run("sql", asked, TALLYSTICK_URL=str(books)).stdout == "n\n3\n"
    done = run("sql", books, asked, "--at", "2")
    assert done.stdout == "n\n1\n"
    assert "position 2" in done.stderr
    for given, code, printed in (
        (asked.encode() + b"\n", 0, "n\n3\n"),
        ("SELECT '\u20ac' AS n".encode(), 0, "n\n\u20ac\n"),
        (b"SELECT '\xff'", 2, ""),
        (b"x" * (2**20 + 1), 2, ""),
        (b"", 2, ""),
    ):
        with mock.patch.object(sys, "stdin", io.TextIOWrapper(io.BytesIO(given))):
            done = run("sql", books, "-")
        assert (done.returncode, done.stdout) == (code, printed)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("selec", "DuckDB: Parser Error"),
        ("SELECT nothing FROM movements", "nothing"),
        ("SELECT 1; SELECT 2", "one statement"),
        ("COPY movements TO 'out.csv'", "not COPY"),
        ("SELECT * FROM read_text('/etc/passwd')", "file system operations are disabled"),
        ("SELECT sum(amount_int) FROM (SELECT * FROM movements, range(99)) WHERE amount_int > 5000", "Overflow"),
        ("SELECT error('planted')", "planted"),
    ],
)
def test_what_is_wrong_with_a_query_is_exit_code_2(books: Path, query: str, said: str) -> None:
    done = run("sql", books, query)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    told = json.loads(run("sql", books, query, "--json").stderr)
    assert (told["code"], told["recorded"]) == ("invalid_request", False)


def test_a_long_answer_is_printed_as_it_comes(books: Path) -> None:
    done = run("sql", books, "SELECT range AS n FROM range(30000)", "--jsonl")
    lines = done.stdout.splitlines()
    assert (len(lines), json.loads(lines[-1])) == (30_000, {"n": 29_999})
    document = json.loads(run("sql", books, "SELECT range AS n FROM range(30000)", "--json").stdout)
    assert [each["n"] for each in document] == list(range(30_000))


def test_who_reads_may_go_away(books: Path) -> None:
    with start("sql", books, "SELECT * FROM range(100000000)", PYTHONPATH=os.getcwd()) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "range\n"
        process.stdout.close()
        assert process.wait(60) == 141


@pytest.mark.parametrize(
    "query",
    [
        "SELECT count(*) FROM range(1000000000000) a WHERE hash(a.range) = 8",
        "SELECT a.range FROM range(1000000000000) a WHERE a.range < 3 OR hash(a.range) = 8",
        "SELECT a.range FROM range(1000000000000) a ORDER BY hash(a.range)",
    ],
)
def test_who_asks_may_interrupt(books: Path, query: str) -> None:
    with start("sql", books, query, PYTHONPATH=os.getcwd()) as process:
        time.sleep(1.5)  # whenever it comes, it ends so
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130


def test_an_empty_ledger_is_asked(tmp_path: Path) -> None:
    Ledger.open(tmp_path / "books.db").close()
    assert run("sql", tmp_path / "books.db", "SELECT count(*) AS n FROM movements").stdout == "n\n0\n"
    assert run("sql", tmp_path / "missing.db", "SELECT 1").returncode == 3


def test_export(books: Path, tmp_path: Path) -> None:
    done = run("export", books, "movements", "-o", tmp_path / "m.csv")
    assert (done.returncode, done.stdout) == (0, "")
    assert f"movements: 3 rows, {tmp_path}/m.csv" in done.stderr
    assert "exported up to position 4" in done.stderr
    done = run("export", "movements", "balances", "-o", f"{tmp_path}/tables/", "--at", "2", TALLYSTICK_URL=str(books))
    assert done.returncode == 0
    assert duckdb.sql(f"SELECT account, total FROM '{tmp_path}/tables/balances.parquet'").fetchall() == [("alice", str(WIDE))]
    for _ in range(2):
        assert run("export", books, "movements", "-o", tmp_path / "growing", "--append").returncode == 0
    assert run("export", books, "movements", "-o", tmp_path / "m.txt", "--format", "hledger").returncode == 0
    assert "assets:alice" in (tmp_path / "m.txt").read_text()
    for wrong in (
        ["movements", "-o", tmp_path / "m.xlsx"],
        ["mouvements", "-o", tmp_path / "x.csv"],
        ["movements", "-o", tmp_path / "x.beancount"],  # more digits than it counts in
        ["-o", tmp_path / "x.csv"],
        ["movements"],
    ):
        done = run("export", books, *wrong)
        assert done.returncode == 2
        assert not (tmp_path / "x.csv").exists()
        assert not (tmp_path / "x.beancount").exists()


def test_without_duckdb_it_says_how_to_get_it(books: Path, tmp_path: Path) -> None:
    (tmp_path / "duckdb.py").write_text("raise ImportError('none here')")
    done = run_as_process("sql", books, "SELECT 1", PYTHONPATH=str(tmp_path))
    assert done.returncode == 2
    assert 'pip install "tallystick[analytics]"' in done.stderr
    assert run_as_process("export", books, "movements", "-o", tmp_path / "m.csv", PYTHONPATH=str(tmp_path)).returncode == 0
