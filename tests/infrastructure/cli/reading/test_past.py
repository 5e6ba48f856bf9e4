"""The past at the command line: what `--at` gives is what the command gave then, and when that was is said."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tallystick import Ledger, Token
from tests.support.programs.command_line import run

BEGIN = datetime(2025, 3, 28, 21, 30, tzinfo=UTC)
STEP = timedelta(hours=9)
CODES = ("USD", "TEA", "COIN")
COMMANDS = [
    ["tokens"],
    ["balances"],
    ["balances", "USD"],
    ["balances", "--prefix", "b", "--limit", "1"],
    ["accounts", "USD"],
    ["supply"],
    ["supply", "USD"],
    ["contracts"],
    ["contract", "pool"],
    ["history", "USD", "alice"],
    ["history", "USD", "alice", "--newest", "--limit", "2"],
    ["statement", "USD", "alice"],
    ["statement", "USD", "alice", "--by", "recorded_at", "--since", "2025-03-29"],
    ["explain", "USD", "alice"],
    ["entry", "2"],
    ["holds"],
    ["holds", "USD", "--newest", "--limit", "1"],
    ["hold", "h-1"],
    ["anchor"],
    ["lineage", "22000"],
]


def steps(ledger: Ledger) -> list[Any]:
    def pool() -> None:
        with ledger.atomic() as tx:
            contract = tx.register_contract("pool", backed_by="USD")
            contract.fund("alice", 10_00)
            contract.alloc("bob")
            contract.shadow_up("bob", 4_00)

    return [
        lambda: ledger.register_token(Token("USD", decimals=2)),
        lambda: ledger.mint("USD", "alice", 500_00, metadata={"why": "salary"}, reference="pay 1"),
        lambda: ledger.transfer("USD", "alice", "bob", 120_00, occurred_at=BEGIN),
        lambda: ledger.reserve("USD", "alice", "hotel", 80_00),
        pool,
        lambda: ledger.settle("USD", "hotel", "carol", 30_00, hold="h-1"),
        lambda: ledger.reserve("USD", "bob", "hotel", 1_00),
        lambda: ledger.reverse(transaction=3, amount=100_00),
        lambda: ledger.release("h-1"),
        lambda: ledger.register_token(Token("TEA", role="settlement")),
        lambda: ledger.burn("USD", "alice", 5, occurred_at=BEGIN + STEP),
        lambda: ledger.mint("TEA", "bob", 9),
        lambda: ledger.register_token(Token("COIN", unit=100)),
        lambda: ledger.mint("COIN", "ann", 250),
        lambda: ledger.transfer("COIN", "ann", "bea", 120),
    ]


class Story:
    """A ledger, where each of its commits ended and when it was recorded, and what every command printed then."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.ends: list[tuple[int, datetime]] = []
        self.printed: list[dict[str, tuple[int, str]]] = []
        self.now = BEGIN
        ids = iter(["h-1", "h-2"]).__next__
        with Ledger.open(path, clock=lambda: self.now, ids=ids) as ledger:
            for step in steps(ledger):
                step()
                self.ends.append((ledger.status().head.position, self.now))
                self.printed.append({" ".join(command): self.run(*command) for command in COMMANDS})
                self.now += STEP

    def run(self, *arguments: str) -> tuple[int, str]:
        done = run(arguments[0], self.path, *arguments[1:], "--json")
        return done.returncode, done.stdout


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    return Story(tmp_path_factory.mktemp("past") / "books.db")


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_command_tells_at_a_moment_what_it_told_then(story: Story, command: list[str]) -> None:
    told = [printed[" ".join(command)] for printed in story.printed]
    assert len(set(told)) > 1
    assert told[-1] != (0, "[]\n")
    for number, ((position, recorded_at), expected) in enumerate(zip(story.ends, told, strict=True)):
        moments = (str(position), recorded_at.isoformat(), (recorded_at + STEP / 2).replace(tzinfo=None).isoformat())
        assert story.run(*command, "--at", moments[number % 3]) == expected


def test_a_position_within_a_commit_is_the_commit_before(story: Story) -> None:
    (before, _), (after, _) = story.ends[3:5]
    assert after > before + 2
    for position in range(before, after):
        assert story.run("contracts", "--at", str(position)) == (0, "[]\n")


# Which moment that is.


@pytest.mark.parametrize(
    ("date", "zone", "last", "said"),
    [
        ("2025-03-28", [], 0, "2025-03-28T23:59:59.999999+00:00, the end of 2025-03-28 in UTC: the newest commit by then"),
        ("2025-03-28", ["--tz", "Europe/Paris"], 0, "2025-03-28T23:59:59.999999+01:00, the end of 2025-03-28 in Europe/Paris"),
        ("2025-03-28", ["--tz", "Pacific/Honolulu"], 1, "2025-03-28T23:59:59.999999-10:00"),
        ("2025-03-30", ["--tz", "Europe/Paris"], 5, "2025-03-30T23:59:59.999999+02:00"),  # the day has 23 hours
        ("2025-03-29", ["--tz", "Europe/Paris"], 2, "2025-03-29T23:59:59.999999+01:00"),
        ("2025-12-31", [], 14, "the end of 2025-12-31 in UTC"),
        ("2025-03-29T06:30", [], 1, "as of 2025-03-29T06:30:00+00:00: the newest commit by then ends at position 2"),
        ("2025-03-29T06:30", ["--tz", "Europe/Paris"], 0, "as of 2025-03-29T06:30:00+01:00: "),
        ("2025-03-29 07:30", ["--tz", "Europe/Paris"], 1, "as of 2025-03-29T07:30:00+01:00: "),
        ("2025-03-29T06:30Z", ["--tz", "Europe/Paris"], 1, "as of 2025-03-29T07:30:00+01:00: "),
        ("3", [], 2, "as of position 3: the newest commit by then ends at position 3, recorded at 2025-03-29T15:30:00+00:00"),
    ],
)
def test_which_moment_is_meant_is_said(story: Story, date: str, zone: list[str], last: int, said: str) -> None:
    done = run("anchor", story.path, "--at", date, *zone, "--json")
    assert json.loads(done.stdout)["position"] == story.ends[last][0]
    assert said in done.stderr


