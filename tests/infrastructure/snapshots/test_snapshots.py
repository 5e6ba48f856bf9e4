"""Snapshots of the books: a ledger goes on from one as if it had read the journal; what is wrong with one costs time only."""

import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from itertools import count
from pathlib import Path
from types import FrameType

import msgspec
import pytest

from tallystick import DuplicateIdempotencyKey, DuplicateTransferId, Ledger, StorageUnavailable, Token
from tallystick.domain.books.books import Books
from tallystick.infrastructure.journal.stores.sqlite.journal import SQLiteJournal
from tallystick.infrastructure.snapshots import keeper as snapshot_keeper
from tallystick.infrastructure.snapshots import snapshots
from tallystick.infrastructure.snapshots.keeper import SnapshotKeeper
from tallystick.infrastructure.snapshots.snapshots import KEPT
from tallystick.infrastructure.system import column_file
from tests.support.books.batch_book import open_funded
from tests.support.books.behind import core_of
from tests.support.books.snapshot_book import (
    damage,
    drop_books,
    everything,
    goes_on_from,
    head_of,
    snapshots_of,
    take_snapshot,
    take_snapshot_with,
)
from tests.support.faults.small_disk import run_on_a_small_disk

NAMES = ("alice", "żółć", "東京", "\U0001d54f" * 128, "a" * 128, "0x" + "ab" * 32, "é", "x\u0301", "ab", "abc", "abcd", "abcde")
BIG = Token("BIG", max_supply=2**256 - 1, unit=2**200)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A closed ledger with a plain, a fragmented and a wide token, and wide fragments, with a snapshot and what came after."""
    path = tmp_path / "books.db"
    with open_funded(path, NAMES) as ledger:
        ledger.register_token(BIG)
        with ledger.atomic(idempotency_key="first") as tx:
            for name in NAMES:
                tx.mint("BIG", name, 2**64 + len(name))
            tx.mint("BIG", "alice", 2**201 + 1)
            tx.mint("WEI", "alice", 2**255)
            tx.reserve("BIG", "alice", "keeper", 2**64 + 3)
            tx.reserve("CENT", "alice", "keeper", 1_500)
        ledger.transfer_many("CENT", NAMES[:5], NAMES[5:10], [7] * 5, ids=[5, 3, 1, 2**127, 4])
        take_snapshot(ledger)
        with ledger.atomic() as tx:
            tx.transfer("CENT", "alice", "new", 1_600)
            tx.burn("BIG", "żółć", 2**64)
    return path


@pytest.fixture
def expected(path: Path, tmp_path: Path) -> dict[str, object]:
    """What the ledger says when it has read the whole journal."""
    alone = tmp_path / "alone.db"
    shutil.copy(path, alone)
    with Ledger.open(alone) as ledger:
        return everything(ledger)


def test_a_ledger_goes_on_from_a_snapshot(path: Path, expected: dict[str, object]) -> None:
    assert goes_on_from(path) > 0
    with Ledger.open(path) as ledger:
        assert everything(ledger) == expected
        assert ledger.audit().ok
        with pytest.raises(DuplicateIdempotencyKey), ledger.atomic(idempotency_key="first"):
            pass
        with pytest.raises(DuplicateTransferId):
            ledger.mint_many("PLN", ["alice"], [1], ids=[3])


def test_a_snapshot_of_books_that_stand_on_one_keeps_what_changed_and_what_did_not(path: Path) -> None:
    for turn in range(4):
        with Ledger.open(path) as ledger:
            with ledger.atomic() as tx:
                tx.transfer("CENT", NAMES[turn], f"new-{turn}", 3_000 + turn)
                tx.transfer("BIG", NAMES[turn], NAMES[turn + 1], 2**63)
            take_snapshot(ledger)
            said, head = everything(ledger), head_of(ledger)
        assert goes_on_from(path) == head.position
        with Ledger.open(path) as ledger:
            assert everything(ledger) == said
    shutil.rmtree(f"{path}.cache")
    with Ledger.open(path) as ledger:
        assert everything(ledger) == said


@pytest.mark.parametrize("rest", [0, 700])
@pytest.mark.parametrize("reads_on", [False, True])
def test_what_was_reserved_goes_back_to_a_payer_whom_nobody_touched_since(tmp_path: Path, rest: int, reads_on: bool) -> None:
    path = tmp_path / "books.db"
    with open_funded(path, ["alice", "bob"], 2_500) as ledger:
        with ledger.atomic() as tx:
            hold = tx.reserve("CENT", "alice", "keeper", 2_500 - rest)
        take_snapshot(ledger)
    with Ledger.open(path) as releasing, Ledger.open(path) as reading:
        with releasing.atomic() as tx:
            tx.release(hold, 1_300)
        other = reading if reads_on else releasing
        assert sum(fragment.amount for fragment in other.fragments("CENT", "alice")) == rest + 1_300
        with other.atomic() as tx:
            tx.transfer("CENT", "alice", "bob", rest + 1_300)
        assert everything(releasing) == everything(reading)
        said = everything(reading)
    shutil.rmtree(f"{path}.cache")
    with Ledger.open(path) as ledger:
        assert everything(ledger) == said
        assert ledger.audit().ok


def test_two_are_kept(path: Path) -> None:
    positions: list[int] = []
    with Ledger.open(path) as ledger:
        for _ in range(4):
            with ledger.atomic() as tx:
                tx.mint("PLN", "alice", 1)
            positions.append(head_of(ledger).position)
            take_snapshot(ledger)
            take_snapshot(ledger)
    assert [int(folder.name.split("-")[0]) for folder in snapshots_of(path)] == positions[-KEPT:]


def truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1])


def replace_by_a_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


def empty(file: Path) -> None:
    file.write_bytes(b"")


@pytest.mark.parametrize("wrong", [Path.unlink, empty, truncate, replace_by_a_folder])
@pytest.mark.parametrize("name", ["manifest.json", "columns"])
def test_a_snapshot_with_something_missing_is_passed_over(
    path: Path, expected: dict[str, object], name: str, wrong: Callable[[Path], None]
) -> None:
    older = goes_on_from(path)
    with Ledger.open(path) as ledger:
        take_snapshot(ledger)
    newest = snapshots_of(path)[-1]
    wrong(newest / name)
    assert goes_on_from(path) == older
    with Ledger.open(path) as ledger:
        assert everything(ledger) == expected
        take_snapshot(ledger)
    assert goes_on_from(path) > older


def test_no_byte_can_change_unnoticed(path: Path, expected: dict[str, object]) -> None:
    for file in (snapshots_of(path)[-1] / name for name in ("manifest.json", "columns")):
        content = file.read_bytes()
        step = max(1, len(content) // 60)
        for place in [*range(0, len(content), step), len(content) - 1]:
            damage(file, place, 1 << place % 8)
            assert goes_on_from(path) == 0, f"{file.name} at {place}"
            file.write_bytes(content)
    assert goes_on_from(path) > 0
    with Ledger.open(path) as ledger:
        assert everything(ledger) == expected


def test_a_snapshot_that_is_undamaged_and_yet_no_books_is_passed_over(path: Path, expected: dict[str, object]) -> None:
    manifest = snapshots_of(path)[-1] / "manifest.json"
    written = snapshots._decode(manifest.read_bytes())
    for missing in written.columns:
        rest = {name: column for name, column in written.columns.items() if name != missing}
        manifest.write_bytes(snapshots._encode(msgspec.structs.replace(written, columns=rest)))
        assert goes_on_from(path) == 0
        with Ledger.open(path) as ledger:
            assert everything(ledger) == expected
    manifest.write_bytes(snapshots._encode(msgspec.structs.replace(written, format=snapshots.FORMAT + 1)))
    assert goes_on_from(path) == 0
    manifest.write_bytes(snapshots._encode(written))
    assert goes_on_from(path) > 0


def test_a_snapshot_of_another_journal_is_passed_over_and_replaced(path: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    with open_funded(other, NAMES) as ledger:
        with ledger.atomic() as tx:
            for _ in range(200):
                tx.mint("CENT", "alice", 1)
        said = everything(ledger)
    shutil.copytree(f"{path}.cache", f"{other}.cache", dirs_exist_ok=True)
    assert goes_on_from(other) == 0
    with Ledger.open(other) as ledger:
        assert everything(ledger) == said
        take_snapshot(ledger)
    assert len(snapshots_of(other)) == 1
    assert goes_on_from(other) > 0


def test_a_snapshot_of_what_an_older_copy_of_the_store_has_not_reached_is_passed_over(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    shutil.copy(path, copy)
    with Ledger.open(path) as ledger:
        before = everything(ledger)
        with ledger.atomic() as tx:
            tx.mint("PLN", "alice", 5)
        take_snapshot(ledger)
    shutil.copytree(f"{path}.cache", f"{copy}.cache")
    with Ledger.open(copy) as ledger:
        assert everything(ledger) == before
        with ledger.atomic() as tx:
            tx.burn("PLN", "alice", 5)
        take_snapshot(ledger)
        said = everything(ledger)
    with Ledger.open(copy) as ledger:
        assert everything(ledger) == said


def test_one_is_taken_when_the_journal_has_grown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot_keeper, "GROWTH_BYTES_MIN", 2_000)
    path = tmp_path / "books.db"
    with open_funded(path, ["alice"]):
        pass
    assert snapshots_of(path) == []
    with Ledger.open(path) as ledger, ledger.atomic() as tx:
        for _ in range(100):
            tx.transfer("CENT", "alice", "ab", 1)
    assert goes_on_from(path) > 0
    assert len(snapshots_of(path)) == 1


def test_a_ledger_in_memory_has_none() -> None:
    with open_funded("memory:", NAMES) as ledger:
        take_snapshot(ledger)
        assert ledger.balance("PLN", "ab").total == 25_000


def test_what_cannot_be_written_is_said_to_who_asks_and_stops_nobody_else(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.rmtree(f"{path}.cache")
    Path(f"{path}.cache").write_text("in the way")
    monkeypatch.setattr(snapshot_keeper, "GROWTH_BYTES_MIN", 1)
    with Ledger.open(path) as ledger:
        with pytest.raises(StorageUnavailable, match="no snapshot was taken"):
            take_snapshot(ledger)
        with ledger.atomic() as tx:
            tx.mint("PLN", "alice", 1)
        assert ledger.balance("PLN", "alice").total == 25_001


def test_where_no_thread_is_to_be_had_commits_go_on_and_who_asks_is_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where the interpreter is about to end: a commit is told that it stands, and the books are not read again."""

    def no_thread(*arguments: object) -> None:
        raise RuntimeError("cannot schedule new futures after interpreter shutdown")

    monkeypatch.setattr(snapshot_keeper, "GROWTH_BYTES_MIN", 1)
    with Ledger.open(path) as ledger:
        ledger.balance("PLN", "alice")
        generation = core_of(ledger).books.generation
        monkeypatch.setattr(snapshot_keeper.ThreadPoolExecutor, "submit", no_thread)
        for _ in range(3):
            with ledger.atomic() as tx:
                tx.mint("PLN", "alice", 1)
            assert tx.receipt is not None
        assert ledger.balance("PLN", "alice").total == 25_003
        assert core_of(ledger).books.generation == generation
        with pytest.raises(StorageUnavailable, match="no snapshot was taken"):
            take_snapshot(ledger)


