"""A book of everything and what is rare in it, on a journal whose past index has buckets that are soon full.

Beside what is in every varied book there are amounts at which columns widen, thousands of value objects that are held and
come back in parts, names in other spellings, events of applications, tokens and contracts that come late, apps that change
hands, and distributions as earlier versions rounded them.
"""

import contextlib
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

from eventsourcing.application import Application

from tallystick import LedgerError, Token
from tallystick.domain.events import Distributed
from tallystick.infrastructure.indexes.past import sizes
from tallystick.infrastructure.indexes.past.past_index import NoIndex
from tallystick.infrastructure.journal.format import encode_events, make_row
from tallystick.infrastructure.journal.port import StreamEntry
from tallystick.infrastructure.ledger.reading.lines.cell_past import CellPast
from tallystick.infrastructure.ledger.travel.forked_core import PastCore
from tests.support.books.behind import journal_of
from tests.support.books.varied_book import ACCOUNTS, CODES, STEPS, T, VariedBook
from tests.support.event_store.order_book import Order, open_orders, shared

ADDRESS = "0x" + "aB" * 20
LATE = ("NEW", "LATER")
"""Tokens that are registered now and then."""
TOKENS = (*CODES, "CENT", *LATE, "NONE")
NAMES = (*ACCOUNTS, ADDRESS, "erin", "APP", "owner")
MACHINE = 2**63


class PastBook(VariedBook):
    """The book. `holds` are the ids of all that were ever open, as far as somebody looked."""

    def __init__(self, url: str | Path, seed: int) -> None:
        self.holds: set[str] = set()
        self._orders: Application[Any] | None = None
        super().__init__(shared(url) if url == "memory:" else url, seed)
        self.ledger.register_token(Token("CENT", unit=10))
        with self.ledger.atomic() as tx:
            for account in ACCOUNTS[:3]:
                tx.mint("CENT", account, 9_995)
                tx.app("APP").buy(account, 3 * T)
                tx.contract("pool").shadow_up(account, 700)

    def play(self, commits: int) -> Iterator[int]:
        for position in super().play(commits):
            self.holds.update(hold.id for hold in self.ledger.holds())
            yield position

    def accounts(self) -> tuple[str, str]:
        """Two accounts, now and then one that has no money or another spelling."""
        first, second = super().accounts()
        match self.chance.randrange(12):
            case 0:
                return self.chance.choice((ADDRESS, ADDRESS.lower(), ADDRESS.upper().replace("0X", "0x"))), second
            case 1:
                return first, self.chance.choice((ADDRESS.lower(), "erin"))
            case _:
                return first, second

    def code(self) -> str:
        """The code of a token of money."""
        return self.chance.choice((*CODES[:4], "CENT", *LATE[: self.chance.randrange(3)]))

    def reopen(self) -> None:
        """Closes everything, and opens the ledger anew."""
        self.close()
        self.ledger = self.open()

    def close(self) -> None:
        """Closes everything."""
        if self._orders is not None:
            self._orders.close()
            self._orders = None
        self.ledger.close()

    @property
    def orders(self) -> Application[Any]:
        """An application in the same journal."""
        if self._orders is None:
            address = f"sqlite:///{self.url}" if isinstance(self.url, Path) else str(self.url)
            self._orders = open_orders(address)
        return self._orders

    @property
    def is_in_memory(self) -> bool:
        """Whether all is lost when it is closed."""
        return str(self.url).startswith("memory:")

    def _batch(self) -> None:
        match self.chance.randrange(12):
            case 0:
                self._register()
            case 1:
                accepts = self.chance.sample(("PLN", "FRG"), self.chance.randrange(3))
                self.ledger.update_app("APP", accepts=accepts, owner=self.chance.choice((None, *ACCOUNTS)))
            case 2:
                with self.ledger.atomic() as tx:
                    tx.save(self.orders, Order("alice"))
            case 3:
                self._distribute_as_before()
            case 4:
                with contextlib.suppress(LedgerError):
                    self.ledger.erase(self.chance.randrange(1, 60), "asked for")
            case 5 | 6:
                amounts = [self.chance.choice((10, 990, 12_345)) for _ in range(4)]
                self.ledger.mint_many("CENT", self.chance.choices(ACCOUNTS, k=4), amounts)
            case _:
                super()._batch()

    def _register(self) -> None:
        code = self.chance.choice(LATE)
        self.ledger.register_token(Token(code, max_supply=2**100, unit=self.chance.choice((None, 7))))

    def _distribute_as_before(self) -> None:
        """Shares out of the reserve, by the rule of rounding of format 1, which nothing records any more."""
        code = self.chance.choice(("PLN", "WEI"))
        excluded = ("bob",)[: self.chance.randrange(2)]
        event = Distributed(code, None, self.chance.randrange(1, 900), self.chance.randrange(9), excluded)
        journal = journal_of(self.ledger)
        with journal.writing() as head:
            last = journal.last_entries({code})[code].last_version
            row = make_row(head.digest, head.position + 1, max(head.recorded_at, _now(self)), (), (1,), encode_events([event]))
            journal.append(row, [StreamEntry(code, last + 1, last + 1, row.first_position)])


def _now(book: VariedBook) -> int:
    return int(book.now().timestamp() * 1_000_000)


