"""The recorder over a journal: what can be inserted, and what is selected."""

from pathlib import Path
from unittest.mock import patch
from uuid import uuid4

import pytest
from eventsourcing.persistence import (
    DataError,
    IntegrityError,
    StoredEvent,
)

from tallystick import CommitTooLarge, Ledger, Token
from tallystick.infrastructure.event_store.log import decoded_commits, insertion
from tallystick.infrastructure.journal.format import Foreign, encode_events, make_row
from tallystick.infrastructure.journal.port import SMALL_BYTES, Journal, StreamEntry
from tallystick.infrastructure.journal.stores.memory import MemoryJournal
from tallystick.infrastructure.journal.stores.sqlite.journal import SQLiteJournal
from tallystick.infrastructure.proof.audit import audit
from tallystick.infrastructure.recorders import JournalRecorder
from tests.support.event_store.recorder_book import fill, ids, make_ledger, stored, versions


@pytest.mark.parametrize(
    ("present", "inserted", "verdict"),
    [
        ([], [0], True),
        ([], [0, 1, 2], True),
        ([], [-1], False),
        ([], [2, 1], False),
        ([], [1, 1], False),
        ([0], [0], False),
        ([0], [1], True),
        ([1, 2], [2], False),
        ([1, 2], [0], False),
        ([1, 2], [3, 3], False),
        ([1, 2], [3, 7], True),
        ([1, 2], [2**62], True),
    ],
)
def test_versions_of_a_stream_rise(
    journal: Journal, recorder: JournalRecorder, beside: Ledger, present: list[int], inserted: list[int], verdict: bool
) -> None:
    recorder.insert_events(stored("order", *present))
    before = journal.head()
    if verdict:
        expected = list(range(len(present) + 1, len(present) + len(inserted) + 1))
        assert recorder.insert_events(stored("order", *inserted)) == expected
        assert versions(recorder, "order") == [*present, *inserted]
    else:
        with pytest.raises(IntegrityError):
            recorder.insert_events([*stored("other", 1), *stored("order", *inserted)])
        assert journal.head() == before
        assert versions(recorder, "order") == present
        assert versions(recorder, "other") == []
    assert beside.audit().findings == ()


@pytest.mark.parametrize(
    "wrong",
    [
        StoredEvent("order", True, "topic", b""),
        StoredEvent("order", 1.0, "topic", b""),  # type: ignore[arg-type]
        StoredEvent("order", 2**62 + 1, "topic", b""),
        StoredEvent("order", 1, None, b""),  # type: ignore[arg-type]
        StoredEvent("order", 1, "topic", "state"),  # type: ignore[arg-type]
        StoredEvent("order\ud800", 1, "topic", b""),
        StoredEvent("order", 1, "topic\ud800", b""),
    ],
)
def test_what_cannot_be_stored_is_refused(journal: Journal, recorder: JournalRecorder, wrong: StoredEvent) -> None:
    with pytest.raises(DataError):
        recorder.insert_events([*stored("other", 1), wrong])
    assert journal.head().position == 0


