"""What is too large is refused whole, before it keeps everybody waiting: by its number, its fragments, its size or its time."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tallystick import AsyncLedger, CommitTooLarge, InvalidRequest, Ledger, LedgerError, PlanTooLarge, SquareRootCurve, Token
from tallystick.domain import limits
from tallystick.domain.batch import carrying as batch_carrying
from tallystick.domain.memory import burnt
from tallystick.domain.plan import recording
from tallystick.domain.token import decisions
from tallystick.domain.value_object import fragments
from tallystick.domain.values.memo import MEMO_LENGTH_MAX
from tallystick.infrastructure.commit import group, member, pace, request_digest
from tallystick.infrastructure.group_commit import queue
from tests.support.books.behind import journal_of
from tests.support.books.snapshot_book import drop_books

START = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.fixture
def books(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A ledger with what the plans below move, and then small limits."""
    with Ledger.open("memory:", clock=lambda: START, max_clock_leap=None) as ledger:
        ledger.register_token(Token("USD"))
        ledger.register_token(Token("CENT", unit=10))
        ledger.register_token(Token("TEA", decimals=12, role="settlement"))
        with ledger.atomic() as tx:
            tx.mint("USD", "alice", 10_000)
            tx.mint("CENT", "alice", 10_000)
            tx.register_contract("pool").balance_up(100)
        ledger.transfer_many("USD", ["alice"] * 20, ["bob"] * 20, [1] * 20, idempotency_key="many")
        for _ in range(20):
            ledger.reserve("USD", "alice", "court", 1, expires_in=timedelta(days=1))
        for module in (limits, recording, decisions):
            monkeypatch.setattr(module, "OPERATIONS_MAX", 10)
        monkeypatch.setattr(limits, "ROWS_MAX", 10)
        yield ledger


def unchanged(ledger: Ledger, call: Callable[[], Any], error: type[LedgerError] = PlanTooLarge) -> LedgerError:
    """What the call is refused for; nothing is recorded, and the books in memory are those that the journal says."""
    head = journal_of(ledger).head()
    with pytest.raises(error) as caught:
        call()
    assert journal_of(ledger).head() == head
    before = shown(ledger)
    drop_books(ledger)
    assert shown(ledger) == before
    assert ledger.audit().ok
    return caught.value


def shown(ledger: Ledger) -> Any:
    cents = [ledger.fragments("CENT", account) for account in ("alice", "bob", "court")]
    return [(token.code, ledger.balances(token.code)) for token in ledger.tokens()], cents


def planned(ledger: Ledger, plan: Callable[[Any, int], Any], count: int) -> None:
    with ledger.atomic() as tx:
        plan(tx, count)


PLANS: dict[str, Callable[[Any, int], Any]] = {
    "transfers": lambda tx, count: [tx.transfer("USD", "alice", "bob", 1) for _ in range(count)],
    "what was told": lambda tx, count: [tx.balance("USD", f"account{number}") for number in range(count)],
    "holds": lambda tx, count: [tx.reserve("USD", "alice", "court", 1) for _ in range(count)],
    "freezes": lambda tx, count: [tx.freeze(f"account{number}") for number in range(count)],
    "contracts": lambda tx, count: [tx.contract("pool").alloc(f"account{number}") for number in range(count)],
    "a split": lambda tx, count: tx.money("USD", "alice", 100).split({f"account{number}": 1 for number in range(count)}),
    "one settlement of many holds": lambda tx, count: tx.settle("USD", "court", "bob", count),
}


@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
def test_a_plan_has_so_many_operations(books: Ledger, plan: Callable[[Any, int], Any]) -> None:
    for count in (11, 15):
        error = unchanged(books, lambda count=count: planned(books, plan, count))
        assert (error.fields["count"], error.fields["limit"]) == (11, 10)
        assert "do it in several parts" in str(error)
    planned(books, plan, 10)
    assert books.audit().ok


@pytest.mark.parametrize("way", ["in a block", "directly"])
def test_an_entry_that_is_too_large_is_taken_back_in_parts(books: Ledger, way: str) -> None:
    entry = books.receipt("many").entry_id  # type: ignore[union-attr]

    def reverse() -> Any:
        if way == "directly":
            return books.reverse(entry=entry)
        with books.atomic() as tx:
            return tx.reverse(entry=entry)

    assert unchanged(books, reverse).fields["what"] == "movements"
    books.reverse(transaction=entry, amount=1)


def test_a_savepoint_gives_its_room_back(books: Ledger) -> None:
    with books.atomic() as tx:
        for _ in range(5):
            with pytest.raises(RuntimeError), tx.savepoint():
                for _ in range(9):
                    tx.transfer("USD", "alice", "bob", 1)
                raise RuntimeError
        for _ in range(10):
            tx.transfer("USD", "alice", "bob", 1)
    assert tx.receipt.transaction_ids


