"""Several applications of the `eventsourcing` library in one journal: each has its events, snapshots and tracking to itself."""

from itertools import product
from pathlib import Path
from typing import Any
from unittest.mock import patch
from uuid import UUID, uuid4

import pytest
from eventsourcing.application import AggregateNotFoundError, Application, ProcessingEvent
from eventsourcing.dispatch import singledispatchmethod
from eventsourcing.domain import Aggregate, event
from eventsourcing.persistence import IntegrityError, StoredEvent, Tracking
from eventsourcing.projection import Projection, ProjectionRunner
from eventsourcing.sqlite import SQLiteTrackingRecorder
from eventsourcing.system import MultiThreadedRunner, ProcessApplication, Runner, SingleThreadedRunner, System
from hypothesis import given

from tallystick import Ledger, Token
from tallystick.infrastructure.event_store.recorders import tracking_recorder
from tallystick.infrastructure.event_store.stream_names import StreamSpace
from tallystick.infrastructure.journal.port import Journal
from tallystick.infrastructure.journal.stores.memory import MemoryJournal
from tallystick.infrastructure.recorders import JournalAggregateRecorder, JournalRecorder, JournalTrackingRecorder
from tests.support.strategies import stream_names
from tests.support.suites.library_stores import MODULE

Url = str | Path


def environment_of(url: Url, **variables: str) -> dict[str, str]:
    return {"PERSISTENCE_MODULE": MODULE, "TALLYSTICK_URL": url if isinstance(url, str) else f"sqlite:///{url}", **variables}


def stored(id: Any, *versions: int) -> list[StoredEvent]:
    return [StoredEvent(id, version, "topic", b"state") for version in versions]


# Names.


@given(names=stream_names)
def test_no_two_streams_have_one_name(names: list[tuple[str, str, str]]) -> None:
    spaces = [StreamSpace(application, purpose) for application, purpose, _ in names]
    streams = [space.stream_of(id) for space, (_, _, id) in zip(spaces, names, strict=True)]
    for (space, stream), (application, purpose, id) in product(zip(spaces, streams, strict=True), names):
        same = (space.application.lower(), space.purpose) == (application.lower(), purpose)
        if same and space.id_of(stream) == id:
            assert StreamSpace(application, purpose).stream_of(id) == stream
        else:
            assert StreamSpace(application, purpose).stream_of(id) != stream
    for space, stream, (_, _, id) in zip(spaces, streams, names, strict=True):
        assert space.id_of(stream) == id


@given(names=stream_names)
def test_an_application_reads_back_its_own_streams_alone(names: list[tuple[str, str, str]]) -> None:
    journal = MemoryJournal()
    recorded: dict[tuple[str, str, str], int] = {}
    for application, purpose, id in names:
        key = (application.lower(), purpose, id)
        recorded[key] = recorded.get(key, 0) + 1
        recorder = JournalAggregateRecorder(journal, "text", application=application, purpose=purpose)
        recorder.insert_events(stored(id, recorded[key]))
    for (application, purpose, id), count in recorded.items():
        recorder = JournalAggregateRecorder(journal, "text", application=application, purpose=purpose)
        assert recorder.select_events(id) == stored(id, *range(1, count + 1))
        if purpose == "events":
            seen = JournalRecorder(journal, "text", application=application).select_notifications(None, 10**6)
            expected = {key[2]: number for key, number in recorded.items() if key[:2] == (application, "events")}
            assert {found.originator_id for found in seen} == set(expected)
            assert len(seen) == sum(expected.values())


def test_applications_do_not_meet(journal: Journal) -> None:
    id = uuid4()
    one, two = (JournalRecorder(journal, application=name) for name in ("One", "Two"))
    assert one.insert_events(stored(id, 1, 2)) == [1, 2]
    assert two.insert_events(stored(id, 1)) == [3]
    assert one.insert_events(stored(id, 3)) == [4]
    assert [found.originator_version for found in one.select_events(id)] == [1, 2, 3]
    assert [found.id for found in one.select_notifications(None, 9)] == [1, 2, 4]
    assert [found.id for found in two.select_notifications(None, 9)] == [3]
    assert (one.max_notification_id(), two.max_notification_id()) == (4, 3)
    with pytest.raises(IntegrityError):
        two.insert_events(stored(id, 1))
    assert [found.id for found in JournalRecorder(journal, application="ONE").select_notifications(None, 9)] == [1, 2, 4]


