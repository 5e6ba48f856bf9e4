"""A disk that fails to sync or to write, at any moment of a series of commits, and a crash after it.

What was acknowledged stands. What was said not to be recorded never comes back, though its bytes may lie whole in the log and
the crash makes SQLite read the log anew. What is unknown stands once or not at all.
"""

import json
from pathlib import Path
from typing import NamedTuple

import pytest
from faulty_fsync import run_on_a_faulty_disk

from tallystick import DuplicateIdempotencyKey, Ledger

PERSISTENT = 10_000

SERIES = """
    import ctypes, json, os, signal, sys
    from pathlib import Path
    from tallystick import Ledger, OutcomeUnknown, StorageUnavailable, Token
    from tallystick.infrastructure import sqlite_file

    COMMITS = 30
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
            if crash == "at once" and verdict != "acknowledged":
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

    folder = Path(sys.argv[1])
    for number, fault in enumerate(json.loads(sys.argv[2])):
        child = os.fork()
        if child == 0:
            try:
                series(folder / f"{number}.db", fault, sys.argv[3])
            finally:
                sys.excepthook(*sys.exc_info())
                os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL, fault
"""


class Fault(NamedTuple):
    kind: str
    suffix: str
    first: int
    count: int


FAULTS = {
    "a sync of the log": [Fault("sync", ".db-wal", first, 1) for first in range(1, 13)],
    "a sync of the log and the next ones": [
        Fault("sync", ".db-wal", first, count) for first in range(1, 9) for count in (2, 5)
    ],
    "syncs of the log from there on": [Fault("sync", ".db-wal", first, PERSISTENT) for first in range(1, 5)],
    "a sync of the database": [Fault("sync", ".db", first, count) for first in range(1, 5) for count in (1, 3, PERSISTENT)],
    "a write of the log": [Fault("write", ".db-wal", first, 1) for first in range(1, 25)],
    "a write of the log and the next ones": [Fault("write", ".db-wal", first, 40) for first in range(1, 9)],
    "a write of the database": [Fault("write", ".db", first, count) for first in range(1, 8) for count in (1, PERSISTENT)],
}


@pytest.mark.parametrize("crash", ["at once", "later"])
@pytest.mark.parametrize("faults", FAULTS.values(), ids=FAULTS.keys())
def test_commits_on_a_failing_disk_are_as_they_were_said_to_be(tmp_path: Path, faults: list[Fault], crash: str) -> None:
    run_on_a_faulty_disk(SERIES, tmp_path, json.dumps(faults), crash)
    for number, fault in enumerate(faults):
        check(tmp_path / f"{number}.db", fault, crash)


def check(path: Path, fault: Fault, crash: str) -> None:
    *lines, (books, fired) = [json.loads(line) for line in path.with_suffix(".log").read_text().splitlines()]
    verdicts = {f"key-{commit}": verdict for commit, verdict in lines}
    assert fired, fault
    assert set(verdicts.values()) <= {"acknowledged", "refused", "unknown"}, fault
    if fault.count == 1 and fault.suffix.endswith("-wal"):
        assert list(verdicts.values()).count("acknowledged") >= len(verdicts) - 1, fault
        assert "unknown" not in verdicts.values(), fault
    if fault.suffix == ".db":
        assert set(verdicts.values()) == {"acknowledged"}, "a checkpoint that fails is tried again"
    with Ledger.open(path) as ledger:
        assert ledger.audit().ok, fault
        present = {key for key in (*verdicts, "after") if is_used(ledger, key)}
        assert ledger.balance("USD", "alice").total == len(present), fault
        assert ("after" in present) == (crash == "later")
        if crash == "later" or "unknown" not in verdicts.values():
            assert books == len(present), fault
        for key, verdict in verdicts.items():
            if verdict != "unknown":
                assert (key in present) == (verdict == "acknowledged"), (fault, key, verdict)


def is_used(ledger: Ledger, key: str) -> bool:
    try:
        with ledger.atomic(key):
            return False
    except DuplicateIdempotencyKey:
        return True
