"""A ledger for measuring batches: funded accounts of one token, and random batches of transfers among them.

Batches are drawn and put into the form in which they are given before they are timed, and all contenders get the same rows.
Names come in two forms: as the very strings that the caller and the ledger keep, and as strings made anew, which is how they
come out of a request, and which Python has yet to hash and compare.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tallystick.domain.arithmetic.columns import Column, Numbers, listed
from tallystick.domain.values.token import Token
from tallystick.infrastructure.benchmarks.measuring.timing import Work
from tallystick.infrastructure.ledger.ledger import Ledger

ROWS = 8_190
ROWS_TO_GROW = 500_000
SEED = 1
FUNDS = 10**9
REFUSED_EACH = 100
FIRST_DAY = np.datetime64("2020-01-01", "D")
DAYS = 2_000
USD = Token("USD", decimals=2)


@dataclass(frozen=True)
class Rows:
    """The rows of one batch of transfers, between places in a list of accounts."""

    senders: Column
    receivers: Column
    amounts: Column

    def __len__(self) -> int:
        return len(self.amounts)


Accounts = list[str] | Column
"""Names, or handles."""

Prepare = Callable[[Rows], Work]
"""Puts rows into the form in which they are given, and gives the work of doing them."""


class BatchBooks:
    """A ledger in a file, in which each of so many accounts has `funds` of a token.

    Where there are `penniless` accounts besides, each hundredth row asks one of them for money and is refused.
    """

    def __init__(self, path: Path, accounts: int, token: Token = USD, funds: int = FUNDS, penniless: int = 0) -> None:
        self.path = path
        self.token = token.code
        self.position = 0
        self.ledger = Ledger.open(path)
        self.ledger.register_token(token)
        self.names = [name_of(number) for number in range(accounts + penniless)]
        self.handles = self.ledger.handles(self.token, self.names)
        self._accounts = accounts
        self._penniless = penniless
        self._chance = np.random.default_rng(SEED)
        self._milliseconds = 0
        for start in range(0, accounts, ROWS_TO_GROW):
            chosen = self.handles[start : min(start + ROWS_TO_GROW, accounts)]
            self.position = self.ledger.mint_many(self.token, chosen, [funds] * len(chosen)).position

    def draw(self, rows: int = ROWS) -> Rows:
        """A batch of transfers of small amounts between random accounts."""
        places = self._chance.integers(0, self._accounts, (2, rows))
        if self._penniless:
            refused = np.arange(0, rows, REFUSED_EACH)
            places[0][refused] = self._accounts + self._chance.integers(0, self._penniless, len(refused))
        return Rows(places[0], places[1], self._chance.integers(1, 51, rows))

    def rising_ids(self, rows: int) -> list[int]:
        """Ids as they are made in the order of time: a rising number of milliseconds above 80 bits, most of them chance."""
        first = self._milliseconds + 1
        self._milliseconds += rows
        return [millisecond << 80 | low for millisecond, low in enumerate(listed(self._chance.integers(0, 2**63, rows)), first)]

    def kept(self, places: Column) -> list[str]:
        """Accounts by the very strings that the ledger was given."""
        names = self.names
        return [names[place] for place in listed(places)]

    def by_kept_names(self, rows: Rows, ids: list[int] | None = None) -> Work:
        """A batch of lists, of names that the caller keeps."""
        return partial(self.transfer, self.kept(rows.senders), self.kept(rows.receivers), listed(rows.amounts), ids)

    def by_new_names(self, rows: Rows) -> Work:
        """A batch of lists, of names made anew."""
        senders, receivers = ([name_of(place) for place in listed(places)] for places in (rows.senders, rows.receivers))
        return partial(self.transfer, senders, receivers, listed(rows.amounts))

    def by_handles(self, rows: Rows, ids: list[int] | None = None) -> Work:
        """A batch of arrays, of handles and amounts."""
        return partial(self.transfer, self.handles[rows.senders], self.handles[rows.receivers], rows.amounts, ids)

    def by_kept_names_with_ids(self, rows: Rows) -> Work:
        """A batch of lists, of names that the caller keeps, with rising ids."""
        return self.by_kept_names(rows, self.rising_ids(len(rows)))

    def by_handles_with_ids(self, rows: Rows) -> Work:
        """A batch of arrays, with rising ids in a list."""
        return self.by_handles(rows, self.rising_ids(len(rows)))

    def by_kept_names_with_notes(self, rows: Rows, memos: int | None = None, everything: bool = False) -> Work:
        """A batch of lists, with a memo a row, its own or one of so many, and a time; or with all that a row can say."""
        count, first = len(rows), self._milliseconds
        numbers = range(first, first + count) if memos is None else listed(self._chance.integers(0, memos, count))
        notes: dict[str, Any] = {
            "memo": [f"payment of invoice {number}" for number in numbers],
            "occurred_at": FIRST_DAY + np.sort(self._chance.integers(0, DAYS, count)),
        }
        if everything:
            notes["references"] = [f"order {number}" for number in range(first, first + count)]
        ids = self.rising_ids(count) if everything else None
        transfer = self.ledger.transfer_many
        work = partial(transfer, self.token, self.kept(rows.senders), self.kept(rows.receivers), listed(rows.amounts), ids=ids)
        return lambda: work(**notes).accepted

    def transfer(self, senders: Accounts, receivers: Accounts, amounts: Numbers, ids: list[int] | None = None) -> int:
        """Transfers one batch, to its durable receipt, and gives the number of its rows."""
        on_refusal = "skip" if self._penniless else "abort"
        receipt = self.ledger.transfer_many(self.token, senders, receivers, amounts, ids=ids, on_refusal=on_refusal)
        self.position = receipt.position
        return receipt.accepted + len(receipt.refused)

    def grow(self, transfers: int, rows: int = ROWS_TO_GROW, ids_each: int = 10) -> None:
        """Makes the journal longer by so many transfers in batches of `rows`; one in `ids_each`, if any, has ids."""
        for number, start in enumerate(range(0, transfers, rows)):
            with_ids = bool(ids_each) and number % ids_each == 0
            (self.by_handles_with_ids if with_ids else self.by_handles)(self.draw(min(rows, transfers - start)))()

    def close(self) -> None:
        """Closes the ledger."""
        self.ledger.close()


def name_of(number: int) -> str:
    """The name of an account."""
    return f"account-{number}"
