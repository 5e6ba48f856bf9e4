"""Minting, burning, transfers, and money that is sliced: the rules of section "TokenState" and of `tx.money`."""

import pytest

from tallystick import (
    DAO_RESERVED_ACCOUNT,
    HIDDEN_BONDING_CURVE_ACCOUNT,
    SEAT_COLLECTION_POOL,
    TOTAL_SUPPLY_RESERVE,
    Balance,
    InsufficientFunds,
    InvalidAccount,
    InvalidAmount,
    InvalidRequest,
    InvalidToken,
    Ledger,
    LedgerClosed,
    LedgerError,
    MeaninglessCell,
    NameInUse,
    Supply,
    SupplyExhausted,
    Token,
    TokenAlreadyRegistered,
    TokenNotFound,
    TransactionClosed,
    UnconsumedSlice,
    UnslicedMoney,
)


def fund(ledger: Ledger, token: str, **amounts: int) -> None:
    with ledger.atomic() as tx:
        for account, amount in amounts.items():
            tx.mint(token, account, amount)


def available(ledger: Ledger, token: str, *accounts: str) -> tuple[int, ...]:
    return tuple(ledger.balance(token, account).available for account in accounts)


def head(ledger: Ledger) -> int:
    return ledger.verify().position


@pytest.mark.parametrize(
    ("call", "arguments", "verdict"),
    [
        ("mint", ("bob", 5), (100, 5)),
        ("topup", ("bob", 5), (100, 5)),
        ("burn", ("alice", 40), (60, 0)),
        ("withdraw", ("alice", 100), (0, 0)),
        ("burn", ("alice", 101), InsufficientFunds),
        ("burn", ("bob", 1), InsufficientFunds),
        ("transfer", ("alice", "bob", 30), (70, 30)),
        ("transfer", ("alice", "bob", 100), (0, 100)),
        ("transfer", ("alice", "alice", 100), (100, 0)),
        ("transfer", ("alice", "alice", 101), InsufficientFunds),
        ("transfer", ("alice", "bob", 101), InsufficientFunds),
        ("transfer", ("alice", "bob", 0), InvalidAmount),
        ("transfer", ("alice", "bob", -1), InvalidAmount),
        ("transfer", ("alice", "bob", 1.0), InvalidAmount),
        ("transfer", ("alice", "bob", True), InvalidAmount),
        ("transfer", ("alice", "bob", "1"), InvalidAmount),
        ("transfer", ("alice", "bob", 2**256), InvalidAmount),
        ("transfer", ("alice", "no body", 1), InvalidAccount),
        ("transfer", ("", "bob", 1), InvalidAccount),
        ("transfer", ("alice", None, 1), InvalidAccount),
        ("transfer", (["alice"], "bob", 1), InvalidAccount),
        ("transfer", ("alice", TOTAL_SUPPLY_RESERVE, 1), InvalidAccount),
        ("transfer", (TOTAL_SUPPLY_RESERVE, "bob", 1), InvalidAccount),
        ("mint", (TOTAL_SUPPLY_RESERVE, 1), InvalidAccount),
        ("burn", (TOTAL_SUPPLY_RESERVE, 1), InvalidAccount),
        ("mint", (HIDDEN_BONDING_CURVE_ACCOUNT, 1), MeaninglessCell),
        ("mint", (DAO_RESERVED_ACCOUNT, 1), MeaninglessCell),
        ("transfer", ("alice", SEAT_COLLECTION_POOL, 1), MeaninglessCell),
        ("money", ("alice", 0), InvalidAmount),
        ("money", ("alice", 101), InsufficientFunds),
        ("money", (TOTAL_SUPPLY_RESERVE, 1), InvalidAccount),
        ("reserve", ("alice", TOTAL_SUPPLY_RESERVE, 1), InvalidAccount),
        ("balance", ("no body",), InvalidAccount),
    ],
)
def test_calls(ledger: Ledger, token: str, call: str, arguments: tuple[object, ...], verdict: object) -> None:
    fund(ledger, token, alice=100)
    before = head(ledger)
    if isinstance(verdict, tuple):
        with ledger.atomic() as tx:
            getattr(tx, call)(token, *arguments)
        assert available(ledger, token, "alice", "bob") == verdict
    else:
        assert isinstance(verdict, type)
        with pytest.raises(verdict), ledger.atomic() as tx:
            getattr(tx, call)(token, *arguments)
        assert available(ledger, token, "alice", "bob") == (100, 0)
        assert head(ledger) == before
    circulating = sum(balance.total for balance in ledger.balances(token).values())
    supply = ledger.supply(token)
    assert supply == Supply(supply.max, supply.max - circulating, circulating)
    assert ledger.state[token][TOTAL_SUPPLY_RESERVE] == supply.reserve
    assert ledger.audit().ok