def test_what_was_told_in_savepoints_that_were_undone_is_counted(books: Ledger) -> None:
    def plan(count: int) -> None:
        with books.atomic() as tx:
            for _ in range(count):
                with pytest.raises(RuntimeError), tx.savepoint():
                    tx.transfer("USD", "alice", "bob", 1)
                    tx.balance("USD", "bob")
                    raise RuntimeError
            tx.transfer("USD", "alice", "bob", 1)

    for count in (4, 6, 8):
        assert unchanged(books, lambda count=count: plan(count)).fields["limit"] == 10
    plan(3)


def test_too_much_is_no_conflict_though_something_came_out_otherwise(scattered: Ledger) -> None:
    """What is too large is too large again, so nobody is told to run it again."""
    scattered.register_token(Token("TEA", decimals=12, role="settlement"))
    scattered.register_token(Token("App", role="app", curve=SquareRootCurve(10)))
    scattered.mint("TEA", "alice", 10**15)

    def plan() -> None:
        with scattered.atomic() as tx:
            tx.app("App").buy("alice", 10**12, at_least=1)
            tx.transfer("CENT", "alice", "bob", 7 * 350)

    assert unchanged(scattered, plan).fields["what"] == "fragments"


def test_maintainers_are_so_many(books: Ledger) -> None:
    error = unchanged(
        books, lambda: planned(books, lambda tx, count: tx.seats.share_income(dict.fromkeys(map(str, range(11)), 1)), 0)
    )
    assert error.fields["what"] == "maintainers"


def test_what_is_due_is_given_back_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    now = START
    with Ledger.open("memory:", clock=lambda: now) as ledger:
        ledger.register_token(Token("USD"))
        ledger.mint("USD", "alice", 30)
        for _ in range(25):
            ledger.reserve("USD", "alice", "court", 1, expires_in=timedelta(hours=1))
        now += timedelta(days=1)
        monkeypatch.setattr(decisions, "OPERATIONS_MAX", 10)
        with ledger.atomic() as tx:
            assert tx.expire(10**6) == 10
        receipts = [ledger.expire(10**6) for _ in range(3)]
        assert [receipt and len(receipt.transaction_ids) for receipt in receipts] == [10, 5, None]


@pytest.mark.parametrize("kind", ["transfer_many", "mint_many", "burn_many"])
def test_a_batch_has_so_many_rows(books: Ledger, kind: str) -> None:
    def batch(count: int) -> Any:
        return getattr(books, kind)("USD", *[["alice"] * count] * (2 if kind == "transfer_many" else 1), [1] * count)

    error = unchanged(books, lambda: batch(11))
    assert (error.fields["what"], error.fields["count"], error.fields["limit"]) == ("rows", 11, 10)
    batch(10)


# Fragments.


