"""Writers to PostgreSQL of which either end is killed: the client, or the server's process that it speaks with.

All that they say to each other is counted (`tests/torture/wire.py`), and at one of the pieces the killing is done: before it is
passed on, which it never is then, or right after. A server of which a process was killed drops every connection and recovers;
one whose process is told to end does so alone. The client goes on then, through whatever it meets, until it is killed too.
"""

import logging
import os
import shutil
import signal
import time
import traceback
from contextlib import nullcontext, suppress
from pathlib import Path
from random import Random
from typing import Literal, NamedTuple

import psycopg

from tallystick import Ledger
from tests.support.programs.postgres_server import START_SECONDS, PostgresServer, ledger_url
from tests.torture.findings import Report
from tests.torture.kills import MOMENTS, Moment, Plant, small_sizes
from tests.torture.wire import Fate, Piece, Wire
from tests.torture.writing.witness import Witness
from tests.torture.writing.writer import MANNERS, write

KILLS_A_JOURNAL = 5
PIECES_AFTER = 40
"""How many pieces go by, at most, between the killing of a server's process and that of the client."""
Victim = Literal["client", "server's process", "server's process, gently"]
VICTIMS: tuple[Victim, ...] = ("client", "client", "server's process", "server's process, gently")


class Strike(NamedTuple):
    """Who is killed, at which piece and when; and after how many more the client is, if it was not."""

    victim: Victim
    piece: int
    moment: Moment
    more: int


class Striker:
    """Does it to a client with this process id, once that is known."""

    def __init__(self, strike: Strike) -> None:
        self._strike = strike
        self._begun = False
        self._last = 0
        self.client = 0

    def before(self, piece: Piece) -> Fate:
        """Strikes before the piece is passed on, if it is the one: then it is lost."""
        if self._strike.moment == "before" and self._is_due(piece):
            self._hit(piece)
            return "is lost"
        if self._begun and piece.number >= self._last:
            self._kill(self.client, signal.SIGKILL)
        return "passes"

    def after(self, piece: Piece) -> None:
        """The same behind it."""
        if self._strike.moment != "before" and self._is_due(piece):
            self._hit(piece)

    def _is_due(self, piece: Piece) -> bool:
        """The first one from its number on whose process is known."""
        return not self._begun and piece.number >= self._strike.piece and piece.backend > 0

    def _hit(self, piece: Piece) -> None:
        self._begun, self._last = True, piece.number + self._strike.more
        if self._strike.victim == "client":
            self._kill(self.client, signal.SIGKILL)
        else:
            gently = self._strike.victim == "server's process, gently"
            self._kill(piece.backend, signal.SIGTERM if gently else signal.SIGKILL)

    @staticmethod
    def _kill(process: int, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.kill(process, number)


def run(tries: int, seed: int, folder: Path, server: PostgresServer, *, first: int = 0, plant: Plant = nullcontext) -> Report:
    """Kills so often; `first` is the first kill's number, to see one again. The server is of this user, or this is root."""
    report = Report("kill -9, PostgreSQL", seed, first - first % KILLS_A_JOURNAL)
    last, acknowledged = first + tries, 0
    with report.timed():
        for journal in range(first // KILLS_A_JOURNAL, -(-last // KILLS_A_JOURNAL)):
            place = folder / f"postgres-{journal}"
            place.mkdir(parents=True)
            witness = Witness()
            for number in range(journal * KILLS_A_JOURNAL, min(last, (journal + 1) * KILLS_A_JOURNAL)):
                with report.trying():
                    chance = Random(f"{seed} PostgreSQL {number}")
                    _kill_and_look(number, chance, place, f"torture_{journal}", server, witness, plant, report)
            acknowledged += len(witness.done)
            _drop(server, f"torture_{journal}")
            shutil.rmtree(place)
    report.notes = f"{acknowledged} entries were acknowledged"
    return report


def _kill_and_look(
    number: int,
    chance: Random,
    place: Path,
    schema: str,
    server: PostgresServer,
    witness: Witness,
    plant: Plant,
    report: Report,
) -> None:
    manner = chance.choice(MANNERS)
    piece = int(2 ** chance.uniform(3, 9))
    striker = Striker(Strike(chance.choice(VICTIMS), piece, chance.choice(MOMENTS), chance.randint(1, PIECES_AFTER)))
    wire = Wire(server.port, striker.before, striker.after)
    said = place / f"said-{number}"
    child = os.fork()
    if child == 0:
        try:
            wire.forget()
            file = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            url = ledger_url(server.url(port=wire.port), place / "cache", durability="full", schema=schema)
            logging.disable()  # the pool tells of every connection that was killed
            with small_sizes(chance), plant():
                write(url, manner, said.name, lambda line: os.write(file, f"{line}\n".encode()))
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(1)
    striker.client = child
    status: list[int] = []

    def is_over() -> bool:
        if not status and (ended := os.waitpid(child, os.WNOHANG))[0]:
            status.append(os.waitstatus_to_exitcode(ended[1]))
        return bool(status)

    wire.carry(is_over)
    if said.exists():
        witness.hear(said.read_text().splitlines())
    if status != [-signal.SIGKILL]:
        report.find("wrong", f"the writer ended with {status}")
    _wait_for(server)
    if chance.random() < 0.2:
        shutil.rmtree(place / "cache", ignore_errors=True)
    with Ledger.open(ledger_url(server.url(), place / "cache", durability="full", schema=schema)) as ledger:
        witness.check(ledger, report)


def _wait_for(server: PostgresServer) -> None:
    """Returns when the server, which may be recovering, takes connections."""
    end = time.monotonic() + START_SECONDS
    while True:
        try:
            psycopg.connect(server.url(), connect_timeout=5).close()
            return
        except psycopg.OperationalError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)


def _drop(server: PostgresServer, schema: str) -> None:
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE".encode())
