"""Every sink does what the suite of sinks says."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.programs.postgres_server import SchemaRemover, unused_name
from tests.support.rebuilds.line_cases import LineCases
from tests.support.suites.sink_cases import SinkCases, chunks_of_7, growing, varied
from tests.support.suites.sink_places import ParquetPlace, Place, PostgresPlace, SQLitePlace

__all__ = ["chunks_of_7", "growing", "varied"]


class TestSQLite(SinkCases, LineCases):
    @pytest.fixture
    def place(self, tmp_path: Path) -> Place:
        return SQLitePlace(tmp_path / "tables.db")


class TestParquet(SinkCases, LineCases):
    @pytest.fixture
    def place(self, tmp_path: Path) -> Place:
        return ParquetPlace(tmp_path / "tables")


class TestPostgres(SinkCases, LineCases):
    store = "postgres"

    @pytest.fixture
    def place(self, postgres: str, remove_schema: SchemaRemover) -> Iterator[Place]:
        schema = unused_name()
        yield PostgresPlace(postgres, schema)
        remove_schema(schema)
