"""How commands end: exit codes, what is said on standard error, and what of it a program can read."""

import json
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tallystick import ImportDiffers, Ledger, OutcomeUnknown, Token
from tallystick.infrastructure.cli import commands
from tests.support.programs.command_line import ENVIRONMENT, run, run_as_process, start

SECRET = "s3cr3tPW"
ACTING = "x\x1b[2J\u202e\n\tUSD"
HEADER = "token,sender,receiver,amount\n"


@pytest.fixture
def books(tmp_path: Path) -> Path:
    path = tmp_path / "books.db"
    with Ledger.open(path) as ledger:
        ledger.register_token(Token("USD", decimals=2))
        ledger.mint_many("USD", [f"account-{number}" for number in range(5_000)], [1] * 5_000)  # more than a pipe holds
    return path


@pytest.fixture
def escrow(tmp_path: Path) -> str:
    """The URL of a ledger with two holds that are due."""
    path = tmp_path / "escrow.db"
    with Ledger.open(path, clock=lambda: datetime(2020, 1, 1, tzinfo=UTC), ids=iter(["a", "b"]).__next__) as ledger:
        ledger.register_token(Token("USD", decimals=2))
        with ledger.atomic() as tx:
            tx.mint("USD", "alice", 100_00)
            for _ in range(2):
                tx.reserve("USD", "alice", "keeper", 1, expires_in=timedelta(days=1))
    return f"sqlite:///{path}?max_clock_leap=off"