def test_a_recorder_without_an_application_is_one_of_them(journal: Journal) -> None:
    nameless, named = JournalRecorder(journal, "text"), JournalRecorder(journal, "text", application="named")
    nameless.insert_events(stored("order", 1))
    assert named.select_events("order") == []
    assert named.select_notifications(None, 9) == []
    named.insert_events(stored("order", 1, 2))
    assert nameless.select_events("order") == stored("order", 1)
    assert [found.id for found in nameless.select_notifications(None, 9)] == [1]


def test_the_newest_notification_is_one_that_is_given(journal: Journal) -> None:
    mine = JournalRecorder(journal, application="mine")
    others = JournalRecorder(journal, application="others")
    snapshots = JournalAggregateRecorder(journal, application="mine", purpose="snapshots")
    view = JournalTrackingRecorder(journal, application="mine")
    assert mine.max_notification_id() is None
    others.insert_events(stored("other", *range(300)))
    assert mine.max_notification_id() is None
    assert mine.insert_events(stored("order", 1)) == [301]
    for _ in range(2):
        assert mine.max_notification_id() == 301
        others.insert_events(stored(uuid4(), *range(1_500)))
        snapshots.insert_events(stored(uuid4(), 1))
        view.insert_tracking(Tracking("others", (view.max_tracking_id("others") or 0) + 1))
    assert mine.max_notification_id() == 301
    assert JournalRecorder(journal, application="mine").max_notification_id() == 301


def test_a_snapshot_that_is_late_is_passed_over(journal: Journal) -> None:
    id = uuid4()
    snapshots = JournalAggregateRecorder(journal, application="mine", purpose="snapshots")
    snapshots.insert_events(stored(id, 10))
    snapshots.insert_events(stored(id, 5))
    assert snapshots.select_events(id) == stored(id, 10)
    with pytest.raises(IntegrityError):
        snapshots.insert_events(stored(id, 10))


def test_a_snapshot_that_somebody_overtakes_is_passed_over(journal: Journal) -> None:
    id = uuid4()
    slow, fast = (JournalAggregateRecorder(journal, application="mine", purpose="snapshots") for _ in "12")
    look = slow._is_older

    def look_and_be_overtaken(event: StoredEvent) -> bool:
        found = look(event)
        if not fast.select_events(id):
            fast.insert_events(stored(id, 10))
        return found

    with patch.object(slow, "_is_older", look_and_be_overtaken):
        slow.insert_events(stored(id, 5))
    assert slow.select_events(id) == stored(id, 10)


@pytest.mark.parametrize(("purpose", "verdict"), [("events", True), ("snapshots", True), ("tracking", False), ("gaps", False)])
def test_what_is_recorded_otherwise_is_no_purpose(purpose: str, verdict: bool) -> None:
    if verdict:
        JournalAggregateRecorder(MemoryJournal(), purpose=purpose)
    else:
        with pytest.raises(ValueError, match=purpose):
            JournalAggregateRecorder(MemoryJournal(), purpose=purpose)


def test_changes_of_a_view_are_kept_with_its_tracking(journal: Journal) -> None:
    view = JournalTrackingRecorder(journal, application="view")
    view.insert_change(Tracking("one", 3), b"three")
    view.insert_tracking(Tracking("one", 5))
    view.insert_change(Tracking("two", 1), b"one")
    with pytest.raises(IntegrityError):
        view.insert_change(Tracking("one", 5), b"again")
    again = JournalTrackingRecorder(journal, application="view")
    assert list(again.select_changes("one")) == [(Tracking("one", 3), b"three"), (Tracking("one", 5), b"")]
    assert list(again.select_changes("one", gt=3)) == [(Tracking("one", 5), b"")]
    assert list(again.select_changes("two")) == [(Tracking("two", 1), b"one")]
    assert list(JournalTrackingRecorder(journal, application="other").select_changes("one")) == []


