"""What every ledger does, whether it is waited for or awaited: one suite, written as for an `AsyncLedger`."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tallystick import (
    TOTAL_SUPPLY_RESERVE,
    AccountIsFrozen,
    Allocation,
    Balance,
    Balances,
    Conflict,
    ContractAlreadyRegistered,
    ContractNotFound,
    DuplicateIdempotencyKey,
    HoldNotFound,
    IdempotencyMismatch,
    InsufficientFunds,
    InvalidAmount,
    InvalidPosition,
    InvalidRequest,
    LedgerClosed,
    MeaninglessCell,
    NotAnApp,
    Supply,
    Token,
    TokenAlreadyRegistered,
    TokenNotFound,
    TransactionClosed,
    TransactionNotFound,
    UnconsumedSlice,
    UnslicedMoney,
)
from tests.support.books.app_book import BONDING, T
from tests.support.books.app_book import TOKENS as APP_TOKENS

NOW = datetime(2030, 1, 1, tzinfo=UTC)
USD = Token("USD", decimals=2, unit=100)


def played(case: Callable[[Any, Any], Awaitable[None]]) -> Callable[[Any, Any], None]:
    """A case on a new ledger, with 500 USD of alice's."""

    def play(self: Any, url: str | Path) -> None:
        async def main() -> None:
            async with self.opened(url, clock=lambda: NOW + self.later) as ledger:
                await ledger.register_token(USD)
                async with ledger.atomic() as tx:
                    tx.mint("USD", "alice", 500)
                await case(self, ledger)

        self.later = timedelta()
        asyncio.run(main())

    play.__name__, play.__doc__ = case.__name__, case.__doc__
    return play


