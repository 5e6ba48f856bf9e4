"""What an error explains when it is asked: the rule, what is asked and what is there, and the open holds in the way."""

import asyncio
import copy
import pickle
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

import tallystick
from tallystick import (
    AsyncLedger,
    BalanceBelowZero,
    Conflict,
    CorruptJournal,
    FixedPriceCurve,
    HoldInTheWay,
    InsufficientFunds,
    Ledger,
    LedgerError,
    RefusalExplanation,
    Refused,
    StorageFull,
    Token,
    TransactionContext,
)
from tallystick.domain import refusals
from tallystick.domain.books.books import Books
from tallystick.infrastructure.imports.transfers.transfers import import_transfers

NOW = datetime(2026, 11, 26, tzinfo=UTC)
LATER = NOW + timedelta(days=1)
Holds = list[tuple[str, str, int]]


@pytest.fixture
def ledger() -> Iterator[Ledger]:
    """Where bob has 5.00 USD: 1.00 for the shop and 50 for the court under holds, and 3.50 to spend."""
    ids = iter(f"hold-{number}" for number in range(1, 1_000))
    with Ledger.open("memory:", clock=lambda: NOW, ids=lambda: next(ids)) as ledger:
        ledger.register_token(Token("USD", decimals=2, max_supply=1_000, unit=100))
        ledger.register_token(Token("TEA", role="settlement"))
        ledger.register_token(Token("APP", role="app", curve=FixedPriceCurve(20), max_supply=1_000))
        with ledger.atomic() as tx:
            tx.mint("USD", "bob", 500)
            tx.mint("TEA", "bob", 1_000)
            tx.reserve("USD", "bob", "shop", 100, expires_at=LATER)
            tx.reserve("TEA", "bob", "shop", 7)
            tx.reserve("USD", "bob", "court", 50)
            pool = tx.register_contract("pool")
            pool.balance_up(30)
            pool.alloc("bob")
            pool.shadow_up("bob", 20)
        yield ledger


def refused(call: Callable[[], object]) -> LedgerError:
    with pytest.raises(LedgerError) as caught:
        call()
    return caught.value


def in_block(*calls: Callable[[TransactionContext], object]) -> Callable[[Ledger], None]:
    def block(ledger: Ledger) -> None:
        with ledger.atomic() as tx:
            for call in calls:
                call(tx)

    return block


def at_execution(call: Callable[[TransactionContext], object]) -> Callable[[Ledger], None]:
    """The call is refused when the block is executed: another takes what it counted on before that."""

    def block(ledger: Ledger) -> None:
        with ledger.atomic() as tx:
            call(tx)
            other = Thread(target=ledger.transfer, args=("USD", "bob", "other", 300))
            other.start()
            other.join()

    return block


def frozen(ledger: Ledger) -> None:
    ledger.freeze("bob", "USD", reason="a dispute")
    ledger.transfer("USD", "bob", "a", 1)


def reversed_twice(ledger: Ledger) -> None:
    id = ledger.transfer("USD", "bob", "a", 100).transaction_ids[0]
    ledger.reverse(transaction=id, amount=60)
    ledger.reverse(transaction=id, amount=50)


BOTH: Holds = [("hold-1", "shop", 100), ("hold-3", "court", 50)]
BOBS = ("USD", "bob")
LACK = "Nobody gives more than there is"


