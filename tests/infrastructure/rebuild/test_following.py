"""Every database that tables can be kept current in does what the suite of following says; files of Parquet cannot be."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tallystick import InvalidRequest, Ledger
from tests.support.programs.postgres_server import SchemaRemover, unused_name
from tests.support.suites.following_cases import FollowingCases, book, ledger
from tests.support.suites.sink_places import Place, PostgresPlace, SQLitePlace

__all__ = ["book", "ledger"]


class TestSQLite(FollowingCases):
    @pytest.fixture
    def place(self, tmp_path: Path) -> Place:
        return SQLitePlace(tmp_path / "tables.db")

    @pytest.fixture
    def other_place(self, tmp_path: Path) -> Place:
        return SQLitePlace(tmp_path / "others.db")


class TestPostgres(FollowingCases):
    store = "postgres"

    @pytest.fixture
    def place(self, postgres: str, remove_schema: SchemaRemover) -> Iterator[Place]:
        schema = unused_name()
        yield PostgresPlace(postgres, schema)
        remove_schema(schema)

    @pytest.fixture
    def other_place(self, postgres: str, remove_schema: SchemaRemover) -> Iterator[Place]:
        schema = unused_name()
        yield PostgresPlace(postgres, schema)
        remove_schema(schema)


@pytest.mark.parametrize("into", ["tables", "tables/", "parquet:///tables"])
def test_files_are_not_changed(ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, into: str) -> None:
    monkeypatch.chdir(tmp_path)
    for call in (ledger.project, ledger.follow):
        with pytest.raises(InvalidRequest, match="files of Parquet are not changed once written"):
            call("balances", into)
    assert not (tmp_path / "tables").exists()
