"""A ledger by the time at which things happened: what it would have had at a time, had all been recorded when it occurred.

It begins with the ledger as it stood at that time, takes out what had been recorded by then and occurred later, which is a
day's at most, and adds what was recorded since and had occurred; rows that say nothing of time are passed over unread. What was
booked late may come before the money that it spends: a balance by occurred time may be negative.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import NoReturn

import numpy as np

from tallystick.domain.cells import is_crossing, locate
from tallystick.domain.errors import CorruptJournal, InvalidPosition, InvalidRequest
from tallystick.domain.token.token_state import Balance, Supply
from tallystick.domain.values.account import TOTAL_SUPPLY_RESERVE
from tallystick.domain.values.instant import DAY, from_microseconds
from tallystick.domain.values.spelling import lowered_beginning
from tallystick.domain.values.token import AnyToken
from tallystick.infrastructure.indexes.past.past_index import NoIndex
from tallystick.infrastructure.journal.chain import rows_after
from tallystick.infrastructure.journal.format import EMPTY, Head, JournalRow
from tallystick.infrastructure.ledger.core import LedgerCore
from tallystick.infrastructure.ledger.reading.history import History
from tallystick.infrastructure.ledger.reading.reads import Reads, check_page
from tallystick.infrastructure.ledger.reading.replays.replays import replayed
from tallystick.infrastructure.ledger.travel.effects_by_time import EffectsByTime
from tallystick.infrastructure.ledger.travel.forked_core import looked_at
from tallystick.infrastructure.ledger.travel.moment import head_at_time
from tallystick.infrastructure.ledger.travel.view import View
from tallystick.projections.balance_column import BalanceColumn, column_of
from tallystick.projections.balances import Balances

KNOWN = ("balance", "balances", "column", "supply", "total")
"""The reads that are known by the time at which things occurred."""
NOTHING = Balance(0, 0, 0)


class OccurredView:
    """What had occurred by a time, of all that was recorded up to `position`. It has `balance`, `balances`, `column`,
    `supply` and `total`, as a ledger has them; every other read of a ledger is `InvalidRequest`.
    """

    def __init__(self, stood: View | None, known: LedgerCore, at: int) -> None:
        """`stood`: the ledger as it stood `at` the time, None where nothing was recorded by then; `known`: as it is known."""
        self._stood = stood
        self._core = known
        self._reads = Reads(known)
        self._history = History(known)
        self._at = at

    def __repr__(self) -> str:
        return f"OccurredView(at={from_microseconds(self._at)!r}, position={self.position})"

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("_") or not hasattr(View, name):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        raise InvalidRequest(f"{name} is known by recorded_at alone; by occurred_at there are {', '.join(KNOWN)}")

    @property
    def position(self) -> int:
        """The last position that is known, where a commit ends."""
        return self._core.journal.head().position

    def balance(self, token: AnyToken, account: str) -> Balance:
        """What `account` had; zeros where it was never heard of."""
        books = self._core.books
        with self._core.locked():
            self._core.reach_head()
            books.token_state(token)
            cell = locate(books, token, account)
        code, name = cell.token.code, cell.name
        if name == TOTAL_SUPPLY_RESERVE:
            reserve = self.supply(code).reserve
            return Balance(reserve, 0, reserve)
        had = self._history.had_occurred_before(token, account, self._at + 1)
        if had is not None:
            return had
        stood = NOTHING if self._stood is None or not self._had(code) else self._stood.balance(token, account)
        return self._with_added(code, name, stood)

    def balances(self, token: AnyToken, prefix: str = "", limit: int | None = None, after: str = "") -> dict[str, Balance]:
        """Every account that had something of the token, or less than nothing; chosen as of a ledger."""
        count = check_page(prefix, limit, after)
        code = self._reads.token(token).code
        begun = lowered_beginning(prefix)
        prefixes = prefix if begun is None else (prefix, begun)
        with self._core.locked():
            start = self._core.books.spellings.of_perhaps(after)
        stood = {} if self._stood is None or not self._had(code) else self._stood.balances(code, prefix)
        touched = [name for name in self._added[code] if name.startswith(prefixes) and not is_crossing(name)]
        for name in touched:
            if name != TOTAL_SUPPLY_RESERVE:
                stood[name] = self._with_added(code, name, stood.get(name, NOTHING))
        names = sorted(name for name, balance in stood.items() if name > start and (balance.available or balance.reserved))
        return {name: stood[name] for name in names[:count]}

    def column(self, token: AnyToken) -> BalanceColumn:
        """The same as columns."""
        return column_of(self._reads.token(token).code, self.balances(token))

    def total(self, token: AnyToken, prefix: str = "") -> Balance:
        """What all accounts had together of the token, or those whose name begins with `prefix`."""
        found = self.balances(token, prefix).values()
        available, reserved = sum(each.available for each in found), sum(each.reserved for each in found)
        return Balance(available, reserved, available + reserved)

    def supply(self, token: AnyToken) -> Supply:
        """What was in circulation and what was left in the reserve."""
        registered = self._reads.token(token)
        most, code = registered.max_supply, registered.code
        stood = most if self._stood is None or not self._had(code) else self._stood.supply(code).reserve
        reserve = stood + self._added[code].get(TOTAL_SUPPLY_RESERVE, (0, 0))[0]
        return Supply(most, reserve, most - reserve)

    def _had(self, token: str) -> bool:
        return self._stood is not None and any(each.code == token for each in self._stood.tokens())

    def _with_added(self, token: str, name: str, stood: Balance) -> Balance:
        available, reserved = self._added[token].get(name, (0, 0))
        available, reserved = stood.available + available, stood.reserved + reserved
        return Balance(available, reserved, available + reserved)

    @cached_property
    def _added(self) -> Mapping[str, Mapping[str, tuple[int, int]]]:
        """What is added, by token and cell, to what the ledger had as it stood."""
        recorded = 0 if self._stood is None else self._stood.position
        compared = EffectsByTime(self._at, recorded, self._names_of, self._available_before)
        sums: defaultdict[str, dict[str, tuple[int, int]]] = defaultdict(dict)
        for row in self._rows_that_differ(recorded):
            for token, cell, available, held in compared.of(row):
                before = sums[token].get(cell, (0, 0))
                sums[token][cell] = before[0] + available, before[1] + held
        return sums

    def _rows_that_differ(self, recorded: int) -> Iterator[JournalRow]:
        """The rows of which something had occurred and was recorded later, or was recorded and occurred later; others too."""
        index, known = self._core.past, self.position
        if index is not None:
            try:
                index.reach(known)
                parts = list(index.occurred(known))
            except NoIndex:
                pass
            else:
                for positions, first, last in parts:
                    differ = np.where(positions <= recorded, last > self._at, first <= self._at)
                    for position in positions[differ].tolist():
                        yield self._row_at(position)
                return
        yield from rows_after(self._core.journal, self._begin())

    def _row_at(self, position: int) -> JournalRow:
        row = self._core.journal.row_at(position)
        if row is None:
            raise CorruptJournal("no row holds it, and the journal goes on behind it", position=position)
        return row

    def _begin(self) -> Head:
        """What was recorded up to there had occurred: nothing is recorded more than a day ahead."""
        try:
            return head_at_time(self._core.journal, self._at - DAY - 1)
        except InvalidPosition:
            return EMPTY

    def _names_of(self, token: str) -> Sequence[str]:
        with self._core.locked():
            self._core.reach_head()
            return self._core.books.names_of(token)

    def _available_before(self, position: int, token: str) -> Mapping[str, int]:
        return replayed(self._core, Balances(), position - 1).state[token]["available"]


def occurred_view(core: LedgerCore, at: int, known: Head) -> OccurredView:
    """What had occurred by `at`, in microseconds, of what was recorded up to `known`. Raises `InvalidPosition`."""
    try:
        end = head_at_time(core.journal, at)
    except InvalidPosition:
        stood = None
    else:
        stood = View(core, min(end, known, key=lambda head: head.position))
    return OccurredView(stood, looked_at(core, known), at)
