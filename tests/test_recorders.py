"""The `eventsourcing` library's recorder over a journal: its own tests, and a ledger beside it."""

import importlib.util
import shutil
import sys
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from threading import Thread
from typing import Any, Literal
from unittest.mock import Mock, patch
from uuid import UUID, uuid4

import msgspec
import pytest
from eventsourcing.domain import Aggregate, event
from eventsourcing.persistence import (
    DatabaseError,
    DataError,
    DatetimeAsISO,
    EventStore,
    IntegrityError,
    InterfaceError,
    JSONTranscoder,
    Mapper,
    Notification,
    OperationalError,
    StoredEvent,
    UUIDAsHex,
)
from eventsourcing.utils import resolve_topic

from tallystick import CommitTooLarge, Ledger, StorageFull, Token, TokenNotFound
from tallystick.domain.events import Minted, TokenRegistered
from tallystick.infrastructure import recorders
from tallystick.infrastructure.audit import audit
from tallystick.infrastructure.codec import Foreign, encode_events, make_row
from tallystick.infrastructure.journal import Journal, StreamEntry, UnclearOutcome
from tallystick.infrastructure.memory import MemoryJournal
from tallystick.infrastructure.postgres import PostgresJournal
from tallystick.infrastructure.recorders import JournalRecorder
from tallystick.infrastructure.sqlite import SQLiteJournal

if importlib.util.find_spec("Crypto") is None:  # the library's test module wants it, for tests that are not used here
    sys.modules["eventsourcing.cipher"] = Mock()
from eventsourcing.tests.persistence import ApplicationRecorderTestCase, NonInterleavingNotificationIDsBaseCase

if isinstance(sys.modules["eventsourcing.cipher"], Mock):
    del sys.modules["eventsourcing.cipher"]

IdType = Literal["uuid", "text"]


class OnMemory:
    id_type: IdType = "uuid"

    def create_recorder(self) -> JournalRecorder:
        return JournalRecorder(self.journal(), self.id_type)

    def journal(self) -> Journal:
        return MemoryJournal()


class OnSQLite(OnMemory):
    def journal(self) -> Journal:
        folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, folder)  # type: ignore[attr-defined]
        journal = SQLiteJournal(folder / "books.db", durable=False)
        self.addCleanup(journal.close)  # type: ignore[attr-defined]
        return journal


class WithText:
    id_type: IdType = "text"

    def new_originator_id(self) -> str:
        return f"order-{uuid4()}"


class LibraryCase(ApplicationRecorderTestCase[JournalRecorder]):
    def test_insert_subscribe(self) -> None:
        self.optional_test_insert_subscribe()


class TestMemory(OnMemory, LibraryCase):
    pass


class TestMemoryText(WithText, OnMemory, LibraryCase):
    pass


class TestSQLite(OnSQLite, LibraryCase):
    pass


class TestSQLiteText(WithText, OnSQLite, LibraryCase):
    pass


class TestNonInterleavingMemory(OnMemory, NonInterleavingNotificationIDsBaseCase):
    pass


class TestNonInterleavingSQLite(OnSQLite, NonInterleavingNotificationIDsBaseCase):
    pass


del ApplicationRecorderTestCase, LibraryCase, NonInterleavingNotificationIDsBaseCase  # else collected as tests


@pytest.fixture
def recorder(journal: Journal) -> JournalRecorder:
    return JournalRecorder(journal, "text")


@pytest.fixture
def beside(journal: Journal) -> Iterator[Ledger]:
    """A ledger on the same journal: for SQLite with a connection of its own."""
    if isinstance(journal, SQLiteJournal):
        with Ledger.open(journal.path) as ledger:
            yield ledger
    else:
        with make_ledger(journal) as ledger:
            yield ledger


def make_ledger(journal: Journal) -> Ledger:
    times = count(1_700_000_000_000_000)
    return Ledger(journal, lambda: next(times), lambda: uuid4().hex)


def stored(stream: str | UUID, *versions: int, topic: str = "topic", state: bytes = b"state") -> list[StoredEvent]:
    return [StoredEvent(stream, version, topic, state) for version in versions]


def versions(recorder: JournalRecorder, stream: str | UUID, **bounds: Any) -> list[int]:
    return [found.originator_version for found in recorder.select_events(stream, **bounds)]


def ids(notifications: Any) -> list[int]:
    return [notification.id for notification in notifications]


