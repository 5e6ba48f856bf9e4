"""Each harness finds a fault of the kind that it is there for, put into what it runs."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from tallystick import Ledger
from tallystick.infrastructure.indexes.past.following import Following
from tallystick.infrastructure.journal.stores.sqlite import shared_file
from tallystick.infrastructure.journal.stores.sqlite.shared_file import SharedFile
from tallystick.infrastructure.ledger.transaction import TransactionContext
from tallystick.infrastructure.rebuild.sinks.sqlite import SQLiteSink
from tests.torture import __main__, histories, kills, past_kills, power_cuts, rebuild_kills, worlds
from tests.torture.findings import Kind, Report
from tests.torture.writing import writer

SEED = 1


@contextmanager
def told_before_it_is_committed() -> Iterator[None]:
    """From some commit on callers are told that it stands, and it is rolled back."""
    commits, commit = count(), SharedFile.commit
    with mock.patch.object(SharedFile, "commit", lambda file: commit(file) if next(commits) < 20 else None):
        yield


@contextmanager
def acknowledged_before_it_is_durable() -> Iterator[None]:
    """SQLite is told not to sync at each commit, under an address that promises it."""
    connect = shared_file.connect
    with mock.patch.object(shared_file, "connect", lambda *given, **options: connect(*given, **{**options, "durable": False})):
        yield


@contextmanager
def never_synced() -> Iterator[None]:
    """SQLite is told never to sync."""
    connect = shared_file.connect

    def careless(*given: Any, **options: Any) -> Any:
        connections = connect(*given, **options)
        if connections.writing is not None:
            connections.writing.execute("PRAGMA synchronous = OFF")
        return connections

    with mock.patch.object(shared_file, "connect", careless):
        yield


@contextmanager
def a_leg_is_dropped() -> Iterator[None]:
    """A block forgets a transfer now and then, which is not all that it has."""
    transfer = TransactionContext.transfer

    def forgetful(tx: Any, token: str, sender: str, receiver: str, amount: int, *, memo: str = "") -> None:
        if token != "USD" or amount % 5:
            transfer(tx, token, sender, receiver, amount, memo=memo)

    with mock.patch.object(TransactionContext, "transfer", forgetful):
        yield


@contextmanager
def one_too_many() -> Iterator[None]:
    """A call moves one more than it was asked to, where the amount is even."""
    transfer = Ledger.transfer

    def generous(ledger: Any, token: str, sender: str, receiver: str, amount: int, **options: Any) -> Any:
        return transfer(ledger, token, sender, receiver, amount + (amount % 2 == 0), **options)

    with mock.patch.object(Ledger, "transfer", generous):
        yield


@contextmanager
def balances_are_kept_too_long() -> Iterator[None]:
    """A process remembers each balance for a few reads."""
    balance, kept, reads = Ledger.balance, dict[tuple[str, str], Any](), count()

    def stale(ledger: Any, token: str, account: str) -> Any:
        if next(reads) % 4 == 0 or (token, account) not in kept:
            kept[token, account] = balance(ledger, token, account)
        return kept[token, account]

    with mock.patch.object(Ledger, "balance", stale):
        yield


@contextmanager
def a_commit_is_not_noted() -> Iterator[None]:
    """The index of the past leaves out what a commit touched now and then."""
    note = Following._note

    def forgetful(following: Any, touched: Any, position: int) -> None:
        if position % 3:
            note(following, touched, position)

    with mock.patch.object(Following, "_note", forgetful):
        yield


@contextmanager
def rows_are_written_before_their_note() -> Iterator[None]:
    """A rebuild commits a chunk's rows first, and then what tells of them."""

    def hasty(sink: Any, version: int, shape: Any, batch: Any, chunk: Any) -> None:
        rows = sum(each.rows for each in sink.chunks(version, shape.name))
        with sink._transaction():
            sink._insert(f"{shape.name}__{version}", shape, batch, rows)
        with sink._transaction():
            sink._note_chunk(version, shape.name, chunk)

    with mock.patch.object(SQLiteSink, "write", hasty):
        yield


def found(report: Report) -> set[Kind]:
    return {finding.kind for finding in report.found}


@pytest.mark.parametrize(("plant", "verdict"), [(told_before_it_is_committed, "lost"), (a_leg_is_dropped, "partial")])
def test_kills_find(tmp_path: Path, plant: Callable[[], Any], verdict: Kind) -> None:
    assert verdict in found(kills.run(4, SEED, tmp_path, plant=plant))


def test_kills_find_an_index_that_says_something_else(tmp_path: Path) -> None:
    assert "wrong" in found(past_kills.run(6, SEED, tmp_path, plant=a_commit_is_not_noted))


def test_killed_rebuilds_find_a_chunk_that_is_there_twice(tmp_path: Path) -> None:
    assert "wrong" in found(rebuild_kills.run_on_files(12, SEED, tmp_path, plant=rows_are_written_before_their_note))


@pytest.mark.parametrize(
    ("plant", "verdict"),
    [(acknowledged_before_it_is_durable, "lost"), (never_synced, "lost"), (a_leg_is_dropped, "partial")],
)
def test_power_cuts_find(tmp_path: Path, plant: Callable[[], Any], verdict: Kind) -> None:
    assert verdict in found(power_cuts.run(12, SEED, tmp_path, plant=plant))


def test_power_cuts_find_a_disk_that_lies(tmp_path: Path) -> None:
    assert "lost" in found(power_cuts.run(10, SEED, tmp_path, loses_syncs=True))


def test_power_cuts_find_an_acknowledgement_before_the_sync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def hasty(one: Any, key: str) -> None:
        one._say(f'["done", "{key}", 0]')
        write(one, key)

    write = writer._Writer._write
    monkeypatch.setattr(writer._Writer, "_write", hasty)
    assert "lost" in found(power_cuts.run(8, SEED, tmp_path))


def test_worlds_find_an_amount_that_is_wrong(tmp_path: Path) -> None:
    report = worlds.run(4, SEED, tmp_path, plant=one_too_many)
    assert any("the ledger and the model differ" in finding.text for finding in report.found)


def test_histories_find_what_is_stale(tmp_path: Path) -> None:
    assert "stale" in found(histories.run_on_file(60, SEED, tmp_path, plant=balances_are_kept_too_long))


def test_what_is_found_is_exit_code_1(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    report = Report("random worlds", SEED)
    with report.trying():
        raise RuntimeError("broken")
    monkeypatch.setattr(worlds, "run", lambda *given, **options: report)
    assert __main__.main(["--only", "worlds", "--seed", "1"]) == 1
    assert "wrong, try 0: RuntimeError: broken" in capsys.readouterr().out
