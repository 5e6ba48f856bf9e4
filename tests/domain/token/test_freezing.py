"""Frozen accounts: what each operation is told, by direction and token, when it is planned and when it is executed."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tallystick import (
    DAO_RESERVED_ACCOUNT,
    TOTAL_SUPPLY_RESERVE,
    AccountIsFrozen,
    AsyncLedger,
    FixedPriceCurve,
    InsufficientFunds,
    InvalidAccount,
    InvalidRequest,
    Ledger,
    LedgerError,
    MeaninglessCell,
    NameInUse,
    Receipt,
    Token,
    TokenNotFound,
    UnslicedMoney,
)
from tests.support.books.app_book import T, do
from tests.support.books.contract_book import elsewhere

Call = Callable[[Any], Any]
DEBITS: dict[str, bool] = {}
CREDITS = {"debits": False, "credits": True}
BOTH = {"credits": True}
WAYS = {"debits": DEBITS, "credits": CREDITS, "both": BOTH}


@pytest.fixture
def funded(ledger: Ledger, token: str) -> Ledger:
    """Alice and Bob have 100 of the token, and the keeper holds 50 of Alice's, of Bob's and of its own."""
    with ledger.atomic() as tx:
        for account in ("alice", "bob", "keeper"):
            tx.mint(token, account, 150)
            tx.reserve(token, account, "keeper", 50)
    return ledger


MONEY: list[tuple[str, Callable[[str], Call], str]] = [
    ("transfer out", lambda token: lambda tx: tx.transfer(token, "alice", "bob", 5), "debits"),
    ("transfer in", lambda token: lambda tx: tx.transfer(token, "bob", "alice", 5), "credits"),
    ("transfer to itself", lambda token: lambda tx: tx.transfer(token, "alice", "alice", 5), "debits credits"),
    ("transfer of others", lambda token: lambda tx: tx.transfer(token, "bob", "carol", 5), ""),
    ("move out", lambda token: lambda tx: tx.move((token, "alice"), (token, "bob"), 5), "debits"),
    ("move in", lambda token: lambda tx: tx.move((token, "bob"), (token, "alice"), 5), "credits"),
    ("mint", lambda token: lambda tx: tx.mint(token, "alice", 5), "credits"),
    ("burn", lambda token: lambda tx: tx.burn(token, "alice", 5), "debits"),
    ("money sent", lambda token: lambda tx: tx.money(token, "alice", 5).slice(5).transfer_to("bob"), "debits"),
    ("money burned", lambda token: lambda tx: tx.money(token, "alice", 5).slice(5).burn(), "debits"),
    ("money split", lambda token: lambda tx: tx.money(token, "bob", 6).slice(6).split({"alice": 1, "carol": 1}), "credits"),
    ("reserve", lambda token: lambda tx: tx.reserve(token, "alice", "keeper", 5), "debits"),
    ("reserve as authority", lambda token: lambda tx: tx.reserve(token, "bob", "alice", 5), ""),
    ("settle in", lambda token: lambda tx: tx.settle(token, "keeper", "alice", 70), "credits"),
    ("settle what it paid", lambda token: lambda tx: tx.settle(token, "keeper", "bob", 50), ""),
    ("balance", lambda token: lambda tx: tx.balance(token, "alice"), ""),
]


@pytest.mark.parametrize("url", ["memory:"])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("everywhere", [True, False])
@pytest.mark.parametrize(("name", "call", "closed"), MONEY)
def test_money(
    funded: Ledger, token: str, name: str, call: Callable[[str], Call], closed: str, everywhere: bool, way: str
) -> None:
    do(funded, lambda tx: tx.freeze("alice", None if everywhere else token, reason="court", **WAYS[way]))
    refusing = [direction for direction in closed.split() if way in (direction, "both")]
    check(funded, call(token), refusing, "alice", None if everywhere else token)
    do(funded, lambda tx: tx.unfreeze("alice", None if everywhere else token))
    do(funded, call(token))
    assert funded.audit().ok


def check(ledger: Ledger, call: Call, refusing: list[str], account: str, token: str | None) -> None:
    """What a call is told: when it is planned, and when it is executed after somebody froze the account."""
    if not refusing:
        with pytest.raises(RuntimeError, match="rolled back"):
            do(ledger, call, fail)
        return
    before = ledger.replay(Everything()).state
    with pytest.raises(AccountIsFrozen) as refused, ledger.atomic() as tx:
        call(tx)
    assert (refused.value.account, refused.value.token) == (account, token)  # type: ignore[attr-defined]
    assert refused.value.direction == refusing[0]  # type: ignore[attr-defined]
    assert refused.value.code == "account_is_frozen"
    assert "(court)" in str(refused.value)
    (freeze,) = ledger.frozen()
    do(ledger, lambda tx: tx.unfreeze(account, token))
    with pytest.raises(AccountIsFrozen), ledger.atomic() as tx:
        call(tx)
        ways = {"debits": freeze.debits, "credits": freeze.credits, "reason": freeze.reason}
        elsewhere(ledger, lambda tx: tx.freeze(account, token, **ways))
    assert [event for event in ledger.replay(Everything()).state[len(before) :] if "Account" not in event] == []


def fail(tx: Any) -> None:
    raise RuntimeError("rolled back")


class Everything:
    """Every event there was, by its type."""

    name, version = "everything", 1

    def __init__(self) -> None:
        self.state: list[str] = []

    def apply(self, position: int, recorded_at: int, event: Any, /) -> None:
        self.state.append(type(event).__name__)


@pytest.mark.parametrize("way", WAYS)
def test_an_authority_pays_out_nothing_while_its_debits_are_frozen_and_gives_back(funded: Ledger, token: str, way: str) -> None:
    mine, *_ = [hold for hold in funded.holds(token, "keeper") if hold.payer == "bob"]
    do(funded, lambda tx: tx.freeze("keeper", **WAYS[way]))
    if way == "credits":
        do(funded, lambda tx: tx.settle(token, "keeper", "bob", 5, hold=mine.id))
    else:
        with pytest.raises(AccountIsFrozen, match="keeper"):
            do(funded, lambda tx: tx.settle(token, "keeper", "bob", 5, hold=mine.id))
    do(funded, lambda tx: tx.release(mine.id))
    assert funded.audit().ok


def test_a_release_comes_whatever_is_frozen(funded: Ledger, token: str) -> None:
    do(funded, lambda tx: tx.freeze("alice", credits=True))
    (hold,) = [hold for hold in funded.holds(token, "keeper") if hold.payer == "alice"]
    do(funded, lambda tx: tx.release(hold.id))
    assert funded.balance(token, "alice").available == 150
    assert funded.audit().ok


def test_a_freeze_in_one_token_is_none_in_another(funded: Ledger, token: str) -> None:
    funded.register_token(Token("OTHER"))
    do(funded, lambda tx: tx.mint("OTHER", "alice", 5), lambda tx: tx.freeze("alice", token))
    do(funded, lambda tx: tx.transfer("OTHER", "alice", "bob", 5))
    with pytest.raises(AccountIsFrozen, match=f"alice is frozen: no {token} leaves it"):
        do(funded, lambda tx: tx.transfer(token, "alice", "bob", 5))


def test_either_of_two_freezes_refuses(funded: Ledger, token: str) -> None:
    do(funded, lambda tx: tx.freeze("alice"), lambda tx: tx.freeze("alice", token, debits=False, credits=True))
    assert [(each.token, each.debits, each.credits) for each in funded.frozen()] == [(None, True, False), (token, False, True)]
    for call in (lambda tx: tx.burn(token, "alice", 1), lambda tx: tx.mint(token, "alice", 1)):
        with pytest.raises(AccountIsFrozen):
            do(funded, call)
    do(funded, lambda tx: tx.unfreeze("alice"))
    do(funded, lambda tx: tx.burn(token, "alice", 1))
    with pytest.raises(AccountIsFrozen):
        do(funded, lambda tx: tx.mint(token, "alice", 1))


def test_it_is_told_before_that_money_is_missing(funded: Ledger, token: str) -> None:
    do(funded, lambda tx: tx.freeze("alice"))
    with pytest.raises(AccountIsFrozen):
        do(funded, lambda tx: tx.transfer(token, "alice", "bob", 10**6))
    with pytest.raises(InsufficientFunds):
        do(funded, lambda tx: tx.transfer(token, "bob", "alice", 10**6))


# Apps, seats and contracts.

APPS: list[tuple[str, Call, str, str]] = [
    ("deposit", lambda tx: tx.app("TeaParty").deposit("alice", 5), "TEA", "debits"),
    ("refund", lambda tx: tx.app("TeaParty").refund("alice", 5), "TEA", "credits"),
    ("consume_deposit", lambda tx: tx.app("TeaParty").consume_deposit("alice", 5), "TEA", "debits"),
    ("pay", lambda tx: tx.app("TeaParty").pay("alice", 5), "TEA", "debits"),
    ("pay in another token", lambda tx: tx.app("TeaParty").pay("alice", 5, token="USDT"), "USDT", "debits"),
    ("buy: the payment", lambda tx: tx.app("TeaParty").buy("alice", T), "TEA", "debits"),
    ("buy: what it brings", lambda tx: tx.app("TeaParty").buy("alice", T), "TeaParty", "credits"),
    ("sell: what it takes", lambda tx: tx.app("TeaParty").sell("alice", 10**9), "TeaParty", "debits"),
    ("sell: what it brings", lambda tx: tx.app("TeaParty").sell("alice", 10**9), "TEA", "credits"),
    ("withdraw_income", lambda tx: tx.app("TeaParty").withdraw_income("USDT", 5), "USDT", "dev's credits"),
    ("pay_public_service", lambda tx: tx.seats.pay_public_service("alice", 5), "TEA", "credits"),
    ("a tax beyond the share", lambda tx: tx.seats.share_income({"alice": T}), "TEA", "debits"),
    ("fund", lambda tx: tx.contract("pool").fund("alice", 5), "USDT", "debits"),
    ("defund", lambda tx: tx.contract("pool").defund("alice", 5), "USDT", "credits"),
    ("shadow_down", lambda tx: tx.contract("pool").shadow_down("alice", 5), "USDT", "debits"),
    ("dealloc", lambda tx: tx.contract("pool").dealloc("alice", drop_fraction=True), "USDT", "debits"),
    ("shadow_up", lambda tx: tx.contract("pool").shadow_up("alice", 5), "USDT", ""),
    ("shadow_up_all", lambda tx: tx.contract("pool").shadow_up_all(5), "USDT", ""),
    ("shadow_down_all", lambda tx: tx.contract("pool").shadow_down_all(5), "USDT", ""),
    ("a share", lambda tx: tx.seats.share_income({"alice": 0}), "TEA", ""),
    ("distribute_income", lambda tx: tx.app("TeaParty").distribute_income(), "TeaParty", ""),
    ("distribute_dividend", lambda tx: tx.app("TeaParty").distribute_dividend(), "TeaParty", ""),
    ("share_distribution_pool", lambda tx: tx.seats.share_distribution_pool("TeaParty", 10), "TEA", ""),
    ("collect_memory_tax", lambda tx: tx.seats.collect_memory_tax("TeaParty", 5), "TEA", ""),
    ("a spread", lambda tx: tx.app("TeaParty").buy("bob", T), "TEA", "dev's"),
]


@pytest.fixture
def played(book: Ledger) -> Ledger:
    """A book in which each of those can happen: income, pools, deposits, and a contract with an allocation of Alice's."""
    with book.atomic() as tx:
        party = tx.app("TeaParty")
        party.buy("alice", 100 * T)
        party.buy("bob", 100 * T)
        party.deposit("alice", 50)
        party.pay("bob", 10 * T)
        party.pay("bob", 50, token="USDT")
        party.pay("bob", 10**6, token="TeaParty")
        tx.mint("TEA", DAO_RESERVED_ACCOUNT, 100)
        tx.seats.collect_memory_tax("TeaParty", 100)
        tx.seats.share_income({"bob": 90})
        tx.seats.collect_memory_tax("TeaParty", 100)
        pool = tx.register_contract("pool", backed_by="USDT")
        pool.fund("alice", 50)
        pool.alloc("alice")
        pool.shadow_up("alice", 20)
        pool.alloc("carol")
        pool.shadow_up("carol", 5)
    return book


