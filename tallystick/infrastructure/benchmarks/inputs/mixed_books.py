"""A journal of all sorts of commits, spread over a year: to be asked what there was, and to go on with.

Most of its rows are batches, as many services write them; some are blocks of transfers among accounts that are often used,
transfers that are committed alone, fragmented tokens that change hands, and contracts whose allocations change.
"""

from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from tallystick.domain.arithmetic.columns import listed
from tallystick.domain.values.token import Token
from tallystick.infrastructure.benchmarks.inputs.batch_books import FUNDS, ROWS, ROWS_TO_GROW, SEED, name_of
from tallystick.infrastructure.ledger.ledger import Ledger

USD, GOLD = "USD", "GOLD"
UNIT = 100_00
FRAGMENTS_EACH = 10
CONTRACTS = 10
BLOCK = 100
YEAR = 2025
_PARTS = 48
_PART = timedelta(days=7)
_OFTEN_EACH = 100


class Traffic:
    """Random payments in a ledger of mixed books. Each call gives how many transfers were made, durable."""

    def __init__(self, ledger: Ledger, names: list[str]) -> None:
        self._ledger = ledger
        self._names = names
        self._often = often(names)
        self._handles = ledger.handles(USD, names)
        self._chance = np.random.default_rng(SEED)

    def batch(self, rows: int = ROWS) -> int:
        """One batch of transfers between any accounts."""
        count = len(self._names)
        senders = self._chance.integers(0, count, rows)
        receivers = (senders + self._chance.integers(1, count, rows)) % count
        amounts = self._chance.integers(1, 51, rows)
        return self._ledger.transfer_many(USD, self._handles[senders], self._handles[receivers], amounts).accepted

    def block(self) -> int:
        """Transfers between accounts that are often used, in one transaction."""
        places = listed(self._chance.integers(0, len(self._often), 2 * BLOCK))
        with self._ledger.atomic() as tx:
            for sender, receiver in zip(places[:BLOCK], places[BLOCK:], strict=True):
                tx.transfer(USD, self._often[sender], self._often[receiver], 1)
        return BLOCK

    def single(self) -> int:
        """A transfer that is committed alone, between any accounts."""
        sender, receiver = listed(self._chance.integers(0, len(self._names), 2))
        with self._ledger.atomic() as tx:
            tx.transfer(USD, self._names[sender], self._names[receiver], 1)
        return 1

    def fragments(self) -> None:
        """Fragments change hands, in one transaction."""
        places = listed(self._chance.integers(0, len(self._often), BLOCK))
        with self._ledger.atomic() as tx:
            for sender, receiver in zip(places[: BLOCK // 2], places[BLOCK // 2 :], strict=True):
                tx.transfer(GOLD, self._often[sender], self._often[receiver], 7_33)

    def contract(self) -> None:
        """Allocations of one contract change, in one transaction."""
        number, *places = listed(self._chance.integers(0, len(self._often), BLOCK // 2))
        with self._ledger.atomic() as tx:
            handle = tx.contract(contract_of(number))
            for place in places:
                handle.shadow_up(self._often[place], 3)


class MixedBooks:
    """The file of such a journal, with a snapshot of its end. `positions` says how long it is."""

    def __init__(self, path: Path, positions: int, accounts: int) -> None:
        self.path = path
        self.names = [name_of(number) for number in range(accounts)]
        self._now = datetime(YEAR, 1, 1, tzinfo=UTC)
        with self._opened(f"sqlite:///{path.absolute()}?durability=normal") as ledger:
            self._found(ledger)
            traffic, begin = Traffic(ledger, self.names), ledger.status().head.position
            for part in range(1, _PARTS + 1):
                self._grow(ledger, traffic, begin + (positions - begin) * part // _PARTS)
                self._now += _PART
            ledger.snapshot()
            self.positions = ledger.status().head.position

    @contextmanager
    def _opened(self, url: str) -> Generator[Ledger]:
        with Ledger.open(url, clock=lambda: self._now, max_clock_leap=None) as ledger:
            yield ledger

    def _found(self, ledger: Ledger) -> None:
        """Registers the tokens and the contracts, and gives everybody something."""
        ledger.register_token(Token(USD, decimals=2))
        ledger.register_token(Token(GOLD, decimals=2, unit=UNIT))
        for start in range(0, len(self.names), ROWS_TO_GROW):
            chosen = self.names[start : start + ROWS_TO_GROW]
            ledger.mint_many(USD, chosen, [FUNDS] * len(chosen))
        used = often(self.names)
        ledger.mint_many(GOLD, used, [UNIT * FRAGMENTS_EACH] * len(used))
        for number in range(CONTRACTS):
            with ledger.atomic() as tx:
                handle = tx.register_contract(contract_of(number), backed_by=None)
                handle.balance_up(FUNDS)
                for name in used:
                    handle.alloc(name)
                    handle.shadow_up(name, 1_000)

    @staticmethod
    def _grow(ledger: Ledger, traffic: Traffic, upto: int) -> None:
        """Six parts of seven are batches, one of ten blocks, and the rest of all sorts."""
        begin = ledger.status().head.position
        missing = max(0, upto - begin)
        for _ in range(missing * 3 // 100 // (3 * BLOCK)):
            traffic.fragments()
            traffic.contract()
        for _ in range(missing * 2 // 100):
            traffic.single()
        for _ in range(missing // 10 // BLOCK):
            traffic.block()
        while (rows := min(ROWS, upto - ledger.status().head.position)) > 0:
            traffic.batch(rows)


def often(names: list[str]) -> list[str]:
    """The accounts that are often used."""
    return names[: max(2, len(names) // _OFTEN_EACH)]


def contract_of(number: int) -> str:
    """The id of a contract."""
    return f"pool-{number % CONTRACTS}"