@pytest.mark.parametrize("memo", [5, None, "\ud800", "x" * 70_000])
def test_a_memo_is_text(ledger: Ledger, memo: object) -> None:
    with pytest.raises(InvalidRequest), ledger.atomic() as tx:
        tx.mint("USD", "alice", 1, memo=memo)  # type: ignore[arg-type]


def test_unknown_tokens_and_swapped_arguments(ledger: Ledger) -> None:
    fund(ledger, "USD", alice=1)
    with pytest.raises(TokenNotFound, match=r"token 'EUR' is not registered$"), ledger.atomic() as tx:
        tx.mint("EUR", "alice", 1)
    with pytest.raises(TokenNotFound, match="arguments swapped"), ledger.atomic() as tx:
        tx.transfer("alice", "USD", "bob", 1)
    with pytest.raises(TokenNotFound, match="arguments swapped"):
        ledger.balance("alice", "USD")
    for wrong in (5, None, ["USD"]):
        with pytest.raises(TokenNotFound):
            ledger.balance(wrong, "alice")  # type: ignore[arg-type]
        with pytest.raises(TokenNotFound), ledger.atomic() as tx:
            tx.mint(wrong, "alice", 1)  # type: ignore[arg-type]


def test_supply_is_exhausted_at_max_supply(ledger: Ledger) -> None:
    ledger.register_token(Token("TEN", max_supply=10))
    fund(ledger, "TEN", alice=7)
    with pytest.raises(SupplyExhausted) as caught, ledger.atomic() as tx:
        tx.mint("TEN", "bob", 4)
    assert (caught.value.required, caught.value.reserve) == (4, 3)
    fund(ledger, "TEN", bob=3)
    assert ledger.supply("TEN") == Supply(10, 0, 10)
    with ledger.atomic() as tx:
        tx.burn("TEN", "bob", 1)
        tx.mint("TEN", "carol", 1)
    assert ledger.supply("TEN").reserve == 0


@pytest.mark.parametrize("amount", [2**63 - 1, 2**63, 2**64, 2**254])
def test_amounts_widen_past_machine_integers(ledger: Ledger, amount: int) -> None:
    fund(ledger, "WEI", alice=amount - 1)
    fund(ledger, "WEI", alice=1, bob=amount)
    with ledger.atomic() as tx:
        tx.transfer("WEI", "bob", "alice", amount)
    assert available(ledger, "WEI", "alice", "bob") == (2 * amount, 0)
    assert ledger.audit().ok
    with ledger.atomic() as tx:
        tx.burn("WEI", "alice", 2 * amount)
    assert ledger.supply("WEI").circulating == 0


def test_the_double_map(ledger: Ledger) -> None:
    ledger.register_token(Token("TEA", role="settlement"))
    fund(ledger, "TEA", alice=5)
    with ledger.atomic() as tx:
        tx.mint("TEA", DAO_RESERVED_ACCOUNT, 7)
    assert ledger.state["TEA"]["alice"] == 5
    assert ledger.state["TEA"]["nobody"] == 0
    assert ledger.state["TEA"][DAO_RESERVED_ACCOUNT] == 7
    assert ledger.state["TEA"][SEAT_COLLECTION_POOL] == 0
    assert dict(ledger.state["TEA"])["alice"] == 5
    assert list(ledger.state) == ["PLN", "USD", "WEI", "TEA"]
    for first, second in [
        ("TEA", HIDDEN_BONDING_CURVE_ACCOUNT),
        ("USD", HIDDEN_BONDING_CURVE_ACCOUNT),
        ("USD", DAO_RESERVED_ACCOUNT),
        ("USD", SEAT_COLLECTION_POOL),
        ("alice", TOTAL_SUPPLY_RESERVE),
        ("alice", "USD"),
        ("alice", "bob"),
    ]:
        with pytest.raises(MeaninglessCell):
            ledger.state[first][second]
    with pytest.raises(InvalidAccount, match="public services"), ledger.atomic() as tx:
        tx.transfer("TEA", DAO_RESERVED_ACCOUNT, "alice", 1)


