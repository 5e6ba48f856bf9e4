"""UmaDB, an event store, where its Python package `umadb` is installed: its server, started to be measured and stopped again.

It keeps events and no balances, so what is measured is appending: a batch's transfers as one append, an event each.
"""

import importlib
import importlib.util
import shutil
import socket
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from tallystick.domain.arithmetic.columns import listed
from tallystick.infrastructure.benchmarks.inputs.batch_books import BatchBooks, Rows
from tallystick.infrastructure.benchmarks.measuring.timing import Baseline, Work

UMADB = Baseline(
    "UmaDB",
    "appends an event a transfer, tagged with both accounts, a batch by one durable append over gRPC to its server, which runs "
    "on this machine",
    "check or keep a balance, or chain anything",
)
START_SECONDS_MAX = 20.0


def why_absent() -> str | None:
    """Why UmaDB is not measured here; None where it is."""
    if importlib.util.find_spec("umadb") is None:
        return "its Python package umadb is not installed"
    if _script() is None:
        return "its Python package has no server script here"
    return None


def _script() -> str | None:
    return shutil.which("umadb", path=str(Path(sys.executable).parent)) or shutil.which("umadb")


class UmaDBServer:
    """A server on a free port of this machine, with a file of its own, and a client of it."""

    def __init__(self, folder: Path, books: BatchBooks) -> None:
        self._books = books
        self._umadb: Any = importlib.import_module("umadb")
        with socket.create_server(("127.0.0.1", 0)) as free:
            address = f"127.0.0.1:{free.getsockname()[1]}"
        command = [str(_script()), "--listen", address, "--db-path", str(folder / "uma.db")]
        self._server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            self._client = self._connected(f"http://{address}")
        except BaseException:
            self.close()
            raise

    def _connected(self, url: str) -> Any:
        until = time.monotonic() + START_SECONDS_MAX
        while True:
            try:
                client = self._umadb.Client(url)
                client.head()
            except Exception:  # whatever its client raises while its server starts
                if time.monotonic() > until or self._server.poll() is not None:
                    raise
                time.sleep(0.05)
            else:
                return client

    def prepare(self, rows: Rows) -> Work:
        """A batch as lists."""
        return partial(self._append, self._books.kept(rows.senders), self._books.kept(rows.receivers), listed(rows.amounts))

    def _append(self, senders: list[str], receivers: list[str], amounts: list[int]) -> int:
        make, encode = self._umadb.Event, msgspec.json.encode
        self._client.append(
            [
                make("Transferred", encode((sender, receiver, amount)), [sender, receiver])
                for sender, receiver, amount in zip(senders, receivers, amounts, strict=True)
            ]
        )
        return len(amounts)

    def close(self) -> None:
        """Stops the server, and waits until it has stopped."""
        self._server.terminate()
        try:
            self._server.wait(10)
        except subprocess.TimeoutExpired:
            self._server.kill()
            self._server.wait()
