"""Helps to test projections of your own.

    from tallystick.testing import check_projection

    def test_spending():
        check_projection(Spending)

`sample_ledger` is the book that it is tried on: one of all models, the same every time.
"""

from collections.abc import Callable, Sequence
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict

from tallystick.domain.values.pool_curves import FixedPriceCurve
from tallystick.domain.values.token import Token
from tallystick.infrastructure.ledger.ledger import Ledger
from tallystick.infrastructure.ledger.travel.view import View
from tallystick.projections.projection import Projection, digest

__all__ = ["ProjectionFault", "check_projection", "sample_ledger"]

_BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
_APP_UNIT = 10**12
_PEOPLE = ("alice", "bob", "carol")
_PLAIN = (str, int, bool, type(None), datetime)


class ProjectionFault(AssertionError):
    """A projection is not what a replay needs; the message says what differs."""


def check_projection(make: Callable[[], Projection], ledger: Ledger | View | None = None) -> Projection:
    """Tries the projections that `make` makes on a ledger, by default `sample_ledger()`, and gives one that had all its events.

    Raises `ProjectionFault`, which says what is wrong: where its name is no str or its version no int; where its state is not
    plain, that is of dictionaries, lists, tuples, texts, integers, booleans, datetimes, None and results of a ledger; where a
    new one has in it what an earlier one left there; where two replays differ; where it comes to another state if events are
    given one by one, a commit at once, batches as columns or row by row; or where one that was kept and goes on comes to
    another than one that was given everything at once.
    """
    if ledger is not None:
        return _checked(make, ledger)
    with sample_ledger() as sample:
        return _checked(make, sample)


def _checked(make: Callable[[], Projection], ledger: Ledger | View) -> Projection:
    empty = make()
    if not isinstance(empty.name, str) or not isinstance(empty.version, int):
        raise ProjectionFault(f"its name is a str and its version an int, not {empty.name!r} and {empty.version!r}")
    _check_plain(empty.state, "state")
    began = digest(empty)
    whole = ledger.replay(make())
    _check_plain(whole.state, "state")
    expected = digest(whole)
    if digest(make()) != began:
        raise ProjectionFault("a new one has something in its state that an earlier one left there")
    if digest(ledger.replay(make())) != expected:
        raise ProjectionFault("two replays of the same events come to different states: it is not deterministic")
    for kept, way in _WAYS:
        if digest(ledger.replay(_Only(make(), kept))) != expected:
            raise ProjectionFault(f"it comes to another state if {way}")
    _check_goes_on(make, ledger, expected)
    return whole


_WAYS = (
    ((), "all events are given to `apply` one by one"),
    (("apply_commit",), "commits are given to `apply_commit` and batches row by row"),
    (("apply_columns",), "batches are given to `apply_columns` and all else one by one"),
)


class _Only:
    """A projection of whose methods that are called where there are any only some are there; `apply_entry` always is."""

    def __init__(self, projection: Projection, kept: Sequence[str]) -> None:
        self._projection = projection
        for name in (*kept, "apply_entry"):
            if hasattr(projection, name):
                setattr(self, name, getattr(projection, name))
        self.name, self.version, self.apply = projection.name, projection.version, projection.apply

    @property
    def state(self) -> Any:
        return self._projection.state


