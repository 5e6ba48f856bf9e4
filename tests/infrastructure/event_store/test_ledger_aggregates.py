"""The ledger's events in an application of the `eventsourcing` library: tokens and contracts out of its repository, and its
projections' events of our types.
"""

import pickle
from collections.abc import Iterator
from typing import Any
from unittest.mock import patch
from uuid import UUID

import pytest
from eventsourcing.application import AggregateNotFoundError, Application
from eventsourcing.cipher import AESCipher
from eventsourcing.dispatch import singledispatchmethod
from eventsourcing.domain import Aggregate, event
from eventsourcing.persistence import Mapper, Notification, StoredEvent, Tracking
from eventsourcing.persistence import ProgrammingError as LibraryProgrammingError
from eventsourcing.projection import ApplicationSubscription, Projection

from tallystick import Ledger, SquareRootCurve, Token
from tallystick.domain.contract.contract import Contract
from tallystick.domain.events import ACCOUNTS_STREAM, BATCHES, BOOK_EVENTS, EVENT_TYPES, Minted, Moved, TokenRegistered
from tallystick.domain.token.token_state import Balance, TokenState
from tallystick.infrastructure.event_store import stored_events
from tallystick.infrastructure.event_store.mapper import typed_event
from tallystick.infrastructure.journal.stores.sqlite.journal import SQLiteJournal
from tallystick.infrastructure.recorders import JournalMapper, JournalTrackingRecorder
from tests.support.books.app_book import BONDING, T
from tests.support.books.recorder_book import make_ledger
from tests.support.suites.library_stores import MODULE


class Dog(Aggregate):
    @event("Registered")
    def __init__(self, name: str) -> None:
        self.name = name
        self.tricks: list[str] = []

    @event("TrickAdded")
    def add_trick(self, trick: str) -> None:
        self.tricks.append(trick)


class DogSchool(Application[Any]):
    pass


@pytest.fixture
def application(url: Any) -> Iterator[DogSchool]:
    location = url if isinstance(url, str) else f"sqlite:///{url}"
    with DogSchool({"PERSISTENCE_MODULE": MODULE, "TALLYSTICK_URL": location}) as opened:
        yield opened


@pytest.fixture
def beside(application: DogSchool) -> Iterator[Ledger]:
    """A ledger on the application's journal: for SQLite with a connection of its own."""
    journal = application.factory.log.journal  # type: ignore[attr-defined]
    with Ledger.open(journal.path) if isinstance(journal, SQLiteJournal) else make_ledger(journal) as ledger:
        yield ledger


