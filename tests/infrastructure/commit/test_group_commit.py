"""Groups: who waits while a commit is under way is committed together, and told only what is durable."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest

from tallystick import (
    CommitTooLarge,
    Conflict,
    DuplicateIdempotencyKey,
    IdempotencyMismatch,
    InsufficientFunds,
    InvalidRequest,
    Ledger,
    LedgerClosed,
    OutcomeUnknown,
    StorageFull,
    StorageUnavailable,
    TransactionClosed,
)
from tallystick.domain.events import Moved
from tallystick.infrastructure.commit import group, member
from tallystick.infrastructure.commit.group import ATTEMPTS_MAX
from tallystick.infrastructure.journal.format import JournalEvent
from tallystick.infrastructure.journal.port import Overtaken
from tests.support.books.behind import core_of, ledger_on
from tests.support.faults.held_journal import Crowd, Lost, result, until


@pytest.fixture
def crowd() -> Iterator[Crowd]:
    opened = Crowd()
    yield opened
    opened.close()


def available(ledger: Ledger, account: str, token: str = "USD") -> int:
    return ledger.balance(token, account).available


def test_all_who_wait_are_committed_as_one_row_in_the_order_in_which_they_came(crowd: Crowd) -> None:
    first = crowd.hold()
    members = [crowd.queued(crowd.transfer, "alice", f"receiver-{k}", 1, f"key-{k}") for k in range(10)]
    crowd.journal.let_go()
    receipts = [result(future).receipt for future in (first, *members)]
    assert crowd.rows == 2
    ids = [receipt.transaction_ids[0] for receipt in receipts]
    assert ids == sorted(ids)
    assert len({receipt.position for receipt in receipts[1:]}) == 1
    assert crowd.ledger.audit().ok


def test_one_whose_events_cannot_be_encoded_is_told_so_alone(crowd: Crowd, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody foresees that, and those beside it in one group go on, also they who came before it."""
    encode = group.encode_events

    def encode_but_one(events: Sequence[JournalEvent]) -> bytes:
        if any(isinstance(event, Moved) and event.receiver == "odd" for event in events):
            raise TypeError("no JSON")
        return encode(events)

    monkeypatch.setattr(group, "encode_events", encode_but_one)
    crowd.hold()
    names = ("one", "odd", "two", "three")
    told = {name: crowd.queued(crowd.transfer, "alice", name, 1) for name in names}
    crowd.journal.let_go()
    assert isinstance(result(told.pop("odd")), TypeError)
    assert len({result(future).receipt.position for future in told.values()}) == 1
    assert {name: available(crowd.ledger, name) for name in names} == {"one": 1, "odd": 0, "two": 1, "three": 1}
    assert crowd.ledger.audit().ok


def test_one_that_is_refused_is_dropped_alone(crowd: Crowd) -> None:
    crowd.hold()
    rich = crowd.queued(crowd.transfer, "alice", "carol", 60)
    poor = crowd.queued(crowd.transfer, "alice", "carol", 60)
    other = crowd.queued(crowd.transfer, "bob", "carol", 60)
    crowd.journal.let_go()
    assert isinstance(result(poor), InsufficientFunds)
    assert result(rich).receipt.position == result(other).receipt.position
    assert crowd.rows == 2
    assert available(crowd.ledger, "carol") == 120


@pytest.mark.parametrize(
    ("first", "second", "verdict"),
    [
        (None, None, DuplicateIdempotencyKey),
        ({"a": 1}, {"a": 1}, DuplicateIdempotencyKey),
        ({"a": 1}, None, DuplicateIdempotencyKey),
        ({"a": 1}, {"a": 2}, IdempotencyMismatch),
    ],
)
def test_of_two_with_the_same_key_in_the_queue_the_second_gets_the_first_receipt(
    crowd: Crowd, first: Any, second: Any, verdict: type[Exception]
) -> None:
    crowd.hold()
    one = crowd.queued(crowd.transfer, "alice", "carol", 1, "key", first)
    two = crowd.queued(crowd.transfer, "alice", "carol", 2, "key", second)
    other = crowd.queued(crowd.transfer, "alice", "carol", 4)
    crowd.journal.let_go()
    error = result(two)
    assert type(error) is verdict
    assert error.receipt == result(one).receipt
    assert result(other).receipt is not None
    assert available(crowd.ledger, "carol") == 5