def test_handles_stay_when_the_books_are_dropped_and_others_took_the_newest_snapshot(path: Path) -> None:
    """In the other's snapshot the accounts have other handles, so this one goes on from its own or reads all."""
    with Ledger.open(path) as one, Ledger.open(path) as other:
        handles = one.handles("CENT", ["zoe", *NAMES])
        other.handles("CENT", ["yann", "xaver"])
        other.mint_many("CENT", ["xaver", "zoe"], [5, 6])
        take_snapshot(other)
        for taker in (other, one):
            take_snapshot(taker)
            drop_books(one)
            assert one.handles("CENT", ["zoe", *NAMES]).tolist() == handles.tolist()
            assert everything(one) == everything(other)
            assert one.mint_many("CENT", handles[:1], [1]).accepted == 1
            assert one.balance("CENT", "zoe") == other.balance("CENT", "zoe")


class Notes:
    """A part of a snapshot."""

    def save(self, folder: Path) -> object:
        (folder / "notes").write_text("kept")
        return {"file": "notes"}


def test_others_keep_parts_in_a_snapshot_until_one_is_found_damaged(path: Path) -> None:
    shutil.rmtree(f"{path}.cache")
    with Ledger.open(path) as ledger:
        take_snapshot_with(ledger, {"notes": Notes(), "more": Notes()})
        said, head = everything(ledger), head_of(ledger)
    with closing(SQLiteJournal(path)) as journal:
        keeper = SnapshotKeeper(journal)
        restored = keeper.restore(Books())
        assert restored is not None
        assert restored.head == head
        assert {name: restored.parts[name] for name in ("notes", "more")} == {
            "notes": {"file": "notes"},
            "more": {"file": "notes"},
        }
        assert (restored.folder / "more" / "notes").read_text() == "kept"
        keeper.discard()
        assert keeper.restore(Books()) is None
    with Ledger.open(path) as ledger:
        assert everything(ledger) == said