def test_registering_tokens(ledger: Ledger) -> None:
    before = head(ledger)
    ledger.register_token(Token("USD", decimals=2, unit=100_00))
    assert head(ledger) == before
    with pytest.raises(TokenAlreadyRegistered):
        ledger.register_token(Token("USD", decimals=3, unit=100_00))
    with pytest.raises(InvalidToken):
        ledger.register_token("USD")  # type: ignore[arg-type]
    fund(ledger, "USD", TEA=1)
    with pytest.raises(NameInUse):
        ledger.register_token(Token("TEA", role="settlement"))
    ledger.register_token(Token("TEA"))
    ledger.register_token(Token("CHAI", role="settlement"))
    with pytest.raises(TokenAlreadyRegistered, match="settlement"):
        ledger.register_token(Token("MATE", role="settlement"))
    assert [token.code for token in ledger.tokens()] == ["PLN", "USD", "WEI", "TEA", "CHAI"]
    assert ledger.token("CHAI").role == "settlement"
    with pytest.raises(TokenNotFound):
        ledger.token("EUR")


def test_slices_and_sub_slices(ledger: Ledger, token: str) -> None:
    fund(ledger, token, alice=100)
    with ledger.atomic() as tx:
        order = tx.money(token, "alice", 100).slice(100)
        order.slice(70).transfer_to("seller", memo="sale")
        order.slice(20).burn(memo="fee")
        order.transfer_to("charity")
        order.transfer_to("charity")
        order.burn()
        assert order.reserve("charity") is None
    assert available(ledger, token, "alice", "seller", "charity") == (0, 70, 10)
    assert len(tx.receipt.transaction_ids) == 3  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("weights", "amount", "verdict"),
    [
        ({"s": 70, "p": 20, "c": 10}, 100, {"s": 70, "p": 20, "c": 10}),
        ({"a": 1, "b": 1, "c": 1}, 100, {"a": 34, "b": 33, "c": 33}),
        ({"a": 1, "b": 2}, 100, {"a": 33, "b": 67}),
        ({"a": 0, "b": 5}, 7, {"a": 0, "b": 7}),
        ({"a": 10**30, "b": 1}, 3, {"a": 3, "b": 0}),
        ({}, 1, InvalidAmount),
        ({"a": 0}, 1, InvalidAmount),
        ({"a": -1, "b": 2}, 1, InvalidAmount),
        ({"a": 0.5, "b": 0.5}, 1, InvalidAmount),
        ({"a": True}, 1, InvalidAmount),
        (["a"], 1, InvalidAmount),
        ({"no body": 1}, 1, InvalidAccount),
    ],
)
def test_split(ledger: Ledger, weights: dict[str, int], amount: int, verdict: object) -> None:
    fund(ledger, "USD", alice=amount)
    if isinstance(verdict, dict):
        with ledger.atomic() as tx:
            assert tx.money("USD", "alice", amount).split(weights) == verdict
        assert available(ledger, "USD", *verdict) == tuple(verdict.values())
        return
    assert isinstance(verdict, type)
    with pytest.raises(verdict), ledger.atomic() as tx:
        tx.money("USD", "alice", amount).split(weights)
    assert available(ledger, "USD", "alice") == (amount,)


@pytest.mark.parametrize(
    ("weights", "remainder_to", "verdict"),
    [
        ({"a": 1, "b": 1, "c": 1}, "house", {"a": 33, "b": 33, "c": 33, "house": 1}),
        ({"a": 1, "b": 1, "c": 1}, "c", {"a": 33, "b": 33, "c": 34}),
        ({"a": 1, "b": 0}, "b", {"a": 100, "b": 0}),
        ({"a": 1}, "house", {"a": 100, "house": 0}),
        ({"a": 10**30, "b": 1}, "b", {"a": 99, "b": 1}),
        ({"a": 1, "b": 2, "c": 4}, "alice", {"a": 14, "b": 28, "c": 57, "alice": 1}),
        ({"a": 0}, "house", InvalidAmount),
        ({}, "house", InvalidAmount),
        ({"a": 1, "b": 2}, 7, LedgerError),
        ({"a": 1, "b": 2}, "no body", InvalidAccount),
    ],
)
def test_split_with_the_remainder_to_one(
    ledger: Ledger, token: str, weights: dict[str, int], remainder_to: str, verdict: object
) -> None:
    fund(ledger, token, alice=100)
    if isinstance(verdict, dict):
        with ledger.atomic() as tx:
            assert tx.money(token, "alice", 100).split(weights, remainder_to=remainder_to) == verdict
        assert available(ledger, token, *verdict) == tuple(verdict.values())
        assert ledger.audit().ok
        return
    assert isinstance(verdict, type)
    with pytest.raises(verdict), ledger.atomic() as tx:
        tx.money(token, "alice", 100).split(weights, remainder_to=remainder_to)
    assert available(ledger, token, "alice") == (100,)


