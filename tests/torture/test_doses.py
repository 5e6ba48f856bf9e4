"""A dose of each harness; `make torture` runs them in full. `TALLYSTICK_SEED` chooses what is done, else it is random."""

import os
from collections.abc import Iterator
from pathlib import Path
from random import SystemRandom

import pytest

from tests.support.programs.postgres_server import PostgresServer, find_binaries, ledger_url, no_server
from tests.torture import histories, kills, past_kills, postgres_kills, power_cuts, rebuild_kills, worlds
from tests.torture.__main__ import main
from tests.torture.findings import Report

GIVEN = os.environ.get("TALLYSTICK_SEED") or ("1" if os.environ.get("CI") else "")
SEED = int(GIVEN or SystemRandom().randrange(10**6))


def check(report: Report) -> None:
    assert not report.found, f"TALLYSTICK_SEED={SEED}: {report.found}"
    assert report.tries > 0


def test_killed_writers_to_a_file(tmp_path: Path) -> None:
    check(kills.run(12, SEED, tmp_path))


def test_killed_while_the_past_is_indexed(tmp_path: Path) -> None:
    check(past_kills.run(6, SEED, tmp_path))


def test_killed_rebuilds_into_files(tmp_path: Path) -> None:
    check(rebuild_kills.run_on_files(6, SEED, tmp_path))


def test_power_cuts(tmp_path: Path) -> None:
    check(power_cuts.run(20, SEED, tmp_path))


def test_random_worlds(tmp_path: Path) -> None:
    check(worlds.run(8, SEED, tmp_path))


def test_histories_on_a_file(tmp_path: Path) -> None:
    check(histories.run_on_file(60, SEED, tmp_path))


@pytest.fixture(scope="module")
def own_server() -> Iterator[PostgresServer]:
    """A server whose commits are durable, and whose processes may be killed."""
    binaries = find_binaries()
    if binaries is None:
        no_server("no initdb is on the path or in /usr/lib/postgresql")
    else:
        server = PostgresServer(binaries, fsync=True)
        yield server
        server.remove()


def test_killed_ends_of_postgresql(own_server: PostgresServer, tmp_path: Path) -> None:
    check(postgres_kills.run(5, SEED, tmp_path, own_server))


def test_killed_rebuilds_into_postgresql(own_server: PostgresServer, tmp_path: Path) -> None:
    check(rebuild_kills.run_on_server(5, SEED, tmp_path, own_server.url()))


def test_histories_on_postgresql(own_server: PostgresServer, tmp_path: Path) -> None:
    url = ledger_url(own_server.url(), tmp_path / "cache", durability="full")
    check(histories.run(20, SEED, url, tmp_path, store="PostgreSQL"))


def test_the_command_prints_a_table_and_takes_a_seed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--only", "worlds", "power-cuts", "--worlds", "1", "--power-cuts", "2", "--seed", "7", "--first", "3"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "seed 7"
    assert [line.split()[-1] for line in lines[-2:]] == ["7", "7"]
    assert lines[-3].split() == ["harness", "tries", "lost", "partial", "stale", "wrong", "seconds", "seed"]