def test_two_processes_take_and_use_them_in_one_folder(path: Path) -> None:
    children: list[int] = []
    for number in range(2):
        child = os.fork()
        if child == 0:
            status = 1
            try:
                for turn in range(15):
                    with Ledger.open(path) as ledger:
                        ledger.mint_many("CENT", [f"{number}-{turn}", "alice"], [3_000, 1])
                        take_snapshot(ledger)
                status = 0
            finally:
                os._exit(status)
        children.append(child)
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0, 0]
    assert len(snapshots_of(path)) <= KEPT
    with Ledger.open(path) as ledger:
        said = everything(ledger)
        assert ledger.balance("CENT", "alice").available == 25_000 - 1_500 - 1_600 - 7 + 30
        assert ledger.audit().ok
    shutil.rmtree(f"{path}.cache")
    with Ledger.open(path) as ledger:
        assert everything(ledger) == said


def kill_at_call(point: int) -> None:
    """This process is killed where the writing of a snapshot calls the world, or a library, for the `point`th time."""
    written_by = {snapshots.__file__, column_file.__file__}
    calls = count()

    def profile(frame: FrameType, event: str, _: object) -> None:
        if event == "c_call" and frame.f_code.co_filename in written_by and next(calls) == point:
            os.kill(os.getpid(), signal.SIGKILL)

    threading.setprofile(profile)
    sys.setprofile(profile)


