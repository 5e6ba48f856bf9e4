"""A disk that fails to sync or to write, at any moment of a series of commits, and a crash after it, or a power cut.

What was acknowledged stands. What was said not to be recorded never comes back, though its bytes may lie whole in the log and
the crash makes SQLite read the log anew. What is unknown stands once or not at all. A power cut leaves what was synced.
"""

import json
from pathlib import Path
from typing import NamedTuple

import pytest

from tallystick import DuplicateIdempotencyKey, Ledger
from tests.support.faults.faulty_fsync import run_on_a_faulty_disk

PERSISTENT = 10_000

SERIES = """
    import ctypes, json, os, signal, sys
    from pathlib import Path
    from tallystick import Ledger, OutcomeUnknown, StorageUnavailable, Token
    from tallystick.infrastructure.journal.stores.sqlite import file as sqlite_file

    COMMITS = 20
    disk = ctypes.CDLL(None)
    disk.seen_calls.restype = ctypes.c_long

    def fail(kind, suffix, first, count):
        long = ctypes.c_long
        disk.fail_calls({"sync": 0, "write": 1}[kind], suffix.encode(), long(first), long(count))

    def series(path, fault, crash):
        sqlite_file.CHECKPOINT_PAGES = 12  # so that many fall into the series
        ledger = Ledger.open(path)
        ledger.register_token(Token("USD", unit=10))
        log = os.open(path.with_suffix(".log"), os.O_WRONLY | os.O_CREAT)
        fail(*fault)
        for commit in range(COMMITS):
            try:
                with ledger.atomic(f"key-{commit}") as tx:
                    tx.mint("USD", "alice", 1, memo="x" * (5_000 if commit % 3 else 10))
                verdict = "acknowledged"
            except StorageUnavailable as error:
                verdict = "refused" if "nothing was recorded" in str(error) else f"unclear: {error}"
            except OutcomeUnknown:
                verdict = "unknown"
            os.write(log, json.dumps([commit, verdict]).encode() + b"\\n")
            if crash != "later" and verdict != "acknowledged":
                break
        fired = disk.seen_calls() >= fault[2]
        fail("sync", "nothing is called so", 1, 0)
        if crash == "later":
            with ledger.atomic("after") as tx:
                tx.mint("USD", "alice", 1)
            report = ledger.audit()
            assert report.ok, report.findings
        os.write(log, json.dumps([ledger.balance("USD", "alice").total, fired]).encode() + b"\\n")
        os.kill(os.getpid(), signal.SIGKILL)

    def in_a_child(work, *arguments):
        child = os.fork()
        if child == 0:
            try:
                work(*arguments)
            finally:
                sys.excepthook(*sys.exc_info())
                os._exit(1)
        return child

    def keep_open(path, said):
        ledger = Ledger.open(path)
        os.write(said, b".")
        signal.pause()

    folder, faults, crash = Path(sys.argv[1]), json.loads(sys.argv[2]), sys.argv[3]
    for number, fault in enumerate(faults):
        path = folder / f"{number}.db"
        others = []
        if crash == "at once, and so another process":  # so that the log outlives the connections of the first
            ready, said = os.pipe()
            others.append(in_a_child(keep_open, path, said))
            os.read(ready, 1)
        child = in_a_child(series, path, fault, crash)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL, fault
        for other in others:
            os.kill(other, signal.SIGKILL)
            os.waitpid(other, 0)
"""


class Fault(NamedTuple):
    kind: str
    suffix: str
    first: int
    count: int


FAULTS = {
    "a sync of the log": [Fault("sync", ".db-wal", first, 1) for first in range(1, 9)],
    "a sync of the log and the next ones": [Fault("sync", ".db-wal", first, 2 + first % 3) for first in range(1, 7)],
    "syncs of the log from there on": [Fault("sync", ".db-wal", first, PERSISTENT) for first in range(1, 4)],
    "a sync of the database": [Fault("sync", ".db", first, count) for first in range(1, 4) for count in (1, PERSISTENT)],
    "a write of the log": [Fault("write", ".db-wal", first, 1) for first in range(1, 11)],
    "a write of the log and the next ones": [Fault("write", ".db-wal", first, 40) for first in range(1, 4)],
    "a write of the database": [Fault("write", ".db", first, count) for first in range(1, 5) for count in (1, PERSISTENT)],
}


