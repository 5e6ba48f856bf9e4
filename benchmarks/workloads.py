"""What is measured: the ledger at its usual work, on files on disk, durable, from fixed seeds."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.bare import BareTable, last_commits, read_and_decode, read_and_hash
from benchmarks.timing import Result, compare
from tallystick import Balances, Ledger, Token

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


def one_transfer_a_commit(folder: Path, scale: int, runs: int) -> Iterator[Result]:
    """One caller, one transfer a transaction, on a young and on an older journal."""
    count = 1000 // scale
    for accounts, age in ((1_000, 0), (10_000, 400_000 // scale)):
        books = Books(folder / f"single-{age}.db", accounts)
        books.grow(age)
        books.each(books.draw(count))
        commits = last_commits(books.path, count)
        table = BareTable(folder / f"single-{age}-bare.db")
        yield compare(
            "one transfer a commit",
            f"{accounts:,} accounts, {age:,} transfers before",
            "commits",
            Drawn(books, count, runs, books.each),
            lambda table=table, commits=commits: table.insert_each(commits),
            "bare insert of the same columns and bytes, one commit each, same fsync; checks, chains and indexes nothing",
            runs,
        )
        table.close()
        books.ledger.close()


def transfers_at_once(folder: Path, scale: int, runs: int) -> Iterator[Result]:
    """8,000 transfers a transaction, of a plain and of a fragmented token, among few and among many accounts."""
    count = BATCH // scale
    for kind, unit, content in (("plain", None, EVENT), ("fragmented", 100_00, FRAGMENTED_TRANSFER)):
        for accounts, age in ((1_000, 0), (10_000, 80_000 // scale)):
            books = Books(folder / f"{kind}-{accounts}.db", accounts, unit)
            books.grow(age)
            table = BareTable(folder / f"{kind}-{accounts}-bare.db")
            yield compare(
                f"{kind} transfers, {count:,} in one transaction",
                f"{accounts:,} accounts, {age:,} transfers before",
                "transfers",
                Drawn(books, count, runs, books.at_once),
                lambda table=table, content=content: table.insert_at_once(content, count),
                "a row a transfer of as many bytes, one commit; checks and keeps no balance",
                runs,
            )
            table.close()
            books.ledger.close()


def replay_and_open(folder: Path, scale: int, runs: int) -> Iterator[Result]:
    """Replay to balances, and opening, on a journal and on one ten times as long."""
    for events in (100_000 // scale, 1_000_000 // scale):
        books = Books(folder / f"long-{events}.db", 10_000 // scale)
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
            lambda path=path: read_and_decode(path),
            "reading and decoding the same rows alone; checks no digest and adds nothing up",
            runs,
        )
        yield compare(
            "opening a ledger",
            f"{total:,} events",
            "events",
            reopen,
            lambda path=path, total=total: read_and_hash(path, total),
            "reading and hashing the same rows alone",
            runs,
        )
        ledger.close()


WORKLOADS = {
    "single": one_transfer_a_commit,
    "batch": transfers_at_once,
    "replay": replay_and_open,
}