def test_a_commit_is_not_too_large(journal: Journal, recorder: JournalRecorder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(insertion, "COMMIT_BYTES_MAX", 1000)
    with pytest.raises(DataError) as caught:
        recorder.insert_events(stored("order", 1, state=bytes(1000)))
    assert isinstance(caught.value.__cause__, CommitTooLarge)
    assert journal.head().position == 0


def test_an_insert_is_one_commit(journal: Journal, recorder: JournalRecorder) -> None:
    assert recorder.insert_events([*stored("a", 1, 2), *stored("b", 0), *stored("a", 3)]) == [1, 2, 3, 4]
    assert [(row.first_position, row.last_position, row.transactions) for row in journal.rows()] == [(1, 4, b"[4]")]
    assert sorted(journal.streams()) == [("a", 1, 3, 1), ("b", 0, 0, 1)]
    assert recorder.insert_events([]) == []
    assert journal.head().position == 4


def test_recorded_at_never_decreases(journal: Journal) -> None:
    times = iter((50, 40, 60))
    recorder = JournalRecorder(journal, "text", clock=lambda: next(times))
    for version in (1, 2, 3):
        recorder.insert_events(stored("order", version))
    assert [row.recorded_at for row in journal.rows()] == [50, 50, 60]


@pytest.mark.parametrize("name", ["", "nul\0byte", "\U0001f642", '"quoted"', "[]"])
def test_whatever_text_names_a_stream(recorder: JournalRecorder, beside: Ledger, name: str) -> None:
    recorder.insert_events(stored(name, 0, 1, topic=name, state=bytes(range(256))))
    assert recorder.select_events(name) == stored(name, 0, 1, topic=name, state=bytes(range(256)))
    assert beside.audit().findings == ()


def test_uuids_are_read_back_as_the_recorder_says(journal: Journal) -> None:
    id = uuid4()
    as_uuid, as_text = JournalRecorder(journal), JournalRecorder(journal, "text")
    as_uuid.insert_events(stored(id, 1))
    as_text.insert_events(stored(str(id), 2))
    as_text.insert_events(stored(id.hex, 1))
    assert [found.originator_id for found in as_uuid.select_events(id)] == [id, id]
    assert [found.originator_id for found in as_text.select_events(id)] == [str(id), str(id)]
    assert [found.originator_id for found in as_uuid.select_notifications(None, 9)] == [id, id, id.hex]
    with pytest.raises(ValueError, match="originator_id_type"):
        JournalRecorder(journal, "int")  # type: ignore[arg-type]


def test_select_events_takes_bounds(recorder: JournalRecorder) -> None:
    for first in range(0, 60, 3):
        recorder.insert_events([*stored("order", first, first + 1), *stored("other", first)])
    present = [version for version in range(60) if version % 3 < 2]
    bounds = (None, -5, 0, 1, 2, 30, 31, 32, 57, 58, 2**70)
    for gt in bounds:
        for lte in bounds:
            expected = [version for version in present if (gt is None or version > gt) and (lte is None or version <= lte)]
            assert versions(recorder, "order", gt=gt, lte=lte) == expected
            assert versions(recorder, "order", gt=gt, lte=lte, desc=True) == expected[::-1]
            assert versions(recorder, "order", gt=gt, lte=lte, limit=2) == expected[:2]
            assert versions(recorder, "order", gt=gt, lte=lte, desc=True, limit=1) == expected[-1:]
    assert versions(recorder, "order", limit=0) == []


def test_select_notifications_begins_and_ends_within_commits(recorder: JournalRecorder, beside: Ledger) -> None:
    fill(recorder, beside, commits=30)
    everything = recorder.select_notifications(None, 10**6)
    assert ids(everything) == list(range(1, len(everything) + 1))
    for start in range(1, len(everything) + 2):
        for limit in (0, 1, 7, 1000):
            assert recorder.select_notifications(start, limit) == everything[start - 1 :][:limit]
            assert recorder.select_notifications(start, limit, inclusive_of_start=False) == everything[start:][:limit]
        assert recorder.select_notifications(start, 1000, stop=40) == everything[start - 1 : 40]
    assert recorder.select_notifications(-3, 2) == everything[:2]


def test_large_commits_are_decoded_once(recorder: JournalRecorder) -> None:
    recorder.insert_events(stored("order", *range(1000)))
    with patch.object(decoded_commits, "decode_events", wraps=decoded_commits.decode_events) as decode:
        for start in range(1, 1001, 10):
            assert ids(recorder.select_notifications(start, 10)) == list(range(start, start + 10))
    assert decode.call_count == 1


@pytest.mark.parametrize("commits", [50, 3000])
def test_selecting_costs_the_same_however_long_the_journal_is(commits: int) -> None:
    journal = MemoryJournal()
    recorder, ledger = JournalRecorder(journal, "text"), make_ledger(journal)
    ledger.register_token(Token("PLN"))
    for _ in range(commits):
        with ledger.atomic() as tx:
            tx.mint("PLN", "alice", 1)
    with patch.object(decoded_commits, "decode_events", wraps=decoded_commits.decode_events) as decode:
        assert versions(recorder, "PLN", desc=True, limit=1) == [commits + 1]
        assert versions(recorder, "PLN", gt=20, limit=1) == [21]
        assert versions(recorder, "PLN", lte=20, desc=True, limit=1) == [20]
        (found,) = recorder.select_notifications(30, 1)
        assert (found.id, found.originator_version) == (30, 30)
        (found,) = recorder.select_notifications(commits, 1)
        assert (found.id, found.originator_version) == (commits, commits)
    assert decode.call_count == 5


def test_a_stream_of_small_and_large_events(journal: Journal) -> None:
    recorder = JournalRecorder(journal, application="orders")
    id = uuid4()
    sizes = [10, SMALL_BYTES, 30_000, 5, 200_000, 7]
    for version, size in enumerate(sizes):
        recorder.insert_events([*stored(id, version, state=bytes(size)), *stored(uuid4(), version)])
    for desc in (False, True):
        found = recorder.select_events(id, desc=desc)
        assert [len(event.state) for event in found] == (sizes[::-1] if desc else sizes)
    assert versions(recorder, id, gt=0, lte=3, limit=2) == [1, 2]


def test_streams_that_are_new_to_a_reading_are_looked_up_together() -> None:
    journal = MemoryJournal()
    recorder, ledger = JournalRecorder(journal, "text"), make_ledger(journal)
    ledger.register_token(Token("PLN"))
    with ledger.atomic() as tx:
        for number in range(600):
            tx.register_contract(f"contract-{number}")
    for number in range(600):
        with ledger.atomic() as tx:
            tx.contract(f"contract-{number}").balance_up(1)
    everything = recorder.select_notifications(1, 10**6)
    assert [found.originator_version for found in everything] == [1, *[1] * 600, *[2] * 600]
    for start in (2, 300, 602):
        reader = JournalRecorder(journal, "text")
        with patch.object(journal, "last_entries", wraps=journal.last_entries) as look:
            position, found = start, []
            while section := reader.select_notifications(position, 100):
                found += section
                position = section[-1].id + 1
            assert found == everything[start - 1 :]
        assert look.call_count <= 2 + len(found) / 100


def test_what_is_rare_is_looked_for_in_larger_and_larger_pages() -> None:
    journal = MemoryJournal()
    rare, others = (JournalRecorder(journal, "text", application=name) for name in ("rare", "others"))
    for version in range(3_000):
        others.insert_events(stored("order", version))
    rare.insert_events(stored("order", 1))
    with patch.object(journal, "bodies", wraps=journal.bodies) as read:
        assert ids(rare.select_notifications(1, 1)) == [3_001]
    assert read.call_count < 20


def test_a_file_that_is_replaced_is_not_remembered(tmp_path: Path) -> None:
    for name in ("old", "new"):
        journal = SQLiteJournal(tmp_path / f"{name}.db")
        JournalRecorder(journal, "text").insert_events(stored("order", *range(100), state=name.encode()))
        journal.close()
    recorder = JournalRecorder(SQLiteJournal(tmp_path / "old.db"), "text")
    for name in ("old", "new"):
        found = [*recorder.select_events("order"), *recorder.select_notifications(1, 100)]
        assert {event.state for event in found} == {name.encode()}
        (tmp_path / "new.db").replace(tmp_path / "old.db") if name == "old" else None


@pytest.mark.parametrize(("versions", "verdict"), [((0, 1, 5), True), ((0, 0), False), ((3, 0), False), ((3, 3), False)])
def test_the_audit_finds_versions_that_do_not_rise(versions: tuple[int, ...], verdict: bool) -> None:
    journal = MemoryJournal()
    for position, version in enumerate(versions, 1):
        body = encode_events([Foreign("order", version, "topic", b"")])
        row = make_row(journal.head().digest, position, 0, (), (1,), body)
        journal.append(row, [])
        journal._streams["order"].append(StreamEntry("order", version, version, position))
    assert [finding.position for finding in audit(journal).findings] == ([] if verdict else [2])
