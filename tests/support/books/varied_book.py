"""A book of everything: operations of all models, drawn from a seed, on a ledger whose clock goes on as they are played."""

import contextlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

from tallystick import FixedPriceCurve, Ledger, LedgerError, Token

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
T = 10**12
CODES = ("PLN", "FRG", "WEI", "TEA", "APP")
ACCOUNTS = ("alice", "bob", "carol", "dave")
CONTRACTS = ("pool", "fund")

Step = Callable[[Any, Ledger], Any]


class VariedBook:
    """A ledger at `url`, which `play` goes on with; `hours` have gone by in it."""

    steps: "tuple[Callable[[Any, VariedBook], None], ...]" = ()
    """What a block may do; those below where a kind of book has no other ones."""

    def __init__(self, url: str | Path, seed: int) -> None:
        self.chance = Random(seed)
        self.hours = 0
        self.url = url
        self.ledger = self.open()
        for token in (
            Token("PLN"),
            Token("FRG", unit=7),
            Token("WEI", max_supply=2**200),
            Token("TEA", 12, role="settlement"),
            Token("APP", 12, role="app", curve=FixedPriceCurve(T), owner="owner"),
        ):
            self.ledger.register_token(token)
        with self.ledger.atomic() as tx:
            for account in ACCOUNTS:
                tx.mint("TEA", account, 50 * T)
                for code in CODES[:3]:
                    tx.mint(code, account, 700)
            tx.register_contract("pool").balance_up(10_000)
            for account in ACCOUNTS[:3]:
                tx.contract("pool").alloc(account)
            tx.register_contract("fund", backed_by="PLN")

    def open(self) -> Ledger:
        """The ledger anew, with the book's clock."""
        return Ledger.open(self.url, clock=self.now)

    def now(self) -> datetime:
        """The time in the book."""
        return BEGIN + timedelta(hours=self.hours)

    def play(self, commits: int) -> Iterator[int]:
        """Tries so many commits, and gives the position at which the journal ends after each."""
        for _ in range(commits):
            self.hours += self.chance.choice((0, 1, 30))
            with contextlib.suppress(LedgerError):
                self._batch() if self.chance.random() < 0.25 else self._block()
            yield self.ledger.status().head.position

    def _block(self) -> None:
        chance = self.chance
        key = f"key{chance.randrange(60)}" if chance.random() < 0.4 else None
        reference = f"order{chance.randrange(5)}" if chance.random() < 0.3 else None
        metadata = {"n": chance.randrange(9)} if chance.random() < 0.2 else None
        with self.ledger.atomic(key, occurred_at=self._occurred_at(), reference=reference, metadata=metadata) as tx:
            for _ in range(chance.choice((1, 1, 1, 2, 3))):
                chance.choice(self.steps or STEPS)(tx, self)

    def _batch(self) -> None:
        chance, rows = self.chance, self.chance.randrange(1, 7)
        token = chance.choice(CODES[:3])
        accounts = [chance.choice(ACCOUNTS[:3]) for _ in range(rows)]
        amounts = [7 * chance.randrange(1, 2**65 if token == "WEI" else 30) for _ in range(rows)]
        when = [self._occurred_at() or self.now() for _ in range(rows)] if chance.random() < 0.5 else self._occurred_at()
        match chance.randrange(4):
            case 0:
                self.ledger.burn_many(token, accounts, amounts, on_refusal="skip", occurred_at=when)
            case 1:
                self.ledger.transfer_many(token, accounts, ["dave"] * rows, amounts, on_refusal="skip", occurred_at=when)
            case _:
                self.ledger.mint_many(token, accounts, amounts, occurred_at=when)

    def _occurred_at(self) -> datetime | None:
        hours = self.chance.choice((None, None, self.chance.randrange(1, 24), -self.chance.randrange(400)))
        return None if hours is None else self.now() + timedelta(hours=hours)

    def amount(self) -> int:
        """An amount in whole fragments, small or not."""
        return 7 * self.chance.choice((1, 1, 2, 5, 20))

    def accounts(self) -> tuple[str, str]:
        """Two accounts."""
        first, second = self.chance.sample(ACCOUNTS, 2)
        return first, second

    def code(self) -> str:
        """The code of a token of money."""
        return self.chance.choice(CODES[:4])

    def open_hold(self) -> str:
        """The id of a hold, perhaps of none."""
        return self.chance.choice([*(hold.id for hold in self.ledger.holds()), "none"])


def _transfer(tx: Any, book: VariedBook) -> None:
    tx.transfer(book.code(), *book.accounts(), book.amount(), memo="paid")


def _mint(tx: Any, book: VariedBook) -> None:
    tx.mint(book.code(), book.accounts()[0], 20 * book.amount())


def _reserve(tx: Any, book: VariedBook) -> None:
    tx.reserve(book.code(), *book.accounts(), book.amount(), expires_at=book.now() + timedelta(hours=50))


def _settle(tx: Any, book: VariedBook) -> None:
    holds = book.ledger.holds()
    if holds:
        hold = book.chance.choice(holds)
        tx.settle(hold.token, hold.authority, book.accounts()[0], 7, hold=hold.id)


def _contract(tx: Any, book: VariedBook) -> None:
    pool, amount, account = tx.contract("pool"), book.amount(), book.accounts()[0]
    match book.chance.randrange(5):
        case 0:
            pool.shadow_up(account, amount)
        case 1:
            pool.shadow_down(account, amount)
        case 2:
            pool.shadow_up_all(amount)
        case _:
            pool.balance_up(10 * amount)


def _trade(tx: Any, book: VariedBook) -> None:
    app, account = tx.app("APP"), book.accounts()[0]
    match book.chance.randrange(4):
        case 0:
            app.sell(account, T // 2)
        case 1:
            app.deposit(account, T // 10)
        case 2:
            app.pay(account, T // 7, book.chance.choice(("TEA", "APP")))
        case _:
            app.buy(account, T + book.amount())


def _freeze(tx: Any, book: VariedBook) -> None:
    if book.chance.random() < 0.2:
        tx.freeze(book.accounts()[0], book.chance.choice((None, "PLN")))
    else:
        tx.unfreeze(book.accounts()[0], book.chance.choice((None, "PLN")))


STEPS: tuple[Callable[[Any, VariedBook], None], ...] = (
    _mint,
    _mint,
    _transfer,
    _transfer,
    _transfer,
    _reserve,
    _settle,
    _contract,
    _contract,
    _trade,
    _trade,
    _freeze,
    lambda tx, book: tx.release(book.open_hold()),
    lambda tx, book: tx.expire(),
    lambda tx, book: tx.app("APP").distribute_dividend(),
    lambda tx, book: tx.app("APP").distribute_income(),
    lambda tx, book: tx.contract("fund").fund(book.accounts()[0], book.amount()),
    lambda tx, book: tx.reverse(transaction=book.chance.randrange(1, 40)),
    lambda tx, book: tx.burn(book.code(), book.accounts()[0], book.amount()),
)