@pytest.mark.parametrize(
    ("call", "rule", "of", "figures", "held", "holds"),
    [
        (lambda ledger: ledger.transfer("USD", "bob", "a", 400), LACK, BOBS, (400, 350, 50), 150, BOTH),
        (lambda ledger: ledger.transfer("TEA", "bob", "a", 1_000), LACK, ("TEA", "bob"), (1_000, 993, 7), 7,
         [("hold-2", "shop", 7)]),
        (lambda ledger: ledger.transfer("USD", "shop", "a", 100), LACK, ("USD", "shop"), (100, 0, 100), 0, []),
        (lambda ledger: ledger.burn("USD", "bob", 351), LACK, BOBS, (351, 350, 1), 150, BOTH),
        (lambda ledger: ledger.reserve("USD", "bob", "court", 351), LACK, BOBS, (351, 350, 1), 150, BOTH),
        (in_block(lambda tx: tx.transfer("USD", "bob", "a", 400)), LACK, BOBS, (400, 350, 50), 150, BOTH),
        (in_block(lambda tx: tx.require("USD", "bob", 400)), LACK, BOBS, (400, 350, 50), 150, BOTH),
        (in_block(lambda tx: tx.money("USD", "bob", 400)), LACK, BOBS, (400, 350, 50), 150, BOTH),
        (in_block(lambda tx: tx.reserve("USD", "bob", "friend", 30), lambda tx: tx.money("USD", "bob", 340)), LACK, BOBS,
         (340, 320, 20), 180, [*BOTH, ("hold-4", "friend", 30)]),
        (in_block(lambda tx: tx.settle("USD", "shop", "a", 40), lambda tx: tx.release("hold-3"),
                  lambda tx: tx.transfer("USD", "bob", "a", 500)), LACK, BOBS, (500, 400, 100), 60, [("hold-1", "shop", 60)]),
        (at_execution(lambda tx: tx.transfer("USD", "bob", "a", 350)), LACK, BOBS, (350, 50, 300), 150, BOTH),
        (lambda ledger: ledger.transfer_many("USD", ["bob", "bob"], ["a", "b"], [300, 60]), LACK, BOBS, (60, 50, 10), 150,
         BOTH),
        (lambda ledger: ledger.settle("USD", "shop", "a", 150), LACK, ("USD", "shop"), (150, 100, 50), None, []),
        (lambda ledger: ledger.settle("USD", "shop", "a", 150, "hold-1"), LACK, ("USD", "shop"), (150, 100, 50), None, []),
        (lambda ledger: ledger.release("hold-1", 101), LACK, ("USD", "shop"), (101, 100, 1), None, []),
        (lambda ledger: ledger.app("APP").sell("bob", 1), LACK, ("APP", "bob"), (1, 0, 1), 0, []),
        (lambda ledger: ledger.app("APP").refund("bob", 1), LACK, ("TEA", "bob APP"), (1, 0, 1), 0, []),
        (lambda ledger: ledger.mint("USD", "bob", 501), "What is in circulation never exceeds", ("USD", None), (501, 500, 1),
         None, []),
        (lambda ledger: ledger.mint_many("USD", ["a", "b"], [500, 2]), "What is in circulation", ("USD", None), (2, 0, 2),
         None, []),
        (frozen, "Nobody moves money out of an account whose debits are frozen", BOBS, (None, None, None), None, []),
        (reversed_twice, "What is taken back of a movement", (None, None), (50, 40, 10), None, []),
        (lambda ledger: ledger.release("no-hold"), "Money is drawn out of a hold", (None, None), (None, None, None), None, []),
        (lambda ledger: ledger.settle("USD", "court", "a", 1, "hold-1"), "The authority that keeps a hold", ("USD", None),
         (None, None, None), None, []),
        (lambda ledger: ledger.transfer("EUR", "bob", "a", 1), "A call names what", ("EUR", None), (None, None, None), None,
         []),
        (lambda ledger: ledger.transfer("USD", "bob", "a", 0), "An amount is a whole number", (None, None), (None, None, None),
         None, []),
        (in_block(lambda tx: tx.contract("pool").shadow_up("bob", 11)), "The allocations of a contract never sum to more",
         (None, None), (11, 10, 1), None, []),
        (in_block(lambda tx: tx.contract("pool").balance_down(11)), "The balance of a contract is never less", (None, None),
         (11, 10, 1), None, []),
        (in_block(lambda tx: tx.contract("pool").balance_down(31)), "No more leaves the balance", (None, None), (31, 30, 1),
         None, []),
        (in_block(lambda tx: tx.contract("pool").shadow_down("bob", 21)), "No more leaves an allocation", (None, "bob"),
         (21, None, None), None, []),
    ],
)  # fmt: skip
def test_a_refusal_is_explained(
    ledger: Ledger,
    call: Callable[[Ledger], object],
    rule: str,
    of: tuple[str | None, str | None],
    figures: tuple[int | None, int | None, int | None],
    held: int | None,
    holds: Holds,
) -> None:
    found = refused(lambda: call(ledger)).explanation
    assert found.rule.startswith(rule)
    assert (found.token, found.account) == of
    assert (found.required, found.available, found.missing) == figures
    assert found.held == held
    assert [(hold.id, hold.authority, hold.remaining) for hold in found.holds] == holds


