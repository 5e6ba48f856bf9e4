"""A book in which every call can be made, and the entries of its journal as tests look at them."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from tallystick import DAO_RESERVED_ACCOUNT, FixedPriceCurve, Ledger, SquareRootCurve, Token
from tallystick.domain.entry.kinds import movements
from tallystick.infrastructure.journal.format import decode_counts, decode_events
from tests.support.books.behind import journal_of

START = datetime(2026, 1, 1, tzinfo=UTC)
HOLDS = 3_000


class Clock:
    """A clock that is set."""

    def __init__(self) -> None:
        self.time = START

    def __call__(self) -> datetime:
        return self.time


class AllIsSpread:
    """A curve that gives a unit for a unit and takes none back, so that all that is paid is the owner's."""

    name = "spread"
    parameters = ()

    def price(self, supply: int) -> int:
        return 1

    def cost(self, supply: int, amount: int) -> int:
        return amount

    def proceeds(self, supply: int, amount: int) -> int:
        return 0

    def amount_for(self, supply: int, payment: int) -> int:
        return payment


TOKENS = (
    Token("TEA", decimals=12, max_supply=10**30, role="settlement"),
    Token("CUP", max_supply=10**30, unit=10),
    Token("BTC"),
    Token("Spread", 12, max_supply=10**40, role="app", curve=SquareRootCurve(10, 7), owner="dev", accepts=("CUP", "BTC")),
    Token("Plain", 12, max_supply=10**40, role="app", curve=FixedPriceCurve(10**12), accepts=("CUP",)),
    Token("Owned", max_supply=10**40, role="app", curve=AllIsSpread(), owner="dev"),
)
"""A settlement token, a fragmented and a plain one; apps whose owner gets a spread, nothing, and all that is paid."""

APPS = ("Spread", "Plain", "Owned")
USERS = ("alice", "bob", "dev")


class Told(NamedTuple):
    """One entry of a journal."""

    first_position: int
    events: list[Any]


def open_entry_book(url: Any, holds: int = HOLDS) -> Ledger:
    """Everybody has much of everything: users of each token, apps some income, the pools, the contract "pool" of BTC and
    the figure "figure"; and so many holds are due.
    """
    clock = Clock()
    ledger = Ledger.open(url, curves={"spread": AllIsSpread}, clock=clock)
    for token in TOKENS:
        ledger.register_token(token)
    with ledger.atomic() as tx:
        for user in USERS:
            for token in ("TEA", "CUP", "BTC"):
                tx.mint(token, user, 10**9)
        tx.mint("TEA", DAO_RESERVED_ACCOUNT, 10**6)
        for app in APPS:
            for user in USERS:
                tx.app(app).buy(user, 10**7)
            tx.app(app).pay("alice", 10**6)
            tx.app(app).pay("alice", 1_000, app)
            tx.app(app).deposit("alice", 10**5)
        tx.app("Spread").pay("alice", 1_000, "BTC")
        tx.register_contract("pool", backed_by="BTC").fund("alice", 1_000)
        tx.register_contract("figure").balance_up(1_000)
        tx.contract("figure").alloc("alice")
        tx.seats.collect_memory_tax("Plain", 10**4)
        tx.seats.share_income({"alice": 10**8, "bob": 10**3})
    with ledger.atomic() as tx:
        for _ in range(holds):
            tx.reserve("CUP", "dev", "keeper", 11, START + timedelta(hours=1))
    clock.time += timedelta(hours=2)
    return ledger


def newest(ledger: Ledger) -> Told:
    """The entry that a ledger which nobody else uses committed last."""
    row = journal_of(ledger).row_at(journal_of(ledger).head().position)
    assert row is not None
    assert len(decode_counts(row)) == 1
    return Told(row.first_position, decode_events(row))


def kinds_of(ledger: Ledger, told: Told) -> list[str]:
    """The kinds of an entry's movements, in order."""
    return [movement.kind for movement in movements(told.events, told.first_position, apps_of(ledger))]


def apps_of(ledger: Ledger) -> Callable[[str], bool]:
    """Whether a name is an app's."""
    return {token.code for token in ledger.tokens() if token.role == "app"}.__contains__