def play(ledger: Ledger, turns: int = 3) -> None:
    """Everything that changes a token or a contract, and between it events of the same kinds for others."""
    for token in (
        Token("TEA", decimals=12, role="settlement"),
        Token("PLN", decimals=2),
        Token("USD", decimals=2, unit=100),
        Token("WEI", max_supply=2**256 - 1),
        Token("app", decimals=12, role="app", curve=SquareRootCurve(buy_k=10, sell_k=7), owner="owner"),
    ):
        ledger.register_token(token)
    with ledger.atomic() as tx:
        tx.register_contract("pool")
        tx.register_contract("fund", backed_by="PLN")
    for turn in range(1, turns + 1):
        for code in ("PLN", "USD", "WEI"):
            with ledger.atomic() as tx:
                tx.mint(code, "alice", 2**70 if code == "WEI" else 1_000)
                tx.transfer(code, "alice", "bob", 10 * turn)
                hold = tx.reserve(code, "alice", "court", 300)
                tx.settle(code, "court", "carol", 100, hold=hold)
                tx.release(hold, 50)
                tx.burn(code, "alice", turn)
            ledger.mint_many(code, ["dave", f"new-{turn}", "alice"], [5, 6, 7])
            ledger.transfer_many(code, ["dave", "alice", "carol"], ["erin", "erin", "alice"], [5, 6, 7], memo="batch")
            ledger.burn_many(code, ["erin"], [4])
        with ledger.atomic() as tx:
            tx.mint("TEA", "alice", 1_000 * T)
            tx.app("app").buy("alice", 100 * T)
            tx.app("app").pay("alice", 50 * T)
            tx.app("app").distribute_income()
            tx.app("app").sell("alice", T // 100)
        ledger.update_app("app", accepts=("PLN",), owner=f"owner-{turn}")
        with ledger.atomic() as tx:
            tx.contract("fund").fund("alice", 90)
            pool = tx.contract("pool")
            pool.balance_up(1_000)
            for account in (f"one-{turn}", f"two-{turn}"):
                pool.alloc(account)
                pool.shadow_up(account, 7)
            pool.shadow_up_all(11)
            pool.shadow_down_all(3)
            pool.shadow_down(f"two-{turn}", 1)


CODES = ("TEA", "PLN", "USD", "WEI", "app")


def test_a_repository_gives_tokens_as_the_ledger_has_them(application: DogSchool, beside: Ledger) -> None:
    play(beside)
    for code in CODES:
        token = application.repository.get(code)
        assert type(token) is TokenState
        assert token.id == code
        assert token.token == beside.token(code)
        assert token.supply() == beside.supply(code)
        assert accounts_of(token) == beside.balances(code)
        assert token.version == len(application.recorder.select_events(code))
    with pytest.raises(AggregateNotFoundError):
        application.repository.get("EUR")


def test_a_repository_gives_contracts_as_the_ledger_has_them(application: DogSchool, beside: Ledger) -> None:
    play(beside)
    for id in ("pool", "fund"):
        contract = application.repository.get(id)
        assert type(contract) is Contract
        view = beside.contract(id)
        assert (contract.balance, contract.allocs_sum, contract.num_allocs) == (view.balance, view.allocs_sum, view.num_allocs)
        assert dict(contract.allocations()) == dict(view.allocations())
        assert contract.version == len(application.recorder.select_events(id))


@pytest.mark.parametrize("id", [*CODES, "pool", "fund"])
def test_every_version_of_an_aggregate(application: DogSchool, beside: Ledger, id: str) -> None:
    play(beside, turns=1)
    events = application.recorder.select_events(id)
    assert [stored.originator_version for stored in events] == list(range(1, len(events) + 1))
    step: Any = None
    for stored in events:
        step = application.mapper.to_domain_event(stored).mutate(step)
        whole = application.repository.get(id, version=stored.originator_version)
        assert figures(step) == figures(whole)
        assert step.version == whole.version == stored.originator_version


def accounts_of(token: TokenState) -> dict[str, Balance]:
    """Its cells but those that are named by a user or an app and something of theirs."""
    return {name: balance for name, balance in token.balances() if " " not in name}


def figures(aggregate: Any) -> Any:
    if isinstance(aggregate, Contract):
        return aggregate.balance, aggregate.allocs_sum, dict(aggregate.allocations())
    return aggregate.supply(), dict(aggregate.balances()), aggregate.token


@pytest.mark.parametrize("deep", ["y", "n"])
def test_a_cached_aggregate_is_brought_up_to_date(url: Any, deep: str) -> None:
    location = url if isinstance(url, str) else f"sqlite:///{url}"
    options = {"AGGREGATE_CACHE_MAXSIZE": "10", "DEEPCOPY_FROM_AGGREGATE_CACHE": deep}
    with DogSchool({"PERSISTENCE_MODULE": MODULE, "TALLYSTICK_URL": location, **options}) as application:
        journal = application.factory.log.journal  # type: ignore[attr-defined]
        with make_ledger(journal) as ledger:
            play(ledger, turns=1)
            before = {id: figures(application.repository.get(id)) for id in (*CODES, "pool")}
            kept = {id: application.repository.get(id) for id in before}
            with ledger.atomic() as tx:
                for code in ("PLN", "WEI"):
                    tx.transfer(code, "alice", "new", 1)
                tx.contract("pool").shadow_up_all(2)
            for id, aggregate in kept.items():
                newest = application.repository.get(id)
                assert (figures(newest) == before[id]) == (id not in ("PLN", "WEI", "pool"))
                assert (figures(aggregate) == before[id]) == (deep == "y" or id not in ("PLN", "WEI", "pool"))
                if id != "pool":
                    assert accounts_of(newest) == ledger.balances(id)


def test_events_are_decoded_once(application: DogSchool, beside: Ledger) -> None:
    play(beside, turns=1)
    with patch.object(stored_events, "_encode", side_effect=AssertionError("encoded again")):
        for notification in application.recorder.select_notifications(1, 10**6):
            event = application.mapper.to_domain_event(notification)
            kind = type(event).__mro__[1]
            assert kind in EVENT_TYPES
            assert kind not in BATCHES
            assert (event.originator_id, event.originator_version) == (
                notification.originator_id,
                notification.originator_version,
            )


@pytest.mark.parametrize("kind", EVENT_TYPES)
def test_a_typed_event_is_of_our_type_with_the_same_fields(kind: type) -> None:
    original = kind(*[f"field {number}" for number, _ in enumerate(kind.__struct_fields__)])  # type: ignore[attr-defined]
    event = typed_event(original, 7)
    assert isinstance(event, kind)
    assert type(event).__name__ == kind.__name__
    assert [getattr(event, name) for name in kind.__struct_fields__] == [  # type: ignore[attr-defined]
        getattr(original, name)
        for name in kind.__struct_fields__  # type: ignore[attr-defined]
    ]
    stream = ACCOUNTS_STREAM if kind in BOOK_EVENTS else "field 0"
    assert (event.originator_id, event.originator_version) == (stream, 7)
    assert pickle.loads(pickle.dumps(event)) == event


def test_events_that_come_from_elsewhere_are_decoded_from_their_json(application: DogSchool, beside: Ledger) -> None:
    play(beside, turns=1)
    for found in application.recorder.select_notifications(1, 10**6):
        plain = Notification(found.originator_id, found.originator_version, found.topic, found.state, id=found.id)
        assert plain == found
        assert hash(plain) != hash(object())
        assert application.mapper.to_domain_event(plain) == application.mapper.to_domain_event(found)


def test_the_ledger_alone_records_its_events(application: DogSchool, beside: Ledger) -> None:
    play(beside, turns=1)
    (first, *_) = application.events.get("PLN")
    assert isinstance(first, TokenRegistered)
    for refused in (first, Minted("PLN", "alice", 5)):
        with pytest.raises(LibraryProgrammingError, match="the ledger alone"):
            application.events.put([refused])  # type: ignore[list-item]
    assert beside.audit().ok


@pytest.mark.parametrize(
    ("aggregate", "event"),
    [
        (None, Minted("PLN", "alice", 5)),
        (TokenState(Token("PLN")), Minted("USD", "alice", 5)),
        (TokenState(Token("PLN")), typed_event(Minted("USD", "alice", 5), 1)),
        (Contract("PLN", None), Minted("PLN", "alice", 5)),
    ],
)
def test_events_of_another_stream_are_not_applied(aggregate: Any, event: Any) -> None:
    with pytest.raises(ValueError, match=r"no event of|begins with"):
        typed_event(event, 2).mutate(aggregate) if type(event) is Minted else event.mutate(aggregate)


def test_an_aggregate_of_ones_own_lives_beside_them(application: DogSchool, beside: Ledger) -> None:
    dog = Dog("Fido")
    application.save(dog)
    play(beside, turns=1)
    dog.add_trick("roll over")
    application.save(dog)
    assert application.repository.get(dog.id).tricks == ["roll over"]
    assert dict(application.repository.get("PLN").balances()) == beside.balances("PLN")
    assert beside.verify().ok
    assert beside.audit().findings == ()


def test_ones_own_stream_comes_before_the_ledgers_of_its_name(application: DogSchool, beside: Ledger) -> None:
    play(beside, turns=1)
    application.recorder.insert_events([StoredEvent("PLN", 1, "topic", b"mine")])
    assert application.recorder.select_events("PLN") == [StoredEvent("PLN", 1, "topic", b"mine")]
    assert application.recorder.select_events("PLN", gt=1) == []
    assert len(application.recorder.select_events("USD")) > 1
    assert beside.audit().findings == ()


class Flow(Projection[JournalTrackingRecorder]):
    """What was minted and moved, in the ledger, and how many dogs there are."""

    def __init__(self, view: JournalTrackingRecorder) -> None:
        super().__init__(view)
        self.seen: list[Any] = []

    @singledispatchmethod
    def process_event(self, domain_event: Any, tracking: Tracking) -> None:
        self.view.insert_tracking(tracking)

    @process_event.register
    def minted(self, domain_event: Minted, tracking: Tracking) -> None:
        self.seen.append(("minted", domain_event.token, domain_event.amount))
        self.view.insert_tracking(tracking)

    @process_event.register
    def moved(self, domain_event: Moved, tracking: Tracking) -> None:
        self.seen.append(("moved", domain_event.sender, domain_event.receiver, domain_event.amount))
        self.view.insert_tracking(tracking)

    @process_event.register
    def registered(self, domain_event: Dog.Registered, tracking: Tracking) -> None:
        self.seen.append(("dog", domain_event.name))
        self.view.insert_tracking(tracking)


def test_a_projection_is_given_events_of_our_types(application: DogSchool, beside: Ledger) -> None:
    beside.register_token(Token("PLN"))
    application.save(Dog("Fido"))
    beside.mint_many("PLN", ["alice", "bob"], [5, 6])
    with beside.atomic() as tx:
        tx.transfer("PLN", "alice", "bob", 2)
    flow = Flow(application.factory.tracking_recorder())
    last = application.recorder.max_notification_id()
    with ApplicationSubscription(application) as subscription:
        for domain_event, tracking in subscription:
            flow.process_event(domain_event, tracking)
            if tracking.notification_id == last:
                break
    assert flow.seen == [("dog", "Fido"), ("minted", "PLN", 5), ("minted", "PLN", 6), ("moved", "alice", "bob", 2)]
    flow.view.wait(application.name, last)


def test_compression_and_encryption_are_for_ones_own_events(url: Any) -> None:
    location = url if isinstance(url, str) else f"sqlite:///{url}"
    options = {"COMPRESSOR_TOPIC": "zlib", "CIPHER_KEY": AESCipher.create_key(16)}
    with DogSchool({"PERSISTENCE_MODULE": MODULE, "TALLYSTICK_URL": location, **options}) as application:
        journal = application.factory.log.journal  # type: ignore[attr-defined]
        with make_ledger(journal) as ledger:
            play(ledger, turns=1)
            dog = Dog("Fido the secret")
            application.save(dog)
            assert application.repository.get(dog.id).name == "Fido the secret"
            assert dict(application.repository.get("PLN").balances()) == ledger.balances("PLN")
            assert not any(b"secret" in row.body for row in journal.rows())
            assert ledger.audit().ok


class LoudMapper(Mapper[UUID]):
    """Somebody's own mapper."""

    def to_domain_event(self, stored_event: StoredEvent) -> Any:
        event = super().to_domain_event(stored_event)
        object.__setattr__(event, "loud", True)
        return event


def test_a_mapper_of_ones_own_maps_ones_own_events(url: Any) -> None:
    location = url if isinstance(url, str) else f"sqlite:///{url}"
    options = {"MAPPER_TOPIC": f"{__name__}:LoudMapper"}
    with DogSchool({"PERSISTENCE_MODULE": MODULE, "TALLYSTICK_URL": location, **options}) as application:
        assert isinstance(application.mapper, LoudMapper)
        assert isinstance(application.mapper, JournalMapper)
        with make_ledger(application.factory.log.journal) as ledger:  # type: ignore[attr-defined]
            ledger.register_token(Token("PLN"))
            dog = Dog("Fido")
            application.save(dog)
            assert [event.loud for event in application.events.get(dog.id)] == [True]  # type: ignore[attr-defined]
            assert application.repository.get("PLN").id == "PLN"


def test_what_lies_in_a_bonding_curve_is_a_cell_of_the_settlement_token(application: DogSchool, beside: Ledger) -> None:
    play(beside)
    cells = dict(application.repository.get("TEA").balances())
    assert cells[f"app {BONDING}"].total == beside.state["app"][BONDING] > 0


def test_batches_are_the_events_of_their_rows(application: DogSchool, beside: Ledger) -> None:
    play(beside)
    topics = {id: {stored.topic.split(":")[1] for stored in application.recorder.select_events(id)} for id in ("app", "PLN")}
    money = {"Minted", "Burned", "Moved"}
    assert topics["PLN"] == {"TokenRegistered", *money, "Reserved", "Settled", "Released"}
    assert topics["app"] == {"TokenRegistered", "Minted", "Burned", "AppUpdated", "Distributed"}
