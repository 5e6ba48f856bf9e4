"""Time for what waits for a PostgreSQL server: what would be waited in vain takes none, and all else as long as it takes.

So a test never waits out a bound, and no bound has to be so short that a slow machine could break it.
"""

import socket
import threading
import time
from typing import Any

import pytest

from tallystick.infrastructure.journal.stores.postgres import connection as postgres_connection
from tests.support.faults.proxy import Proxy


class HastyTime:
    """Stands for the module `time`: pauses pass at once, and so do the seconds that a connection kept silent is waited for."""

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy
        self._passed = 0.0
        self._waiting = threading.local()

    def monotonic(self) -> float:
        port = getattr(self._waiting, "port", None)
        if port is not None and self._proxy.is_silent_to(port):
            self.sleep(2 * postgres_connection.ANSWER_SECONDS)
        return time.monotonic() + self._passed

    def sleep(self, seconds: float) -> None:
        self._passed += seconds

    def use(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Has connections go by this time, until the test ends."""
        wait = postgres_connection.Connection.wait

        def noted(connection: postgres_connection.Connection, *arguments: Any, **options: Any) -> Any:
            self._waiting.port = _local_port(connection)
            try:
                return wait(connection, *arguments, **options)
            finally:
                self._waiting.port = None

        monkeypatch.setattr(postgres_connection.Connection, "wait", noted)
        monkeypatch.setattr(postgres_connection, "time", self)


def _local_port(connection: postgres_connection.Connection) -> int | None:
    """The port from which a connection goes to the server; none where it has no such thing."""
    with socket.socket(fileno=connection.fileno()) as used:
        try:
            name = used.getsockname()
            return name[1] if isinstance(name, tuple) else None
        finally:
            used.detach()