def test_holds_are_told_with_when_they_fall_due_and_where_they_were_opened(ledger: Ledger) -> None:
    def block() -> None:
        with ledger.atomic() as tx:
            tx.reserve("USD", "bob", "friend", 30)
            tx.transfer("USD", "bob", "a", 400)

    *recorded, planned = refused(block).explanation.holds
    assert planned == HoldInTheWay("hold-4", "friend", 30, None, None)
    assert [hold.expires_at for hold in recorded] == [LATER, None]
    for hold in recorded:
        whole = ledger.hold(hold.id)
        assert (hold.authority, hold.remaining, hold.expires_at, hold.position) == (
            whole.authority,
            whole.remaining,
            whole.expires_at,
            whole.position,
        )


def test_in_decimals_and_as_a_dict(ledger: Ledger) -> None:
    error = refused(lambda: ledger.transfer("USD", "bob", "a", 400))
    first, second = (ledger.hold(id).position for id in ("hold-1", "hold-3"))
    assert error.explanation.to_dict(token=ledger.token("USD")) == {
        "rule": error.explanation.rule,
        "token": "USD",
        "account": "bob",
        "required": "4.00",
        "available": "3.50",
        "missing": "0.50",
        "held": "1.50",
        "holds": [
            {"id": "hold-1", "authority": "shop", "remaining": "1.00", "expires_at": LATER, "position": first},
            {"id": "hold-3", "authority": "court", "remaining": "0.50", "expires_at": None, "position": second},
        ],
    }


def test_rows_of_a_batch_are_explained_each(ledger: Ledger) -> None:
    given = (["bob", "shop", "bob"], ["a", "a", "b"], [340, 9, 20])
    receipt = ledger.transfer_many("USD", *given, on_refusal="skip")
    explained = [(index, reason.explanation) for index, reason in receipt.refused]
    assert [(index, each.account, each.missing, each.held, len(each.holds)) for index, each in explained] == [
        (1, "shop", 9, 0, 0),
        (2, "bob", 10, 150, 2),
    ]
    error = refused(lambda: ledger.transfer_many("USD", ["a", "bob"], ["b", "b"], [1, 11]))
    assert (error.fields["row"], error.explanation.missing, error.explanation.held) == (1, 1, 150)
    moved = error.at_row(7)
    assert (moved.fields["row"], moved.explanation) == (7, error.explanation)


def test_rows_of_an_import_are_explained_each(ledger: Ledger, tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("token,sender,receiver,amount\nUSD,bob,a,400\n")
    error = refused(lambda: import_transfers(ledger, file))
    assert (type(error), error.fields["row"]) == (InsufficientFunds, 2)
    assert (error.explanation.missing, error.explanation.held) == (50, 150)


def test_nothing_is_looked_up_before_somebody_asks(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str]] = []
    holds_paid = Books.holds_paid

    def noting(books: Books, token: str, payer: str) -> Any:
        asked.append((token, payer))
        return holds_paid(books, token, payer)

    monkeypatch.setattr(Books, "holds_paid", noting)
    errors = [
        refused(lambda: ledger.transfer("USD", "bob", "a", 400)),
        refused(lambda: in_block(lambda tx: tx.transfer("USD", "bob", "a", 400))(ledger)),
        ledger.transfer_many("USD", ["bob"], ["a"], [400], on_refusal="skip").refused[0].reason,
    ]
    assert [str(error) for error in errors] == ["bob has 3.50 USD to give of the 4.00 required"] * 3
    assert asked == []
    for number, error in enumerate(errors, 1):
        assert error.explanation.held == 150
        assert error.explanation == error.explanation
        assert asked == [("USD", "bob")] * number