@pytest.mark.parametrize("url", ["memory:"])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("everywhere", [True, False])
@pytest.mark.parametrize(("name", "call", "code", "closed"), APPS)
def test_apps_and_contracts(played: Ledger, name: str, call: Call, code: str, closed: str, everywhere: bool, way: str) -> None:
    account = "dev" if "dev" in closed else "alice"
    if name == "dealloc":
        do(played, lambda tx: tx.contract("pool").shadow_down("alice", 20))
    do(played, lambda tx: tx.freeze(account, None if everywhere else code, reason="court", **WAYS[way]))
    refusing = [direction for direction in ("debits", "credits") if direction in closed and way in (direction, "both")]
    if everywhere and name == "buy: what it brings" and way != "credits":
        refusing = ["debits"]
    if everywhere and name in ("buy: the payment", "sell: what it takes") and way == "credits":
        refusing = ["credits"]
    if everywhere and name == "sell: what it brings" and way != "credits":
        refusing = ["debits"]
    check(played, call, refusing, account, None if everywhere else code)
    if not refusing:
        do(played, call)


def test_an_unbacked_contract_minds_a_freeze_in_all_tokens(ledger: Ledger, token: str) -> None:
    with ledger.atomic() as tx:
        pool = tx.register_contract("figure")
        pool.balance_up(100)
        pool.alloc("alice")
        pool.shadow_up("alice", 20)
    do(ledger, lambda tx: tx.freeze("alice", token), lambda tx: tx.contract("figure").shadow_down("alice", 5))
    do(ledger, lambda tx: tx.freeze("alice"))
    with pytest.raises(AccountIsFrozen, match="alice is frozen: nothing leaves it"):
        do(ledger, lambda tx: tx.contract("figure").shadow_down("alice", 5))
    assert ledger.audit().ok