@pytest.mark.parametrize(
    ("options", "verdict"),
    [
        (["--at", "9999"], "error: invalid_position: the journal has reached position"),
        (["--at", "0"], "error: invalid_position: nothing was recorded up to position 0"),
        (["--at", "9" * 19], "error: invalid_position"),
        (["--at", "9" * 400], "error: invalid_request: --at is a position, a time as"),
        (["--at", "9000-01-01"], "has not come: the ledger's time is"),
        (["--at", "9999-12-31"], "error: invalid_"),
        (["--at", "9999-12-31T23:00-01:00"], "error: invalid_"),
        (["--at", "0001-01-01T00:00+01:00"], "error: invalid_"),
        (["--at", "2025-03-27"], "error: invalid_position: nothing was recorded up to 2025-03-27T23:59:59.999999+00:00"),
        (["--at", "2025-02-30"], "error: invalid_request: --at is a position"),
        (["--at", "yesterday"], "error: invalid_request: --at is a position"),
        (["--at", "-1"], "error: invalid_request: --at is a position"),
        (["--at", "٣"], "error: invalid_request: --at is a position"),
        (["--at", ""], "error: invalid_request: --at is a position"),
        (["--at", "2025-03-29", "--tz", "Mars/Base"], "error: invalid_request: a time zone is a name"),
        (["--at", "2025-03-29", "--tz", "/etc/passwd"], "error: invalid_request: a time zone is a name"),
        (["--at", "2025-03-29", "--by", "created_at"], 'by "recorded_at"'),
        (["--by", "occurred_at"], "--by says what is meant by --at, and no --at is given"),
        (["--at", "3", "--by", "occurred_at"], 'of an aware datetime by "occurred_at"'),
    ],
)
def test_a_moment_that_cannot_be(story: Story, options: list[str], verdict: str) -> None:
    done = run("balances", story.path, *options)
    assert (done.returncode, done.stdout) == (2, "")
    assert verdict in done.stderr


def test_a_refusal_in_the_past_is_json_alone_for_programs(story: Story) -> None:
    done = run("balances", story.path, "TEA", "--at", "2025-03-29", "--json")
    assert (done.returncode, done.stdout, json.loads(done.stderr)["code"]) == (2, "", "token_not_found")


# By the time at which things occurred.


@pytest.mark.parametrize("moment", [BEGIN, BEGIN + 1.5 * STEP, BEGIN + 3 * STEP, BEGIN + 12 * STEP], ids=str)
def test_what_had_occurred(story: Story, moment: datetime) -> None:
    asked = ["--by", "occurred_at", "--at", moment.isoformat()]
    with Ledger.open(story.path, read_only=True) as ledger:
        view = ledger.as_of(moment, "occurred_at")
        balances = [
            (code, name, str(balance.available), str(balance.reserved))
            for code in CODES
            for name, balance in sorted(view.balances(code).items())
        ]
        supply = [(code, str(view.supply(code).circulating)) for code in CODES]
        begun = list(view.balances("USD", "b"))
    records = json.loads(story.run("balances", *asked)[1])
    assert [(each["token"], each["account"], each["available"], each["reserved"]) for each in records] == balances
    assert [(each["token"], each["circulating"]) for each in json.loads(story.run("supply", *asked)[1])] == supply
    names = json.loads(story.run("accounts", "USD", "--prefix", "b", *asked)[1])
    assert [each["account"] for each in names] == begun
    assert "as far as it is known at position" in run("supply", story.path, *asked).stderr


@pytest.mark.parametrize(
    ("command", "read"),
    [
        (["tokens"], "tokens"),
        (["contracts"], "contracts"),
        (["contract", "pool"], "contract"),
        (["explain", "USD", "alice"], "explain"),
        (["entry", "2"], "entry"),
        (["holds"], "holds"),
        (["hold", "h-1"], "hold"),
        (["lineage", "1"], "lineage"),
        (["anchor"], "digest_at"),
    ],
)
def test_what_is_not_known_by_occurred_time_is_refused_by_name(story: Story, command: list[str], read: str) -> None:
    done = run(command[0], story.path, *command[1:], "--at", "2025-04-01", "--by", "occurred_at")
    assert (done.returncode, done.stdout) == (2, "")
    assert f"error: invalid_request: {read} is known by recorded_at alone" in done.stderr
