"""Reading and writing behind a pooler, where the transaction that has the turn may have the only session that is to be had.

Whoever commits may have to wait for a thread that reads, and it for a session that only the commit's end gives back. So while
this process has the turn, it reads in the very transaction; and the turn is not asked for before those who read already have
their answers, nor does anybody begin to read while it is. All these waits have an end: what they keep from happening is found
out by the server's silence too, only later.
"""

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TypeVar

from tallystick.infrastructure.journal.stores.postgres.connection import Connection

Answer = TypeVar("Answer")
READERS_SECONDS = 15.0
"""So long those who read are waited for."""
TURN_SECONDS = 45.0
"""So long who reads waits for the turn, which takes less or is given up."""


class Lending:
    """The connection to write with, as those who read may use it."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._reading: set[int] = set()
        self._is_asked_for = False
        self._using = threading.Lock()
        self._lent: Connection | None = None

    def read(self, from_pool: Callable[[], Answer], from_writer: Callable[[Connection], Answer]) -> Answer:
        """What the one answers, or the other where the connection to write with is lent."""
        while True:
            try:
                self._enter()
                if not self._is_lent():
                    return from_pool()
            finally:
                self._leave()
            with self._using:
                if self._lent is not None:
                    return from_writer(self._lent)

    @contextmanager
    def asking_for_turn(self) -> Generator[None]:
        """While it is entered nobody reads."""
        try:
            with self._changed:
                self._changed.wait_for(lambda: not self._reading, READERS_SECONDS)
                self._is_asked_for = True
            yield
        finally:
            with self._changed:
                self._is_asked_for = False
                self._changed.notify_all()

    def lend(self, connection: Connection) -> None:
        """Its transaction has the turn, and may be read in until it is taken back."""
        self._lent = connection

    def take_back(self) -> None:
        """Nobody else uses it any more."""
        with self._using:
            self._lent = None

    def _is_lent(self) -> bool:
        return self._lent is not None

    def _enter(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: not self._is_asked_for, TURN_SECONDS)
            self._reading.add(threading.get_ident())

    def _leave(self) -> None:
        with self._changed:
            self._reading.discard(threading.get_ident())
            self._changed.notify_all()
