"""One stream out of a commit of many: whatever the names and texts are, what is found is what was saved."""

from collections.abc import Sequence
from unittest.mock import patch

import pytest
from eventsourcing.persistence import StoredEvent

from tallystick.infrastructure.event_store.log import decoded_commits, large_bodies
from tallystick.infrastructure.journal.format import Foreign, encode_events, make_row
from tallystick.infrastructure.journal.port import Journal, StreamEntry
from tallystick.infrastructure.journal.stores.memory import MemoryJournal
from tallystick.infrastructure.recorders import JournalRecorder
from tests.support.event_store.recorder_book import stored

OTHERS = [f"other-{number}" for number in range(100)]
TIMES = 2 * large_bodies.OFTEN


def saved(recorder: JournalRecorder, events: Sequence[StoredEvent]) -> None:
    """All of them in one large commit, between events of other streams."""
    others = [event for other in OTHERS for event in stored(other, 1)]
    recorder.insert_events([*others[:50], *events, *others[50:]])


@pytest.mark.parametrize(
    ("name", "topic", "decodings"),
    [
        ("order", "topic", 0),
        ("order", "order", 1),
        ("order", 'say "order",', 1),
        ("order", "]", 1),
        ("order", "[a]", 0),
        ("order", '"]', 1),
        ('or"der', "topic", 1),
        ("or\\der", "topic", 1),
        ("or\nder", "topic", 1),
        ("]order", "topic", 1),
        ('["Foreign",', "topic", 1),
        ("Foreign", "Foreign", 1),
        ("ördër 🜚", "topic", 0),
        ("order 1", "topic", 0),
    ],
)
def test_a_stream_is_found_in_a_large_commit(recorder: JournalRecorder, name: str, topic: str, decodings: int) -> None:
    saved(recorder, stored(name, 0, 1, 7, topic=topic))
    with patch.object(decoded_commits, "decode_events", wraps=decoded_commits.decode_events) as decode:
        for _ in range(TIMES):
            assert recorder.select_events(name) == stored(name, 0, 1, 7, topic=topic)
            assert recorder.select_events(name, gt=0, lte=6) == stored(name, 1, topic=topic)
            assert recorder.select_events(name, desc=True, limit=1) == stored(name, 7, topic=topic)
            assert recorder.select_events(OTHERS[99]) == stored(OTHERS[99], 1)
            assert recorder.select_events("nobody") == []
    assert decode.call_count == decodings


def test_many_events_of_a_stream_in_a_large_commit(recorder: JournalRecorder) -> None:
    saved(recorder, stored("order", *range(500)))
    with patch.object(decoded_commits, "decode_events", wraps=decoded_commits.decode_events) as decode:
        for version in range(0, 500, 50):
            assert recorder.select_events("order", lte=version) == stored("order", *range(version + 1))
    assert decode.call_count == 1


def test_bodies_that_are_not_kept_are_read_again(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large_bodies, "KEPT_BYTES", 1)
    recorder = JournalRecorder(journal, "text")
    for version in range(3):
        recorder.insert_events([event for other in OTHERS for event in stored(other, version)])
    for _ in range(TIMES):
        for other in OTHERS[::20]:
            assert recorder.select_events(other) == stored(other, 0, 1, 2)


def test_what_another_writer_wrote_with_more_spaces_is_found_too() -> None:
    """Such a commit can be read, though nothing here writes it: of one stream's events some are as here, and some are not."""
    journal = MemoryJournal()
    events = [Foreign("order" if number % 40 == 0 else f"other-{number}", number, "topic", b"") for number in range(100)]
    bodies = [encode_events([event])[1:-1] for event in events]
    bodies[40] = bodies[40].replace(b",", b" , ")
    row = make_row(journal.head().digest, 1, 0, (), (100,), b"[" + b",".join(bodies) + b"]")
    journal.append(row, [StreamEntry("order", 0, 80, 1)])
    recorder = JournalRecorder(journal, "text")
    for _ in range(TIMES):
        assert [event.originator_version for event in recorder.select_events("order")] == [0, 40, 80]
