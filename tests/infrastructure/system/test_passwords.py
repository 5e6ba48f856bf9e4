"""No message, no error behind it, no log and no name of a ledger tells a password, however its address is written."""

import asyncio
import logging
import traceback
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick import AsyncLedger, InvalidURL, Ledger, LedgerError, StorageUnavailable
from tallystick.infrastructure.imports.event_store.address import open_eventsourcing_store
from tallystick.infrastructure.journal.address import open_journal
from tallystick.infrastructure.journal.stores.postgres.address import PostgresAddress, split_options
from tallystick.infrastructure.system.passwords import hide_in, masked, secrets_of, shown

SECRET = "s3cr3tPW"
SPELLINGS = [
    f"POSTGRESQL://bob:{SECRET}@127.0.0.1/db",
    f"postgresql+psycopg://bob:{SECRET}@127.0.0.1/db",
    f"postgresql:/bob:{SECRET}@127.0.0.1/db",
    f"postgresql:bob:{SECRET}@127.0.0.1/db",
    f"postgresql//bob:{SECRET}@127.0.0.1/db",
    f" postgresql://bob:{SECRET}@127.0.0.1/db",
    f"'postgresql://bob:{SECRET}@127.0.0.1/db'",
    f"psql://bob:{SECRET}@127.0.0.1/db",
    f"psql://bob:{SECRET}",
    f"bob:{SECRET}@127.0.0.1/db",
    f"postgresql://bob:{SECRET}@127.0.0.1:1/db",
    f"postgresql://:{SECRET}@127.0.0.1:1/db",
    f"postgres://bob:{SECRET}@[::1]:1/db",
    f"postgresql://bob:{SECRET}?x@127.0.0.1:1/db",
    f"postgresql://bob:{SECRET}%40@127.0.0.1:1/db?schema=A",
    f"postgresql://bob:{SECRET}%@127.0.0.1:1/db",
    f"postgresql://bob:a@{SECRET}@127.0.0.1:1/db?nonsense=1",
    f"postgresql://bob:{SECRET}#x@127.0.0.1:1/db",
    f"postgresql://bob:{SECRET}/x@127.0.0.1:1/db",
    f"postgresql://127.0.0.1:{SECRET}/db",
    f"postgresql://127.0.0.1:1/db?user=bob&password={SECRET}",
    f"postgresql://127.0.0.1:1/db?user=bob&password=a@{SECRET}",
    f"postgresql://127.0.0.1:1/db?user=bob&sslpassword={SECRET}&sslmode=none",
    f"postgresql://bob:a?schema={SECRET}@127.0.0.1:1/db",
    f"postgresql://bob:a?durability={SECRET}@127.0.0.1:1/db",
    f"postgresql://bob:a?max_clock_leap={SECRET}@127.0.0.1:1/db",
    f"postgresql://bob:a@127.0.0.1:1/db?max_clock_leap={SECRET}",
    f"postgresql://bob@127.0.0.1:1/db?schema=x&cache=%00{SECRET}",
    f"sqlite://bob:{SECRET}@host/db",
    f"sqlite://bob:{SECRET}[@host/db",
    f"sqlite:///books.db?password={SECRET}",
    f"sqlite:///books.db?key={SECRET}&durability=normal",
    f"books.db?password={SECRET}",
    f"host=127.0.0.1 port=1 password={SECRET}",
    f"dbname=db password='{SECRET}'",
    f"mysql://bob:{SECRET}@host/db",
    f"https://bob:{SECRET}\u2100@host/db",
    f"memory:bob:{SECRET}@x",
]


def opened(url: Any) -> None:
    Ledger.open(url).close()


async def opened_for_asyncio(url: Any) -> None:
    async with AsyncLedger.open(url):
        pass


WAYS: dict[str, Callable[[Any], Any]] = {
    "ledger": opened,
    "read-only ledger": lambda url: Ledger.open(url, read_only=True),
    "asyncio": lambda url: asyncio.run(opened_for_asyncio(url)),
    "bytes": lambda url: Ledger.open(url.encode()),
    "event store": lambda url: open_eventsourcing_store(url, "App"),
}


def told(error: BaseException) -> str:
    """All that an error says, with those it is chained to, whether they would be printed or not."""
    parts = ["".join(traceback.format_exception(error)), repr(error), str(getattr(error, "fields", ""))]
    chain: list[BaseException] = [error]
    for each in chain:
        parts += [str(each), repr(each), repr(each.args), repr(each.__dict__)]
        chain += [other for other in (each.__cause__, each.__context__) if other is not None and other not in chain]
    return "\n".join(parts)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("url", SPELLINGS)
