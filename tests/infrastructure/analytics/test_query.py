"""A query reads the tables that it names, exactly, and reaches nothing else."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from tallystick import CorruptJournal, InvalidRequest, Ledger, Token
from tallystick.infrastructure.analytics import query as queries
from tallystick.infrastructure.analytics.query import answered
from tallystick.infrastructure.analytics.tables import TABLES
from tallystick.infrastructure.ledger.analytics import source_of


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "books.db") as ledger:
        ledger.register_token(Token("USD", decimals=2))
        ledger.mint("USD", "alice", 2**100, memo="first")
        ledger.transfer("USD", "alice", "bob", 5)
        yield ledger


def ask(ledger: Any, query: str, memory: str = "64MB") -> list[tuple[Any, ...]]:
    with answered(source_of(ledger), query, memory) as answer:
        return [tuple(row) for part in answer.parts for row in part]


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("SELECT account, total FROM balances ORDER BY account", [("alice", str(2**100 - 5)), ("bob", "5")]),
        ("select sum(amount_int) from MOVEMENTS", [(2**100 + 5,)]),
        ("FROM main.movements SELECT count(*)", [(2,)]),
        ("SELECT count(*) FROM tables.main.movements", [(2,)]),
        ('SELECT count(*) FROM "Movements" m JOIN transactions t USING (token, amount) NATURAL JOIN supply', [(2,)]),
        ("SELECT count(*) FROM cells JOIN balances USING (token, account, total)", [(2,)]),
        ("WITH movements AS (SELECT 1 AS x) SELECT * FROM movements", [(1,)]),
        ("WITH m AS MATERIALIZED (FROM movements) SELECT count(*) FROM m a, m b", [(4,)]),
        ("SELECT (SELECT count(*) FROM entries), EXISTS (FROM holds)", [(3, False)]),
        ("SELECT count(*) FROM query('SELECT * FROM ' || 'movements')", [(2,)]),
        (r"SELECT count(*) FROM query(E'FROM move\x6dents') JOIN supply USING (token)", [(2,)]),
        ("SELECT count(*) FROM query_table('post' || 'ings')", [(4,)]),
        ("SELECT count(*) FROM query_table(['movements', 'movements'])", [(4,)]),
        ("PIVOT movements ON kind IN ('mint', 'transfer') USING count(*) GROUP BY token", [("USD", 1, 1)]),
        ("SELECT count(*) FROM (DESCRIBE movements)", [(25,)]),
        ("SELECT max(count) FROM (SUMMARIZE movements)", [(2,)]),
        ("SELECT max(range) FROM range(5), balances", [(4,)]),
        ("SELECT 'it''s; DROP TABLE movements' -- ; DROP", [("it's; DROP TABLE movements",)]),
        ("SELECT position FROM journal;", [(3,)]),
        ("VALUES (1, 'a'), (2, NULL)", [(1, "a"), (2, None)]),
        ("SELECT * FROM movements LIMIT 0", []),
    ],
)
def test_a_query_is_answered(ledger: Ledger, query: str, rows: list[tuple[Any, ...]]) -> None:
    assert ask(ledger, query) == rows


def test_columns_have_names_of_their_own_and_types(ledger: Ledger) -> None:
    query = "SELECT amount, amount, amount_int AS amount, exact_sum(amount) AS s, 1.5::DOUBLE FROM movements GROUP BY ALL"
    with answered(source_of(ledger), query, "64MB") as answer:
        assert answer.columns[:4] == ["amount", "amount_1", "amount_2", "s"]
        assert answer.types == ["VARCHAR", "VARCHAR", "HUGEINT", "BIGNUM", "DOUBLE"]


@pytest.mark.parametrize(
    "query",
    [
        "",
        "-- nothing",
        ";",
        "SELECT 1; SELECT 2",
        "SELECT 1; DROP TABLE movements",
        "DROP TABLE movements",
        "DELETE FROM movements",
        "CREATE TABLE x AS SELECT 1",
        "CREATE VIEW x AS SELECT 1",
        "SET memory_limit = '10GB'",
        "RESET memory_limit",
        "CALL pragma_version()",
        "CHECKPOINT",
        "BEGIN",
        "PREPARE x AS SELECT 1",
        "INSTALL icu",
        "LOAD icu",
        "ATTACH '/tmp/x.duckdb'",
        "DETACH tables",
        "USE tables",
        "COPY movements TO '{outside}'",
        "COPY (SELECT 1) TO '{outside}' (FORMAT parquet)",
        "EXPORT DATABASE '{outside}'",
        "IMPORT DATABASE '{outside}'",
        "CREATE PERSISTENT SECRET s (TYPE s3)",
        "EXPLAIN ANALYZE COPY (SELECT 1) TO '{outside}'",
        "EXPLAIN ANALYZE ATTACH '{outside}'",
        "SELECT * FROM '{secret}'",
        "SELECT * FROM read_text('{secret}')",
        "SELECT * FROM read_blob('{secret}')",
        "SELECT * FROM read_csv('{secret}')",
        "SELECT * FROM read_csv_auto('{secret}', header = false)",
        "SELECT * FROM sniff_csv('{secret}')",
        "SELECT * FROM read_json('{secret}')",
        "SELECT * FROM read_parquet('{secret}')",
        "SELECT * FROM parquet_metadata('{secret}')",
        "SELECT * FROM glob('{folder}/*')",
        "SELECT * FROM query('SELECT * FROM read_text(''{secret}'')')",
        "SELECT * FROM query_table('{secret}')",
        "WITH x AS (SELECT * FROM read_text('{secret}')) SELECT count(*) FROM x",
        "SELECT (SELECT content FROM read_text('{secret}'))",
        "SELECT * FROM read_text('http://localhost:9/x')",
        "SELECT * FROM sqlite_scan('{secret}', 'x')",
        "SELECT * FROM arrow_scan(1, 2, 3)",
        "SELECT * FROM arrow_scan(1::POINTER, 2::POINTER, 3::POINTER)",
        "SELECT * FROM pandas_scan(1::POINTER)",
        "SELECT * FROM secret_of_python",
        "SELECT getenv('HOME')",
        "SELECT $1",
        "SELECT ?",
        "selec",
        "SELECT nothing FROM movements",
        "SELECT * FROM nothing",
        "SELECT 1 FROM movements WHERE '\0'",
        "SELECT '\ud800'",
    ],
)
def test_what_does_not_read_the_tables_is_refused_and_reaches_nothing(ledger: Ledger, tmp_path: Path, query: str) -> None:
    import pyarrow

    secret_of_python = pyarrow.table({"a": [1]})
    assert secret_of_python.num_rows
    asked = query.format(outside=tmp_path / "outside", **kept_at(tmp_path))
    with pytest.raises(InvalidRequest) as refused:
        ask(ledger, asked)
    assert "secret,1" not in str(refused.value)
    check_kept(ledger, tmp_path)


@pytest.mark.parametrize(
    "query",
    [
        "PRAGMA database_list",
        "SELECT * FROM enable_logging('QueryLog', storage = 'file', storage_path = '{outside}')",
        "SELECT * FROM enable_profiling()",
    ],
)
def test_what_some_versions_of_duckdb_answer_reaches_nothing_too(ledger: Ledger, tmp_path: Path, query: str) -> None:
    asked = query.format(outside=tmp_path / "outside", **kept_at(tmp_path))
    with suppress(InvalidRequest):
        ask(ledger, asked)
    check_kept(ledger, tmp_path)


def kept_at(folder: Path) -> dict[str, Path]:
    """A file with a secret, in a folder of its own."""
    (folder / "kept").mkdir()
    secret = folder / "kept" / "secret.csv"
    secret.write_text("secret,1\n")
    return {"secret": secret, "folder": secret.parent}


def check_kept(ledger: Ledger, folder: Path) -> None:
    """Nothing was written, and the ledger can be asked."""
    assert not (folder / "outside").exists()
    assert [each.name for each in (folder / "kept").iterdir()] == ["secret.csv"]
    assert ask(ledger, "SELECT count(*) FROM movements") == [(2,)]


@pytest.mark.parametrize(
    ("query", "loaded"),
    [
        ("SELECT 1", []),
        ("SELECT 'movements'", []),
        ("SELECT * FROM supply", ["supply"]),
        ("SELECT * FROM cells JOIN supply USING (token)", ["movements", "supply"]),
        ("SELECT * FROM range(3)", []),
        ("SELECT * FROM query('SELECT 1')", list(TABLES)),
        ("EXPLAIN ANALYZE SELECT * FROM holds", list(TABLES)),
        ("SELECT nothing FROM movements", None),
        ("SELECT * FROM movements; SELECT 1", None),
    ],
)
def test_only_tables_that_may_be_read_are_loaded(ledger: Ledger, query: str, loaded: list[str] | None) -> None:
    with mock.patch.object(queries, "load", wraps=queries.load) as load:
        if loaded is None:
            with pytest.raises(InvalidRequest):
                ask(ledger, query)
            assert not load.called
        else:
            ask(ledger, query)
            assert load.call_args.args[2] == loaded


def test_the_past_is_asked_of_a_view(ledger: Ledger) -> None:
    assert ask(ledger.as_of(2), "SELECT account, total FROM balances") == [("alice", str(2**100))]
    assert ask(ledger.as_of(2), "SELECT position FROM journal") == [(2,)]


def test_what_does_not_fit_into_the_memory_is_put_aside_and_nothing_is_left(ledger: Ledger, tmp_path: Path) -> None:
    hashed = "SELECT md5(i::VARCHAR) AS h, row_number() OVER (ORDER BY md5(i::VARCHAR)) FROM range(1500000) t(i)"
    place = tmp_path / "temporary"
    place.mkdir()
    with mock.patch.object(queries.tempfile, "tempdir", str(place)):
        ((rows, last),) = ask(ledger, f"SELECT count(*), max(h) FROM ({hashed})", "96MB")
        assert (rows, len(last)) == (1_500_000, 32)
        with pytest.raises(InvalidRequest, match="DuckDB: "):
            ask(ledger, "SELECT length(string_agg(md5(i::VARCHAR), '')) FROM range(9000000) t(i)", "64MB")
        with pytest.raises(InvalidRequest, match="emory"):
            ask(ledger, "SELECT 1", "a lot")
    assert list(place.iterdir()) == []


def test_what_the_journal_raises_is_raised_as_it_is(ledger: Ledger) -> None:
    source = source_of(ledger)
    with (
        mock.patch.object(source, "movements", side_effect=CorruptJournal("planted", position=2)),
        pytest.raises(CorruptJournal, match="planted"),
        answered(source, "SELECT * FROM movements", "64MB"),
    ):
        pass
