"""A ledger and a recorder on the same journal, and what one makes of the other's events."""

from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from eventsourcing.domain import Aggregate, event
from eventsourcing.persistence import (
    DatetimeAsISO,
    EventStore,
    IntegrityError,
    JSONTranscoder,
    Mapper,
    StoredEvent,
    UUIDAsHex,
)
from eventsourcing.utils import resolve_topic

from tallystick import (
    Balances,
    Ledger,
    ShadowSpaces,
    SupplyReserves,
    Token,
    TokenNotFound,
)
from tallystick.domain.events import Minted, TokenRegistered
from tallystick.infrastructure.journal.port import Journal
from tallystick.infrastructure.recorders import JournalRecorder
from tests.support.books.recorder_book import fill, ids, make_ledger, stored, versions


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


@pytest.mark.parametrize("projection", [Balances, ShadowSpaces, SupplyReserves])
def test_projections_pass_over_events_that_are_not_the_ledgers(
    recorder: JournalRecorder, beside: Ledger, projection: Any
) -> None:
    with Ledger.open("memory:") as alone:
        for ledger in (alone, beside):
            ledger.register_token(Token("USD"))
            if ledger is beside:
                recorder.insert_events(stored("order", 1, 2))
            with ledger.atomic() as tx:
                tx.mint("USD", "alice", 30)
                tx.register_contract("pool").balance_up(5)
        assert beside.replay(projection()).state == alone.replay(projection()).state
