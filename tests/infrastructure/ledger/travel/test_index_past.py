"""The index of the past is built when that is asked, and told of; and deleted at any time it is made anew."""

import contextlib
import errno
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tallystick import CorruptJournal, Ledger, LedgerReadOnly, StorageUnavailable
from tallystick.infrastructure.cli.commands import app
from tallystick.infrastructure.indexes.past import sizes
from tallystick.infrastructure.indexes.past.files import PastFiles
from tallystick.infrastructure.indexes.past.past_index import PastIndex
from tests.infrastructure.ledger.travel.test_as_of import told
from tests.support.books.varied_book import CODES, VariedBook


def test_it_is_built_and_told_of(tmp_path: Path, way: str) -> None:
    book = VariedBook(tmp_path / "books.db", 4)
    with book.ledger as ledger:
        *_, head = book.play(40)
        told: list[tuple[int, int]] = []
        assert ledger.status().past.position == 0
        assert ledger.index_past(lambda position, end: told.append((position, end))) == head
        found = ledger.status().past
        assert (found.position, found.folder) == (head, str(tmp_path / "books.db.cache" / "past"))
        assert told == sorted(told)
        assert {end for _, end in told} <= {head}
        assert bool(told) is (way == "indexed")  # a bucket was filled
    shutil.rmtree(tmp_path / "books.db.cache", ignore_errors=True)
    with Ledger.open(tmp_path / "books.db", read_only=True) as ledger:
        with pytest.raises(LedgerReadOnly):
            ledger.index_past()
        before = ledger.as_of(head // 2).balances(CODES[0])
    assert not (tmp_path / "books.db.cache").exists()
    with Ledger.open(tmp_path / "books.db") as ledger:
        assert ledger.index_past() == head
        assert ledger.as_of(head // 2).balances(CODES[0]) == before


def test_at_the_command_line(tmp_path: Path) -> None:
    book = VariedBook(tmp_path / "books.db", 4)
    with book.ledger:
        *_, head = book.play(20)
    done = CliRunner().invoke(app, ["index", str(tmp_path / "books.db")])
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", f"the past is indexed up to position {head}\n")


def test_of_a_ledger_in_memory_and_of_none(way: str) -> None:
    book = VariedBook("memory:", 4)
    with book.ledger as ledger:
        *_, head = book.play(20)
        assert ledger.index_past() == head
        assert ledger.status().past.folder is None
        with ledger.fork() as fork, pytest.raises(StorageUnavailable):
            fork.index_past()


def test_where_none_can_be_written_the_journal_is_read(tmp_path: Path) -> None:
    book = VariedBook(tmp_path / "books.db", 4)
    with book.ledger as ledger:
        *_, head = book.play(60)
        (tmp_path / "books.db.cache").mkdir(exist_ok=True)
        (tmp_path / "books.db.cache" / "past").write_text("a file where the folder would be")
        expected = ledger.fork(head // 2).balances(CODES[0])
        for _ in range(2):
            assert ledger.as_of(head // 2).balances(CODES[0]) == expected


def test_who_only_reads_goes_on_in_memory_from_what_is_kept(tmp_path: Path, way: str) -> None:
    if way == "replayed":
        pytest.skip("it is about the index")
    book = VariedBook(tmp_path / "books.db", 4)
    with book.ledger as ledger:
        [*_, kept] = book.play(60)
        assert ledger.index_past() == kept
        buckets = sorted((tmp_path / "books.db.cache" / "past").glob("*.bucket"))
        assert len(buckets) > sizes.IN_MEMORY_MAX
    with book.open() as book.ledger:
        [*_, head] = book.play(8)  # nobody asks meanwhile
        expected = told(book.ledger.fork(head - 1))
        with Ledger.open(tmp_path / "books.db", read_only=True) as reading:
            assert told(reading.as_of(head - 1)) == expected
            assert reading.status().past.position >= kept
    assert sorted((tmp_path / "books.db.cache" / "past").glob("*.bucket")) == buckets


def test_a_full_disk_is_told_of_and_not_for_ever(
    tmp_path: Path, way: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    if way == "replayed":
        pytest.skip("it is about the index")
    book = VariedBook(tmp_path / "books.db", 4)
    with book.ledger as ledger:
        [*_, head] = book.play(30)
        with monkeypatch.context() as full:
            full.setattr(PastFiles, "add_bucket", _no_space)
            assert told(ledger.as_of(head)) == told(ledger.fork())
            assert ledger.status().past.position == 0
        assert "no space left on the device" in caplog.text
        [*_, head] = book.play(30)
        assert told(ledger.as_of(head)) == told(ledger.fork())
        assert ledger.status().past.position == head


def test_a_statement_asks_of_no_times_but_those_of_its_account(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    book = VariedBook("memory:", 4)
    with book.ledger as ledger:
        assert list(book.play(40))
        since = ledger.as_of(5).recorded_at
        expected = ledger.statement(CODES[0], "alice", since)
        assert expected.lines
        monkeypatch.setattr(PastIndex, "occurred", _no_space)  # which goes through all commits that say of time
        assert ledger.statement(CODES[0], "alice", since) == expected


def _no_space(*_: object) -> None:
    raise OSError(errno.ENOSPC, "no space left on the device")


def test_another_journal_in_its_place_is_not_answered_for(tmp_path: Path) -> None:
    first, second = VariedBook(tmp_path / "books.db", 4), VariedBook(tmp_path / "others.db", 5)
    with second.ledger:
        [*_, middle, end] = second.play(40)
        expected = {position: balances(second.ledger.fork(position)) for position in (middle, end)}
    with first.ledger as ledger:
        assert len(list(first.play(60))) > 1
        view = ledger.as_of(middle)
        before = balances(view)
        assert before != expected[middle]
        for path in tmp_path.glob("others.db*"):
            if path.is_file():
                path.replace(path.with_name(path.name.replace("others", "books")))
        for position in (middle, end, middle):
            assert balances(ledger.as_of(position)) == expected[position]
        with pytest.raises(CorruptJournal):
            ledger.balances(CODES[0])
        with contextlib.suppress(CorruptJournal):  # it is of a journal that is gone
            assert balances(view) == before


def balances(ledger: Any) -> dict[str, Any]:
    return {token.code: ledger.balances(token.code) for token in ledger.tokens()}
