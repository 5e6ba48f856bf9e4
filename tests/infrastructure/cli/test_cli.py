"""The command line: what goes where, and the exit codes."""

import json
import signal
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tallystick import Ledger, Token, __version__
from tests.support.programs.command_line import run, run_as_process, start


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("cli") / "books.db"
    with Ledger.open(path) as ledger:
        ledger.register_token(Token("USD", decimals=2, unit=100_00, max_supply=10**6))
        ledger.register_token(Token("[red]", max_supply=2**256 - 1))
        with ledger.atomic() as tx:
            tx.mint("USD", "alice", 500_00, memo="a [bold] deposit")
            tx.transfer("USD", "alice", "bob", 30_50)
            tx.mint("[red]", "a" * 128, 2**255)
            pool = tx.register_contract("pool[1]", backed_by="[red]")
            pool.fund("a" * 128, 2**70)
            pool.alloc("bob")
            pool.shadow_up("bob", 2**69)
            tx.register_contract("empty")
    return path


def tampered(books: Path, tmp_path: Path, statement: str) -> Path:
    copy = tmp_path / "copy.db"
    with closing(sqlite3.connect(books)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
        target.execute("DROP TRIGGER commits_are_not_updated")
        target.execute("DROP TRIGGER streams_are_not_updated")
        target.execute(statement)
        target.commit()
    return copy


@pytest.mark.parametrize(
    ("arguments", "verdict"),
    [
        (["balances"], "USD\talice\t469.50\t0.00\t469.50"),
        (["balances", "USD"], "USD\tbob\t30.50\t0.00\t30.50"),
        (["balances", "[red]"], "[red]\t" + "a" * 128 + f"\t{2**255 - 2**70}\t0\t{2**255 - 2**70}"),
        (["supply", "USD"], "USD\t10000.00\t9500.00\t500.00"),
        (["contracts"], f"pool[1]\t[red]\t{2**70}\t{2**69}\t1\nempty\t\t0\t0\t0\n"),
        (["contract", "pool[1]"], f"pool[1]\t[red]\t{2**70}\t{2**69}\t1\n"),
        (["contract", "pool[1]"], f"pool[1]\tbob\t{2**69}\t{2**69 * 10**8}\n"),
        (["contract", "empty"], "empty\t\t0\t0\t0\n"),
        (["history", "USD", "alice"], "a [bold] deposit"),
        (["tokens"], "USD\texternal\t2\t10000.00\t100.00\t\t\t\n"),
        (["accounts", "USD"], "USD\talice\nUSD\tbob\n"),
        (["balances", "USD", "--prefix", "b"], "total\nUSD\tbob\t30.50\t0.00\t30.50\n"),
        (["balances", "USD", "--limit", "1"], "USD\talice\t469.50\t0.00\t469.50\n"),
        (["statement", "USD", "bob"], "\topening balance\tUSD\tbob\t\t\t\t0.00\t0.00\t"),
        (["explain", "USD", "bob"], "USD\tbob\t30.50\t0.00\t30.50\tTrue\n"),
        (["entry", "3"], "\tmint\tUSD\t\talice\t500.00\t"),
        (["replay", "--projection", "shadow_spaces"], "shadow_spaces\t"),
        (["replay"], "balances\t"),
        (["replay", "--projection", "fragments"], "fragments\t"),
        (["replay", "--projection", "supply_reserves"], "supply_reserves\t"),
        (["replay", "--projection", "transactions", "--upto", "3"], "transactions\t3\t"),
        (["replay", "holds"], "holds\t"),
        (["replay-diff", "balances", "balances"], "balances\tbalances\t"),
        (["verify"], "ok\tposition "),
        (["audit"], "ok\tposition "),
    ],
)
def test_reading(books: Path, arguments: list[str], verdict: str) -> None:
    done = run(*arguments, "--url", books)
    assert done.returncode == 0, done.stderr
    assert verdict in done.stdout
    for_machines = run(*arguments, "--json", TALLYSTICK_URL=f"sqlite:///{books}")
    assert for_machines.returncode == 0
    json.loads(for_machines.stdout)


def test_json_is_exact(books: Path) -> None:
    found = json.loads(run("balances", "[red]", "--json", "--url", books).stdout)
    left = 2**255 - 2**70
    amounts = {"available": str(left), "reserved": "0", "total": str(left), "decimals": 0}
    assert found[0] == {"token": "[red]", "account": "a" * 128, **amounts}
    contract = json.loads(run("contract", "pool[1]", "--json", "--url", books).stdout)
    assert (contract["balance"], contract["allocations"][0]["sati"]) == (str(2**70), str(2**69 * 10**8))
    history = json.loads(run("history", "USD", "alice", "--after", 3, "--limit", 1, "--json", "--url", books).stdout)
    found = [(row["kind"], row["counterparty"], row["change"], row["decimals"]) for row in history]
    assert found == [("transfer", "bob", "-3050", 2)]


@pytest.mark.parametrize(
    ("arguments", "code", "verdict"),
    [
        (["balances"], 2, "no ledger is named"),
        (["balances", "EUR", "--url", "BOOKS"], 2, "error: token_not_found"),
        (["contract", "nobody", "--url", "BOOKS"], 2, "error: contract_not_found"),
        (["history", "USD", "no body", "--url", "BOOKS"], 2, "error: invalid_account"),
        (["replay", "--upto", "1000", "--url", "BOOKS"], 2, "error: invalid_position"),
        (["replay", "--projection", "other", "--url", "BOOKS"], 2, "one of balances"),
        (["balances", "--url", "missing.db"], 3, "error: storage_unavailable"),
        (["balances", "--url", "mysql://host"], 2, "error: invalid_url"),
        (["verify", "--url", __file__], 3, "error: not_a_ledger"),
        (["import", "erc20", "missing.json", "--url", "BOOKS"], 2, "missing.json"),
        (["import", "erc20", __file__, "--url", "BOOKS"], 2, "error: malformed_row: row 1"),
        (["import", "allocations", __file__, "--url", "BOOKS"], 2, "--token"),
        (["demo", "--url", "BOOKS"], 3, "wants a new one"),
        (["expire", "--every", "soon", "--url", "BOOKS"], 2, "a duration is a number above 0"),
        (["expire", "--every", "999999999d", "--url", "BOOKS"], 2, "error: invalid_request"),
        (["upgrade"], 2, "no ledger is named"),
        (["upgrade", "missing.db"], 3, "error: storage_unavailable"),
        (["upgrade", __file__], 3, "error: not_a_ledger"),
        (["unknown"], 2, "No such command"),
    ],
)
def test_what_is_wrong_is_said_on_standard_error(books: Path, arguments: list[str], code: int, verdict: str) -> None:
    done = run(*[str(books) if argument == "BOOKS" else argument for argument in arguments])
    assert (done.returncode, done.stdout) == (code, "")
    assert verdict in done.stderr
    assert "Traceback" not in done.stderr
    assert not Path("missing.db").exists()


def test_a_snapshot_is_there_when_the_command_has_ended(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "books.db") as ledger:
        ledger.register_token(Token("USD"))
    assert run("snapshot", "--url", tmp_path / "books.db").returncode == 0
    assert [file.name for file in (tmp_path / "books.db.cache" / "snapshots").glob("*/manifest.json")] == ["manifest.json"]


@pytest.fixture
def escrow(tmp_path: Path) -> Path:
    """A ledger with three holds that are due, and one that is not."""
    path = tmp_path / "escrow.db"
    with Ledger.open(path, clock=lambda: datetime(2020, 1, 1, tzinfo=UTC), ids=iter(["a", "b", "c", "d"]).__next__) as ledger:
        ledger.register_token(Token("USD", decimals=2))
        with ledger.atomic() as tx:
            tx.mint("USD", "alice", 100_00)
            for amount, days in ((1, 1), (2, 2), (3, 3), (4, 10**6)):
                tx.reserve("USD", "alice", "keeper", amount, expires_in=timedelta(days=days))
    return path


def test_what_is_due_is_given_back_and_printed(escrow: Path) -> None:
    url = f"sqlite:///{escrow}?max_clock_leap=off"
    done = run("expire", "--limit", 1, "--url", url)
    assert (done.returncode, done.stdout) == (0, "hold\ttoken\tpayer\tamount\ttransaction\na\tUSD\talice\t0.01\t7\n")
    found = json.loads(run("expire", "--json", "--url", url).stdout)
    assert [(record["hold"], record["amount"]) for record in found] == [("b", "2"), ("c", "3")]
    assert (run("expire", "--url", url).stdout, run("expire", "--json", "--url", url).stdout) == ("", "[]\n")
    with Ledger.open(escrow) as ledger:
        assert [hold.id for hold in ledger.holds()] == ["d"]


def test_expiring_again_and_again_ends_quietly_when_it_is_interrupted(escrow: Path) -> None:
    with start("expire", "--every", "1h", "--json", "--url", f"sqlite:///{escrow}?max_clock_leap=off") as process:
        assert process.stdout is not None
        output = "".join(iter(process.stdout.readline, "]\n")) + "]"  # the first round is done
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate()
    assert (process.returncode, rest, errors) == (130, "", "")
    assert [record["hold"] for record in json.loads(output)] == ["a", "b", "c"]


def test_a_clock_that_leaps_is_exit_code_3(escrow: Path) -> None:
    done = run("expire", "--url", escrow)
    assert (done.returncode, done.stdout) == (3, "")
    assert "error: clock_leap: nothing was recorded: the clock says" in done.stderr


@pytest.mark.parametrize(
    "command",
    [
        "verify",
        "audit",
        "balances",
        "tokens",
        "contracts",
        "holds",
        "accounts USD",
        "explain USD bob",
        "statement USD bob",
        "entry 3",
        "replay-diff balances balances",
    ],
)
def test_a_corrupt_journal_is_exit_code_4(books: Path, tmp_path: Path, command: str) -> None:
    copy = tampered(books, tmp_path, "UPDATE commits SET body = replace(body, 'bob', 'eve') WHERE first_position > 2")
    done = run(*command.split(), "--url", copy)
    assert done.returncode == 4
    assert "position 3" in done.stdout + done.stderr


def test_a_difference_is_exit_code_1(books: Path, tmp_path: Path) -> None:
    copy = tampered(books, tmp_path, "UPDATE streams SET last_version = last_version + 1 WHERE first_position > 2")
    assert run("verify", "--url", copy).returncode == 0
    done = run("audit", "--url", copy)
    assert done.returncode == 1
    assert "stream 'USD'" in done.stdout


@pytest.mark.parametrize(
    ("lock", "code", "verdict"),
    [
        (["USD=500.00"], 0, "ok"),
        (["USD=500.00", "[red]=" + str(2**255)], 0, "ok"),
        (["USD=500"], 2, "500 USD: write 500.00, or --units 500"),
        (["USD=499.99"], 1, "500.00 USD are in circulation, and 499.99 are locked"),
        (["USD=500.00", "[red]=1"], 1, "[red] are in circulation"),
        (["USD"], 2, "TOKEN=AMOUNT"),
        (["USD=5.001"], 2, "invalid_amount"),
        (["EUR=5"], 2, "token_not_found"),
    ],
)
def test_what_is_locked_elsewhere(books: Path, lock: list[str], code: int, verdict: str) -> None:
    done = run("audit", "--url", books, *(part for each in lock for part in ("--lock", each)))
    assert done.returncode == code, done.stderr
    assert verdict in done.stdout + done.stderr


def test_importing_an_older_state(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    tokens = {"TEA": {"role": "settlement", "max_supply": 100}, "App": {"role": "app", "max_supply": 5}}
    state = {"ft_state": {"TEA": {"alice": 5}}, "ft_deposit_state": {"App": {"alice": 7}}}
    path.write_text(json.dumps({"tea_state": state, "bonding_state": {"App": 8}, "tokens": tokens}))
    arguments = ["import", "tea-state", path, "--create", "--url", tmp_path / "new.db"]
    first, second = run(*arguments, "--json"), run(*arguments, "--json")
    assert (first.returncode, second.returncode) == (0, 0)
    assert (json.loads(first.stdout)["mints"], json.loads(second.stdout)["batches_before"]) == (3, 1)
    assert run("audit", "--lock", "TEA=20", "--url", tmp_path / "new.db").returncode == 0


def test_importing(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("safe_address,tokens\nalice,5\nbob,0\n")
    arguments = ["import", "allocations", path, "--token", "SAFE", "--max-supply", 10, "--create", "--url", tmp_path / "new.db"]
    first = run(*arguments, "--json")
    assert first.returncode == 0
    assert "1 rows move nothing and were skipped" in first.stderr
    assert json.loads(first.stdout)["mints"] == 1
    assert json.loads(run(*arguments, "--json").stdout)["position"] == json.loads(first.stdout)["position"]


@pytest.mark.parametrize("named", [False, True])
def test_the_demonstration(tmp_path: Path, named: bool) -> None:
    done = run("demo", *(["--url", tmp_path / "demo.db"] if named else []))
    assert done.returncode == 0, done.stdout + done.stderr
    for promise in (
        "every figure is the same",
        "audit: nothing to find",
        "refused",
        "not done again",
        "Fragments",
        "reserved",
        "loan-fund",
    ):
        assert promise in done.stdout
    if named:
        assert run("audit", "--url", tmp_path / "demo.db").returncode == 0


# Processes.


def test_version() -> None:
    assert run_as_process("--version").stdout.strip() == __version__


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["balances", "--url", "BOOKS"], 0),
        (["audit", "--lock", "USD=499.99", "--url", "BOOKS"], 1),
        (["balances", "EUR", "--url", "BOOKS"], 2),
        (["balances", "--url", "missing.db"], 3),
        (["balances", "--url", "CORRUPT"], 4),
    ],
)
def test_a_process_ends_and_prints_as_the_command(books: Path, tmp_path: Path, arguments: list[str], code: int) -> None:
    corrupt = tampered(books, tmp_path, "UPDATE commits SET body = replace(body, 'bob', 'eve') WHERE first_position > 2")
    named = {"BOOKS": books, "CORRUPT": corrupt}
    called, done = (each(*(named.get(argument, argument) for argument in arguments)) for each in (run, run_as_process))
    assert done.returncode == called.returncode == code
    assert (done.stdout, done.stderr) == (called.stdout, called.stderr)
    assert done.stdout + done.stderr


def test_a_reader_that_goes_away_is_no_traceback(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "books.db") as ledger:
        ledger.register_token(Token("USD"))
        ledger.mint_many("USD", [f"account-{number}" for number in range(5_000)], [1] * 5_000)  # more than a pipe holds
    with start("balances", "--url", tmp_path / "books.db") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