def test_what_is_taken_over_is_credited(ledger: Ledger, token: str) -> None:
    do(ledger, lambda tx: tx.freeze("alice", credits=True))
    with pytest.raises(AccountIsFrozen):
        ledger.take_over([], [(token, "alice", 5)])
    ledger.take_over([], [(token, "bob", 5)])


# Freezing itself.


def test_what_is_frozen_is_listed(ledger: Ledger, token: str) -> None:
    assert ledger.frozen() == []
    with ledger.atomic() as tx:
        tx.freeze("bob", token, debits=False, credits=True, reason="court, 17")
        tx.freeze("alice")
    assert isinstance(tx.receipt, Receipt)
    position = tx.receipt.position
    assert tx.receipt.transaction_ids == ()
    first, second = ledger.frozen()
    assert (first.account, first.token, first.debits, first.credits) == ("bob", token, False, True)
    assert (first.reason, first.position, first.recorded_at) == ("court, 17", position - 1, tx.receipt.recorded_at)
    assert (second.account, second.token, second.debits, second.credits, second.reason) == ("alice", None, True, False, "")
    assert (second.position, second.recorded_at) == (position, tx.receipt.recorded_at)


@pytest.mark.parametrize(
    ("again", "recorded"),
    [
        ({"debits": True, "credits": False, "reason": "court"}, False),
        ({"debits": True, "credits": True, "reason": "court"}, True),
        ({"debits": False, "credits": True, "reason": "court"}, True),
        ({"debits": True, "credits": False, "reason": "another"}, True),
    ],
)
def test_the_same_again_records_nothing_and_another_takes_its_place(
    ledger: Ledger, again: dict[str, Any], recorded: bool
) -> None:
    do(ledger, lambda tx: tx.freeze("alice", reason="court"))
    (before,) = ledger.frozen()
    with ledger.atomic() as tx:
        tx.freeze("alice", **again)
    assert (tx.receipt is not None) is recorded
    (freeze,) = ledger.frozen()
    assert {name: getattr(freeze, name) for name in again} == again
    assert (freeze == before) is not recorded