def test_a_key_whose_first_use_is_refused_is_free_for_the_second_in_the_same_group(crowd: Crowd) -> None:
    crowd.hold()
    drained = crowd.queued(crowd.transfer, "alice", "carol", 100)
    refused = crowd.queued(crowd.transfer, "alice", "carol", 100, "key")
    done = crowd.queued(crowd.transfer, "bob", "carol", 7, "key")
    crowd.journal.let_go()
    assert isinstance(result(refused), InsufficientFunds)
    assert result(done).receipt.position == result(drained).receipt.position
    with pytest.raises(DuplicateIdempotencyKey) as caught:
        crowd.transfer("bob", "carol", 7, "key")
    assert caught.value.receipt == result(done).receipt


FAILURES = [
    (StorageFull("no space"), StorageFull, StorageFull, False),
    (StorageUnavailable("no disk"), StorageUnavailable, StorageUnavailable, False),
    (Lost(stands=True), None, InsufficientFunds, True),
    (Lost(stands=False), StorageUnavailable, StorageUnavailable, False),
    (Lost(stands=True, reachable=False), OutcomeUnknown, OutcomeUnknown, True),
    (Lost(stands=False, reachable=False), OutcomeUnknown, OutcomeUnknown, False),
    (OutcomeUnknown("who knows"), StorageUnavailable, StorageUnavailable, False),
    (MemoryError(), MemoryError, MemoryError, False),
    (Overtaken(), None, InsufficientFunds, True),
]
"""How an append ends; what the members are told; what one is told who is refused because of them; and whether they stand."""


@pytest.mark.parametrize(("failure", "verdict", "of_refused", "stands"), FAILURES)
def test_an_append_that_fails(
    crowd: Crowd, failure: Exception, verdict: type[Exception] | None, of_refused: type[Exception], stands: bool
) -> None:
    crowd.hold()
    one = crowd.queued(crowd.transfer, "alice", "carol", 60, "one")
    refused = crowd.queued(crowd.transfer, "alice", "carol", 60, "refused")
    two = crowd.queued(crowd.transfer, "bob", "dave", 60, "two")
    crowd.journal.let_go(None, failure)
    for future in (one, two):
        assert type(result(future)) is verdict if verdict else result(future).receipt is not None
    assert type(result(refused)) is of_refused
    crowd.journal.reachable = True
    assert [available(crowd.ledger, name) for name in ("alice", "carol", "dave")] == ([40, 60, 60] if stands else [100, 0, 0])
    assert sum(fragment.amount for fragment in crowd.ledger.fragments("USD", "carol")) == (60 if stands else 0)
    crowd.transfer("bob", "erin", 40)
    if not stands:
        crowd.transfer("alice", "carol", 60, "one")
    report = crowd.ledger.audit()
    assert report.ok, report.findings


def test_an_append_that_raises_after_all_although_the_row_stands_is_no_failure(crowd: Crowd) -> None:
    crowd.journal.stands_anyway = True
    crowd.hold()
    futures = [crowd.queued(crowd.transfer, "alice", "carol", 60), crowd.queued(crowd.transfer, "alice", "carol", 60)]
    crowd.journal.let_go(None, MemoryError())
    assert result(futures[0]).receipt is not None
    assert isinstance(result(futures[1]), InsufficientFunds)
    assert available(crowd.ledger, "carol") == 60
    assert crowd.ledger.audit().ok


@pytest.mark.parametrize("stands", [False, True])
def test_an_interruption_while_the_store_has_a_group_is_nothing_to_the_others(crowd: Crowd, stands: bool) -> None:
    """Where it did not stand they are committed by the next, and what rests on the leader's transaction is seen anew."""
    crowd.hold()
    leader = crowd.queued(crowd.transfer, "alice", "leader", 60)
    rests_on_it = crowd.queued(crowd.transfer, "alice", "carol", 60, "key")
    other = crowd.queued(crowd.transfer, "bob", "dave", 60)
    crowd.journal.stands_anyway = stands
    crowd.journal.let_go(None, KeyboardInterrupt())
    assert isinstance(result(leader), KeyboardInterrupt)
    assert result(other).receipt is not None
    if stands:
        assert isinstance(result(rests_on_it), InsufficientFunds)
    else:
        assert result(rests_on_it).receipt is not None
    expected = [40, 60, 0, 60] if stands else [40, 0, 60, 60]
    assert [available(crowd.ledger, name) for name in ("alice", "leader", "carol", "dave")] == expected
    assert crowd.rows == 2
    assert crowd.ledger.audit().ok


