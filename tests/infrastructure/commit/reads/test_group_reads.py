"""Readers and planners while a commit is under way: they are told what is durable, at once or after it."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from tallystick import (
    TOTAL_SUPPLY_RESERVE,
    Balance,
    Conflict,
    InsufficientFunds,
    Ledger,
    StorageFull,
)
from tests.support.books.behind import keeper_of
from tests.support.faults.held_journal import Crowd, Lost, result, until


@pytest.fixture
def crowd() -> Iterator[Crowd]:
    opened = Crowd()
    yield opened
    opened.close()


CELLS: list[tuple[str, Callable[[Ledger], Any], Any, Any]] = [
    ("balance", lambda ledger: ledger.balance("USD", "alice"), Balance(100, 0, 100), Balance(40, 0, 40)),
    ("balance of a new one", lambda ledger: ledger.balance("USD", "carol"), Balance(0, 0, 0), Balance(50, 10, 60)),
    ("balances", lambda ledger: ledger.balances("USD"), {"alice", "bob"}, {"alice", "carol", "dave"}),
    ("supply", lambda ledger: ledger.supply("USD").circulating, 200, 205),
    ("reserve", lambda ledger: ledger.state["USD"][TOTAL_SUPPLY_RESERVE] - 2**128 + 1, -200, -205),
    ("cell", lambda ledger: ledger.state["USD"]["carol"], 0, 60),
    ("balance told to a block", lambda ledger: told_balance(ledger, "bob"), 100, 0),
    ("balance told of what was held", lambda ledger: told_balance(ledger, "carol"), 0, 50),
]
"""What is answered while a commit is under way, as before it; and what afterwards."""


class ToldError(Exception):
    """Ends a block that has heard what it wanted to: nothing of it is executed."""


def told_balance(ledger: Ledger, account: str) -> int:
    told = -1
    with suppress(ToldError), ledger.atomic() as tx:
        told = tx.balance("USD", account).available
        raise ToldError
    return told


def change_much(ledger: Ledger) -> None:
    with ledger.atomic() as tx:
        tx.transfer("USD", "alice", "carol", 60)
        tx.transfer("USD", "bob", "dave", 100)
        tx.mint("USD", "dave", 15)
        tx.burn("USD", "dave", 10)
        tx.reserve("USD", "dave", "carol", 20)
        tx.settle("USD", "carol", "dave", 5)
        tx.release("hold-0", 5)
        tx.burn("USD", "carol", 10)
        tx.mint("USD", "dave", 10)


@pytest.mark.parametrize(("read", "before", "after"), [case[1:] for case in CELLS], ids=[case[0] for case in CELLS])
@pytest.mark.parametrize(("outcome", "stands"), [(None, True), (StorageFull("no space"), False), (Lost(stands=True), True)])
def test_cells_are_read_as_before_while_a_commit_is_under_way(
    crowd: Crowd, read: Callable[[Ledger], Any], before: Any, after: Any, outcome: BaseException | None, stands: bool
) -> None:
    crowd.journal.holds = True
    change = crowd.start(change_much, crowd.ledger)
    crowd.journal.wait_for_append()
    found = read(crowd.ledger)  # on this thread: if it waited, it would do so for ever
    assert (set(found) if isinstance(before, set) else found) == before
    crowd.journal.let_go(outcome)
    assert result(change) is None if stands else isinstance(result(change), StorageFull)
    found = read(crowd.ledger)
    assert (set(found) if isinstance(before, set) else found) == (after if stands else before)


def test_balances_while_a_commit_is_under_way_are_all_of_before(crowd: Crowd) -> None:
    before = crowd.ledger.balances("USD")
    crowd.journal.holds = True
    change = crowd.start(change_much, crowd.ledger)
    crowd.journal.wait_for_append()
    assert crowd.ledger.balances("USD") == before
    crowd.journal.let_go()
    assert result(change) is None
    assert sum(balance.total for balance in crowd.ledger.balances("USD").values()) == 205


OTHERS: list[tuple[str, Callable[[Ledger], Any], Any, Any]] = [
    ("tokens", lambda ledger: [token.code for token in ledger.tokens()], ["USD", "PLN"], ["USD", "PLN"]),
    ("token", lambda ledger: ledger.token("USD").code, "USD", "USD"),
    ("fragments", lambda ledger: sum(found.amount for found in ledger.fragments("USD", "alice")), 100, 40),
    ("holds", lambda ledger: len(ledger.holds("USD", "carol")), 0, 1),
    ("contracts", lambda ledger: list(ledger.contracts()), [], []),
    ("handles", lambda ledger: len(ledger.handles("USD", ["alice"])), 1, 1),
    ("row", lambda ledger: "carol" in list(ledger.state["USD"]), False, True),
]
"""What waits for a commit that is under way."""


@pytest.mark.parametrize(("read", "before", "after"), [case[1:] for case in OTHERS], ids=[case[0] for case in OTHERS])
@pytest.mark.parametrize(
    ("outcome", "stands"),
    [(None, True), (StorageFull("no space"), False), (Lost(stands=True), True), (Lost(stands=False), False)],
)
def test_other_reads_wait_and_are_never_answered_out_of_books_that_were_dropped(
    crowd: Crowd, read: Callable[[Ledger], Any], before: Any, after: Any, outcome: BaseException | None, stands: bool
) -> None:
    crowd.journal.holds = True
    change = crowd.start(change_much, crowd.ledger)
    crowd.journal.wait_for_append()
    readers = [crowd.start(read, crowd.ledger) for _ in range(3)]
    until(lambda: len(keeper_of(crowd.ledger)._decided._waiters) == 3)
    crowd.journal.let_go(outcome)
    assert (result(change) is None) is stands
    assert [result(reader) for reader in readers] == [after if stands else before] * 3


@pytest.mark.parametrize(
    ("outcome", "verdict"), [(None, Conflict), (Lost(stands=True), Conflict), (StorageFull("no space"), None)]
)
def test_what_a_block_was_told_meanwhile_must_hold_in_the_end(
    crowd: Crowd, outcome: BaseException | None, verdict: type[Exception] | None
) -> None:
    crowd.journal.holds = True
    change = crowd.start(crowd.transfer, "alice", "carol", 60)
    crowd.journal.wait_for_append()

    def block() -> Any:
        with crowd.ledger.atomic() as tx:
            assert tx.balance("USD", "alice").available == 100
            tx.transfer("USD", "bob", "carol", 1)
        return tx

    told = crowd.queued(block)
    crowd.journal.let_go(outcome)
    result(change)
    assert type(result(told)) is verdict if verdict else result(told).receipt is not None


@pytest.mark.parametrize(("outcome", "verdict"), [(StorageFull("no space"), None), (None, InsufficientFunds)])
def test_nobody_is_refused_for_money_that_a_commit_under_way_has_only_begun_to_take(
    crowd: Crowd, outcome: BaseException | None, verdict: type[Exception] | None
) -> None:
    crowd.journal.holds = True
    change = crowd.start(crowd.transfer, "alice", "carol", 60)
    crowd.journal.wait_for_append()
    spender = crowd.start(crowd.transfer, "alice", "dave", 100)
    until(lambda: keeper_of(crowd.ledger)._decided._waiters)
    crowd.journal.let_go(outcome)
    result(change)
    assert type(result(spender)) is verdict if verdict else result(spender).receipt is not None