def test_many_changes_of_a_view_are_read_in_pages(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracking_recorder, "PAGE_ROWS", 7)
    view = JournalTrackingRecorder(journal, application="view")
    for number in range(40):
        view.insert_change(Tracking("one", 2 * number), b"%d" % number)
    assert list(view.select_changes("one")) == [(Tracking("one", 2 * number), b"%d" % number) for number in range(40)]
    assert list(view.select_changes("one", gt=75)) == [(Tracking("one", 76), b"38"), (Tracking("one", 78), b"39")]


# Systems.


class Order(Aggregate):
    @event("Placed")
    def __init__(self, total: int) -> None:
        self.total = total


class Turnover(Aggregate):
    @staticmethod
    def create_id(name: str) -> UUID:
        return UUID(int=sum(name.encode()))

    @event("Opened")
    def __init__(self, name: str) -> None:
        self.name = name
        self.total = 0
        self.orders = 0

    @event("Added")
    def add(self, total: int) -> None:
        self.total += total
        self.orders += 1


class Orders(Application[UUID]):
    def place(self, total: int) -> int:
        return self.save(Order(total))[-1].notification.id


class Turnovers(ProcessApplication[UUID]):
    @singledispatchmethod
    def policy(self, domain_event: Any, processing_event: ProcessingEvent[UUID]) -> None:
        """Nothing but orders counts."""

    @policy.register
    def _(self, domain_event: Order.Placed, processing_event: ProcessingEvent[UUID]) -> None:
        try:
            turnover = self.repository.get(Turnover.create_id("all"))
        except AggregateNotFoundError:
            turnover = Turnover("all")
        turnover.add(domain_event.total)
        processing_event.collect_events(turnover)


@pytest.mark.parametrize("runner_class", [SingleThreadedRunner, MultiThreadedRunner])
def test_a_system_processes_each_event_once(shared_url: Url, runner_class: type[Runner[Any]]) -> None:
    environment = environment_of(shared_url)
    for repetition in (1, 2):  # the second time with what the first has left
        with runner_class(System([[Orders, Turnovers]]), env=environment) as runner:
            orders, turnovers = runner.get(Orders), runner.get(Turnovers)
            last = [orders.place(total) for total in range(1, 11)][-1]
            turnovers.recorder.wait(orders.name, last, timeout=120)
            turnover = turnovers.repository.get(Turnover.create_id("all"))
            assert (turnover.total, turnover.orders) == (55 * repetition, 10 * repetition)
    with Ledger.open(shared_url) as ledger:
        ledger.register_token(Token("PLN"))
        assert ledger.audit().findings == ()


class EventsourcingView(SQLiteTrackingRecorder):
    """A view in tables of its own, as the library's users write them."""

    def construct_create_table_statements(self) -> list[str]:
        return [*super().construct_create_table_statements(), "CREATE TABLE IF NOT EXISTS sums (total INTEGER)"]

    def add(self, total: int, tracking: Tracking) -> None:
        with self.datastore.transaction(commit=True) as cursor:
            self._insert_tracking(cursor, tracking)
            cursor.execute("INSERT INTO sums VALUES (?)", (total,))

    def total(self) -> int:
        with self.datastore.transaction(commit=False) as cursor:
            cursor.execute("SELECT sum(total) FROM sums")
            return cursor.fetchone()[0]


class Sums(Projection[EventsourcingView]):
    @singledispatchmethod
    def process_event(self, domain_event: Any, tracking: Tracking) -> None:
        self.view.insert_tracking(tracking)

    @process_event.register
    def _(self, domain_event: Order.Placed, tracking: Tracking) -> None:
        self.view.add(domain_event.total, tracking)


def test_a_stock_view_follows_an_application_in_a_journal(url: Url, tmp_path: Path) -> None:
    library = {"SUMS_PERSISTENCE_MODULE": "eventsourcing.sqlite", "SUMS_SQLITE_DBNAME": str(tmp_path / "view.db")}
    with ProjectionRunner(
        application_class=Orders, projection_class=Sums, view_class=EventsourcingView, env={**environment_of(url), **library}
    ) as runner:
        for total in range(1, 21):
            runner.app.place(total)
        runner.wait(runner.app.recorder.max_notification_id(), timeout=120)
        assert runner.view.total() == 210