@pytest.mark.parametrize(("times", "verdict"), [(ATTEMPTS_MAX - 1, None), (ATTEMPTS_MAX, Conflict)])
def test_a_group_that_others_overtake_again_and_again(crowd: Crowd, times: int, verdict: type[Exception] | None) -> None:
    crowd.hold()
    futures = [crowd.queued(crowd.transfer, "alice", name, 1) for name in ("carol", "dave")]
    crowd.journal.let_go(None, *(Overtaken() for _ in range(times)))
    for future in futures:
        assert type(result(future)) is verdict if verdict else result(future).receipt is not None
    assert available(crowd.ledger, "alice") == (100 if verdict else 98)
    crowd.transfer("alice", "carol", 1)
    assert crowd.ledger.audit().ok


def test_who_joins_a_group_that_was_overtaken_has_all_attempts_left(crowd: Crowd) -> None:
    crowd.journal.holds = True
    early = crowd.start(crowd.transfer, "alice", "carol", 1)
    crowd.journal.wait_for_append()
    for _ in range(ATTEMPTS_MAX - 2):
        crowd.journal.let_go(Overtaken())
        crowd.journal.holds = True
        crowd.journal.wait_for_append()
    late = crowd.queued(crowd.transfer, "alice", "dave", 1)
    crowd.journal.let_go(Overtaken(), Overtaken())
    assert isinstance(result(early), Conflict)
    assert result(late).receipt is not None
    assert [available(crowd.ledger, name) for name in ("carol", "dave")] == [0, 1]


def test_groups_close_at_their_size_and_keep_the_order(crowd: Crowd) -> None:
    def many(receiver: str) -> Any:
        with crowd.ledger.atomic() as tx:
            tx.mint("PLN", receiver, 35_000)
            for _ in range(35_000):
                tx.transfer("PLN", receiver, "sink", 1)
        return tx

    crowd.hold()
    futures = [crowd.queued(many, f"receiver-{k}") for k in range(5)]
    crowd.journal.let_go()
    positions = [result(future).receipt.position for future in futures]
    assert positions == sorted(positions)
    sizes = [len(row.body) for row in crowd.journal.rows_stored[crowd.rows_before + 1 :]]
    assert 1 < len(sizes) < 5
    assert all(size >= group.GROUP_BYTES for size in sizes[:-1])
    assert max(sizes) < 2 * group.GROUP_BYTES


def test_one_that_is_too_large_is_dropped_alone(crowd: Crowd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group, "COMMIT_BYTES_MAX", 1_000)

    def too_much() -> Any:
        with crowd.ledger.atomic("key") as tx:
            for _ in range(50):
                tx.transfer("USD", "alice", "carol", 1)

    crowd.hold()
    one = crowd.queued(crowd.transfer, "alice", "bob", 1)
    large = crowd.queued(too_much)
    two = crowd.queued(crowd.transfer, "bob", "erin", 1)
    crowd.journal.let_go()
    assert isinstance(result(large), CommitTooLarge)
    assert result(one).receipt.position == result(two).receipt.position
    assert available(crowd.ledger, "carol") == 0
    crowd.transfer("alice", "carol", 1, "key")
    assert crowd.ledger.audit().ok


def test_a_batch_is_a_commit_of_its_own_between_transactions(crowd: Crowd) -> None:
    alice, bob, carol = crowd.ledger.handles("PLN", ["alice", "bob", "carol"])  # names would wait for the commit under way
    crowd.hold()
    one = crowd.queued(crowd.transfer, "alice", "carol", 1)
    many = crowd.ledger.transfer_many
    batch = crowd.queued(many, "PLN", np.array([alice, bob]), np.array([carol, carol]), [50, 101], on_refusal="skip")
    two = crowd.queued(crowd.transfer, "alice", "carol", 1)
    refused = crowd.queued(many, "PLN", np.array([alice]), np.array([carol]), [51])
    three = crowd.queued(crowd.transfer, "alice", "carol", 1)
    crowd.journal.let_go()
    positions = [result(one).receipt.position, result(batch).position]
    positions += [result(two).receipt.position, result(three).receipt.position]
    assert positions == sorted(set(positions))
    assert [row.index for row in result(batch).refused] == [1]
    assert isinstance(result(refused), InsufficientFunds)
    assert crowd.rows == 5
    assert crowd.ledger.audit().ok