def test_unfreezing_what_is_not_frozen_records_nothing(ledger: Ledger, token: str) -> None:
    with ledger.atomic() as tx:
        tx.unfreeze("alice")
        tx.unfreeze("alice", token)
    assert tx.receipt is None
    do(ledger, lambda tx: tx.freeze("alice", token))
    with ledger.atomic() as tx:
        tx.unfreeze("alice")
    assert tx.receipt is None
    assert len(ledger.frozen()) == 1


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda tx: tx.freeze("alice", debits=False), InvalidRequest),
        (lambda tx: tx.freeze("alice", debits=1), InvalidRequest),
        (lambda tx: tx.freeze("alice", credits="yes"), InvalidRequest),
        (lambda tx: tx.freeze("alice", reason=5), InvalidRequest),
        (lambda tx: tx.freeze("alice", "NONE"), TokenNotFound),
        (lambda tx: tx.freeze("alice", 7), TokenNotFound),
        (lambda tx: tx.freeze("al ice"), InvalidAccount),
        (lambda tx: tx.freeze(TOTAL_SUPPLY_RESERVE), InvalidAccount),
        (lambda tx: tx.freeze(TOTAL_SUPPLY_RESERVE, "TEA"), InvalidAccount),
        (lambda tx: tx.freeze(DAO_RESERVED_ACCOUNT), InvalidAccount),
        (lambda tx: tx.freeze(DAO_RESERVED_ACCOUNT, "USDT"), MeaninglessCell),
        (lambda tx: tx.freeze("TeaParty"), InvalidAccount),
        (lambda tx: tx.freeze("TeaParty", "TEA"), InvalidAccount),
        (lambda tx: tx.freeze("pool"), InvalidAccount),
        (lambda tx: (tx.register_contract("new"), tx.freeze("new")), InvalidAccount),
        (lambda tx: tx.unfreeze("alice", "NONE"), TokenNotFound),
        (lambda tx: tx.unfreeze(7), InvalidAccount),
        (lambda tx: (tx.freeze("carol"), tx.register_contract("carol")), NameInUse),
    ],
)
def test_refusals(played: Ledger, call: Call, expected: type[LedgerError]) -> None:
    with pytest.raises(expected):
        do(played, call)
    assert played.frozen() == []


