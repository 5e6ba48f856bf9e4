"""Whatever others do while a block is planned: if it ends without an error it got the figures that it was told.

The oracle is order. A block that was executed is as if all that others did had been done before its first call: on a second
book, where that is so, the same calls are told the same, and both books are the same at the end.
"""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import event, given
from hypothesis import strategies as st

from tallystick import Conflict, Ledger, LedgerError, SquareRootCurve, Token

T = 10**12
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
LATER = BEGIN + timedelta(hours=2)
USERS = ("alice", "bob", "carol")

users = st.sampled_from(USERS)
amounts = st.sampled_from([1, 40, 90])
leasts = st.sampled_from([None, None, 1, 10**9])
calls = st.one_of(
    st.tuples(st.just("balance"), st.sampled_from(["TEA", "A", "USD"]), st.sampled_from([*USERS, "dev", "keeper"])),
    st.tuples(st.just("buy"), users, amounts, leasts),
    st.tuples(st.just("sell"), users, st.sampled_from([1, 5]), leasts),
    st.tuples(st.just("transfer"), st.sampled_from(["USD", "TEA"]), users, users, amounts),
    st.tuples(st.just("require"), users, amounts),
    st.tuples(st.just("expire"), st.sampled_from([1, 10])),
    st.tuples(st.just("settle"), users, st.sampled_from([1, 3])),
    st.tuples(st.just("pay"), users, amounts),
    st.tuples(st.just("distribute")),
    st.tuples(st.just("collect"), amounts),
    st.tuples(st.just("share"), users),
    st.tuples(st.just("money"), users, amounts),
    st.tuples(st.just("contract")),
    st.tuples(st.just("allocation"), users),
    st.tuples(st.just("shadow_up"), users, amounts),
    st.tuples(st.just("shadow_up_all"), amounts),
    st.tuples(st.just("shadow_down_all"), amounts),
)
blocks = st.lists(
    st.one_of(
        calls,
        calls,
        st.tuples(st.just("savepoint"), st.lists(calls, min_size=1, max_size=3)),
        st.tuples(st.just("rollback")),
    ),
    min_size=1,
    max_size=5,
)
others = st.lists(st.tuples(st.integers(0, 5), calls), max_size=3)
"""What somebody else does, each before the block's call of this number."""


class Undone(Exception):
    """Ends a savepoint."""


def do(tx: Any, call: Any) -> list[Any]:
    """Does one call in a block, and gives all that it is told."""
    name, *given = call
    match name:
        case "balance":
            return [tx.balance(*given)]
        case "buy":
            return [tx.app("A").buy(given[0], given[1] * T, at_least=given[2])]
        case "sell":
            return [tx.app("A").sell(given[0], given[1] * T, at_least=given[2])]
        case "transfer":
            tx.transfer(*given[:3], given[3] * (T if given[0] == "TEA" else 1))
        case "require":
            tx.require("USD", *given)
        case "expire":
            return [tx.expire(given[0])]
        case "settle":
            tx.settle("USD", "keeper", *given)
        case "pay":
            tx.app("A").pay(given[0], given[1] * T)
        case "distribute":
            tx.app("A").distribute_income()
        case "collect":
            tx.seats.collect_memory_tax("A", given[0] * T)
        case "share":
            tx.seats.share_income({given[0]: 5, "mia": 0})
        case "money":
            money = tx.money("USD", *given)
            told = [tx.balance("USD", given[0]), money.remaining, money.split({"x": 1, "y": 2})]
            return [*told, money.remaining]
        case "contract":
            pool = tx.contract("pool")
            return [pool.balance, pool.allocs_sum, pool.num_allocs]
        case "allocation":
            return [tx.contract("pool").allocation(given[0])]
        case "shadow_up":
            tx.contract("pool").shadow_up(*given)
        case "savepoint":
            told = []
            with suppress(Undone), tx.savepoint():
                for each in given[0]:
                    told += do(tx, each)
                raise Undone
            return told
        case "rollback":
            tx.rollback()
        case _:
            getattr(tx.contract("pool"), name)(*given)
    return []


TELLING = ("balance", "buy", "sell", "require", "expire", "money", "contract", "allocation", "savepoint", "rollback")


def told_in(undone: list[Any]) -> list[Any]:
    """Of calls that are undone, those up to the last that tells something: the others need not be possible any more."""
    while undone and undone[-1][0] not in TELLING:
        undone = undone[:-1]
    return undone


def in_order(block: list[Any]) -> list[Any]:
    """The calls that are repeated."""
    kept: list[Any] = []
    for call in block:
        if call[0] == "savepoint":
            undone = told_in(call[1])
            kept += [("savepoint", undone)] if undone else []
        elif call[0] == "rollback":
            kept = told_in(kept)
            kept += [call] if kept else []
        else:
            kept.append(call)
    return kept


def begin(url: str) -> Ledger:
    now = [BEGIN]
    ledger = Ledger.open(url, clock=lambda: now[0])
    ledger.register_token(Token("USD", unit=7))
    ledger.register_token(Token("TEA", decimals=12, role="settlement"))
    ledger.register_token(Token("A", decimals=12, role="app", curve=SquareRootCurve(10), owner="dev"))
    with ledger.atomic() as tx:
        pool = tx.register_contract("pool", backed_by="USD")
        for user in (*USERS, "dev"):
            tx.mint("TEA", user, 1_000 * T)
            tx.mint("USD", user, 200)
            tx.app("A").buy(user, 100 * T)
        pool.fund("dev", 200)
        for user in USERS:
            pool.alloc(user)
            pool.shadow_up(user, 10)
        tx.app("A").pay("dev", 99 * T)
        tx.seats.collect_memory_tax("A", 30 * T)
        for amount, hours in ((3, 1), (5, 1), (7, None), (11, None)):
            span = None if hours is None else timedelta(hours=hours)
            tx.reserve("USD", "alice", "keeper", amount, expires_in=span)
    now[0] = LATER
    return ledger


def figures(ledger: Ledger) -> Any:
    balances = [ledger.balances(token) for token in ("USD", "TEA", "A")]
    return balances, [(user, ledger.allocation("pool", user)) for user in USERS], ledger.contract("pool").allocs_sum


@given(blocks, others)
def test_who_ends_without_an_error_got_the_figures_that_were_told(block: list[Any], meanwhile: list[Any]) -> None:
    with (
        TemporaryDirectory() as folder,
        begin(f"{folder}/ours.db") as ours,
        Ledger.open(f"{folder}/ours.db", clock=lambda: LATER) as theirs,
        begin("memory:") as serial,
    ):
        done: list[Any] = []

        def others_do(before: int) -> None:
            for number, call in meanwhile:
                if number == before or (before == len(block) and number > before):
                    with suppress(LedgerError):
                        with theirs.atomic() as tx:
                            do(tx, call)
                        done.append(call)

        told: list[Any] = []
        try:
            with ours.atomic() as tx:
                for number, call in enumerate(block):
                    others_do(number)
                    told += do(tx, call)
                others_do(len(block))
        except LedgerError as error:
            event("conflict" if isinstance(error, Conflict) else "refused")
            assert done or not isinstance(error, Conflict), "nobody else did anything"
            assert tx.receipt is None
            return
        event("recorded beside others" if done else "recorded")
        for call in done:
            with serial.atomic() as other:
                do(other, call)
        with serial.atomic() as again:
            assert told == [each for call in in_order(block) for each in do(again, call)]
        assert figures(ours) == figures(serial)