# Inserting.


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
        ([1, 2], [2**63 - 1], True),
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
        StoredEvent("order", 2**63, "topic", b""),
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
    monkeypatch.setattr(recorders, "COMMIT_BYTES_MAX", 1000)
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


# Selecting.


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


def fill(recorder: JournalRecorder, ledger: Ledger, commits: int) -> None:
    """Commits of the ledger, in two tokens, and between them events of two other streams."""
    ledger.register_token(Token("USD", decimals=2, unit=100))
    ledger.register_token(Token("PLN"))
    for number in range(1, commits + 1):
        with ledger.atomic() as tx:
            tx.mint("USD", "alice", 350)
            if number % 3 == 0:
                tx.mint("PLN", "bob", number)
            tx.transfer("USD", "alice", "bob", 120)
        recorder.insert_events([*stored("order-1", number), *stored("order-2", 2 * number, 2 * number + 1)])


def test_large_commits_are_decoded_once(recorder: JournalRecorder) -> None:
    recorder.insert_events(stored("order", *range(1000)))
    with patch.object(recorders, "decode_events", wraps=recorders.decode_events) as decode:
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
    with patch.object(recorders, "decode_events", wraps=recorders.decode_events) as decode:
        assert versions(recorder, "PLN", desc=True, limit=1) == [commits + 1]
        assert versions(recorder, "PLN", gt=20, limit=1) == [21]
        assert versions(recorder, "PLN", lte=20, desc=True, limit=1) == [20]
        (found,) = recorder.select_notifications(30, 1)
        assert (found.id, found.originator_version) == (30, 30)
        (found,) = recorder.select_notifications(commits, 1)
        assert (found.id, found.originator_version) == (commits, commits)
    assert decode.call_count == 5


@pytest.mark.parametrize(("versions", "verdict"), [((0, 1, 5), True), ((0, 0), False), ((3, 0), False), ((3, 3), False)])
def test_the_audit_finds_versions_that_do_not_rise(versions: tuple[int, ...], verdict: bool) -> None:
    journal = MemoryJournal()
    for position, version in enumerate(versions, 1):
        body = encode_events([Foreign("order", version, "topic", b"")])
        row = make_row(journal.head().digest, position, 0, (), (1,), body)
        journal.append(row, [StreamEntry("order", version, version, position)])
    assert [finding.position for finding in audit(journal).findings] == ([] if verdict else [2])


# A ledger on the same journal.


def test_a_ledger_works_beside_it(recorder: JournalRecorder, beside: Ledger, journal: Journal) -> None:
    fill(recorder, beside, commits=20)
    assert beside.balance("USD", "alice").total == 20 * 230
    assert beside.balance("USD", "bob").total == 20 * 120
    with beside.atomic(idempotency_key="last") as tx:
        tx.reserve("USD", "alice", "court", 100)
    recorder.insert_events(stored("order-1", 1000))
    assert beside.verify().ok
    report = beside.audit()
    assert report.findings == ()
    assert report.position == recorder.max_notification_id() == journal.head().position
    again = make_ledger(journal)  # derived from the first event on
    assert again.balances("USD") == beside.balances("USD")
    assert again.replay(projection := Collected()) is projection
    assert projection.state == [found.topic for found in recorder.select_notifications(None, 10**6)]


class Collected:
    """A projection that notes the topics of what it is given."""

    name = "collected"
    version = 1

    def __init__(self) -> None:
        self.state: list[str] = []

    def apply(self, position: int, recorded_at: int, event: Any, /) -> None:
        self.state.append(getattr(event, "topic", f"tallystick.domain.events:{type(event).__name__}"))


def test_a_contracts_events_can_be_read(recorder: JournalRecorder, beside: Ledger) -> None:
    for amount in (5, 6):
        with beside.atomic() as tx:
            contract = tx.contract("pool") if beside.is_contract("pool") else tx.register_contract("pool")
            contract.balance_up(amount)
            tx.register_contract(f"other-{amount}")
    found = recorder.select_events("pool")
    assert [event.originator_version for event in found] == [1, 2, 3]
    assert found[2] == StoredEvent("pool", 3, "tallystick.domain.events:BalanceRaised", b'["BalanceRaised","pool",6,""]')
    assert len(recorder.select_notifications(None, 100, topics=["tallystick.domain.events:ContractRegistered"])) == 3
    with pytest.raises(IntegrityError, match="pool"):
        recorder.insert_events(stored("pool", 4))