def test_a_frozen_name_becomes_no_app_and_no_contract(ledger: Ledger, token: str) -> None:
    do(ledger, lambda tx: tx.freeze("alice"), lambda tx: tx.freeze("bob", token))
    ledger.register_token(Token("TEA", role="settlement"))
    for name in ("alice", "bob"):
        with pytest.raises(NameInUse, match="frozen"):
            ledger.register_token(Token(name, role="app", curve=FixedPriceCurve(1)))
        with pytest.raises(NameInUse, match="frozen"):
            do(ledger, lambda tx, name=name: tx.register_contract(name))
    do(ledger, lambda tx: tx.unfreeze("alice"), lambda tx: tx.register_contract("alice"))
    do(ledger, lambda tx: tx.unfreeze("bob", token))
    ledger.register_token(Token("bob", role="app", curve=FixedPriceCurve(1)))
    assert ledger.audit().ok


def test_it_counts_from_its_call_on(funded: Ledger, token: str) -> None:
    with funded.atomic() as tx:
        tx.transfer(token, "alice", "bob", 5)
        tx.freeze("alice")
        with pytest.raises(AccountIsFrozen):
            tx.transfer(token, "alice", "bob", 5)
        tx.unfreeze("alice")
        tx.transfer(token, "alice", "bob", 5)
    assert funded.balance(token, "alice").available == 90
    assert funded.frozen() == []


def test_a_savepoint_takes_it_back(funded: Ledger, token: str) -> None:
    with funded.atomic() as tx:
        tx.freeze("bob", reason="first")
        with pytest.raises(RuntimeError), tx.savepoint():
            tx.freeze("alice")
            tx.freeze("bob", reason="second")
            tx.unfreeze("bob")
            tx.transfer(token, "bob", "carol", 5)
            raise RuntimeError
        tx.transfer(token, "alice", "bob", 5)
        with pytest.raises(AccountIsFrozen, match="first"):
            tx.transfer(token, "bob", "alice", 5)
    assert [(freeze.account, freeze.reason) for freeze in funded.frozen()] == [("bob", "first")]


def test_money_in_hand_is_frozen_with_its_account(funded: Ledger, token: str) -> None:
    with pytest.raises(UnslicedMoney), funded.atomic() as tx:
        money = tx.money(token, "alice", 10).slice(10)
        tx.freeze("alice")
        with pytest.raises(AccountIsFrozen):
            money.transfer_to("bob")
        with pytest.raises(AccountIsFrozen):
            tx.money(token, "alice", 1)
        tx.unfreeze("alice")
        money.transfer_to("bob")
        tx.money(token, "alice", 1)
    with funded.atomic() as tx:
        money = tx.money(token, "alice", 10).slice(10)
        money.transfer_to("bob")
        tx.freeze("alice")
    assert funded.balance(token, "alice").available == 90