@pytest.fixture
def scattered(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A ledger in which alice has 400 fragments of which no two make a run, and a limit of 300 numbers."""
    with Ledger.open("memory:") as ledger:
        ledger.register_token(Token("CENT", unit=10))
        with ledger.atomic() as tx:
            for _ in range(400):
                tx.mint("CENT", "alice", 7)
        for module in (limits, burnt, fragments, batch_carrying):
            monkeypatch.setattr(module, "FRAGMENTS_MAX", 300)
        yield ledger


FRAGMENTED: dict[str, Callable[[Any], Any]] = {
    "a transfer": lambda ledger: ledger.transfer("CENT", "alice", "bob", 7 * 350),
    "a burn": lambda ledger: ledger.burn("CENT", "alice", 7 * 350),
    "a hold": lambda ledger: ledger.reserve("CENT", "alice", "court", 7 * 350),
    "many": lambda ledger: planned(
        ledger, lambda tx, count: [tx.transfer("CENT", "alice", "bob", 7 * 10) for _ in range(count)], 40
    ),
    "a batch": lambda ledger: ledger.transfer_many("CENT", ["alice"] * 40, ["bob"] * 40, [70] * 40),
    "a batch of one": lambda ledger: ledger.transfer_many("CENT", ["alice"] * 2, ["bob"] * 2, [7 * 2, 7 * 350]),
    "a batch of burns": lambda ledger: ledger.burn_many("CENT", ["alice"] * 40, [70] * 40),
    "a batch of mints": lambda ledger: ledger.mint_many("CENT", ["carol"] * 40, [100] * 40),
    "a batch of small ones": lambda ledger: ledger.transfer_many("CENT", ["alice"] * 390, ["dave"] * 390, [7] * 390),
}


@pytest.mark.parametrize("call", FRAGMENTED.values(), ids=FRAGMENTED)
def test_a_commit_names_so_many_fragments(scattered: Ledger, call: Callable[[Ledger], Any]) -> None:
    assert unchanged(scattered, lambda: call(scattered)).fields["what"] == "fragments"
    scattered.transfer("CENT", "alice", "bob", 7 * 200)
    assert scattered.audit().ok


def test_of_a_hold_so_many_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    with Ledger.open("memory:") as ledger:
        ledger.register_token(Token("CENT", unit=10))
        with ledger.atomic() as tx:
            for _ in range(400):
                tx.mint("CENT", "alice", 7)
            hold = tx.reserve("CENT", "alice", "court", 7 * 400)
        for module in (limits, burnt, fragments):
            monkeypatch.setattr(module, "FRAGMENTS_MAX", 300)
        unchanged(ledger, lambda: ledger.settle("CENT", "court", "bob", 7 * 350, hold=hold))
        unchanged(ledger, lambda: ledger.release(hold))
        ledger.settle("CENT", "court", "bob", 7 * 200 + 3, hold=hold)
        ledger.release(hold)
        assert ledger.audit().ok


def test_runs_are_two_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    with Ledger.open("memory:") as ledger:
        ledger.register_token(Token("CENT", unit=10))
        ledger.mint("CENT", "alice", 10_000)
        for module in (limits, burnt, fragments, batch_carrying):
            monkeypatch.setattr(module, "FRAGMENTS_MAX", 300)
        with ledger.atomic() as tx:
            for _ in range(30):
                tx.transfer("CENT", "alice", "bob", 5_000)
                tx.transfer("CENT", "bob", "alice", 5_000)
        assert ledger.audit().ok


# Size and time.


def test_memos_are_counted_before_they_are_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "COMMIT_BYTES_MAX", 5_000)
    monkeypatch.setattr(member, "UNCOUNTED", 10)
    encoded: list[Any] = []
    monkeypatch.setattr(group, "encode_events", lambda events: encoded.append(events) or b"[]")
    with Ledger.open("memory:") as ledger:
        ledger.register_token(Token("USD"))
        written = len(encoded)
        with pytest.raises(CommitTooLarge, match=r"20000 bytes of the 5000 .* do it in several parts"), ledger.atomic() as tx:
            for _ in range(20):
                tx.mint("USD", "alice", 1, memo="m" * 1_000)
        assert len(encoded) == written


def test_of_few_no_memos_are_too_much() -> None:
    assert pace.UNCOUNTED * MEMO_LENGTH_MAX <= pace.COMMIT_BYTES_MAX


def test_a_plan_takes_so_much_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock that says so: what was done until then is taken back, and the next is served."""
    with Ledger.open("memory:") as ledger:
        ledger.register_token(Token("USD"))
        ledger.register_token(Token("CENT", unit=10))
        ledger.mint("CENT", "alice", 10_000)
        seconds = iter(range(10**6))
        monkeypatch.setattr(pace, "ASKED_EVERY", 16)
        monkeypatch.setattr(pace, "thread_time", lambda: float(next(seconds)))

        def plan() -> None:
            with ledger.atomic() as tx:
                for _ in range(200):
                    tx.mint("USD", "alice", 1)
                    tx.transfer("CENT", "alice", "bob", 7)

        error = unchanged(ledger, plan)
        assert error.fields["count"] == 400
        assert 16 <= error.fields["limit"] < 200
        assert "in 5 s no more were done" in str(error)
        with ledger.atomic() as tx:
            for _ in range(40):
                tx.mint("USD", "alice", 1)


@pytest.mark.parametrize(("many", "verdict"), [("time", 16), ("number", 5)])
def test_a_group_takes_in_so_many(monkeypatch: pytest.MonkeyPatch, many: str, verdict: int) -> None:
    """Nobody is refused for it: the others are in the next."""
    if many == "time":
        monkeypatch.setattr(group, "GROUP_SECONDS", -1.0)
    else:
        monkeypatch.setattr(queue, "TAKEN_MAX", 5)

    async def main() -> list[int]:
        async with AsyncLedger.open("memory:") as ledger:
            await ledger.register_token(Token("USD"))
            receipts = await asyncio.gather(*(ledger.mint("USD", f"account{number}", 1) for number in range(100)))
            assert len({receipt.entry_id for receipt in receipts if receipt}) == 100
            assert (await ledger.audit()).ok
            return [row.last_position - row.first_position + 1 for row in journal_of(ledger).rows()][1:]

    sizes = asyncio.run(main())
    assert sum(sizes) == 100
    assert max(sizes) == verdict


def test_a_request_is_so_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_digest, "REQUEST_BYTES_MAX", 100)
    with Ledger.open("memory:") as ledger:
        ledger.register_token(Token("USD"))
        with pytest.raises(InvalidRequest, match="a request has at most 100 bytes as JSON, not 102"):
            ledger.mint("USD", "alice", 1, idempotency_key="key", request="r" * 100)
        ledger.mint("USD", "alice", 1, idempotency_key="key", request="r" * 98)
        assert ledger.receipt("key") is not None