def _wide(tx: Any, book: VariedBook) -> None:
    token, account = book.chance.choice(("WEI", "PLN", "CENT")), book.accounts()[0]
    if token == "CENT":
        tx.mint(token, account, book.chance.choice((650, 5_000, 9_999)))
    else:
        widest = 2**130 if token == "WEI" else MACHINE - 1_000
        tx.mint(token, account, book.chance.choice((MACHINE - 1_000, 2**62, 2**32 - 1, 2**32, widest)))


def _shrink(tx: Any, book: VariedBook) -> None:
    """So that what was wide is narrow again."""
    token, account = book.chance.choice(("WEI", "PLN")), book.accounts()[0]
    left = book.ledger.balance(token, account).available
    tx.burn(token, account, max(1, left - book.chance.choice((0, 1, 900))))


def _hold_many(tx: Any, book: VariedBook) -> None:
    payer, keeper = book.accounts()
    hold = tx.reserve("CENT", payer, keeper, book.chance.choice((15, 1_000, 2_345)))
    if book.chance.random() < 0.5:
        tx.release(hold, book.chance.choice((1, 12, 700)))
    if book.chance.random() < 0.5:
        tx.settle("CENT", keeper, book.accounts()[0], book.chance.choice((1, 10, 333)), hold=hold)


def _use_hold(tx: Any, book: VariedBook) -> None:
    hold = book.open_hold()
    if book.chance.random() < 0.3:
        tx.release(hold)
    else:
        tx.release(hold, book.chance.choice((1, 7, 100)))


def _allocate(tx: Any, book: VariedBook) -> None:
    pool, account = tx.contract("pool"), book.accounts()[0]
    match book.chance.randrange(6):
        case 0:
            pool.dealloc(account, drop_fraction=True)
        case 1:
            pool.shadow_down(account, 7)
            pool.dealloc(account, drop_fraction=True)
        case 2:
            pool.shadow_down_all(book.chance.choice((1, 7, 50)))
        case 3:
            pool.balance_down(book.amount())
        case 4:
            tx.contract("fund").defund(account, book.amount())
        case _:
            pool.alloc(account)
            pool.shadow_up(account, book.amount())


def _register_contract(tx: Any, book: VariedBook) -> None:
    late = tx.register_contract(book.chance.choice(("late", "0x" + "Ee" * 20)), backed_by=book.chance.choice((None, "WEI")))
    if book.chance.random() < 0.5:
        late.alloc("alice")


def _save(tx: Any, book: VariedBook) -> None:
    tx.transfer(book.code(), *book.accounts(), book.amount())
    order = Order("alice")
    order.pay(5)
    assert isinstance(book, PastBook)
    tx.save(book.orders, order)


def _distribute(tx: Any, book: VariedBook) -> None:
    """Twice in a commit, with moves before, between and behind them."""
    app = tx.app("APP")
    tx.transfer("APP", *book.accounts(), book.amount())
    app.pay(book.accounts()[0], T // 3, "TEA")
    app.distribute_income()
    tx.transfer("TEA", *book.accounts(), book.amount())
    app.pay(book.accounts()[0], T // 5, "APP")
    app.distribute_dividend()
    tx.transfer("APP", *book.accounts(), book.amount())


def _deposit(tx: Any, book: VariedBook) -> None:
    app, account = tx.app("APP"), book.accounts()[0]
    app.deposit(account, T // 10)
    if book.chance.random() < 0.5:
        app.refund(account, T // 30)
    if book.chance.random() < 0.5:
        app.consume_deposit(account, T // 40)


def _if_it_goes(step: Callable[[Any, VariedBook], None]) -> Callable[[Any, VariedBook], None]:
    """The step in a savepoint: what is refused spoils nothing else in its block."""

    def tried(tx: Any, book: VariedBook) -> None:
        with contextlib.suppress(LedgerError), tx.savepoint():
            step(tx, book)

    return tried


_RARE = (
    _wide,
    _wide,
    _shrink,
    _shrink,
    _hold_many,
    _hold_many,
    _use_hold,
    _use_hold,
    _allocate,
    _allocate,
    _register_contract,
    _save,
    _distribute,
    _deposit,
)
PastBook.steps = tuple(map(_if_it_goes, (*STEPS, *_RARE)))


@contextlib.contextmanager
def small_index(bucket: int = 24, dense_factor: int = 1, worth: int = 0) -> Iterator[None]:
    """Buckets are full after so many touches, and the past is asked of the index from position `worth` on."""
    with mock.patch.multiple(sizes, WORTH_POSITIONS=worth, BUCKET=bucket, DENSE_FACTOR=dense_factor):
        yield


@contextlib.contextmanager
def replays_counted() -> Iterator[Counter[str]]:
    """Counts how often books were replayed for a view, by the question for which that was done; and how often the index said
    something else of a cell than the journal.
    """
    counts: Counter[str] = Counter()
    replayed, disagrees = PastCore._replayed, CellPast.disagrees

    def counted(core: PastCore) -> Any:
        counts[sys._getframe(1).f_code.co_name] += 1
        return replayed(core)

    def disagreed(past: CellPast, position: int) -> NoIndex:
        counts["disagrees"] += 1
        return disagrees(past, position)

    with mock.patch.object(PastCore, "_replayed", counted), mock.patch.object(CellPast, "disagrees", disagreed):
        yield counts