@pytest.mark.parametrize("crash", ["at once", "at once, and so another process", "later"])
@pytest.mark.parametrize("faults", FAULTS.values(), ids=FAULTS.keys())
def test_commits_on_a_failing_disk_are_as_they_were_said_to_be(tmp_path: Path, faults: list[Fault], crash: str) -> None:
    run_on_a_faulty_disk(SERIES, tmp_path, json.dumps(faults), crash)
    for number, fault in enumerate(faults):
        path = tmp_path / f"{number}.db"
        *lines, (books, fired) = [json.loads(line) for line in path.with_suffix(".log").read_text().splitlines()]
        verdicts = {f"key-{commit}": verdict for commit, verdict in lines}
        check_verdicts(verdicts, fault)
        assert fired, fault
        if crash == "later":
            verdicts["after"] = "acknowledged"
        check_journal(after_a_power_cut(path), verdicts, fault)
        left = check_journal(path, verdicts, fault)
        assert left == books or (crash != "later" and "unknown" in verdicts.values()), fault


def after_a_power_cut(path: Path) -> Path:
    """A copy of the ledger as it was synced."""
    cut = path.with_name(f"cut-{path.name}")
    for suffix in ("", "-wal"):
        synced = Path(f"{path}{suffix}.synced")
        if synced.exists():
            synced.rename(f"{cut}{suffix}")
    return cut


def check_verdicts(verdicts: dict[str, str], fault: Fault) -> None:
    assert set(verdicts.values()) <= {"acknowledged", "refused", "unknown"}, fault
    if fault.count == 1 and fault.suffix.endswith("-wal"):
        assert list(verdicts.values()).count("acknowledged") >= len(verdicts) - 1, fault
        assert "unknown" not in verdicts.values(), fault
    if fault.suffix == ".db":
        assert set(verdicts.values()) == {"acknowledged"}, "a checkpoint that fails is tried again"


def check_journal(path: Path, verdicts: dict[str, str], fault: Fault) -> int:
    """Checks what stands at `path` against what was said; gives what Alice has there."""
    with Ledger.open(path) as ledger:
        assert ledger.audit().ok, fault
        present = {key for key in verdicts if is_used(ledger, key)}
        for key, verdict in verdicts.items():
            if verdict != "unknown":
                assert (key in present) == (verdict == "acknowledged"), (fault, key, verdict)
        assert ledger.balance("USD", "alice").total == len(present), fault
        return len(present)


def is_used(ledger: Ledger, key: str) -> bool:
    try:
        with ledger.atomic(key):
            return False
    except DuplicateIdempotencyKey:
        return True


RECOVERED = """
    import ctypes, json, os, signal, sys
    from pathlib import Path
    from tallystick import Ledger, Token
    from tallystick.infrastructure.journal.stores.sqlite.journal import SQLiteJournal

    def die(*_):
        os.kill(os.getpid(), signal.SIGKILL)

    path = Path(sys.argv[1]) / "books.db"
    log = Path(f"{path}-wal")

    def fail_and_die():
        ledger = Ledger.open(path)
        ledger.register_token(Token("USD"))
        for _ in range(20):
            with ledger.atomic() as tx:
                tx.mint("USD", "alice", 1)
        before = log.stat().st_size
        ctypes.CDLL(None).fail_calls(0, b".db-wal", ctypes.c_long(1), ctypes.c_long(1))
        SQLiteJournal.has_recorded = lambda *_: (path.with_name("range").write_text(f"{before} {log.stat().st_size}"), die())
        with ledger.atomic("unknown") as tx:
            tx.mint("USD", "alice", 1)

    def commit():
        with Ledger.open(path).atomic("next") as tx:
            tx.mint("USD", "alice", 1)
        die()

    def ask():
        journal = SQLiteJournal(path)
        row = journal.row_at(journal.head().position)
        assert journal.has_recorded(row, ())
        die()

    for work in (fail_and_die, {"commit": commit, "ask": ask}[sys.argv[2]]):
        child = os.fork()
        if child == 0:
            try:
                work()
            finally:
                sys.excepthook(*sys.exc_info())
                os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
"""


@pytest.mark.parametrize(("then", "amount"), [("commit", 22), ("ask", 21)])
def test_what_a_crash_brought_back_is_on_the_disk_before_it_is_built_on(tmp_path: Path, then: str, amount: int) -> None:
    """The bytes that a failed sync did not write are never written by a later one: the system takes them for written."""
    run_on_a_faulty_disk(RECOVERED, tmp_path, then)
    first, end = map(int, (tmp_path / "range").read_text().split())
    cut = after_a_power_cut(tmp_path / "books.db")
    with open(f"{cut}-wal", "r+b") as log:
        log.seek(first)
        log.write(bytes(end - first))
    with Ledger.open(cut) as ledger:
        assert ledger.audit().ok
        assert is_used(ledger, "unknown")
        assert ledger.balance("USD", "alice").total == amount