def test_the_holds_are_those_at_the_first_time_of_asking(ledger: Ledger) -> None:
    before, after = (refused(lambda: ledger.transfer("USD", "bob", "a", 400)) for _ in range(2))
    assert before.explanation.held == 150
    ledger.release("hold-3")
    assert [hold.id for hold in before.explanation.holds] == ["hold-1", "hold-3"]
    assert [hold.id for hold in after.explanation.holds] == ["hold-1"]
    assert (after.explanation.available, after.explanation.held) == (350, 100)


def test_a_block_that_went_on_is_told_from_the_books(ledger: Ledger) -> None:
    with ledger.atomic() as tx:
        tx.settle("USD", "shop", "a", 40)
        tx.reserve("USD", "bob", "friend", 30)
        errors = [refused(lambda: tx.transfer("USD", "bob", "a", 400)) for _ in range(2)]
        expected = [("hold-1", 60), ("hold-3", 50), ("hold-4", 30)]
        assert [(hold.id, hold.remaining) for hold in errors[0].explanation.holds] == expected
    assert [(hold.id, hold.remaining) for hold in errors[1].explanation.holds] == expected
    assert [hold.position is None for hold in errors[1].explanation.holds] == [False] * 3
    assert errors[0].explanation.held == errors[1].explanation.held == 140


def test_many_holds_are_told_up_to_a_number(ledger: Ledger) -> None:
    with ledger.atomic() as tx:
        for _ in range(150):
            tx.reserve("USD", "bob", "friend", 1)
    found = refused(lambda: ledger.transfer("USD", "bob", "a", 400)).explanation
    assert (found.held, len(found.holds)) == (300, refusals.HOLDS_TOLD)
    positions = [hold.position for hold in found.holds if hold.position]
    assert positions == sorted(positions)
    assert found.holds[0].id == "hold-1"


def test_where_the_ledger_was_closed_the_rest_is_told(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "books.db") as ledger:
        ledger.register_token(Token("USD"))
        ledger.mint("USD", "bob", 5)
        ledger.reserve("USD", "bob", "shop", 2)
        asked, unasked = (refused(lambda: ledger.transfer("USD", "bob", "a", 4)) for _ in range(2))
        assert asked.explanation.held == 2
    assert (asked.explanation.held, asked.explanation.missing) == (2, 1)
    assert (unasked.explanation.held, unasked.explanation.holds, unasked.explanation.missing) == (None, (), 1)


@pytest.mark.parametrize("sent", [lambda error: pickle.loads(pickle.dumps(error)), copy.deepcopy])
def test_an_error_that_is_sent_takes_along_what_was_asked(ledger: Ledger, sent: Callable[[Any], LedgerError]) -> None:
    error = refused(lambda: ledger.transfer("USD", "bob", "a", 400))
    unasked = sent(error)
    asked = sent(error) if error.explanation.held else None
    assert asked is not None
    assert asked.explanation == error.explanation
    assert sent(asked).explanation == error.explanation
    assert (unasked.explanation.held, unasked.explanation.missing) == (None, 50)
    for each in (asked, unasked):
        assert (type(each), str(each), each.fields, each.decimals) == (type(error), str(error), error.fields, error.decimals)


