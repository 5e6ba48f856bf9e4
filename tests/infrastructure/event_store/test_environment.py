"""Where an application of the `eventsourcing` library finds its journal, and what its environment may say wrong."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from eventsourcing.application import Application
from eventsourcing.domain import Aggregate
from eventsourcing.persistence import InfrastructureFactory, InfrastructureFactoryError, PersistenceError
from eventsourcing.utils import Environment

from tallystick import Ledger, NotALedger
from tallystick.infrastructure.event_store.environment import event_store_url
from tests.support.suites.library_stores import MODULE


@pytest.mark.parametrize(
    ("variables", "verdict"),
    [
        ({}, "memory:"),
        ({"TALLYSTICK_URL": "sqlite:///books.db"}, "sqlite:///books.db"),
        ({"TALLYSTICK_URL": "sqlite:///books.db", "SQLITE_DBNAME": "other.db"}, "sqlite:///books.db"),
        ({"TALLYSTICK_URL": "memory:", "ORDERS_TALLYSTICK_URL": "sqlite:///orders.db"}, "sqlite:///orders.db"),
        ({"OTHERS_TALLYSTICK_URL": "sqlite:///orders.db"}, "memory:"),
        ({"SQLITE_DBNAME": "books.db"}, Path("books.db")),
        ({"SQLITE_DBNAME": "/tmp/b%20c.db"}, Path("/tmp/b%20c.db")),
        ({"SQLITE_DBNAME": "file:/tmp/b%20c.db?cache=shared"}, Path("/tmp/b c.db")),
        ({"SQLITE_DBNAME": ":memory:"}, "memory:"),
        ({"SQLITE_DBNAME": "file:application?mode=memory&cache=shared"}, "memory:"),
        ({"POSTGRES_DBNAME": "books"}, "postgresql:///books"),
        (
            {
                "POSTGRES_DBNAME": "b/s",
                "POSTGRES_HOST": "db.test",
                "POSTGRES_PORT": "5433",
                "POSTGRES_USER": "a@b",
                "POSTGRES_PASSWORD": "p:w/d",
                "POSTGRES_SCHEMA": "own & good",
            },
            "postgresql://a%40b:p%3Aw%2Fd@db.test:5433/b%2Fs?schema=own+%26+good",
        ),
        ({"POSTGRES_DBNAME": "books", "POSTGRES_HOST": "::1"}, "postgresql://[::1]/books"),
        ({"POSTGRES_DBNAME": "books", "SQLITE_DBNAME": "books.db"}, InfrastructureFactoryError),
    ],
)
def test_where_the_events_are_kept(variables: dict[str, str], verdict: Any) -> None:
    environment = Environment("Orders", variables)
    if isinstance(verdict, type):
        with pytest.raises(verdict, match="TALLYSTICK_URL"):
            event_store_url(environment)
    else:
        assert event_store_url(environment) == verdict


def test_the_libraries_own_variables_are_enough(tmp_path: Path) -> None:
    with Application[UUID]({"PERSISTENCE_MODULE": MODULE, "SQLITE_DBNAME": str(tmp_path / "orders.db")}) as orders:
        orders.save(Aggregate())
    with Ledger.open(tmp_path / "orders.db", create=False) as ledger:
        assert ledger.verify().position == 1


def make(variables: dict[str, str]) -> Callable[[], object]:
    def construct() -> object:
        factory: Any = InfrastructureFactory.construct(Environment("Orders", {"PERSISTENCE_MODULE": MODULE, **variables}))
        return factory.application_recorder()

    return construct


class NoRecorder:
    """Is none."""


@pytest.mark.parametrize(
    ("variables", "verdict"),
    [
        ({"ORIGINATOR_ID_TYPE": "int"}, "'uuid' or 'text'"),
        ({"TALLYSTICK_URL": "sqlite:///no/such/folder/books.db"}, "no/such/folder"),
        ({"TALLYSTICK_URL": "mysql://books"}, "mysql"),
        ({"TALLYSTICK_URL": "sqlite:///missing.db", "CREATE_TABLE": "no"}, "missing.db"),
        ({"APPLICATION_RECORDER_TOPIC": f"{__name__}:NoRecorder"}, "NoRecorder, which is no JournalRecorder"),
    ],
)
def test_what_the_environment_says_wrong_is_named(variables: dict[str, str], verdict: str) -> None:
    with pytest.raises(Exception, match=verdict) as caught:
        make(variables)()
    assert not isinstance(caught.value, (AttributeError, TypeError, KeyError))


def test_a_stock_store_is_not_taken_for_a_journal(tmp_path: Path) -> None:
    file = str(tmp_path / "library.db")
    with Application[UUID]({"PERSISTENCE_MODULE": "eventsourcing.sqlite", "SQLITE_DBNAME": file}) as orders:
        orders.save(Aggregate())
    with pytest.raises(PersistenceError, match="no ledger") as caught:
        make({"SQLITE_DBNAME": file})()
    assert isinstance(caught.value.__cause__, NotALedger)
