"""Idempotency keys: each is found that was used, whatever becomes of the files that say so."""

import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick import DuplicateIdempotencyKey, DuplicateTransferId, Ledger, StorageUnavailable
from tallystick.domain.batch.transfer_ids import ids_of
from tallystick.infrastructure.indexes import keys as keys_module
from tallystick.infrastructure.indexes import text_hashes
from tallystick.infrastructure.indexes.keys import KeyIndex
from tallystick.infrastructure.indexes.runs import sorted_runs
from tallystick.infrastructure.indexes.runs.checked_words import DamagedRun
from tallystick.infrastructure.indexes.transfer_ids import TransferIdIndex
from tallystick.infrastructure.journal.format import Key
from tests.support.books.batch_book import open_funded
from tests.support.books.behind import keeper_of
from tests.support.books.key_book import finds, use, wait_for
from tests.support.faults.run_files import flip, runs_in, until
from tests.support.faults.small_disk import run_on_a_small_disk
from tests.support.strategies import key_steps


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight keys are a run, and so are eight ids."""
    monkeypatch.setattr(keys_module, "RECENT", 8)
    monkeypatch.setattr(sorted_runs, "LONG", 8)


@given(steps=key_steps, recent=st.sampled_from([2, 5, 10**6]), on_disk=st.booleans())
def test_every_key_is_found_however_the_index_is_saved_loaded_and_merged(steps: list, recent: int, on_disk: bool) -> None:
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as name:
        patch.setattr(keys_module, "RECENT", recent)
        cache = Path(name) / "cache" if on_disk else None
        index = KeyIndex(cache)
        known: dict[str, int] = {}
        for position, (step, keys) in enumerate([*steps, ("wait", []), ("ask", ["a"])], 1):
            if step == "add":
                new = [key for key in dict.fromkeys(keys) if key not in known]
                index.add([Key(key, None, number) for number, key in enumerate(new)], position)
                known |= dict.fromkeys(new, position)
            elif step == "ask":
                asked = [*keys, *list(known)[:20]]
                wanted = {row: [known[key]] for row, key in enumerate(asked) if key in known}
                assert {row: list(index.find(key)) for row, key in enumerate(asked) if index.find(key)} == wanted
                assert {row: list(found) for row, found in index.find_many(asked).items()} == wanted
            elif step == "wait":
                wait_for(index)
            else:
                saved = Path(name) / str(position)
                saved.mkdir()
                description = json.loads(json.dumps(index.freeze().save(saved)))
                if step == "load":
                    index.close()
                    index = KeyIndex.load(saved, description, cache)
        index.close()
        assert cache is None or runs_in(cache) == []


@pytest.mark.usefixtures("short")
def test_keys_that_share_a_hash_are_all_candidates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_hashes, "_digest", lambda key: b"\1" * 7 + b"\2" if key != "other" else b"\3" * 8)
    index = KeyIndex()
    use(index, 1, 41)
    wait_for(index)
    assert sorted(index.find("key-7")) == list(range(1, 41))
    assert sorted(index.find("new")) == list(range(1, 41))
    assert list(index.find("other")) == []
    index.close()


@pytest.mark.usefixtures("short")
def test_a_key_whose_hash_is_another_keys_is_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_hashes, "_digest", lambda key: b"\1" * 8)
    with open_funded(tmp_path / "books.db", ["alice"]) as ledger:
        for number in range(40):
            with ledger.atomic(idempotency_key=f"key-{number}") as tx:
                tx.transfer("PLN", "alice", "bob", 1)
        for number in range(40):
            with pytest.raises(DuplicateIdempotencyKey) as caught, ledger.atomic(idempotency_key=f"key-{number}"):
                pytest.fail("the body ran")
            assert caught.value.fields["key"] == f"key-{number}"


def invert(file: Path) -> None:
    content = file.read_bytes()
    with file.open("r+b") as opened:
        opened.write(bytes(byte ^ 0xFF for byte in content))


def wipe(file: Path) -> None:
    size = file.stat().st_size
    with file.open("r+b") as opened:
        opened.write(bytes(size))


DAMAGES: dict[str, Callable[[Path], object]] = {
    "inverted": invert,
    "wiped": wipe,
    "a byte of the keys": lambda file: flip(file, 64),
    "a byte of the values": lambda file: flip(file, file.stat().st_size * 2 // 3),
    "a byte of the filter": lambda file: flip(file, file.stat().st_size - 1),
    "none": lambda file: None,
    "deleted": Path.unlink,
}


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("damage", DAMAGES)
def test_no_key_and_no_id_is_used_twice_whatever_was_done_to_the_files(tmp_path: Path, damage: str) -> None:
    with open_funded(tmp_path / "books.db", ["alice"]) as ledger:
        for number in range(50):
            with ledger.atomic(idempotency_key=f"key-{number}") as tx:
                tx.transfer("PLN", "alice", "bob", 1)
            ledger.transfer_many("PLN", ["alice"] * 3, ["bob"] * 3, [1, 1, 1], ids=[3 * number, 3 * number + 1, 3 * number + 2])
        before = ledger.verify().position
    with Ledger.open(tmp_path / "books.db") as ledger:
        assert ledger.balance("PLN", "bob").total == 200  # it has read all, and looked nothing up
        until(lambda: is_quiet(ledger))
        for file in runs_in(tmp_path):
            DAMAGES[damage](file)
        for number in range(50):
            with pytest.raises(DuplicateIdempotencyKey), ledger.atomic(idempotency_key=f"key-{number}"):
                pytest.fail("the body ran")
            with pytest.raises(DuplicateTransferId):
                ledger.transfer_many("PLN", ["alice"], ["bob"], [1], ids=[3 * number])
        assert ledger.balance("PLN", "bob").total == 200
        assert ledger.verify().position == before
        assert ledger.audit().ok
    assert runs_in(tmp_path) == []


def is_quiet(ledger: Ledger) -> bool:
    """Whether the background has made all runs that it was going to make."""
    indexes = (keeper_of(ledger).state.keys.index._runs, keeper_of(ledger).state.transfer_ids._runs)
    for index in indexes:
        index.take_over()
    return not any(index.is_busy() for index in indexes)


def test_where_damage_does_not_end_nothing_is_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object) -> None:
        raise DamagedRun("damaged")

    with open_funded(tmp_path / "books.db", ["alice"]) as ledger:
        before = ledger.balance("PLN", "alice")
        with monkeypatch.context() as patch:
            patch.setattr(KeyIndex, "find", fail)
            patch.setattr(TransferIdIndex, "used", fail)
            with pytest.raises(StorageUnavailable), ledger.atomic(idempotency_key="key"):
                pytest.fail("the body ran")
            with pytest.raises(StorageUnavailable):
                ledger.transfer_many("PLN", ["alice"] * 2, ["bob"] * 2, [1, 1], ids=[2, 1])
        assert ledger.balance("PLN", "alice") == before
        with ledger.atomic(idempotency_key="key") as tx:
            tx.transfer("PLN", "alice", "bob", 1)


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("damage", ["inverted", "wiped", "deleted"])
def test_a_damaged_folder_is_not_loaded(tmp_path: Path, damage: str) -> None:
    index, ids = KeyIndex(tmp_path / "cache"), TransferIdIndex(tmp_path / "cache")
    use(index, 0, 100)
    ids.add(ids_of(list(range(100))))
    (tmp_path / "saved").mkdir()
    keys_saved, ids_saved = index.freeze().save(tmp_path / "saved"), ids.freeze().save(tmp_path / "saved")
    index.close()
    ids.close()
    KeyIndex.load(tmp_path / "saved", keys_saved, tmp_path / "cache").close()
    TransferIdIndex.load(tmp_path / "saved", ids_saved, tmp_path / "cache").close()
    for file in runs_in(tmp_path / "saved"):
        DAMAGES[damage](file)
    with pytest.raises(DamagedRun):
        KeyIndex.load(tmp_path / "saved", keys_saved)
    with pytest.raises(DamagedRun):
        TransferIdIndex.load(tmp_path / "saved", ids_saved)


def test_what_is_no_description_is_not_loaded(tmp_path: Path) -> None:
    (tmp_path / "secret.run").write_bytes(b"")
    for description in (
        None,
        {},
        [{}],
        [{"file": "../secret.run", "checksum": ""}],
        [{"file": "missing", "checksum": ""}],
        "runs",
    ):
        with pytest.raises(DamagedRun):
            KeyIndex.load(tmp_path, description)
        for seed, largest in (("1", "1"), ("x", "1"), ("1", "x"), ("-1", "1"), ("f" * 17, "1"), ("1", "f" * 33), ("1", "-2")):
            with pytest.raises(DamagedRun):
                TransferIdIndex.load(tmp_path, {"seed": seed, "largest": largest, "runs": description})


def test_ids_that_were_saved_are_used_and_the_largest_is_known(tmp_path: Path) -> None:
    used, free = [1, 7, 2**64, 2**64 + 7, 2**127], [0, 2, 2**65, 2**128 - 1]
    ids = TransferIdIndex()
    assert TransferIdIndex.load(tmp_path, ids.freeze().save(tmp_path)).largest == -1
    ids.add(ids_of(used))
    loaded = TransferIdIndex.load(tmp_path, json.loads(json.dumps(ids.freeze().save(tmp_path))))
    assert loaded.largest == 2**127
    assert loaded.used(ids_of(used)).all()
    assert not loaded.used(ids_of(free)).any()
    loaded.add(ids_of(free))
    assert loaded.used(ids_of([*used, *free])).all()
    assert loaded.largest == 2**128 - 1
    loaded.close()


@pytest.mark.usefixtures("short")
def test_keys_that_are_only_added_do_not_stay_in_memory() -> None:
    index = KeyIndex()
    use(index, 0, 1_000)
    assert len(index._turning) <= sorted_runs.WAITING_MAX + 2
    assert finds(index, 0, 1_000)
    index.close()


@pytest.mark.usefixtures("short")
def test_the_folder_that_was_loaded_may_be_deleted(tmp_path: Path) -> None:
    index = KeyIndex(tmp_path / "cache")
    use(index, 0, 100)
    (tmp_path / "saved").mkdir()
    description = index.freeze().save(tmp_path / "saved")
    index.close()
    loaded = KeyIndex.load(tmp_path / "saved", description, tmp_path / "cache")
    shutil.rmtree(tmp_path / "saved")
    use(loaded, 100, 200)
    wait_for(loaded)
    assert finds(loaded, 0, 200)
    assert not loaded.find("key-200")
    loaded.close()


def test_a_full_disk_loses_no_key(tmp_path: Path) -> None:
    printed = run_on_a_small_disk(
        """
        import sys
        from pathlib import Path
        from tallystick.infrastructure.indexes import keys
        from tallystick.infrastructure.journal.format import Key
        keys.RECENT = 5_000
        folder = Path(sys.argv[1])
        index = keys.KeyIndex(folder / "cache")
        for number in range(300_000):
            index.add([Key(f"key-{number}", None, 0)], number)
        assert all(number in index.find(f"key-{number}") for number in range(0, 300_000, 7))
        assert not index.find("key-300000")
        (folder / "saved").mkdir()
        try:
            index.freeze().save(folder / "saved")
        except OSError as error:
            print(error.strerror)
        index.close()
        print(list((folder / "cache" / "runs").iterdir()))
        """,
        tmp_path,
    )
    assert printed == "No space left on device\n[]\n"


def test_keys_stand_across_reopening(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys_module, "RECENT", 8)
    with open_funded(tmp_path / "books.db", ["alice"]) as ledger:
        for number in range(30):
            with ledger.atomic(idempotency_key=f"key-{number}") as tx:
                tx.transfer("PLN", "alice", "bob", 1)
    with Ledger.open(tmp_path / "books.db") as again:
        for number in range(30):
            with pytest.raises(DuplicateIdempotencyKey), again.atomic(idempotency_key=f"key-{number}"):
                pytest.fail("the body ran")
        with again.atomic(idempotency_key="key-30") as tx:
            tx.transfer("PLN", "alice", "bob", 1)