def test_a_tokens_events_can_be_read(recorder: JournalRecorder, beside: Ledger) -> None:
    fill(recorder, beside, commits=12)
    (first, *rest) = recorder.select_events("USD")
    assert first.topic == "tallystick.domain.events:TokenRegistered"
    assert first.originator_id == "USD"
    assert msgspec.json.decode(first.state, type=resolve_topic(first.topic)) == TokenRegistered(
        "USD", 2, 2**128 - 1, 100, "external"
    )
    assert rest[0] == StoredEvent("USD", 2, "tallystick.domain.events:Minted", b'["Minted","USD","alice",350,""]')
    assert [found.originator_version for found in rest] == list(range(2, len(rest) + 2))
    assert versions(recorder, "PLN") == [1, 2, 3, 4, 5]
    assert versions(recorder, "PLN", gt=2, desc=True, limit=2) == [5, 4]
    topics = ["tallystick.domain.events:Minted"]
    minted = recorder.select_notifications(None, 10**6, topics=topics)
    assert [type(msgspec.json.decode(found.state, type=Minted)) for found in minted] == [Minted] * 16
    assert as_stored(minted) == {
        (found.originator_id, found.originator_version): found
        for stream in ("USD", "PLN")
        for found in recorder.select_events(stream)
        if found.topic in topics
    }


def as_stored(notifications: Any) -> dict[tuple[Any, int], StoredEvent]:
    return {
        (found.originator_id, found.originator_version): StoredEvent(
            found.originator_id, found.originator_version, found.topic, found.state
        )
        for found in notifications
    }


def test_a_token_keeps_its_name_where_ids_are_uuids(journal: Journal, beside: Ledger) -> None:
    code = str(uuid4())
    beside.register_token(Token(code))
    (found,) = JournalRecorder(journal).select_notifications(None, 9)
    assert found.originator_id == code


def test_the_ledger_alone_makes_a_tokens_events(recorder: JournalRecorder, beside: Ledger, journal: Journal) -> None:
    fill(recorder, beside, commits=1)
    before = journal.head()
    for version in (1, 2, 1000):
        with pytest.raises(IntegrityError, match="USD is a token"):
            recorder.insert_events([*stored("order-3", 1), *stored("USD", version)])
    assert journal.head() == before


def test_a_token_goes_on_from_the_stream_of_its_name(recorder: JournalRecorder, beside: Ledger) -> None:
    recorder.insert_events(stored("PLN", 1, 2))
    beside.register_token(Token("PLN"))
    with beside.atomic() as tx:
        tx.mint("PLN", "alice", 5)
    assert versions(recorder, "PLN") == [1, 2, 3, 4]
    assert [found.originator_version for found in recorder.select_notifications(None, 9)] == [1, 2, 3, 4]
    assert beside.audit().findings == ()


def test_an_event_named_like_ours_does_not_touch_the_books(recorder: JournalRecorder, beside: Ledger) -> None:
    recorder.insert_events(stored("EUR", 1, topic="tallystick.domain.events:Minted", state=b'["Minted","EUR","alice",350,""]'))
    with pytest.raises(TokenNotFound):
        beside.balance("EUR", "alice")
    assert beside.audit().findings == ()


class Order(Aggregate):
    def __init__(self, buyer: str) -> None:
        self.buyer = buyer
        self.paid = 0

    @event("Paid")
    def pay(self, amount: int) -> None:
        self.paid += amount


def test_aggregates_of_the_library_are_stored_and_read(journal: Journal, beside: Ledger) -> None:
    transcoder = JSONTranscoder()
    transcoder.register(UUIDAsHex())
    transcoder.register(DatetimeAsISO())
    store: EventStore[UUID] = EventStore(Mapper(transcoder), JournalRecorder(journal))
    order = Order("alice")
    for amount in (5, 7):
        order.pay(amount)
    recordings = store.put(order.collect_events())
    assert ids([recording.notification for recording in recordings]) == [1, 2, 3]
    copy: Order | None = None
    for stored_event in store.get(order.id):
        copy = stored_event.mutate(copy)  # type: ignore[attr-defined]
    assert copy == order
    assert beside.audit().ok


# Subscribing.


def test_a_subscription_gives_what_anybody_records(recorder: JournalRecorder, beside: Ledger, journal: Journal) -> None:
    beside.register_token(Token("PLN"))
    with recorder.subscribe(gt=1) as subscription:

        def record() -> None:
            with beside.atomic() as tx:
                tx.mint("PLN", "alice", 5)
            JournalRecorder(journal, "text").insert_events(stored("order", 1))
            recorder.insert_events(stored("order", 2))

        thread = Thread(target=record)
        thread.start()
        found: list[Notification] = [next(subscription) for _ in range(3)]
        thread.join()
    assert [(event.id, event.originator_id, event.originator_version) for event in found] == [
        (2, "PLN", 2),
        (3, "order", 1),
        (4, "order", 2),
    ]