def test_slices_with_the_remainder_to_one(ledger: Ledger, token: str) -> None:
    fund(ledger, token, alice=100)
    with ledger.atomic() as tx:
        parts = tx.money(token, "alice", 100).slices({"the seller": 2, "the fee": 1}, remainder_to="the rest")
        assert {name: part.remaining for name, part in parts.items()} == {"the seller": 66, "the fee": 33, "the rest": 1}
        for part in parts.values():
            part.transfer_to("bob")
    with pytest.raises(InvalidAmount, match="a name"), ledger.atomic() as tx:
        tx.money(token, "bob", 100).slices({"a": 1}, remainder_to=[])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("weights", "verdict"),
    [
        ({"the seller": 2, "the fee": 1}, {"the seller": 67, "the fee": 33}),
        ({"all": 1}, {"all": 100}),
        ({"none": 0, "all": 1}, {"none": 0, "all": 100}),
        ({}, InvalidAmount),
        ({"a": 0}, InvalidAmount),
        ({"a": -1, "b": 2}, InvalidAmount),
        ({"a": 1.5}, InvalidAmount),
        ("ab", InvalidAmount),
    ],
)
def test_slices_by_weights(ledger: Ledger, token: str, weights: dict[str, int], verdict: object) -> None:
    fund(ledger, token, alice=110)
    if not isinstance(verdict, dict):
        assert isinstance(verdict, type)
        with pytest.raises(verdict), ledger.atomic() as tx:
            tx.money(token, "alice", 100).slices(weights)
        assert available(ledger, token, "alice") == (110,)
        return
    with ledger.atomic() as tx:
        money = tx.money(token, "alice", 110)
        money.slice(10).transfer_to("bob")
        parts = money.slices(weights)
        assert ({name: part.remaining for name, part in parts.items()}, money.remaining) == (verdict, 0)
        held = {name: part.reserve("shop") for name, part in parts.items()}
    assert [name for name, hold in held.items() if hold is None] == [name for name, share in verdict.items() if not share]
    assert ledger.balance(token, "shop").reserved == 100
    assert sorted(hold.amount for hold in ledger.holds(token)) == sorted(share for share in verdict.values() if share)


def test_slices_by_weights_must_be_consumed(ledger: Ledger, token: str) -> None:
    fund(ledger, token, alice=100)
    with pytest.raises(UnconsumedSlice) as caught, ledger.atomic() as tx:
        tx.money(token, "alice", 100).slices({"a": 70, "b": 30, "c": 0})["a"].transfer_to("bob")
    assert caught.value.remainder == 30
    with ledger.atomic() as tx:
        with pytest.raises(InsufficientFunds), tx.savepoint():
            tx.money(token, "alice", 100).slices({"a": 1, "b": 1})["a"].transfer_to("bob")
            tx.transfer(token, "carol", "bob", 1)
        tx.transfer(token, "alice", "carol", 100)
    assert available(ledger, token, "alice", "bob", "carol") == (0, 0, 100)


def test_money_must_be_used_up(ledger: Ledger, token: str) -> None:
    fund(ledger, token, alice=100)
    with pytest.raises(UnslicedMoney) as unsliced, ledger.atomic() as tx:
        tx.money(token, "alice", 100).slice(40).transfer_to("bob")
    assert unsliced.value.remainder == 60
    with pytest.raises(UnconsumedSlice) as unconsumed, ledger.atomic() as tx:
        tx.money(token, "alice", 100).slice(100).slice(99).transfer_to("bob")
    assert unconsumed.value.remainder == 1
    with pytest.raises(UnslicedMoney), ledger.atomic() as tx:
        tx.money(token, "alice", 50).slice(50)
        tx.money(token, "alice", 50)
    assert available(ledger, token, "alice", "bob") == (100, 0)


@pytest.mark.parametrize("amount", [0, -1, 101, 1.0, True])
def test_a_slice_is_at_most_what_remains(ledger: Ledger, amount: int) -> None:
    fund(ledger, "USD", alice=200)
    with pytest.raises(InvalidAmount), ledger.atomic() as tx:
        tx.money("USD", "alice", 100).slice(amount)