def test_who_was_unfrozen_meanwhile_is_not_refused(funded: Ledger, token: str) -> None:
    do(funded, lambda tx: tx.freeze("alice"))
    with funded.atomic() as tx:
        elsewhere(funded, lambda tx: tx.unfreeze("alice"))
        tx.transfer(token, "alice", "bob", 5)
        tx.money(token, "alice", 5).slice(5).transfer_to("bob")
    assert funded.balance(token, "alice").available == 90


def test_a_refused_plan_leaves_the_freezes_as_they_were(funded: Ledger, token: str) -> None:
    do(funded, lambda tx: tx.freeze("alice", reason="first"), lambda tx: tx.freeze("bob", token))
    before = funded.frozen()
    with pytest.raises(InsufficientFunds), funded.atomic() as tx:
        tx.unfreeze("alice")
        tx.freeze("alice", credits=True)
        tx.unfreeze("bob", token)
        tx.freeze("carol")
        tx.transfer(token, "keeper", "dave", 100)
        elsewhere(funded, lambda tx: tx.transfer(token, "keeper", "dave", 1))
    assert funded.frozen() == before
    with pytest.raises(AccountIsFrozen):
        do(funded, lambda tx: tx.transfer(token, "alice", "carol", 1))
    with pytest.raises(AccountIsFrozen):
        do(funded, lambda tx: tx.transfer(token, "bob", "carol", 1))


@pytest.mark.parametrize("snapshot", [False, True])
def test_reopened_it_is_as_it_was(shared_url: str | Path, snapshot: bool) -> None:
    with Ledger.open(shared_url) as ledger:
        ledger.register_token(Token("USD"))
        with ledger.atomic() as tx:
            tx.mint("USD", "alice", 100)
            tx.freeze("alice", reason="court")
            tx.freeze("bob", "USD", debits=False, credits=True)
            tx.freeze("carol")
        do(ledger, lambda tx: tx.unfreeze("carol"))
        if snapshot:
            ledger.snapshot()
        before = ledger.frozen()
        assert len(before) == 2
    with Ledger.open(shared_url) as ledger:
        assert ledger.frozen() == before
        refused = ledger.transfer_many("USD", ["alice", "alice"], ["bob", "carol"], [1, 1], on_refusal="skip").refused
        assert [(row.index, type(row.reason)) for row in refused] == [(0, AccountIsFrozen), (1, AccountIsFrozen)]
        do(ledger, lambda tx: tx.unfreeze("alice"), lambda tx: tx.transfer("USD", "alice", "carol", 5))
        assert [freeze.account for freeze in ledger.frozen()] == ["bob"]
        assert ledger.audit().ok


def test_another_ledger_on_the_journal_minds_it(shared_url: str | Path) -> None:
    with Ledger.open(shared_url) as first, Ledger.open(shared_url) as second:
        first.register_token(Token("USD"))
        do(first, lambda tx: tx.mint("USD", "alice", 100))
        assert second.frozen() == []
        do(first, lambda tx: tx.freeze("alice"))
        with pytest.raises(AccountIsFrozen):
            do(second, lambda tx: tx.transfer("USD", "alice", "bob", 1))
        assert second.frozen() == first.frozen()


def test_of_one_group_the_later_are_refused() -> None:
    """Transactions that were planned before anybody was frozen, and are executed in the commit that freezes."""

    async def play() -> tuple[Any, Any, Any, Any]:
        async with AsyncLedger.open("memory:") as ledger:
            await ledger.register_token(Token("USD"))
            async with ledger.atomic() as tx:
                tx.mint("USD", "alice", 100)

            async def block(*calls: Call) -> Any:
                async with ledger.atomic() as tx:
                    for call in calls:
                        call(tx)
                return tx.receipt

            outcomes = await asyncio.gather(
                block(lambda tx: tx.transfer("USD", "alice", "bob", 5)),
                block(lambda tx: tx.freeze("alice", "USD")),
                block(lambda tx: tx.transfer("USD", "alice", "bob", 5)),
                block(lambda tx: tx.unfreeze("alice", "USD"), lambda tx: tx.mint("USD", "alice", 1)),
                return_exceptions=True,
            )
            return outcomes[0], outcomes[1], outcomes[2], (outcomes[3], await ledger.balance("USD", "alice"))

    paid, frozen, refused, (minted, balance) = asyncio.run(play())
    assert (
        paid.position == frozen.position == minted.position
    )  # one commit; nothing was there to be unfrozen when it was planned
    assert isinstance(refused, AccountIsFrozen)
    assert balance.available == 96