def with_output(to: str, *arguments: object, variables: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Runs a command whose standard output is opened by the shell as `to` says."""
    command = ["sh", "-c", f'exec "$@" {to}', "sh", sys.executable, "-m", "tallystick", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env={**ENVIRONMENT, **(variables or {})}, check=False)


# Standard output.


@pytest.mark.parametrize(
    "arguments",
    [["balances"], ["balances", "--json"], ["balances", "--table"], ["audit"], ["demo"], ["--help"], ["--version"], ["expire"]],
    ids=" ".join,
)
def test_a_reader_that_went_away_is_141_and_silence(books: Path, tmp_path: Path, arguments: list[str]) -> None:
    place = tmp_path / "demo.db" if arguments == ["demo"] else books
    with start(*arguments, TALLYSTICK_URL=str(place)) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == (0 if arguments == ["expire"] else 141)  # nothing was due, and nothing printed


def test_a_reader_of_the_first_lines(books: Path) -> None:
    with start("balances", "--url", books) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith("token\taccount")
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 141


@pytest.mark.parametrize("arguments", [["balances"], ["supply", "--table"], ["audit"], ["demo"], ["--version"]], ids=" ".join)
def test_a_full_disk_is_3(books: Path, tmp_path: Path, arguments: list[str]) -> None:
    place = tmp_path / "demo.db" if arguments == ["demo"] else books
    done = with_output(">/dev/full", *arguments, variables={"TALLYSTICK_URL": str(place)})
    assert done.returncode == 3
    assert done.stderr.startswith("error: storage_full: ")
    assert done.stderr.count("\n") == 1


def test_a_closed_output_is_3(books: Path) -> None:
    done = with_output(">&-", "balances", "--url", books)
    assert (done.returncode, done.stderr.count("\n")) == (3, 1)
    assert "standard output is closed" in done.stderr
    assert with_output("2>&-", "balances", "EUR", "--url", books).returncode == 2


def test_a_file_that_cannot_be_written_is_3_and_left(books: Path, tmp_path: Path) -> None:
    (tmp_path / "a.csv").mkdir()
    done = run("supply", "-o", tmp_path / "a.csv", "--url", books)
    assert (done.returncode, done.stdout) == (3, "")
    assert "a.csv' cannot be written: Is a directory" in done.stderr
    done = run("supply", "-o", "/dev/full/a.csv", "--url", books)
    assert done.returncode == 2


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "latin-1", "utf-8"])
def test_what_an_output_cannot_write_is_shown_and_no_fault(tmp_path: Path, encoding: str) -> None:
    with Ledger.open(tmp_path / "names.db") as ledger:
        ledger.register_token(Token("USD"))
        ledger.mint("USD", "日本", 5, memo="ł")
    for form in ([], ["--table"], ["--csv"], ["--html"], ["--json"]):
        command = [sys.executable, "-m", "tallystick", "history", "USD", "日本", *form, "--url", tmp_path / "names.db"]
        done = subprocess.run(command, capture_output=True, env={**ENVIRONMENT, "PYTHONIOENCODING": encoding}, check=False)
        assert (done.returncode, done.stderr) == (0, b"")
        printed = done.stdout.decode(encoding)
        assert ("日本" if encoding == "utf-8" else "\\u65e5\\u672c") in printed
        if form == ["--json"]:
            assert json.loads(printed)[0]["account"] == "日本"


# Exit codes, and errors for programs.


@pytest.mark.parametrize(
    ("arguments", "code", "fields"),
    [
        (["balances", "EUR"], 2, {"code": "token_not_found", "token": "EUR"}),
        (["history", "USD", "no body"], 2, {"code": "invalid_account"}),
        (["contract", "none"], 2, {"code": "contract_not_found", "contract": "none"}),
        (["replay", "--upto", "99999999"], 2, {"code": "invalid_position"}),
        (["balances", "--nonsense"], 2, {"code": "usage"}),
        (["balances", "--csv"], 2, {"code": "invalid_request"}),
        (["audit", "--lock", "USD=5"], 2, {"code": "invalid_amount"}),
        (["balances", "--url", "missing.db"], 3, {"code": "storage_unavailable"}),
        (["balances", "--url", __file__], 3, {"code": "not_a_ledger"}),
        (["balances", "--url", f"mysql://bob:{SECRET}@host/db"], 2, {"code": "invalid_url"}),
        (["import", "erc20", __file__], 2, {"code": "malformed_row", "row": 1}),
    ],
)
def test_errors_are_json_where_json_is_asked_for(
    books: Path, arguments: list[str], code: int, fields: dict[str, object]
) -> None:
    for option in ("--json", "--jsonl"):
        done = run(*arguments, option, TALLYSTICK_URL=str(books))
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (code, "", 1)
        said = json.loads(done.stderr)
        assert {name: said[name] for name in fields} == fields
        assert said["recorded"] is False
        assert said["message"]
        assert SECRET not in done.stderr


def test_amounts_in_errors_for_programs_are_text(books: Path, tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text(f"{HEADER}USD,account-1,bob,{2**70}\n")
    done = run("import", "transfers", file, "--json", "--url", books)
    assert (done.returncode, done.stdout) == (2, "")
    said = json.loads(done.stderr)
    assert {name: said[name] for name in ("code", "required", "available", "decimals", "recorded")} == {
        "code": "insufficient_funds",
        "required": str(2**70),
        "available": "1",
        "decimals": 2,
        "recorded": False,
    }
    assert f"has 0.01 USD to give of the {2**70 // 100}.{2**70 % 100} required" in said["message"]


def test_money_that_was_given_back_is_told_though_the_list_cannot_be(escrow: str) -> None:
    done = with_output(">/dev/full", "expire", "--json", "--url", escrow)
    said = json.loads(done.stderr)
    assert (done.returncode, said["code"], said["recorded"]) == (3, "storage_full", True)
    assert run("expire", "--json", "--url", escrow).stdout == "[]\n"


def test_what_is_not_known_is_not_said_to_be(escrow: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*given: object, **named: object) -> None:
        raise OutcomeUnknown("the connection broke")

    monkeypatch.setattr(Ledger, "run", fail)
    done = run("expire", "--json", "--url", escrow)
    assert (done.returncode, json.loads(done.stderr)["recorded"]) == (3, "unknown")


@pytest.mark.parametrize(("error", "code"), [(ImportDiffers("x", position=1), 1), (KeyboardInterrupt(), 130)])
def test_other_ends(books: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int) -> None:
    def fail(*given: object) -> None:
        raise error

    monkeypatch.setattr(commands, "balance_records", fail)
    done = run("balances", "--url", books)
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr == ("" if code == 130 else f"error: {error.code}: {error}\n")  # pyright: ignore


def test_refused_rows_are_5_and_listed(books: Path, tmp_path: Path) -> None:
    file, listing = tmp_path / "a.csv", tmp_path / "refused.csv"
    rows = [f"USD,account-{number},bob,{5 if number % 2 else 1}" for number in range(20)]
    file.write_text(HEADER + "\n".join(rows) + "\n")
    arguments = ["import", "transfers", file, "--skip-refused", "--refused", listing, "--url", books]
    done = run(*arguments, "--json")
    assert done.returncode == 5
    assert json.loads(done.stdout)["refused"] == 10
    said = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]
    assert {each["code"] for each in said} == {"insufficient_funds"}
    assert len(listing.read_text().splitlines()) == 11
    assert "account-1 has 0.01 USD to give of the 0.05 required" in listing.read_text()
    assert run(*arguments).returncode == 5


@pytest.mark.parametrize(
    ("where", "content", "verdict"),
    [
        ("the ledger", None, 2),
        ("the file", None, 2),
        ("notes.txt", "what must not be lost\n", 2),
        ("blank.txt", "\nwhat must not be lost\n", 2),
        ("folder", None, 2),
        ("former.csv", "row,code,reason\r\n1,x,y\r\n", 5),
        ("empty.csv", "", 5),
        ("new.csv", None, 5),
    ],
)
def test_refused_rows_are_listed_over_nothing_else(
    books: Path, tmp_path: Path, where: str, content: str | None, verdict: int
) -> None:
    file = tmp_path / "a.csv"
    file.write_text(f"{HEADER}USD,account-1,bob,5\nUSD,account-2,bob,1\n")
    (tmp_path / "folder").mkdir()
    listing = {"the ledger": books, "the file": file}.get(where, tmp_path / where)
    if content is not None:
        listing.write_text(content, newline="")
    before = listing.read_bytes() if listing.is_file() else b""
    arguments = ["import", "transfers", file, "--skip-refused", "--refused", listing, "--url", books]
    done = run(*arguments)
    assert done.returncode == verdict, done.stderr
    if verdict == 2:
        assert "is no list of refused rows" in done.stderr
        assert before == (listing.read_bytes() if listing.is_file() else b"")
        assert run("balances", "--url", books).returncode == 0
    else:
        assert len(listing.read_text().splitlines()) == 2


# What is said.


@pytest.mark.parametrize(
    "arguments",
    [
        ["balances", ACTING],
        ["history", ACTING, "alice"],
        ["history", "USD", ACTING],
        ["contract", ACTING],
        ["audit", "--lock", f"{ACTING}=5"],
        ["audit", "--lock", ACTING],
        ["audit", "--units", f"USD={ACTING}"],
        ["replay", "--projection", ACTING],
        ["expire", "--every", ACTING],
        ["balances", "--url", f"{ACTING}.db"],
        ["balances", "--url", f"{ACTING}://host"],
        ["balances", "-o", f"{ACTING}/a.csv"],
        ["balances", f"--{ACTING}"],
        [ACTING],
        ["import", ACTING],
        ["import", "transfers", ACTING],
        ["import", "eventsourcing", "--from", f"{ACTING}.db", "--application", ACTING],
        ["import", "transfers", "ROW"],
        ["import", "allocations", "ROW", "--token", ACTING],
    ],
    ids=repr,
)
def test_nothing_in_a_message_acts(books: Path, tmp_path: Path, arguments: list[str]) -> None:
    file = tmp_path / "row.csv"
    file.write_text(f'{HEADER}"{ACTING}","{ACTING}",bob,5\n')
    done = run(*(str(file) if each == "ROW" else each for each in arguments), TALLYSTICK_URL=str(books))
    assert done.returncode in (2, 3)
    for line in done.stderr.splitlines():
        assert line.isprintable(), line
    assert not done.stderr.isspace()


def test_a_listing_of_refused_rows_cannot_act(books: Path, tmp_path: Path) -> None:
    file, listing = tmp_path / "a.csv", tmp_path / "refused.csv"
    file.write_text(f'{HEADER}USD,account-1,"{ACTING}",1\nUSD,account-2,bob,1\n')
    done = run("import", "transfers", file, "--skip-refused", "--refused", listing, "--url", books)
    assert done.returncode in (2, 5)
    told = done.stderr + (listing.read_text() if listing.exists() else "")
    assert all(line.isprintable() for line in told.splitlines())


@pytest.mark.parametrize("form", [[], ["--json"]], ids=str)
def test_a_fault_of_ours_is_70_and_its_traceback_lies_in_a_file(
    books: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: list[str]
) -> None:
    def fail(*given: object) -> None:
        raise RuntimeError(f"postgresql://bob:{SECRET}@host/db broke \x1b[2J\nand more")

    monkeypatch.setattr(commands, "balance_records", fail)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    done = run("balances", *form, "--url", books)
    (kept,) = tmp_path.glob("tallystick-*.txt")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (70, "", 1)
    assert str(kept) in done.stderr
    assert "RuntimeError" in kept.read_text()
    assert "Traceback" in kept.read_text()
    assert "Traceback" not in done.stderr
    assert SECRET not in kept.read_text() + done.stderr
    assert kept.stat().st_mode & 0o077 == 0
    if form:
        assert json.loads(done.stderr)["code"] == "fault"


@pytest.mark.parametrize(
    "url",
    [
        f"psql://bob:{SECRET}@h/d",
        f"postgresql:/bob:{SECRET}@h/d",
        f"postgresql://bob:{SECRET}@127.0.0.1:1/d",
        f"x.db?password={SECRET}",
    ],
)
@pytest.mark.parametrize(
    "arguments",
    [
        ["balances", "--url", "URL"],
        ["upgrade", "URL"],
        ["demo", "--url", "URL"],
        ["import", "eventsourcing", "--from", "URL"],
        ["import", "erc20", "URL"],
        ["balances", "URL", "--url", "missing.db"],
        ["URL"],
        ["bench", "--only", "URL"],
        ["bench", "--quick", "--postgres", "URL"],
    ],
    ids=" ".join,
)
def test_no_command_tells_a_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], url: str) -> None:
    monkeypatch.chdir(tmp_path)
    for form in ([], ["--json"]) if arguments[0] == "balances" else ([],):
        done = run(*(url if each == "URL" else each for each in arguments), *form)
        assert done.returncode in (2, 3)
        assert SECRET not in done.stdout + done.stderr


def test_a_process_ends_quietly_where_nothing_is_asked(books: Path) -> None:
    done = run_as_process()
    assert (done.returncode, "Usage" in done.stdout, done.stderr) == (2, True, "")