def test_a_subscription_is_stopped_by_another_thread(recorder: JournalRecorder) -> None:
    with recorder.subscribe(gt=1000) as subscription:
        thread = Thread(target=subscription.stop)
        thread.start()
        assert list(subscription) == []
        thread.join()


def test_a_subscription_reads_what_it_passes_over_once(recorder: JournalRecorder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorders, "PULL_LIMIT", 10)
    recorder.insert_events(stored("order", *range(100), topic="many"))
    recorder.insert_events(stored("order", *range(100, 125), topic="few"))
    with recorder.subscribe(topics=["few"]) as subscription:
        assert [next(subscription).originator_version for _ in range(25)] == list(range(100, 125))
        recorder.insert_events(stored("order", *range(125, 150), topic="many"))
        recorder.insert_events(stored("order", 150, topic="few"))
        selected = recorder.select_notifications
        starts: list[int | None] = []

        def select(start: int | None, *rest: Any, **options: Any) -> Any:
            starts.append(start)
            return selected(start, *rest, **options)

        monkeypatch.setattr(recorder, "select_notifications", select)
        assert next(subscription).originator_version == 150
    assert starts == [125]


# Failures.


def test_a_closed_journal_is_an_interface_error(tmp_path: Path) -> None:
    journal = SQLiteJournal(tmp_path / "books.db")
    recorder = JournalRecorder(journal, "text")
    journal.close()
    for call in (
        lambda: recorder.insert_events(stored("order", 1)),
        lambda: recorder.select_events("order"),
        lambda: recorder.select_notifications(1, 1),
        lambda: recorder.max_notification_id(),
        lambda: next(recorder.subscribe()),
    ):
        with pytest.raises(InterfaceError):
            call()


def test_a_full_disk_is_an_operational_error(journal: Journal, recorder: JournalRecorder) -> None:
    with (
        patch.object(journal, "append", side_effect=StorageFull("full")),
        pytest.raises(OperationalError) as caught,
    ):
        recorder.insert_events(stored("order", 1))
    assert isinstance(caught.value.__cause__, StorageFull)
    assert recorder.insert_events(stored("order", 1)) == [1]


@pytest.mark.parametrize("stands", [True, False])
def test_an_unclear_outcome_is_found_out(journal: Journal, recorder: JournalRecorder, stands: bool) -> None:
    append, left = journal.append, [True]

    def unclear(*arguments: Any) -> None:
        first = left and left.pop()
        if stands or not first:
            append(*arguments)
        if first:
            raise UnclearOutcome("who knows")

    stands_then = stands or isinstance(journal, PostgresJournal)  # PostgreSQL finds out by recording it again
    with patch.object(journal, "append", unclear):
        if stands_then:
            assert recorder.insert_events(stored("order", 1)) == [1]
        else:
            with pytest.raises(OperationalError, match="nothing was recorded"):
                recorder.insert_events(stored("order", 1))
    assert versions(recorder, "order") == ([1] if stands_then else [])
    assert recorder.insert_events(stored("order", 2)) == [2 if stands_then else 1]


def test_an_outcome_that_stays_unclear_is_an_operational_error(journal: Journal, recorder: JournalRecorder) -> None:
    with (
        patch.object(journal, "append", side_effect=UnclearOutcome("who knows")),
        patch.object(journal, "reopen", side_effect=StorageFull("gone")),
        pytest.raises(OperationalError, match="may or may not stand"),
    ):
        recorder.insert_events(stored("order", 1))


def test_a_stream_entry_that_leads_nowhere_is_a_database_error() -> None:
    journal = MemoryJournal()
    recorder = JournalRecorder(journal, "text")
    recorder.insert_events(stored("order", 1))
    ledger = make_ledger(journal)
    ledger.register_token(Token("PLN"))
    journal._streams["PLN"].clear()
    with pytest.raises(DatabaseError):
        recorder.select_notifications(1, 9)
    journal._streams["order"][0] = journal._streams["order"][0]._replace(first_position=99)
    with pytest.raises(DatabaseError):
        recorder.select_events("order")
    assert not ledger.audit().ok
