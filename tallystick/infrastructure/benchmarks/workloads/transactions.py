"""What transactions cost: one transfer a commit, thousands in one, and reading them all back."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path

from tallystick.domain.values.token import Token
from tallystick.infrastructure.benchmarks.baselines.bare import (
    DECODING,
    HASHING,
    ROW_EACH,
    SAME_BYTES,
    BareTable,
    last_commits,
    read_and_decode,
    read_and_hash,
)
from tallystick.infrastructure.benchmarks.measuring.timing import Figure, compare
from tallystick.infrastructure.benchmarks.measuring.workload import Settings, Workload
from tallystick.infrastructure.ledger.ledger import Ledger
from tallystick.projections.balances import Balances

BATCH = 8_000
EVENT = "x" * 52
FRAGMENTED_TRANSFER = "x" * 200


class Books:
    """A ledger file with funded accounts of one token, and random transfers among them."""

    def __init__(self, path: Path, accounts: int, unit: int | None = None) -> None:
        self.path = path
        self.ledger = Ledger.open(path)
        self.ledger.register_token(Token("USD", decimals=2, unit=unit))
        self._names = [f"account-{k}" for k in range(accounts)]
        self._chance = random.Random(1)
        for start in range(0, accounts, BATCH):
            with self.ledger.atomic() as tx:
                for name in self._names[start : start + BATCH]:
                    tx.mint("USD", name, 1_000_00)

    def draw(self, count: int) -> list[tuple[str, str, int]]:
        """Random senders, receivers and amounts."""
        choose = self._chance.choice
        return [(choose(self._names), choose(self._names), self._chance.randint(1, 50)) for _ in range(count)]

    def at_once(self, transfers: list[tuple[str, str, int]]) -> int:
        """The transfers in one transaction, to its durable receipt."""
        with self.ledger.atomic() as tx:
            transfer = tx.transfer
            for sender, receiver, amount in transfers:
                transfer("USD", sender, receiver, amount)
        return len(transfers)

    def each(self, transfers: list[tuple[str, str, int]]) -> int:
        """A transaction for each of the transfers."""
        for sender, receiver, amount in transfers:
            with self.ledger.atomic() as tx:
                tx.transfer("USD", sender, receiver, amount)
        return len(transfers)

    def grow(self, transfers: int) -> None:
        """Makes the journal longer."""
        for _ in range(0, transfers, BATCH):
            self.at_once(self.draw(BATCH))


class Drawn:
    """Work on transfers that were drawn before it is timed."""

    def __init__(self, books: Books, count: int, runs: int, work: Callable[[list[tuple[str, str, int]]], int]) -> None:
        self._drawn = [books.draw(count) for _ in range(runs + 1)]
        self._work = work

    def __call__(self) -> int:
        return self._work(self._drawn.pop())


def one_transfer_a_commit(settings: Settings) -> Iterator[Figure]:
    """One caller, one transfer a transaction, on a young and on an older journal."""
    count = 1000 // settings.scale
    for accounts, age in ((1_000, 0), (10_000, 400_000 // settings.scale)):
        books = Books(settings.folder / f"single-{age}.db", accounts)
        books.grow(age)
        books.each(books.draw(count))
        commits = last_commits(books.path, count)
        table = BareTable(settings.folder / f"single-{age}-bare.db")
        yield compare(
            "one transfer a commit",
            f"{accounts:,} accounts, {age:,} transfers before",
            "commits",
            Drawn(books, count, settings.runs, books.each),
            {SAME_BYTES: lambda table=table, commits=commits: table.insert_each(commits)},
            settings.runs,
        )
        table.close()
        books.ledger.close()


def transfers_at_once(settings: Settings) -> Iterator[Figure]:
    """8,000 transfers a transaction, of a plain and of a fragmented token, among few and among many accounts."""
    count = BATCH // settings.scale
    for kind, unit, content in (("plain", None, EVENT), ("fragmented", 100_00, FRAGMENTED_TRANSFER)):
        for accounts, age in ((1_000, 0), (10_000, 80_000 // settings.scale)):
            books = Books(settings.folder / f"{kind}-{accounts}.db", accounts, unit)
            books.grow(age)
            table = BareTable(settings.folder / f"{kind}-{accounts}-bare.db")
            yield compare(
                f"{kind} transfers, {count:,} in one transaction",
                f"{accounts:,} accounts, {age:,} transfers before",
                "transfers",
                Drawn(books, count, settings.runs, books.at_once),
                {ROW_EACH: lambda table=table, content=content: table.insert_at_once(content, count)},
                settings.runs,
            )
            table.close()
            books.ledger.close()


def replay_and_open(settings: Settings) -> Iterator[Figure]:
    """Replay to balances, and opening, on a journal and on one ten times as long."""
    for events in (100_000 // settings.scale, 1_000_000 // settings.scale):
        books = Books(settings.folder / f"long-{events}.db", 10_000 // settings.scale)
        books.grow(events)
        ledger, path = books.ledger, books.path
        total = ledger.verify().position

        def replay(ledger: Ledger = ledger, total: int = total) -> int:
            ledger.replay(Balances())
            return total

        def reopen(path: Path = path, total: int = total) -> int:
            Ledger.open(path).close()
            return total

        yield compare(
            "replay to balances, digests checked",
            f"{total:,} events",
            "events",
            replay,
            {DECODING: lambda path=path: read_and_decode(path)},
            settings.runs,
        )
        yield compare(
            "opening a ledger",
            f"{total:,} events",
            "events",
            reopen,
            {HASHING: lambda path=path, total=total: read_and_hash(path, total)},
            settings.runs,
        )
        ledger.close()


WORKLOADS = (
    Workload("single", "one transfer a commit, on a young and on an older journal", one_transfer_a_commit, (SAME_BYTES,)),
    Workload("transaction", "thousands of transfers in one transaction", transfers_at_once, (ROW_EACH,)),
    Workload("replay", "replaying transactions to balances, and opening", replay_and_open, (DECODING, HASHING)),
)
