"""Each store of a journal, by the suite that all share."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tallystick.infrastructure.journal.address import open_journal
from tallystick.infrastructure.journal.port import Journal
from tallystick.infrastructure.journal.stores.memory import MemoryJournal
from tallystick.infrastructure.journal.stores.sqlite.journal import SQLiteJournal
from tests.support.suites.journal_cases import JournalCases, SharedJournalCases


class TestMemory(JournalCases):
    @pytest.fixture
    def journal(self) -> Journal:
        return MemoryJournal()


class TestSQLite(SharedJournalCases):
    @pytest.fixture
    def journal(self, tmp_path: Path) -> Iterator[Journal]:
        with closing(SQLiteJournal(tmp_path / "books.db", durable=False)) as journal:
            yield journal

    @pytest.fixture
    def other(self, journal: Journal, tmp_path: Path) -> Iterator[Journal]:
        with closing(SQLiteJournal(tmp_path / "books.db", durable=False)) as other:
            yield other


class TestPostgres(SharedJournalCases):
    @pytest.fixture
    def journal(self, postgres_url: str) -> Iterator[Journal]:
        with closing(open_journal(postgres_url)) as journal:
            yield journal

    @pytest.fixture
    def other(self, journal: Journal, postgres_url: str) -> Iterator[Journal]:
        with closing(open_journal(postgres_url)) as other:
            yield other