def _check_goes_on(make: Callable[[], Projection], ledger: Ledger | View, expected: str) -> None:
    """One that is stopped at positions of all kinds, copied, and goes on."""
    head = ledger.status().head.position
    for position in range(1, head, max(1, head // 40)):
        kept = ledger.replay(make(), upto=position)
        if digest(ledger.replay(deepcopy(kept), after=position)) != expected:
            raise ProjectionFault(f"one that was kept at position {position} and goes on comes to another state")


def _check_plain(value: Any, where: str) -> None:
    if isinstance(value, dict):
        for key, each in value.items():  # pyright: ignore[reportUnknownVariableType]
            _check_plain(key, f"a key of {where}")
            _check_plain(each, f"{where}[{key!r}]")
    elif isinstance(value, list | tuple):
        for index, each in enumerate(value):  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
            _check_plain(each, f"{where}[{index}]")
    elif isinstance(value, Struct):
        _check_plain(asdict(value), where)
    elif not isinstance(value, _PLAIN):
        raise ProjectionFault(f"{where} is not plain: {value!r}")


def sample_ledger(url: str = "memory:") -> Ledger:
    """A new ledger at `url` with a book of all models: tokens plain, in fragments and beyond 2**128, holds, batches with notes,
    an app with deposits, trades and distributions, contracts, freezes, reversals and metadata. All it has is the same every
    time; its digests are not, for metadata are salted.
    """
    hours, ids = count(), count(1)
    ledger = Ledger.open(
        url, clock=lambda: _BEGIN + timedelta(hours=next(hours)), ids=lambda: f"hold-{next(ids)}", max_clock_leap=None
    )
    try:
        for part in (_tokens, _money, _holds, _batches, _apps, _contracts, _corrections):
            part(ledger)
    except BaseException:
        ledger.close()
        raise
    return ledger


def _tokens(ledger: Ledger) -> None:
    ledger.register_token(Token("USD", decimals=2))
    ledger.register_token(Token("FRAG", unit=10))
    ledger.register_token(Token("WEI", decimals=18, max_supply=2**256 - 1))
    ledger.register_token(Token("TEA", 12, role="settlement"))
    ledger.register_token(Token("APP", 12, role="app", curve=FixedPriceCurve(_APP_UNIT), owner="owner"))


def _money(ledger: Ledger) -> None:
    for number, person in enumerate(_PEOPLE, 1):
        with ledger.atomic(f"fund {person}", reference=f"funding {number}", metadata={"person": number}) as tx:
            tx.mint("USD", person, 10_000 * number, memo="funded")
            tx.mint("FRAG", person, 70 * number)
            tx.mint("WEI", person, 2**130 * number)
            tx.mint("TEA", person, 50 * _APP_UNIT)
    with ledger.atomic(occurred_at=_BEGIN - timedelta(days=3), reference="rent") as tx:
        tx.transfer("USD", "alice", "bob", 1_250, memo="rent")
        tx.transfer("FRAG", "bob", "carol", 35)
        tx.money("USD", "carol", 500).split({"alice": 1, "dave": 2})
    ledger.burn("WEI", "carol", 2**129 + 1)


def _holds(ledger: Ledger) -> None:
    first = ledger.reserve("USD", "bob", "court", 900, expires_in=timedelta(hours=12)).hold_id
    ledger.reserve("FRAG", "carol", "court", 20, expires_in=timedelta(hours=1))
    ledger.settle("USD", "court", "alice", 400, hold=first)
    with ledger.atomic() as tx:
        tx.release(tx.reserve("WEI", "alice", "court", 7), 3)
    ledger.expire()


def _batches(ledger: Ledger) -> None:
    names = [f"customer-{number}" for number in range(60)]
    days = [_BEGIN + timedelta(hours=number) - timedelta(days=90) for number in range(60)]
    ledger.mint_many("USD", names, [100 + number for number in range(60)], memo="opened", occurred_at=days)
    memos, references = [f"order {number % 7}" for number in range(60)], [f"o-{number}" for number in range(60)]
    ledger.transfer_many("USD", names, names[1:] + names[:1], list(range(1, 61)), memo=memos, references=references)
    ledger.burn_many("USD", names[:5], [1] * 5, ids=[f"burn {number}" for number in range(5)])
    ledger.mint_many("FRAG", ["alice", "dave"], [30, 40])
    ledger.transfer_many("FRAG", ["alice", "dave"], ["dave", "erin"], [25, 60])
    ledger.mint_many("WEI", ["alice", "dave"], [2**200, 2**64])


def _apps(ledger: Ledger) -> None:
    ledger.mint_many("TEA", ["dave", "erin"], [9 * _APP_UNIT, 9 * _APP_UNIT])
    app = ledger.app("APP")
    for number, person in enumerate((*_PEOPLE, "dave"), 1):
        app.buy(person, number * _APP_UNIT + number)
    app.sell("bob", _APP_UNIT // 2)
    app.deposit("carol", _APP_UNIT)
    app.refund("carol", _APP_UNIT // 4)
    app.pay("alice", _APP_UNIT // 3, "APP")
    app.pay("erin", _APP_UNIT // 7)
    with ledger.atomic() as tx:
        tx.app("APP").consume_deposit("carol", _APP_UNIT // 8)
        tx.app("APP").distribute_dividend()
    with ledger.atomic() as tx:
        tx.app("APP").distribute_income()


def _contracts(ledger: Ledger) -> None:
    with ledger.atomic() as tx:
        pool = tx.register_contract("pool")
        pool.balance_up(1_000)
        for number, person in enumerate(_PEOPLE, 1):
            pool.alloc(person)
            pool.shadow_up(person, 100 * number)
        tx.register_contract("fund", backed_by="USD")
    with ledger.atomic() as tx:
        tx.contract("pool").shadow_up_all(77)
        tx.contract("pool").shadow_down_all(31)
        tx.contract("pool").shadow_down("bob", 9)
        tx.contract("fund").fund("alice", 250)


def _corrections(ledger: Ledger) -> None:
    paid = ledger.transfer("USD", "alice", "bob", 640, reference="paid twice")
    ledger.reverse(transaction=paid.transaction_ids[0], amount=600)
    ledger.reverse(entry=paid.entry_id)
    ledger.freeze("bob", "USD", reason="asked for")
    ledger.unfreeze("bob", "USD")
    ledger.erase(6, "asked for")
