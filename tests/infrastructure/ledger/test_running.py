"""`run` serves everybody: tasks, threads and processes that read what all of them change, with turns among them."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from tallystick import (
    AsyncLedger,
    Conflict,
    DuplicateIdempotencyKey,
    InsufficientFunds,
    InvalidRequest,
    Ledger,
    OutcomeUnknown,
    Token,
)
from tallystick.infrastructure.ledger.running.tries import Tries
from tallystick.infrastructure.ledger.running.turns import Turns
from tests.support.books.contract_book import in_another_thread
from tests.support.programs.processes import WaitForAll, run_in_processes

Url = str | Path
WAIT = 5  # seconds in which what is waited for certainly comes


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def open_hot(url: Url, amount: int = 10**9) -> Ledger:
    ledger = Ledger.open(url)
    ledger.register_token(Token("USD"))
    ledger.mint("USD", "hot", amount)
    with ledger.atomic() as tx:
        tx.register_contract("pool").balance_up(10**9)
    return ledger


def by_balance(tx: Any, who: str) -> None:
    if tx.balance("USD", "hot").available:
        tx.transfer("USD", "hot", who, 1)


async def by_contract(tx: Any, who: str) -> None:
    pool = await tx.contract("pool")
    if pool.allocs_sum < pool.balance:
        pool.alloc(who)
        pool.shadow_up(who, 1)


async def by_a_pause(tx: Any, who: str) -> None:
    told = tx.balance("USD", "hot").available
    await asyncio.sleep(0)
    tx.transfer("USD", "hot", who, min(told, 1))


@pytest.mark.parametrize("pay", [by_balance, by_contract, by_a_pause])
def test_a_hundred_tasks_are_all_served(url: Url, pay: Callable[..., Any]) -> None:
    open_hot(url).close() if url != "memory:" else None
    calls = [0] * 100

    async def serve() -> list[Any]:
        async with AsyncLedger.open(url) as ledger:
            if url == "memory:":
                await ledger.register_token(Token("USD"))
                async with ledger.atomic() as tx:
                    tx.mint("USD", "hot", 10**9)
                    tx.register_contract("pool").balance_up(10**9)

            async def one(number: int) -> None:
                def call(tx: Any) -> Any:
                    calls[number] += 1
                    return pay(tx, f"customer{number}")

                await ledger.run(call, timeout=WAIT)

            await asyncio.gather(*map(one, range(100)))
            return [await ledger.audit(), await ledger.balances("USD"), (await ledger.contract("pool")).num_allocs]

    audit, balances, allocations = asyncio.run(serve())
    assert audit.ok
    served = allocations if pay is by_contract else sum(name.startswith("customer") for name in balances)
    assert served == 100
    assert (median(calls), max(calls)) <= (2, 5), sorted(calls)


def in_threads(count: int, work: Callable[[int], object]) -> None:
    failures: list[BaseException] = []

    def guarded(number: int) -> None:
        try:
            work(number)
        except BaseException as error:
            failures.append(error)

    crew = [threading.Thread(target=guarded, args=(number,)) for number in range(count)]
    for thread in crew:
        thread.start()
    for thread in crew:
        thread.join(2 * WAIT)
    assert not failures, failures


@pytest.mark.parametrize(("threads", "each"), [(100, 1), (8, 20)])
def test_all_threads_are_served_while_there_is_money(url: Url, threads: int, each: int) -> None:
    calls = [0] * threads

    with open_hot(url, threads * each - 1) as ledger:

        def work(number: int) -> None:
            def pay(tx: Any) -> None:
                calls[number] += 1
                by_balance(tx, f"customer{number}")

            for _ in range(each):
                ledger.run(pay, timeout=WAIT)

        in_threads(threads, work)
        assert ledger.balance("USD", "hot").total == 0
        assert ledger.audit().ok
    assert median(calls) <= 4 * each, sorted(calls)


def pay_often(url: Url, number: int, wait_for_all: WaitForAll) -> int:
    calls = 0

    def pay(tx: Any) -> None:
        nonlocal calls
        calls += 1
        by_balance(tx, f"customer{number}")

    with Ledger.open(url) as ledger:
        wait_for_all()
        for _ in range(10):
            ledger.run(pay, timeout=WAIT)
    return calls


def test_all_processes_are_served(shared_url: Url) -> None:
    open_hot(shared_url).close()
    works = [lambda wait, number=number: pay_often(shared_url, number, wait) for number in range(8)]
    calls = run_in_processes(works)
    assert min(calls) >= 10
    with Ledger.open(shared_url) as ledger:
        assert [ledger.balance("USD", f"customer{number}").total for number in range(8)] == [10] * 8
        assert ledger.audit().ok


# When it ends.


def losing(ledger: Ledger, calls: list[int], then: Callable[[], object] = lambda: None) -> Callable[[Any], None]:
    """A function that is in conflict each time, and counts."""

    def lose(tx: Any) -> None:
        calls.append(tx.balance("USD", "hot").available)
        in_another_thread(lambda: ledger.mint("USD", "hot", 1))
        then()
        tx.mint("USD", "bob", 1)

    return lose


@pytest.mark.parametrize(
    ("seconds", "limits", "times"),
    [
        (0.0, {"attempts": 1}, 1),
        (0.0, {"attempts": 20}, 20),
        (1.0, {"timeout": 0}, 1),
        (1.0, {"timeout": 0.5}, 1),
        (1.0, {"timeout": 5}, 5),
        (1.0, {"timeout": 5.5}, 6),
        (1.0, {}, 30),
        (1.0, {"timeout": 5, "attempts": 3}, 3),
        (1.0, {"timeout": 5, "attempts": 30}, 5),
    ],
)
def test_the_last_conflict_is_raised_with_how_often_it_ran(seconds: float, limits: dict[str, Any], times: int) -> None:
    calls: list[int] = []
    clock = Clock()

    def pass_time() -> None:
        clock.now += seconds

    with open_hot("memory:") as ledger:
        ledger._core.turns = Turns(clock)  # pyright: ignore[reportPrivateUsage]
        with pytest.raises(Conflict) as caught:
            ledger.run(losing(ledger, calls, pass_time), **limits)
        assert (len(calls), caught.value.attempts) == (times, times)
        with pytest.raises(Conflict) as caught:
            ledger.once(losing(ledger, calls, pass_time), "key", **limits)
        assert caught.value.attempts == times
        assert ledger._core.turns.holder is None  # pyright: ignore[reportPrivateUsage]


@pytest.mark.parametrize(
    "limits", [{"timeout": -1}, {"timeout": float("nan")}, {"timeout": "1"}, {"timeout": True}, {"timeout": None}]
)
def test_a_timeout_is_a_number_of_seconds(limits: dict[str, Any]) -> None:
    with open_hot("memory:") as ledger:
        for run in (ledger.run, ledger.once):
            with pytest.raises(InvalidRequest):
                run(lambda tx: tx.mint("USD", "bob", 1), "key", **limits)
        assert ledger.receipt("key") is None


def test_a_key_is_looked_up_before_each_call(url: Url) -> None:
    calls: list[int] = []
    with open_hot(url) as ledger:
        use = losing(ledger, calls, lambda: in_another_thread(lambda: ledger.mint("USD", "carol", 1, idempotency_key="key")))
        with pytest.raises(DuplicateIdempotencyKey):
            ledger.run(use, "key")
        assert (len(calls), ledger.balance("USD", "bob").total) == (1, 0)


@pytest.mark.parametrize(
    "error", [OutcomeUnknown("who knows"), InsufficientFunds(token="USD", account="x", required=1, available=0)]
)
def test_what_is_no_conflict_is_not_called_again(error: Exception) -> None:
    calls = 0

    def fail(tx: Any) -> None:
        nonlocal calls
        calls += 1
        raise error

    with open_hot("memory:") as ledger, pytest.raises(type(error)):
        ledger.run(fail)
    assert calls == 1


# Turns, by a clock of their own.


def turns_of(*names: str) -> tuple[Clock, Turns, dict[str, Any], list[str]]:
    clock, woken = Clock(), []
    turns = Turns(clock, 100)
    return clock, turns, {name: turns.ticket(lambda name=name: woken.append(name)) for name in names}, woken


def test_turns_go_by_the_order_of_first_conflicts() -> None:
    _, turns, tickets, woken = turns_of("a", "b", "c")
    assert turns.seconds_to_turn(tickets["b"]) == 0
    assert turns.seconds_to_turn(tickets["c"]) == turns.seconds_to_turn(tickets["a"]) == 100
    turns.leave(tickets["b"])
    assert (turns.has_turn(tickets["a"]), woken[-1]) == (True, "a")
    turns.leave(tickets["a"])
    assert (turns.has_turn(tickets["c"]), woken[-1]) == (True, "c")
    turns.leave(tickets["c"])
    assert turns.holder is None


def test_who_takes_longer_than_a_lease_loses_the_turn_and_has_the_next() -> None:
    clock, turns, tickets, _ = turns_of("slow", "next", "last")
    assert turns.seconds_to_turn(tickets["slow"]) == 0
    assert turns.seconds_to_turn(tickets["last"]) == 100
    clock.now += 60
    assert turns.seconds_to_turn(tickets["next"]) == 40
    clock.now += 40
    assert turns.seconds_to_turn(tickets["last"]) == 100
    assert turns.has_turn(tickets["next"])
    assert not turns.has_turn(tickets["slow"])
    assert turns.seconds_to_turn(tickets["slow"]) == 100
    turns.leave(tickets["next"])
    assert turns.has_turn(tickets["slow"])
    assert turns.seconds_to_turn(tickets["slow"]) == 0


def test_who_leaves_while_waiting_is_passed_over() -> None:
    clock, turns, tickets, _ = turns_of("a", "gone", "c")
    for name in ("a", "gone", "c"):
        turns.seconds_to_turn(tickets[name])
    turns.leave(tickets["gone"])
    turns.leave(tickets["gone"])
    turns.leave(tickets["a"])
    assert turns.has_turn(tickets["c"])
    clock.now += 1_000
    assert not turns.has_turn(tickets["c"])


def test_who_met_no_conflict_waits_for_one_lease_alone() -> None:
    clock, turns, tickets, _ = turns_of("a", "b")
    passing: list[int] = []
    assert turns.seconds_to_pass(lambda: passing.append(1)) == 0
    turns.seconds_to_turn(tickets["a"])
    turns.seconds_to_turn(tickets["b"])
    newcomer = Tries(turns, 30, None, lambda: passing.append(1))
    clock.now += 30
    assert newcomer.pause() == 70
    turns.leave(tickets["a"])
    assert (len(passing), turns.has_turn(tickets["b"]), newcomer.pause()) == (1, True, 0)


def test_pauses_within_a_turn_grow_and_are_bounded() -> None:
    _, turns, _, _ = turns_of()
    tries = Tries(turns, 30, None, lambda: None)
    pauses: list[float] = []
    for _ in range(50):
        while seconds := tries.pause():
            pauses.append(seconds)
        tries.begin()
        tries.end()
        tries.met(Conflict(subject="this", told=1, now=2))
    assert len(pauses) == 47
    assert max(pauses) <= 0.064
    assert sum(pauses[:3]) <= 0.007
    tries.leave()
    assert turns.holder is None


def test_what_a_function_with_a_turn_runs_itself_does_not_wait() -> None:
    async def nested() -> list[int]:
        async with AsyncLedger.open("memory:") as ledger:
            turns = ledger._core.turns = Turns(Clock())  # pyright: ignore[reportPrivateUsage]  # no lease ever ends
            await ledger.register_token(Token("USD"))
            calls: list[int] = []

            async def pay(tx: Any) -> None:
                calls.append(tx.balance("USD", "hot").available)
                if len(calls) < 3:
                    inner = asyncio.create_task(ledger.run(lambda inner: inner.mint("USD", "hot", 1)))
                    await asyncio.wait_for(inner, WAIT)
                await asyncio.create_task(ledger.mint("USD", "cold", 1))
                async with asyncio.TaskGroup() as group:
                    group.create_task(ledger.transfer("USD", "cold", "colder", 1))
                tx.mint("USD", "bob", 1)

            await ledger.run(pay)
            assert turns.holder is None
            return calls

    assert asyncio.run(nested()) == [0, 1, 2]


# Who fails or is cancelled gives the turn back.


def test_a_function_that_raises_gives_its_turn_back() -> None:
    calls: list[int] = []
    with open_hot("memory:") as ledger:
        turns = ledger._core.turns = Turns(Clock())  # pyright: ignore[reportPrivateUsage]

        def fail() -> None:
            if len(calls) == 2:
                assert turns.holder is not None
                raise KeyError("mine")

        with pytest.raises(KeyError):
            ledger.run(losing(ledger, calls, fail))
        assert turns.holder is None
        ledger.run(lambda tx: by_balance(tx, "bob"))


@pytest.mark.parametrize("where", ["in its function", "while it waits"])
def test_a_task_that_is_cancelled_gives_its_turn_back(where: str) -> None:
    async def cancel() -> int:
        async with AsyncLedger.open("memory:") as ledger:
            turns = ledger._core.turns = Turns(Clock())  # pyright: ignore[reportPrivateUsage]
            await ledger.register_token(Token("USD"))
            await ledger.mint("USD", "hot", 100)
            holds, go_on = asyncio.Event(), asyncio.Event()
            calls = [0, 0]

            async def pay(number: int, tx: Any) -> None:
                calls[number] += 1
                tx.balance("USD", "hot")
                if calls[number] == 1:
                    await asyncio.create_task(ledger.mint("USD", "hot", 1))
                elif number == 0:
                    holds.set()
                    await go_on.wait()
                tx.transfer("USD", "hot", f"customer{number}", 1)

            def begin(number: int) -> "asyncio.Task[None]":
                return asyncio.create_task(ledger.run(lambda tx: pay(number, tx)))

            first = begin(0)
            await asyncio.wait_for(holds.wait(), WAIT)
            second = begin(1)
            while not turns._waiting and not second.done():  # pyright: ignore[reportPrivateUsage]
                await asyncio.sleep(0)
            gone, served = (first, second) if where == "in its function" else (second, first)
            gone.cancel()
            with suppress(asyncio.CancelledError):
                await gone
            go_on.set()
            await asyncio.wait_for(served, WAIT)
            assert (turns.holder, turns._waiting) == (None, [])  # pyright: ignore[reportPrivateUsage]
            return (await ledger.balance("USD", "hot")).total

    assert asyncio.run(cancel()) == 101


def test_blocks_and_calls_never_wait_for_a_turn(url: Url) -> None:
    with open_hot(url) as ledger:
        ledger._core.turns = turns = Turns(Clock())  # pyright: ignore[reportPrivateUsage]
        other = turns.ticket(lambda: None)
        assert turns.seconds_to_turn(other) == 0  # and that lease never ends

        def others() -> None:
            with ledger.atomic() as tx:
                by_balance(tx, "a")
            ledger.transfer("USD", "hot", "b", 1)
            ledger.transfer_many("USD", ["hot"], ["c"], [1])

        in_threads(1, lambda _: others())
        assert [ledger.balance("USD", name).total for name in "abc"] == [1, 1, 1]
        turns.leave(other)
