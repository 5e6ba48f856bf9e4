"""A thread that is interrupted wherever it is: nobody waits for ever, and nobody is told what is not so.

The thread is interrupted at the first point, then all is done again and it is interrupted at the second, up to the last.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

import pytest

from tallystick import InsufficientFunds, Ledger, OutcomeUnknown, StorageError, StorageFull
from tallystick.domain.operation import Operation
from tallystick.domain.token.operations import Transfer
from tallystick.infrastructure.commit.member import TransactionMember
from tallystick.infrastructure.journal.port import Overtaken
from tests.support.books.behind import keeper_of, ledger_on, queue_of
from tests.support.faults.held_journal import Crowd, Lost, result, until
from tests.support.faults.interruption import Interrupter

Futures = dict[str, "Future[Any]"]


class Delivered(TransactionMember):
    """A member that no thread waits for."""

    def __init__(self, operations: Sequence[Operation]) -> None:
        super().__init__(operations, None)
        self.future: Future[Any] = Future()

    def finish(self) -> None:
        self.is_done = True
        if not self.future.done():
            if self.error is None:
                self.future.set_result(self.committed)
            else:
                self.future.set_exception(self.error)


def deliver(crowd: Crowd, receiver: str) -> "Future[Any]":
    member = Delivered([Transfer("USD", "alice", receiver, 1, "")])
    queue_of(crowd.ledger).submit([member])
    return member.future


def who_leads_at_once(crowd: Crowd, interrupter: Interrupter) -> Futures:
    """The others come while it appends, if it comes so far."""
    crowd.journal.holds = True
    leader = crowd.start(interrupter, crowd.transfer, "alice", "leader", 1)
    until(lambda: leader.done() or crowd.journal.is_waited_in)
    others = [crowd.start(crowd.transfer, "alice", name, 1) for name in ("one", "two")]
    until(lambda: leader.done() or len(crowd._waiting) == 2)
    return {"leader": leader, "one": others[0], "two": others[1], "delivered": deliver(crowd, "delivered")}


def who_leads_a_group(crowd: Crowd, interrupter: Interrupter) -> Futures:
    """It is the first to wait for a commit under way; one of those behind it is refused because of the others."""
    first = crowd.hold()
    leader = crowd.queued(interrupter, crowd.transfer, "alice", "leader", 1)
    one = crowd.queued(crowd.transfer, "alice", "one", 1)
    delivered = deliver(crowd, "delivered")
    refused = crowd.queued(crowd.transfer, "alice", "refused", 100)
    two = crowd.queued(crowd.transfer, "alice", "two", 1)
    return {"first": first, "leader": leader, "one": one, "delivered": delivered, "refused": refused, "two": two}


def who_is_in_a_group(crowd: Crowd, interrupter: Interrupter) -> Futures:
    """Another leads."""
    first = crowd.hold()
    one = crowd.queued(crowd.transfer, "alice", "one", 1)
    member = crowd.queued(interrupter, crowd.transfer, "alice", "member", 1)
    two = crowd.queued(crowd.transfer, "alice", "two", 1)
    return {"first": first, "one": one, "member": member, "two": two, "delivered": deliver(crowd, "delivered")}


def check(crowd: Crowd, name: str, future: "Future[Any]") -> None:
    """What somebody was told is so."""
    told = result(future)
    amount = crowd.ledger.balance("PLN" if name == "first" else "USD", name).total
    assert type(told) not in (AssertionError, RuntimeError), told
    if not isinstance(told, BaseException):
        assert amount == 1, f"{name} was told that it is done"
    elif not isinstance(told, (OutcomeUnknown, KeyboardInterrupt)):
        assert isinstance(told, (InsufficientFunds, StorageError) if name == "refused" else StorageError), told
        assert amount == 0, f"{name} was told {told!r}"


@pytest.mark.parametrize(
    ("scene", "outcomes"),
    [
        (who_leads_at_once, []),
        (who_leads_a_group, []),
        (who_leads_a_group, [None, StorageFull("full")]),
        (who_leads_a_group, [None, Lost(stands=True)]),
        (who_leads_a_group, [None, Lost(stands=False)]),
        (who_leads_a_group, [None, Overtaken()]),
        (who_is_in_a_group, []),
    ],
)
def test_a_thread_interrupted_at_any_point(
    scene: Callable[[Crowd, Interrupter], Futures], outcomes: Sequence[BaseException | None]
) -> None:
    point = 0
    interrupter = Interrupter(0)
    while not point or interrupter.happened:
        point += 1
        interrupter = Interrupter(point)
        crowd = Crowd()
        futures = scene(crowd, interrupter)
        crowd.journal.let_go(*outcomes)
        queue_of(crowd.ledger).start()
        for name, future in futures.items():
            check(crowd, name, future)
        crowd.journal.outcomes.clear()
        result(crowd.start(crowd.transfer, "bob", "afterwards", 100))
        assert isinstance(result(crowd.start(crowd.transfer, "bob", "afterwards", 1)), InsufficientFunds)
        balances = crowd.ledger.balances("USD")
        assert sum(balance.total for balance in balances.values()) == 200
        report = crowd.ledger.audit()
        assert report.ok, report.findings
        crowd.close()
        with ledger_on(crowd.journal) as again:
            assert again.balances("USD") == balances
    assert point > 20


def read_all(ledger: Ledger) -> Any:
    return ledger.balance("USD", "alice"), ledger.balances("USD"), ledger.tokens(), list(ledger.contracts())


@pytest.mark.parametrize("is_dropped", [False, True])
def test_a_reader_interrupted_at_any_point(is_dropped: bool) -> None:
    """Also while the books are read anew: what was read by then is not read twice, and no lock stays taken."""
    crowd = Crowd()
    with crowd.ledger.atomic() as tx:
        tx.register_contract("pool")
        tx.transfer("USD", "alice", "bob", 25)
    expected = read_all(crowd.ledger)
    point = 0
    interrupter = Interrupter(0)
    while not point or interrupter.happened:
        point += 1
        interrupter = Interrupter(point)
        if is_dropped:
            keeper_of(crowd.ledger).drop()
        told = result(crowd.start(interrupter, read_all, crowd.ledger))
        assert isinstance(told, KeyboardInterrupt) if interrupter.happened else told == expected
        assert result(crowd.start(read_all, crowd.ledger)) == expected
    assert point > 20
    result(crowd.start(crowd.transfer, "bob", "carol", 125))
    assert crowd.ledger.audit().ok
    crowd.close()
