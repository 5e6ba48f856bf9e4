"""Rebuilds that are killed at a counted step, one after another into one place; the last ends as one that is not disturbed.

A step is the beginning or the end of a call that makes a table, writes a chunk or a note, shows readers other tables, or drops
some; or of one that tells how far the run is. What readers see is asked after each kill: the tables before, or those that the
killed run had put in their place.
"""

import os
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from functools import wraps
from pathlib import Path
from random import Random
from typing import Any
from unittest import mock

from tallystick import Ledger
from tallystick.infrastructure.rebuild.columns import digest_of
from tallystick.infrastructure.rebuild.progress import Rounds
from tallystick.infrastructure.rebuild.selection import NAMES
from tallystick.infrastructure.rebuild.sinks.address import open_sink
from tallystick.infrastructure.rebuild.sinks.catalog import Catalog
from tallystick.infrastructure.rebuild.sinks.parquet import ParquetSink
from tallystick.infrastructure.rebuild.sinks.port import Sink
from tallystick.infrastructure.rebuild.sinks.postgres import PostgresSink
from tallystick.infrastructure.rebuild.sinks.sqlite import SQLiteSink
from tests.support.books.varied_book import VariedBook
from tests.torture.findings import Report
from tests.torture.kills import Plant

COMMITS = 150
CHUNK_ROWS = 40
_STEPS = ("begin", "create", "write", "finish", "mark", "switch", "drop", "_execute", "_insert", "_write_chunk", "_note")


def run_on_files(tries: int, seed: int, folder: Path, *, book: Path | None = None, plant: Plant = nullcontext) -> Report:
    """Kills so many rebuilds into an SQLite file, and as many into a folder of Parquet; of a `book`, or of a small one."""
    place = folder / "rebuilt"
    place.mkdir()
    return _run(tries, seed, place, {"SQLite": place / "tables.db", "Parquet": f"{place}/tables/"}, book, plant)


def run_on_server(
    tries: int, seed: int, folder: Path, server: str, *, book: Path | None = None, plant: Plant = nullcontext
) -> Report:
    """The same into a schema of PostgreSQL."""
    place = folder / "rebuilt-postgres"
    place.mkdir()
    return _run(tries, seed, place, {"PostgreSQL": f"{server}&schema=rebuilt"}, book, plant)


def _run(tries: int, seed: int, folder: Path, into: Mapping[str, str | Path], book: Path | None, plant: Plant) -> Report:
    report = Report(f"kill -9, rebuilds, {', '.join(into)}", seed)
    ended: list[str] = []
    with report.timed(), nullcontext() if book else _small_chunks():
        journal = _small_book(folder, seed) if book is None else book
        for name, place in into.items():
            steps = _steps_until_killed(journal, place, None, plant)
            assert steps is not None
            expected = _digests(place)
            chance = Random(f"{seed} rebuild {name}")
            done = 0
            for _ in range(tries):
                with report.trying():
                    at = chance.randint(1, steps)
                    done += _steps_until_killed(journal, place, at, plant) is not None
                    if _digests(place) != expected:
                        report.find("wrong", f"{name}, killed at step {at}: readers see other tables")
            with report.trying():
                _steps_until_killed(journal, place, None, plant)
                if _digests(place) != expected:
                    report.find("wrong", f"{name}: the last run, which was not disturbed, ended with other tables")
            ended.append(f"of {tries} into {name} {done} ended before their step")
    report.notes = ", ".join(ended)
    return report


def _small_book(folder: Path, seed: int) -> Path:
    path = folder / "books.db"
    book = VariedBook(path, seed)
    for _ in book.play(COMMITS):
        pass
    book.ledger.close()
    return path


@contextmanager
def _small_chunks() -> Iterator[None]:
    rebuild = "tallystick.infrastructure.rebuild"
    with (
        mock.patch(f"{rebuild}.columns.CHUNK_ROWS", CHUNK_ROWS),
        mock.patch(f"{rebuild}.rows.row_tables.CHUNK_ROWS", CHUNK_ROWS),
    ):
        yield


def _digests(place: str | Path) -> dict[str, str]:
    """A digest of what readers see of each table, in order."""
    with open_sink(place) as sink:
        live = {
            name: (build.version, table.shape)
            for build in sink.builds()
            for name, table in sink.tables(build.version).items()
            if table.is_live
        }
        return {name: _digest(sink, *each) for name, each in live.items()}


def _digest(sink: Sink, version: int, shape: Any) -> str:
    """Chunk by chunk, for a table may be large."""
    return digest_of(()) + "".join(digest_of([batch]) for batch in sink.read(version, shape))


def _steps_until_killed(journal: Path, place: str | Path, at: int | None, plant: Plant) -> int | None:
    """Rebuilds in a child that is killed at such a step; how many there were, or None where it was killed."""
    counted, telling = os.pipe()
    child = os.fork()
    if not child:
        os.close(counted)
        _rebuild(journal, place, at, telling, plant)
    os.close(telling)
    with os.fdopen(counted) as file:
        steps = file.read()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status == 0:
        return int(steps)
    assert status == -signal.SIGKILL, f"a rebuild ended with {status}"
    return None


def _rebuild(journal: Path, place: str | Path, at: int | None, telling: int, plant: Plant) -> None:
    status, done = 1, 0

    def step() -> None:
        nonlocal done
        done += 1
        if done == at:
            os.kill(os.getpid(), signal.SIGKILL)

    try:
        _count(step)
        with plant(), Ledger.open(journal, read_only=True) as ledger:
            ledger.rebuild(NAMES, place)
        os.write(telling, str(done).encode())
        status = 0
    finally:
        os._exit(status)


def _count(step: Callable[[], None]) -> None:
    """Has a step counted before and after each of the calls, in this process."""
    for kind in (Catalog, SQLiteSink, PostgresSink, ParquetSink):
        for name in _STEPS:
            if name in vars(kind):
                setattr(kind, name, _counted(vars(kind)[name], step))
    Rounds.tell = _counted(Rounds.tell, step)  # type: ignore[method-assign]


def _counted(call: Callable[..., Any], step: Callable[[], None]) -> Callable[..., Any]:
    @wraps(call)
    def counted(*arguments: Any, **options: Any) -> Any:
        step()
        result = call(*arguments, **options)
        step()
        return result

    return counted