def test_a_copy_asks_as_the_error_does(ledger: Ledger) -> None:
    error = copy.copy(refused(lambda: ledger.transfer("USD", "bob", "a", 400)))
    assert (error.explanation.held, error.explanation.missing) == (150, 50)


def test_of_a_conflict_the_cause_is_explained(ledger: Ledger) -> None:
    def block() -> None:
        with ledger.atomic() as tx:
            tx.transfer("USD", "bob", "a", 300)
            other = Thread(target=ledger.transfer, args=("USD", "bob", "other", 100))
            other.start()
            other.join()
            tx.transfer("USD", "bob", "a", 60)

    conflict = refused(block)
    assert isinstance(conflict, Conflict)
    assert conflict.explanation == RefusalExplanation(refusals.RULES[Conflict])
    assert conflict.cause is not None
    assert (conflict.cause.explanation.missing, conflict.cause.explanation.available) == (50, 250)
    assert conflict.cause.explanation.held == 150


def test_in_a_fork_and_in_asyncio(ledger: Ledger) -> None:
    with ledger.fork() as fork:
        fork.reserve("USD", "bob", "friend", 30)
        assert refused(lambda: fork.transfer("USD", "bob", "a", 400)).explanation.held == 180
    assert refused(lambda: ledger.transfer("USD", "bob", "a", 400)).explanation.held == 150

    async def case() -> None:
        async with AsyncLedger.open("memory:") as awaited:
            await awaited.register_token(Token("USD"))
            await awaited.mint("USD", "bob", 5)
            await awaited.reserve("USD", "bob", "shop", 2)
            with pytest.raises(InsufficientFunds) as direct:
                await awaited.transfer("USD", "bob", "a", 4)
            with pytest.raises(InsufficientFunds) as planned:
                async with awaited.atomic() as tx:
                    tx.reserve("USD", "bob", "friend", 1)
                    tx.transfer("USD", "bob", "a", 4)
            with pytest.raises(InsufficientFunds) as row:
                await awaited.transfer_many("USD", ["bob"], ["a"], [4])
            found = [caught.value.explanation for caught in (direct, planned, row)]
            assert [(each.missing, each.held) for each in found] == [(1, 2), (2, 3), (1, 2)]

    asyncio.run(case())


def kinds(of: type[LedgerError]) -> Iterator[type[LedgerError]]:
    for kind in of.__subclasses__():
        yield kind
        yield from kinds(kind)


def test_every_refusal_has_a_rule_of_its_own() -> None:
    exported = [each for each in vars(tallystick).values() if isinstance(each, type) and issubclass(each, LedgerError)]
    of_ours = {kind for kind in (*exported, *kinds(Refused)) if kind.__module__.startswith("tallystick.")}
    assert len(of_ours) > 60
    assert {kind.__name__ for kind in of_ours if issubclass(kind, Refused) and kind not in refusals.RULES} == set()
    sentences = list(refusals.RULES.values())
    assert len(set(sentences)) == len(sentences)
    for sentence in sentences:
        assert sentence[0].isupper()
        assert sentence.endswith(".")
        assert ". " not in sentence


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (StorageFull("full"), RefusalExplanation("Nothing is told as done that the store has not taken.")),
        (CorruptJournal(position=3), RefusalExplanation("What is stored is what was written, or it is not gone by.")),
        (BalanceBelowZero(contract="pool", amount=2**256, balance=3),
         RefusalExplanation("No more leaves the balance of a contract than is in it.", None, None, 2**256, 3, 2**256 - 3)),
        (InsufficientFunds(token="USD", account="bob", required=3, available=1),
         RefusalExplanation(refusals.RULES[InsufficientFunds], "USD", "bob", 3, 1, 2)),
    ],
)  # fmt: skip
def test_an_error_that_no_ledger_raised_is_explained_too(error: LedgerError, verdict: RefusalExplanation) -> None:
    assert error.explanation == verdict
    assert pickle.loads(pickle.dumps(error)).explanation == verdict