def test_killed_while_writing(path: Path, expected: dict[str, object]) -> None:
    folder, unfinished = Path(f"{path}.cache/snapshots"), 0
    for point in count(0, 11):
        child = os.fork()
        if child == 0:
            try:
                with Ledger.open(path) as ledger:
                    kill_at_call(point)
                    take_snapshot(ledger)
                    sys.setprofile(None)
                    os._exit(0)
            finally:
                os._exit(1)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if status == 0:
            break
        assert status == -signal.SIGKILL
        unfinished += len(list(folder.glob("*.unfinished")))
        with Ledger.open(path) as ledger:
            assert everything(ledger) == expected
    assert unfinished > 10
    assert list(folder.glob("*.unfinished")) == []


FULL_DISK = """
    import shutil, sys
    from pathlib import Path
    from tallystick import Ledger, StorageFull, Token
    from tests.support.books.snapshot_book import snapshot_keeper_of

    folder = Path(sys.argv[1])
    names = [f"account-{k}" for k in range(20_000)]
    with Ledger.open(folder / "books.db") as ledger:
        ledger.register_token(Token("USD", unit=10))
        ledger.mint_many("USD", names, [10] * len(names))
        (folder / "filler").write_bytes(bytes(shutil.disk_usage(folder).free - 300_000))
        try:
            ledger.snapshot()
        except StorageFull:
            print("full")
        print(len(list((folder / "books.db.cache" / "snapshots").iterdir())))
        with ledger.atomic() as tx:
            tx.transfer("USD", "account-1", "account-2", 3)
        (folder / "filler").unlink()
        ledger.snapshot()
    with Ledger.open(folder / "books.db") as ledger:
        print(snapshot_keeper_of(ledger)._position, ledger.balance("USD", "account-2").total)
"""


def test_a_full_disk_leaves_the_ledger_usable_and_nothing_unfinished(tmp_path: Path) -> None:
    assert run_on_a_small_disk(FULL_DISK, tmp_path).split() == ["full", "0", "20006", "13"]


def test_every_store_that_lasts_has_them(shared_url: str | Path) -> None:
    with open_funded(shared_url, NAMES) as ledger:
        with ledger.atomic(idempotency_key="before") as tx:
            tx.transfer("CENT", "alice", "ab", 30)
        ledger.transfer_many("PLN", ["alice"], ["ab"], [1], ids=[7])
        ledger.snapshot()
        position = head_of(ledger).position
        with ledger.atomic(idempotency_key="after") as tx:
            tx.transfer("CENT", "ab", "new", 20)
        said = everything(ledger)
    assert goes_on_from(shared_url) == position
    with Ledger.open(shared_url) as ledger:
        assert everything(ledger) == said
        for key in ("before", "after"):
            with pytest.raises(DuplicateIdempotencyKey), ledger.atomic(idempotency_key=key):
                pytest.fail("the body ran")
        with pytest.raises(DuplicateTransferId):
            ledger.transfer_many("PLN", ["alice"], ["ab"], [1], ids=[7])
        assert ledger.audit().ok
