"""One holder is one account, however a caller writes it; and a `Token` stands for its code. Every call is played three times:
with names as the books write them, with other spellings, and with tokens for codes; what is recorded and answered is the same.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from tallystick import AsyncLedger, InvalidAccount, InvalidRequest, InvalidToken, Ledger, LedgerError, SquareRootCurve, Token
from tallystick.infrastructure.journal.stores.sqlite.journal import SQLiteJournal

START = datetime(2026, 1, 1, tzinfo=UTC)
ALICE, BOB = "0x" + "a1" * 20, "0x" + "b2" * 32
CAROL = "c3c3c3c3-0000-4000-8000-0000000000c3"
USD, APP, TEA = "0x" + "d4" * 20, "e5e5e5e5-0000-4000-8000-0000000000e5", "TEA"
POOL, BACKED = "0x" + "f6" * 32, "f7f7f7f7-0000-4000-8000-0000000000f7"
T = 10**12


class Names(NamedTuple):
    """How accounts and contracts are written, and tokens."""

    account: Callable[[str], str]
    token: Callable[[str], Any]


def as_they_are(name: str) -> str:
    return name


def shouted(name: str) -> str:
    return name.upper() if name != TEA else name


def check_summed(name: str) -> str:
    """Letters in upper case by turns, as in a check sum."""
    turned = "".join(letter.upper() if place % 2 else letter for place, letter in enumerate(name))
    return "0x" + turned[2:] if name.startswith("0x") else turned if name != TEA else name


WAYS = {
    "shouted": Names(shouted, shouted),
    "check sums": Names(check_summed, check_summed),
    "tokens": Names(as_they_are, lambda code: Token(code)),
    "tokens with check sums": Names(check_summed, lambda code: Token(check_summed(code))),
}
PLAIN = Names(as_they_are, as_they_are)


def register(ledger: Ledger, names: Names) -> None:
    a, code = names.account, lambda given: str(getattr(names.token(given), "code", names.token(given)))
    ledger.register_token(Token(code(USD), decimals=2, unit=100))
    ledger.register_token(Token(TEA, decimals=12, max_supply=10**6 * T, role="settlement"))
    ledger.register_token(Token(code(APP), 12, role="app", curve=SquareRootCurve(10, 7), owner=a(CAROL), accepts=[code(USD)]))


def changes(names: Names) -> Iterator[Callable[[Ledger], Any]]:
    """Calls that change something, each of which is to be done."""
    a, t = names.account, names.token
    yield lambda ledger: register(ledger, names)
    yield lambda ledger: ledger.update_app(t(APP), accepts=iter([t(USD), "X"]), owner=a(ALICE))
    yield lambda ledger: ledger.take_over((), ((t(TEA), a(ALICE), T), (a(BOB), t(APP), 7)))
    yield lambda ledger: ledger.mint(t(USD), a(ALICE), 1000, idempotency_key="k", request={"to": ALICE})
    yield lambda ledger: ledger.burn(t(USD), a(ALICE), 1)
    yield lambda ledger: ledger.transfer(t(USD), a(ALICE), a(BOB), 100)
    yield lambda ledger: ledger.reserve(t(USD), a(ALICE), a(CAROL), 50, expires_in=timedelta(days=300))
    yield lambda ledger: ledger.settle(t(USD), a(CAROL), a(BOB), 20)
    yield lambda ledger: ledger.freeze(a(BOB), t(USD), reason="court")
    yield lambda ledger: ledger.freeze(a(CAROL), credits=True)
    yield lambda ledger: ledger.unfreeze(a(BOB), t(USD))
    yield lambda ledger: ledger.unfreeze(a(CAROL))
    yield lambda ledger: ledger.mint(t(TEA), a(BOB), 1000 * T)
    yield lambda ledger: ledger.app(t(APP)).buy(a(BOB), 100 * T)
    yield lambda ledger: ledger.app(t(APP)).sell(a(BOB), T)
    yield lambda ledger: ledger.app(t(APP)).deposit(a(BOB), 50)
    yield lambda ledger: ledger.app(t(APP)).refund(a(BOB), 20)
    yield lambda ledger: ledger.app(t(APP)).pay(a(BOB), 5, t(USD))
    yield lambda ledger: ledger.transfer_many(t(USD), [a(ALICE)] * 3, [a(BOB), a(CAROL), BOB], [1, 2, 3])
    yield lambda ledger: ledger.transfer_many(t(USD), np.array([a(ALICE)] * 2), np.array([a(CAROL), CAROL]), [4, 5])
    yield lambda ledger: ledger.mint_many(t(USD), (a(ALICE), a(CAROL)), np.array([4, 5]))
    yield lambda ledger: ledger.burn_many(t(USD), ledger.handles(t(USD), [a(ALICE), a(BOB)]), [1, 1])
    yield from (lambda ledger, plan=plan: in_a_block(ledger, plan) for plan in plans(names))


def in_a_block(ledger: Ledger, plan: Callable[[Any], Any]) -> Any:
    with ledger.atomic() as tx:
        return plan(tx)


def plans(names: Names) -> Iterator[Callable[[Any], Any]]:
    """The same in blocks."""
    a, t = names.account, names.token
    yield lambda tx: tx.mint(t(USD), a(ALICE), 500)
    yield lambda tx: tx.mint(t(TEA), "0X" + "FE" * 32 if a(ALICE) != ALICE else "0x" + "fe" * 32, 500)
    yield lambda tx: tx.burn(t(USD), a(ALICE), 5)
    yield lambda tx: tx.transfer(t(USD), a(ALICE), a(BOB), 5)
    yield lambda tx: tx.balance(t(USD), a(ALICE))
    yield lambda tx: tx.require(t(USD), a(ALICE), 5)
    yield lambda tx: (tx.app(t(APP)).buy(a(BOB), T, at_least=1), tx.balance(t(APP), a(BOB)), tx.require(t(APP), a(BOB), 1))
    yield lambda tx: tx.settle(t(USD), a(CAROL), a(BOB), 5, tx.reserve(t(USD), a(ALICE), a(CAROL), 5))
    yield lambda tx: tx.money(t(USD), a(ALICE), 9).transfer_to(a(BOB))
    yield lambda tx: list(tx.money(t(USD), a(ALICE), 9).split({a(BOB): 1, a(CAROL): 2}).values())
    yield lambda tx: tx.release(tx.money(t(USD), a(ALICE), 9).reserve(a(BOB)))
    yield lambda tx: (tx.freeze(a(ALICE), t(USD)), tx.unfreeze(a(ALICE), t(USD)))
    yield lambda tx: tx.move((t(USD), a(ALICE)), (t(USD), a(BOB)), 3)
    yield lambda tx: tx.move((t(TEA), a(BOB)), (a(BOB), t(APP)), 30)
    yield lambda tx: tx.move((a(BOB), t(APP)), (t(TEA), a(BOB)), 10)
    yield lambda tx: tx.app(t(APP)).deposit(a(BOB), 9)
    yield lambda tx: tx.app(t(APP)).refund(a(BOB), 2)
    yield lambda tx: tx.app(t(APP)).consume_deposit(a(BOB), 3)
    yield lambda tx: tx.app(t(APP)).pay(a(BOB), 3)
    yield lambda tx: tx.app(t(APP)).buy(a(BOB), T)
    yield lambda tx: tx.app(t(APP)).sell(a(BOB), 10**6)
    yield lambda tx: tx.app(t(APP)).withdraw_income(t(USD), 2)
    yield lambda tx: tx.seats.collect_memory_tax(t(APP), 2)
    yield lambda tx: tx.seats.share_income({a(ALICE): 0, a(CAROL): 1})
    yield lambda tx: tx.seats.pay_public_service(a(BOB), 10)
    yield lambda tx: tx.register_contract(a(POOL)).balance_up(1000)
    yield lambda tx: tx.register_contract(a(BACKED), t(USD)).fund(a(ALICE), 10)
    yield lambda tx: tx.contract(a(BACKED)).defund(a(BOB), 1)
    yield lambda tx: tx.contract(a(POOL)).alloc(a(ALICE))
    yield lambda tx: tx.contract(a(POOL)).shadow_up(a(ALICE), 8)
    yield lambda tx: tx.contract(a(POOL)).shadow_down(a(ALICE), 3)
    yield lambda tx: tx.contract(a(POOL)).allocation(a(ALICE))
    yield lambda tx: (tx.contract(a(POOL)).alloc(a(BOB)), tx.contract(a(POOL)).dealloc(a(BOB)))


def answers(ledger: Ledger, names: Names) -> Iterator[Any]:
    """What reads answer."""
    a, t = names.account, names.token
    yield ledger.token(t(USD))
    yield ledger.balance(t(USD), a(ALICE))
    yield ledger.balances(t(USD))
    yield ledger.balances(t(USD), a(ALICE)[:20])
    yield ledger.balances(t(USD), a(CAROL)[:20])
    yield ledger.balances(t(USD), after=a(ALICE))
    yield ledger.balances_of(a(BOB))
    yield ledger.total(t(USD), prefix=a(BOB)[:9])
    yield ledger.supply(t(USD))
    yield ledger.fragments(t(USD), a(ALICE))
    yield ledger.holds(t(USD), a(CAROL), a(ALICE))
    yield ledger.history(t(USD), a(ALICE))
    yield ledger.history(a(BOB), t(APP))
    yield ledger.history(t(USD), a(BOB), after=ledger.history(t(USD), a(BOB), limit=2).next)  # type: ignore[arg-type]
    yield ledger.state[t(USD)][a(ALICE)]
    yield ledger.state[a(BOB)][t(APP)]  # type: ignore[index]
    yield list(ledger.state[a(BOB)])
    yield ledger.app(t(APP)).quote_buy(T)
    yield ledger.app(t(APP))
    yield ledger.contract(a(POOL))
    yield ledger.contract(a(POOL)).allocation(a(ALICE))
    yield ledger.contracts()[a(POOL)]
    yield a(POOL) in ledger.contracts() and ledger.is_contract(a(POOL))
    yield ledger.allocation(a(POOL), a(ALICE))
    yield ledger.allocations(a(POOL))
    yield ledger.allocations_of(a(ALICE))


def opened(path: Path) -> Ledger:
    minutes, ids = count(), count()
    return Ledger.open(path, clock=lambda: START + timedelta(minutes=next(minutes)), ids=lambda: f"h{next(ids)}")


def bodies(path: Path) -> list[bytes]:
    with closing(SQLiteJournal(path)) as journal:
        return [row.body for row in journal.rows()]


@pytest.mark.parametrize("way", WAYS)
def test_every_call_takes_every_spelling(way: str, tmp_path: Path) -> None:
    first, second = tmp_path / "first.db", tmp_path / "second.db"
    with opened(first) as one, opened(second) as other:
        for plain, spelled in zip(changes(PLAIN), changes(WAYS[way]), strict=True):
            assert repr(plain(one)) == repr(spelled(other))
            assert bodies(first) == bodies(second)
        found = [repr(answer) for answer in answers(one, PLAIN)]
        assert [repr(answer) for answer in answers(one, WAYS[way])] == found
        assert [repr(answer) for answer in answers(other, WAYS[way])] == found
        assert len(set(found)) > 18
        assert other.audit().ok
    for _ in range(2):
        with Ledger.open(second, max_clock_leap=None) as again:
            assert [repr(answer) for answer in answers(again, WAYS[way])] == found
            again.snapshot()


def test_awaited_calls_take_every_spelling_too(tmp_path: Path) -> None:
    a, t = WAYS["tokens with check sums"]

    async def play() -> Any:
        async with AsyncLedger.open("memory:") as ledger:
            await ledger.register_token(t(USD))
            await ledger.mint(t(USD), a(ALICE), 10)
            async with ledger.atomic() as tx:
                tx.transfer(t(USD), a(ALICE), a(BOB), 4)
                tx.register_contract(a(POOL))
            async with ledger.atomic() as tx:
                (await tx.contract(a(POOL))).balance_up(5)
            await ledger.transfer_many(t(USD), [a(BOB)], [a(CAROL)], [1])
            assert await ledger.state[t(USD)][a(CAROL)] == 1
            assert (await ledger.contract(a(POOL))).balance == 5
            assert (await ledger.balance(t(USD), a(BOB))).total == 3
            return await ledger.balances(t(USD))

    assert {name: each.total for name, each in asyncio.run(play()).items()} == {ALICE: 6, BOB: 3, CAROL: 1}


@pytest.mark.parametrize("name", ["cafe\u0301", "heart\ufe0f", "a\u200bb", "\u1112\u1161\u11ab", "\u3164"])
def test_no_door_takes_a_name_of_two_spellings(name: str) -> None:
    """A new name, wherever it stands: what it would be mistaken for is not touched."""
    with Ledger.open("memory:") as ledger:
        for call in changes(PLAIN):
            call(ledger)
        before = [repr(answer) for answer in answers(ledger, PLAIN)]
        head = ledger.status().head.position
        names = Names(lambda given: name if given == BOB else given, as_they_are)
        refused = 0
        for call in list(changes(names))[1:]:  # behind the registrations
            try:
                call(ledger)
            except InvalidAccount as error:
                refused += 1
                assert "U+" in str(error)
            except LedgerError:
                pass
        assert refused > 20
        assert name not in {*ledger.balances(USD), *ledger.balances(TEA)}
        assert not any(name in each for each in before)
        assert ledger.status().head.position > head
        assert ledger.audit().ok


def test_a_holder_who_is_named_twice_in_a_mapping_is_refused() -> None:
    with Ledger.open("memory:") as ledger:
        register(ledger, PLAIN)
        ledger.mint(USD, ALICE, 10)
        for plan in (
            lambda tx: tx.money(USD, ALICE, 10).split({BOB: 1, shouted(BOB): 1}),
            lambda tx: tx.seats.share_income({BOB: 0, shouted(BOB): 0}),
        ):
            with pytest.raises(InvalidAccount, match="twice"), ledger.atomic() as tx:
                plan(tx)
        assert list(ledger.balances(USD)) == [ALICE]


@pytest.mark.parametrize(
    ("codes", "verdict"),
    [
        (["X", "Y"], ("X", "Y")),
        ({"X": 1}, ("X",)),
        ({"X"}, ("X",)),
        (iter(("X", "Y")), ("X", "Y")),
        (np.array(["X", "Y"]).tolist(), ("X", "Y")),
        ([Token("X")], ("X",)),
        ((), ()),
        ("XY", None),
        (b"XY", None),
        (5, None),
        ([5], None),
        (None, None),
    ],
)
def test_collections_of_codes_are_any_iterable(codes: Any, verdict: tuple[str, ...] | None) -> None:
    if verdict is None:
        with pytest.raises(InvalidToken):
            Token("A", role="app", accepts=codes)
        if codes is not None:
            with Ledger.open("memory:") as ledger, pytest.raises((InvalidToken, InvalidRequest)):
                ledger.update_app("A", codes)
        return
    codes = list(codes)
    assert Token("A", role="app", accepts=iter(codes)).accepts == verdict  # type: ignore[arg-type]
    with Ledger.open("memory:") as ledger:
        ledger.register_token(Token("A", role="app", accepts=codes))  # type: ignore[arg-type]
        ledger.update_app("A", ())
        ledger.update_app("A", iter(codes))
        assert ledger.token("A").accepts == verdict