def test_no_error_tells_a_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, way: str, url: str
) -> None:
    monkeypatch.chdir(tmp_path)
    caplog.set_level(logging.DEBUG)
    with pytest.raises(LedgerError) as caught:
        WAYS[way](url)
    lines = told(caught.value)
    where = [line for line in lines.splitlines() if SECRET in line]
    assert where == []
    assert SECRET not in caplog.text
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("url", "verdict"),
    [
        ("postgresql://bob:pw@host:5432/db", "postgresql://host:5432/db (schema tallystick)"),
        ("postgres://bob:pw@[::1]:5432/db", "postgresql://[::1]:5432/db (schema tallystick)"),
        ("postgresql://bob:p?w@host/db?schema=books", "postgresql://host/db (schema books)"),
        ("postgresql://a:1,b:2/db", "postgresql://a:1,b:2/db (schema tallystick)"),
        ("postgresql:///db?host=/run", "postgresql:///db (schema tallystick)"),
        ("postgresql://%2Frun%2Fpg/db", "postgresql://%2Frun%2Fpg/db (schema tallystick)"),
        ("postgresql://bob:1/2@host/db", "postgresql://*** (schema tallystick)"),
        ("postgresql://bob:pw/2@host/db", "postgresql://*** (schema tallystick)"),
        ("postgresql://bob:p@w@host/db", "postgresql://*** (schema tallystick)"),
    ],
)
def test_what_a_ledger_on_a_server_is_called(url: str, verdict: str) -> None:
    address = PostgresAddress.parse(url)
    assert address.name == verdict
    assert verdict in repr(address)
    assert "pw" not in repr((address, [address]))


@pytest.mark.parametrize(
    ("url", "verdict"),
    [
        ("postgresql://bob:a?b@h/db?x=1", ("postgresql://bob:a?b@h/db", "x=1")),
        ("postgresql://h/db?x=a@b", ("postgresql://h/db", "x=a@b")),
        ("sqlite:///a.db?x=1?2", ("sqlite:///a.db", "x=1?2")),
        ("a.db", ("a.db", "")),
        ("a?b", ("a", "b")),
    ],
)
def test_options_begin_behind_a_password(url: str, verdict: tuple[str, str]) -> None:
    assert split_options(url) == verdict


def test_a_password_with_a_question_mark_and_an_option_of_the_clock() -> None:
    with pytest.raises(StorageUnavailable):
        Ledger.open("postgresql://bob:a?b@127.0.0.1:1/db?max_clock_leap=1d")


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("cannot read postgresql://bob:pw@host/db today", "cannot read postgresql://***@host/db today"),
        ("'postgres://bob:p:w@x@host/db'", "'postgres://***@host/db'"),
        ("host=a password=pw user=b", "host=a password=*** user=b"),
        ("password = 'p w' user=b", "password = *** user=b"),
        ("?user=b&password=pw&x=1", "?user=b&password=***&x=1"),
        ("mail bob@host at 10:30", "mail bob@host at 10:30"),
        ("a token of 5.00 USD", "a token of 5.00 USD"),
        ("sqlite:///books.db", "sqlite:///books.db"),
    ],
)
def test_what_is_masked_in_a_text(text: str, verdict: str) -> None:
    assert masked(text) == verdict


def test_errors_behind_an_error_lose_it_too() -> None:
    secrets = secrets_of(f"postgresql://bob:{SECRET}@host/db")
    try:
        try:
            try:
                f"{SECRET}\u00e9".encode("ascii")
            except UnicodeEncodeError as error:
                raise ValueError(f"{SECRET} first") from error
        except ValueError:
            raise psycopg.OperationalError(f"{SECRET} second")  # noqa: B904
    except psycopg.OperationalError as error:
        hide_in(error, secrets)
        assert SECRET not in told(error)
        assert "*** second" in str(error)
        assert "*** first" in str(error.__context__)


def test_a_short_password_leaves_the_rest_of_a_message_legible() -> None:
    error = ValueError('database "a" is not available: port "a"')
    hide_in(error, secrets_of("postgresql://bob:a@host/db"))
    assert str(error) == 'database "***" is not available: port "***"'


@given(
    st.sampled_from(["postgresql://", "postgres://", "PG://", "psql:", "", " ", "sqlite:///", "sqlite://"]),
    st.text("ab:/?#@&=%[]", max_size=6),
    st.text("ab:/?#@&=%[]", max_size=6),
    st.sampled_from(["@host", "@host/db", "@[::1]:5/db?x=1", "@host/db?password=", "@"]),
)
def test_what_stands_before_the_last_at_is_never_shown(scheme: str, before: str, after: str, place: str) -> None:
    url = f"{scheme}bob:{before}{SECRET}{after}{place}"
    assert SECRET not in shown(url)
    assert SECRET not in shown(f"{url}{SECRET}") or not place.endswith("password=")
    try:
        name = PostgresAddress.parse(url).name if "://" in url else ""
    except InvalidURL as error:
        name = str(error)
    assert SECRET not in name


def test_what_an_open_ledger_tells_of_itself(postgres_url: str) -> None:
    """The server takes whoever comes, and so any password."""
    url = f"{postgres_url}&password={SECRET}"
    with Ledger.open(url) as ledger, Ledger.open(url, read_only=True) as reader, closing(open_journal(url)) as journal:
        said = [repr(each) for each in (ledger, reader, ledger.status(), reader.status(), journal)]
    with pytest.raises(LedgerError) as caught:
        ledger.verify()
    assert SECRET not in f"{said} {told(caught.value)}"