def test_money_taken_is_claimed(ledger: Ledger, token: str) -> None:
    fund(ledger, token, alice=100)
    reached = False
    with pytest.raises(InsufficientFunds), ledger.atomic() as tx:
        tx.money(token, "alice", 100)
        reached = True
        tx.money(token, "alice", 100)
    assert reached
    with ledger.atomic() as tx:
        money = tx.money(token, "alice", 60)
        assert tx.balance(token, "alice") == Balance(40, 0, 40)
        with pytest.raises(InsufficientFunds):
            tx.transfer(token, "alice", "bob", 41)
        tx.transfer(token, "alice", "bob", 40)
        money.transfer_to("carol")
        assert tx.balance(token, "alice") == Balance(0, 0, 0)
    assert available(ledger, token, "alice", "bob", "carol") == (0, 40, 60)


def test_an_earlier_mint_funds_a_later_spend(ledger: Ledger, token: str) -> None:
    with ledger.atomic() as tx:
        tx.mint(token, "alice", 10)
        tx.money(token, "alice", 10).transfer_to("bob")
        tx.transfer(token, "bob", "carol", 10)
    assert available(ledger, token, "alice", "bob", "carol") == (0, 0, 10)


def test_a_savepoint_restores_what_was_planned_in_it(ledger: Ledger, token: str) -> None:
    fund(ledger, token, alice=100)
    with ledger.atomic() as tx:
        money = tx.money(token, "alice", 50)
        money.slice(10).transfer_to("bob")
        with pytest.raises(RuntimeError, match="no"), tx.savepoint():
            lost = money.slice(20)
            lost.transfer_to("carol")
            inner = tx.money(token, "alice", 50)
            tx.mint(token, "dave", 5)
            tx.reserve(token, "dave", "keeper", 5)
            raise RuntimeError("no")
        assert money.remaining == 40
        assert tx.balance(token, "alice").available == 50
        assert tx.balance(token, "dave").total == tx.balance(token, "keeper").total == 0
        for void in (lost, inner):
            with pytest.raises(TransactionClosed):
                void.transfer_to("bob")
        with tx.savepoint():
            tx.transfer(token, "alice", "erin", 1)
            with pytest.raises(InsufficientFunds), tx.savepoint():
                tx.transfer(token, "alice", "erin", 2)
                tx.transfer(token, "alice", "erin", 1000)
        money.transfer_to("bob")
    assert available(ledger, token, "alice", "bob", "carol", "dave", "erin") == (49, 50, 0, 0, 1)
    assert ledger.audit().ok


def test_rollback_empties_the_plan(ledger: Ledger, token: str) -> None:
    fund(ledger, token, alice=100)
    with ledger.atomic() as tx:
        money = tx.money(token, "alice", 100)
        tx.mint(token, "bob", 1)
        tx.rollback()
        with pytest.raises(TransactionClosed):
            money.transfer_to("bob")
        tx.transfer(token, "alice", "carol", 100)
    assert available(ledger, token, "alice", "bob", "carol") == (0, 0, 100)


def test_an_exception_in_the_block_records_nothing(ledger: Ledger) -> None:
    before = head(ledger)
    with pytest.raises(KeyError), ledger.atomic() as tx:
        tx.mint("USD", "alice", 1)
        raise KeyError
    assert head(ledger) == before
    assert tx.receipt is None


def test_blocks_end_and_do_not_nest(ledger: Ledger) -> None:
    with ledger.atomic() as tx:
        money = None
        tx.mint("USD", "alice", 5)
        money = tx.money("USD", "alice", 5)
        money.transfer_to("bob")
        with pytest.raises(TransactionClosed, match="nest"):
            ledger.atomic().__enter__()
    for call in (
        lambda: tx.mint("USD", "alice", 1),
        lambda: tx.balance("USD", "alice"),
        lambda: tx.release("hold"),
        lambda: tx.expire(),
        lambda: tx.rollback(),
        lambda: money.transfer_to("bob"),
    ):
        with pytest.raises(TransactionClosed):
            call()
    with ledger.atomic() as tx:
        tx.mint("USD", "alice", 1)


def test_a_closed_ledger_refuses_everything(ledger: Ledger) -> None:
    ledger.close()
    for call in (
        lambda: ledger.balance("USD", "alice"),
        lambda: ledger.atomic(),
        lambda: ledger.verify(),
        lambda: ledger.transaction(1),
        lambda: ledger.register_token(Token("X")),
        lambda: ledger.tokens(),
        lambda: ledger.state["USD"]["alice"],
    ):
        with pytest.raises(LedgerClosed):
            call()
    assert issubclass(LedgerClosed, LedgerError)