def test_an_error_in_one_transaction_is_its_own(crowd: Crowd, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is no refusal: what it left half done is dropped, and the others are executed again."""
    execute = member.execute

    def failing(books: Any, operations: Any, position: int, now: int, *planned: Any, **pace: Any) -> Any:
        if any(getattr(operation, "receiver", None) == "nobody" for operation in operations):
            books.token_state("USD").transfer("alice", "bob", 5)
            raise ZeroDivisionError("in a rule")
        return execute(books, operations, position, now, *planned, **pace)

    monkeypatch.setattr(member, "execute", failing)
    crowd.hold()
    one = crowd.queued(crowd.transfer, "alice", "carol", 60)
    refused = crowd.queued(crowd.transfer, "alice", "carol", 60)
    failed = crowd.queued(crowd.transfer, "bob", "nobody", 1)
    two = crowd.queued(crowd.transfer, "bob", "carol", 100)
    crowd.journal.let_go()
    assert isinstance(result(failed), ZeroDivisionError)
    assert isinstance(result(refused), InsufficientFunds)
    assert result(one).receipt.position == result(two).receipt.position
    assert [available(crowd.ledger, name) for name in ("alice", "bob", "carol")] == [40, 0, 160]
    assert crowd.ledger.audit().ok


@pytest.mark.parametrize("error", [ValueError("a clock"), InvalidRequest("a clock"), StorageUnavailable("a clock")])
def test_a_clock_that_raises_fails_those_who_wait_and_nothing_else(error: Exception) -> None:
    broken: list[Exception] = []

    def clock() -> int:
        if broken:
            raise broken[0]
        return 1

    crowd = Crowd(clock)
    crowd.hold()
    futures = [crowd.queued(crowd.transfer, "alice", name, 1) for name in ("carol", "dave")]
    broken.append(error)
    crowd.journal.let_go()
    assert [type(result(future)) for future in futures] == [type(error)] * 2
    broken.clear()
    crowd.transfer("alice", "carol", 100)
    assert crowd.ledger.audit().ok
    crowd.close()


def test_a_commit_or_an_end_in_the_midst_of_a_commit_is_refused() -> None:
    """As by a clock, or a signal's handler: it would wait for itself."""
    errors: list[type[Exception]] = []

    def clock() -> int:
        if asked:
            for ask in (lambda: crowd.transfer("alice", "bob", 1), crowd.ledger.close):
                with pytest.raises(TransactionClosed) as caught:
                    ask()
                errors.append(caught.type)
        return 1

    asked: list[bool] = []
    crowd = Crowd(clock)
    asked.append(True)
    crowd.ledger.mint_many("USD", ["alice"], [1])
    asked.clear()
    assert errors == [TransactionClosed] * 2
    assert available(crowd.ledger, "alice") == 101


def test_closing_waits_for_those_in_the_queue(crowd: Crowd) -> None:
    first = crowd.hold()
    waiting = [crowd.queued(crowd.transfer, "alice", "carol", 1) for _ in range(3)]
    closing = crowd.start(crowd.ledger.close)
    until(lambda: core_of(crowd.ledger).is_closed)
    late = crowd.start(crowd.transfer, "alice", "carol", 1)
    assert isinstance(result(late), LedgerClosed)
    assert not closing.done()
    crowd.journal.let_go()
    assert result(closing) is None
    assert all(result(future).receipt is not None for future in (first, *waiting))
    with ledger_on(crowd.journal) as again:
        assert available(again, "carol") == 3


def test_a_failure_at_the_end_of_writing_does_not_undo_what_was_decided(crowd: Crowd, monkeypatch: pytest.MonkeyPatch) -> None:
    """The row is durable by then: told otherwise, a caller would do it twice."""
    writing = crowd.journal.writing

    class Failing:
        def __enter__(self) -> Any:
            self._writing = writing()
            return self._writing.__enter__()

        def __exit__(self, *error: Any) -> None:
            self._writing.__exit__(None, None, None)
            raise StorageUnavailable("the lock cannot be given up")

    monkeypatch.setattr(crowd.journal, "writing", Failing)
    assert crowd.transfer("alice", "carol", 60).receipt is not None
    with pytest.raises(InsufficientFunds):
        crowd.ledger.transfer_many("USD", ["alice"], ["carol"], [60])
    assert available(crowd.ledger, "carol") == 60


@pytest.mark.parametrize("error", [StorageUnavailable("no lock"), OSError("no lock")])
def test_where_writing_cannot_begin_all_who_wait_are_told(
    crowd: Crowd, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def refuse() -> Any:
        raise error

    crowd.hold()
    futures = [crowd.queued(crowd.transfer, "alice", "carol", 1) for _ in range(3)]
    with monkeypatch.context() as patched:
        patched.setattr(crowd.journal, "writing", refuse)
        crowd.journal.let_go()
        assert [type(result(future)) for future in futures] == [type(error)] * 3
    crowd.transfer("alice", "carol", 1)
    assert available(crowd.ledger, "carol") == 1