class LedgerCases:
    """Subclasses say how a ledger is opened."""

    later: timedelta

    def opened(self, url: str | Path, **options: Any) -> Any:
        """A context that gives the ledger."""
        raise NotImplementedError

    async def elsewhere(self, work: Callable[[], Awaitable[Any]]) -> Any:
        """What `work` gives, done to the end where no block is open."""
        raise NotImplementedError

    # Transactions.

    @played
    async def test_a_transaction_and_its_receipt(self, ledger: Any) -> None:
        async with ledger.atomic() as tx:
            assert tx.receipt is None
            tx.transfer("USD", "alice", "bob", 200, memo="rent")
            hold = tx.reserve("USD", "alice", "keeper", 50)
            tx.burn("USD", "bob", 20)
            assert tx.balance("USD", "bob") == Balance(180, 0, 180)
        assert tx.receipt.hold_ids == (hold,)
        assert tx.receipt.recorded_at == NOW
        assert len(tx.receipt.transaction_ids) == 3
        rent = await ledger.transaction(tx.receipt.transaction_ids[0])
        assert (rent.sender, rent.receiver, rent.memo) == ("alice", "bob", "rent")
        assert await ledger.balance("USD", "alice") == Balance(250, 0, 250)
        assert await ledger.balance("USD", "keeper") == Balance(0, 50, 50)
        assert await ledger.supply("USD") == Supply(2**128 - 1, 2**128 - 1 - 480, 480)

    @played
    async def test_what_raises_in_a_block_changes_nothing(self, ledger: Any) -> None:
        with pytest.raises(ZeroDivisionError):
            async with ledger.atomic() as tx:
                tx.transfer("USD", "alice", "bob", 200)
                raise ZeroDivisionError
        assert tx.receipt is None
        with pytest.raises(InsufficientFunds):
            async with ledger.atomic() as tx:
                tx.transfer("USD", "alice", "bob", 200)
                tx.transfer("USD", "alice", "bob", 301)
        assert await ledger.balance("USD", "bob") == Balance(0, 0, 0)

    @played
    async def test_a_block_that_records_nothing_has_no_receipt(self, ledger: Any) -> None:
        async with ledger.atomic("key") as tx:
            assert tx.balance("USD", "alice").total == 500
        assert tx.receipt is None
        async with ledger.atomic("key") as tx:
            tx.mint("USD", "alice", 1)
            tx.rollback()
        assert tx.receipt is None
        async with ledger.atomic("key") as tx:
            tx.mint("USD", "alice", 1)
        assert tx.receipt is not None

    @played
    async def test_a_savepoint_undoes_what_was_planned_in_it(self, ledger: Any) -> None:
        async with ledger.atomic() as tx:
            tx.transfer("USD", "alice", "bob", 100)
            with pytest.raises(InsufficientFunds), tx.savepoint():
                tx.transfer("USD", "alice", "carol", 300)
                tx.transfer("USD", "alice", "carol", 300)
            with tx.savepoint():
                tx.transfer("USD", "alice", "dave", 400)
        assert {name: balance.total for name, balance in (await ledger.balances("USD")).items()} == {"bob": 100, "dave": 400}

    @played
    async def test_a_block_is_entered_first_and_once(self, ledger: Any) -> None:
        tx = ledger.atomic()
        calls: tuple[Callable[[], Any], ...] = (
            lambda: tx.transfer("USD", "alice", "bob", 1),
            lambda: tx.freeze("alice"),
            lambda: tx.money("USD", "alice", 1),
            lambda: tx.savepoint().__enter__(),
            tx.rollback,
        )
        for call in calls:
            with pytest.raises(TransactionClosed, match=r"never entered: with ledger.atomic\(\) as tx"):
                call()
        async with tx:
            tx.transfer("USD", "alice", "bob", 1)
        with pytest.raises(TransactionClosed, match="entered once"):
            async with tx:
                raise AssertionError("it was entered again")
        assert (await ledger.balance("USD", "bob")).total == 1

    @played
    async def test_blocks_do_not_nest_and_end(self, ledger: Any) -> None:
        async with ledger.atomic() as tx:
            with pytest.raises(TransactionClosed):
                async with ledger.atomic():
                    raise AssertionError("it was entered")
            tx.transfer("USD", "alice", "bob", 1)
        with pytest.raises(TransactionClosed):
            tx.transfer("USD", "alice", "bob", 1)
        with pytest.raises(ZeroDivisionError):
            async with ledger.atomic():
                raise ZeroDivisionError
        async with ledger.atomic() as tx:
            tx.transfer("USD", "alice", "bob", 1)
        assert (await ledger.balance("USD", "bob")).total == 2

    @played
    async def test_money_in_hand_must_be_used_up(self, ledger: Any) -> None:
        async with ledger.atomic() as tx:
            order = tx.money("USD", "alice", 100)
            order.slice(70).transfer_to("seller")
            order.split({"platform": 2, "charity": 1})
        with pytest.raises(UnslicedMoney):
            async with ledger.atomic() as tx:
                tx.money("USD", "alice", 100).slice(99).transfer_to("seller")
        with pytest.raises(UnconsumedSlice):
            async with ledger.atomic() as tx:
                tx.money("USD", "alice", 100).slice(100)
        assert {name: balance.total for name, balance in (await ledger.balances("USD")).items()} == {
            "alice": 400,
            "seller": 70,
            "platform": 20,
            "charity": 10,
        }

    # Keys and conflicts.

    @played
    async def test_a_key_is_used_once(self, ledger: Any) -> None:
        async with ledger.atomic("key", request={"a": 1}) as tx:
            tx.transfer("USD", "alice", "bob", 1)
        cases = [
            ({"a": 1}, DuplicateIdempotencyKey),
            (None, DuplicateIdempotencyKey),
            ({"a": 2}, IdempotencyMismatch),
        ]
        for request, verdict in cases:
            with pytest.raises(verdict) as caught:
                async with ledger.atomic("key", request=request):
                    raise AssertionError("the body ran")
            assert type(caught.value) is verdict
            assert caught.value.receipt == tx.receipt
        with pytest.raises(InvalidRequest):
            ledger.atomic(request={"a": 1})
        with pytest.raises(InvalidRequest):
            ledger.atomic("")

    @played
    async def test_a_key_whose_transaction_failed_is_free(self, ledger: Any) -> None:
        with pytest.raises(InsufficientFunds):
            async with ledger.atomic("key") as tx:
                tx.burn("USD", "alice", 501)
        async with ledger.atomic("key") as tx:
            tx.burn("USD", "alice", 500)
        with pytest.raises(DuplicateIdempotencyKey):
            async with ledger.atomic("key"):
                raise AssertionError("the body ran")

    @played
    async def test_of_two_blocks_with_one_key_the_second_to_end_gets_the_receipt(self, ledger: Any) -> None:
        async def other() -> Any:
            async with ledger.atomic("key") as tx:
                tx.mint("USD", "bob", 1)
            return tx.receipt

        receipts: list[Any] = []
        with pytest.raises(DuplicateIdempotencyKey) as caught:
            async with ledger.atomic("key") as tx:
                tx.mint("USD", "bob", 2)
                receipts.append(await self.elsewhere(other))
        assert caught.value.receipt == receipts[0]
        assert (await ledger.balance("USD", "bob")).total == 1

    @played
    async def test_a_told_balance_that_changes_is_a_conflict(self, ledger: Any) -> None:
        async def other() -> None:
            async with ledger.atomic() as tx:
                tx.mint("USD", "alice", 1)

        with pytest.raises(Conflict):
            async with ledger.atomic() as tx:
                tx.transfer("USD", "alice", "bob", tx.balance("USD", "alice").available // 2)
                await self.elsewhere(other)
        assert (await ledger.balance("USD", "bob")).total == 0

    @played
    async def test_run_calls_again_after_a_conflict(self, ledger: Any) -> None:
        calls: list[int] = []

        async def other() -> None:
            async with ledger.atomic() as tx:
                tx.mint("USD", "alice", 1)

        async def halve(tx: Any) -> int:
            half = tx.balance("USD", "alice").available // 2
            calls.append(half)
            if len(calls) < 3:
                await self.elsewhere(other)
            tx.transfer("USD", "alice", "bob", half)
            return half

        assert await ledger.run(halve, idempotency_key="key") == 251
        assert len(calls) == 3
        assert (await ledger.balance("USD", "bob")).total == 251
        with pytest.raises(DuplicateIdempotencyKey):
            await ledger.run(halve, idempotency_key="key")
        calls.clear()
        with pytest.raises(Conflict):
            await ledger.run(halve, attempts=2)
        assert len(calls) == 2
        assert await ledger.run(lambda tx: tx.balance("USD", "bob").total) == 251
        with pytest.raises(InvalidRequest):
            await ledger.run(halve, attempts=0)

    # Tokens, holds and the double map.

    @played
    async def test_tokens(self, ledger: Any) -> None:
        await ledger.register_token(USD)
        with pytest.raises(TokenAlreadyRegistered):
            await ledger.register_token(Token("USD", decimals=3))
        assert await ledger.token("USD") == USD
        assert [token.code for token in await ledger.tokens()] == ["USD"]
        with pytest.raises(TokenNotFound):
            await ledger.token("EUR")
        await ledger.take_over([Token("EUR")], [("EUR", "alice", 7)], idempotency_key="key")
        with pytest.raises(DuplicateIdempotencyKey):
            await ledger.take_over([Token("EUR")], [("EUR", "alice", 7)], idempotency_key="key")
        assert (await ledger.balance("EUR", "alice")).total == 7

    @played
    async def test_holds(self, ledger: Any) -> None:
        async with ledger.atomic() as tx:
            due = tx.reserve("USD", "alice", "keeper", 100, NOW + timedelta(hours=1))
            kept = tx.reserve("USD", "alice", "keeper", 50)
        assert [hold.id for hold in await ledger.holds("USD", "keeper")] == [due, kept]
        self.later = timedelta(hours=2)
        async with ledger.atomic() as tx:
            assert tx.expire() == 1
            tx.settle("USD", "keeper", "bob", 20, kept)
        assert (await ledger.hold(kept)).remaining == 30
        assert [(leg.kind, leg.receiver, leg.amount) for leg in (await ledger.hold(due)).legs] == [("expire", "alice", 100)]
        assert [hold.id for hold in await ledger.holds(payer="alice")] == [kept]
        with pytest.raises(HoldNotFound):
            await ledger.hold("unknown")
        assert sum(fragment.amount for fragment in await ledger.fragments("USD", "alice")) == 450

    @played
    async def test_frozen_accounts(self, ledger: Any) -> None:
        async with ledger.atomic() as tx:
            tx.mint("USD", "alice", 100)
            tx.freeze("alice", "USD", reason="court")
            tx.freeze("bob", debits=False, credits=True)
            with pytest.raises(AccountIsFrozen, match="alice is frozen: no USD leaves it \\(court\\)"):
                tx.transfer("USD", "alice", "carol", 1)
        alice, bob = await ledger.frozen()
        assert (alice.account, alice.token, alice.debits, alice.credits, alice.reason) == ("alice", "USD", True, False, "court")
        assert (bob.account, bob.token, bob.debits, bob.credits, bob.reason) == ("bob", None, False, True, "")
        assert (bob.position, bob.recorded_at) == (tx.receipt.position, tx.receipt.recorded_at)
        async with ledger.atomic() as tx:
            tx.unfreeze("alice", "USD")
            tx.transfer("USD", "alice", "carol", 1)
            tx.unfreeze("carol")
            with pytest.raises(AccountIsFrozen):
                tx.mint("USD", "bob", 1)
        assert [freeze.account for freeze in await ledger.frozen()] == ["bob"]

    @played
    async def test_the_double_map(self, ledger: Any) -> None:
        assert await ledger.state["USD"]["alice"] == 500
        assert await ledger.state["USD"][TOTAL_SUPPLY_RESERVE] == 2**128 - 501
        with pytest.raises(MeaninglessCell):
            await ledger.state["alice"]["USD"]
        async with ledger.atomic() as tx:
            tx.move(("USD", "alice"), ("USD", "bob"), 5)
        assert await ledger.state["USD"]["bob"] == 5

    @played
    async def test_apps(self, ledger: Any) -> None:
        for token in APP_TOKENS:
            await ledger.register_token(token)
        await ledger.update_app("TeaParty", owner="owner")
        with pytest.raises(NotAnApp):
            await ledger.update_app("TEA", owner="owner")
        async with ledger.atomic() as tx:
            tx.topup("TEA", "alice", 100 * T)
            minted = tx.app("TeaParty").buy("alice", 50 * T)
            tx.app("TeaParty").deposit("alice", 10 * T)
        assert await ledger.state["TeaParty"]["alice"] == minted
        assert await ledger.state["alice"]["TeaParty"] == 10 * T
        assert await ledger.state["TeaParty"][BONDING] + await ledger.state["TEA"]["owner"] == 50 * T

    # Contracts.

    @played
    async def test_contracts(self, ledger: Any) -> None:
        async with ledger.atomic() as tx:
            tx.register_contract("pool", backed_by="USD").fund("alice", 100)
            pool = await tx.contract("pool")
            pool.alloc("bob")
            pool.shadow_up("bob", 40)
            assert (pool.balance, pool.allocs_sum, pool.num_allocs) == (100, 40, 1)
            with pytest.raises(ContractNotFound):
                await tx.contract("other")
        with pytest.raises(ContractAlreadyRegistered):
            async with ledger.atomic() as tx:
                tx.register_contract("pool")
        async with ledger.atomic() as tx:
            (await tx.contract("pool")).shadow_up_all(20)
        view = await ledger.contract("pool")
        assert (view.balance, view.allocs_sum, view.num_allocs, view.backed_by) == (100, 60, 1, "USD")
        assert await view.allocation("bob") == Allocation(60 * 10**8, 60)
        assert await view.allocations() == {"bob": Allocation(60 * 10**8, 60)}
        assert await view.allocation("alice") is None
        assert await ledger.allocation("pool", "bob") == Allocation(60 * 10**8, 60)
        assert list(await ledger.allocations("pool")) == ["bob"]
        assert list(await ledger.contracts()) == await ledger.contract_ids() == ["pool"]
        assert (await (await ledger.contracts())["pool"].allocation("bob")).sats == 60
        assert await ledger.is_contract("pool")
        assert (await ledger.allocations_of("bob")).sati == 60 * 10**8

    # Batches.

    @played
    async def test_batches(self, ledger: Any) -> None:
        await ledger.register_token(Token("PLN"))
        receipt = await ledger.mint_many("PLN", ["alice", "bob"], [10, 20], idempotency_key="key")
        assert receipt.accepted == 2
        with pytest.raises(DuplicateIdempotencyKey):
            await ledger.mint_many("PLN", ["alice", "bob"], [10, 20], idempotency_key="key")
        handles = await ledger.handles("PLN", ["alice", "bob"])
        receipt = await ledger.transfer_many("PLN", handles, handles[::-1], [11, 5], on_refusal="skip")
        assert [(row.index, type(row.reason)) for row in receipt.refused] == [(0, InsufficientFunds)]
        with pytest.raises(InsufficientFunds):
            await ledger.burn_many("PLN", ["bob"], [16])
        assert (await ledger.burn_many("PLN", ["bob"], [15])).accepted == 1
        assert {name: balance.total for name, balance in (await ledger.balances("PLN")).items()} == {"alice": 15}

    # The journal.

    @played
    async def test_what_happened(self, ledger: Any) -> None:
        async with ledger.atomic() as tx:
            for amount in (1, 2, 3):
                tx.transfer("USD", "alice", "bob", amount)
        history = await ledger.history("USD", "bob", limit=2)
        assert [found.change for found in history] == [1, 2, 3]  # of one entry
        assert [found.transaction_id for found in history] == list(tx.receipt.transaction_ids)
        newest = await ledger.history("USD", "bob", newest_first=True)
        assert (list(newest), newest.next) == (list(history)[::-1], None)
        with pytest.raises(TransactionNotFound):
            await ledger.transaction(10**6)
        with pytest.raises(InvalidPosition):
            await ledger.replay(Balances(), upto=10**6)
        assert (await ledger.replay(Balances())).state["USD"]["available"] == {"alice": 494, "bob": 6}
        assert (await ledger.verify()).ok
        assert (await ledger.audit()).ok

    # Errors and the end.

    @played
    async def test_errors_say_what_and_leave_the_block_usable(self, ledger: Any) -> None:
        async with ledger.atomic() as tx:
            for call, verdict in [
                (lambda: tx.transfer("EUR", "alice", "bob", 1), TokenNotFound),
                (lambda: tx.transfer("USD", "alice", "bob", 0), InvalidAmount),
                (lambda: tx.transfer("USD", "bob", "alice", 1), InsufficientFunds),
                (lambda: tx.balance("EUR", "alice"), TokenNotFound),
                (lambda: tx.app("USD"), NotAnApp),
            ]:
                with pytest.raises(verdict):
                    call()
            tx.transfer("USD", "alice", "bob", 1)
        assert (await ledger.balance("USD", "bob")).total == 1

    @played
    async def test_after_the_end_every_call_is_refused(self, ledger: Any) -> None:
        with pytest.raises(LedgerClosed):
            async with ledger.atomic() as tx:
                tx.transfer("USD", "alice", "bob", 1)
                await ledger.close()
        await ledger.close()
        for call in (
            lambda: ledger.balance("USD", "alice"),
            lambda: ledger.tokens(),
            lambda: ledger.register_token(USD),
            lambda: ledger.mint_many("USD", ["alice"], [1]),
            lambda: ledger.transaction(1),
            lambda: ledger.verify(),
            lambda: ledger.run(lambda tx: None),
            lambda: ledger.contract("pool"),
        ):
            with pytest.raises(LedgerClosed):
                await call()
        with pytest.raises(LedgerClosed):
            ledger.atomic()
