"""Where the `eventsourcing` library's tests run: on journals in memory, SQLite and PostgreSQL, with UUIDs or text as ids."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from eventsourcing.persistence import InfrastructureFactory
from eventsourcing.utils import Environment

from tallystick.infrastructure.event_store.factory import JournalFactory
from tests.support.programs.postgres_server import ledger_url, unused_name

MODULE = "tallystick.infrastructure.recorders"


class OnJournal:
    """A mixin of test cases: `environment` names a new journal each time."""

    store: str
    id_type = "uuid"

    @pytest.fixture(autouse=True)
    def place(self, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[None]:
        """Where new journals are made, and what is closed in the end."""
        self.folder = tmp_path
        self.numbers = count()
        self.factories: list[JournalFactory] = []
        self.schemas: list[str] = []
        self.server = request.getfixturevalue("postgres") if self.store == "postgres" else ""
        remove_schema = request.getfixturevalue("remove_schema") if self.store == "postgres" else None
        yield
        for factory in self.factories:
            factory.close()
        for schema in self.schemas:
            remove_schema(schema)

    def environment(self) -> dict[str, str]:
        name = f"books-{next(self.numbers)}"
        url = {
            "memory": lambda: "memory:",
            "sqlite": lambda: f"sqlite:///{self.folder / name}.db?durability=normal",
            "postgres": lambda: ledger_url(self.server, self.folder / name, schema=self.new_schema()),
        }[self.store]()
        return {"PERSISTENCE_MODULE": MODULE, "TALLYSTICK_URL": url, "ORIGINATOR_ID_TYPE": self.id_type}

    def new_schema(self) -> str:
        self.schemas.append(unused_name())
        return self.schemas[-1]

    def make_factory(self, environment: dict[str, str] | None = None) -> JournalFactory:
        factory: Any = InfrastructureFactory.construct(Environment("TestCase", environment or self.environment()))
        self.factories.append(factory)
        return factory

    def new_originator_id(self) -> Any:
        return uuid4() if self.id_type == "uuid" else f"order-{uuid4()}"


def on_every_store(*cases: type, id_types: tuple[str, ...] = ("uuid", "text")) -> dict[str, type]:
    """The cases on every store with each type of id, as classes for pytest to collect, by name."""
    return {
        name: type(name, (OnJournal, case), {"store": store, "id_type": id_type})
        for case in cases
        for store in ("memory", "sqlite", "postgres")
        for id_type in id_types
        if (name := f"Test{case.__name__.removeprefix('Test')}{store.title()}{id_type.title()}")
    }
