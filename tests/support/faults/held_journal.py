"""A journal whose appends wait for the test and end as it says, so that groups form in a known way."""

import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from threading import Semaphore, Thread
from typing import Any

from tallystick import StorageUnavailable, Token
from tallystick.infrastructure.journal.format import JournalRow
from tallystick.infrastructure.journal.port import NO_METADATA, MetadataChange, StreamEntry, UnclearOutcome
from tallystick.infrastructure.journal.stores.memory import MemoryJournal
from tests.support.books.behind import ledger_on, queue_of

PATIENCE_SECONDS = 120
"""After so long a test takes it that something hangs, also on a machine that does much else."""


class Lost(UnclearOutcome):
    """The answer to an append is lost; whether the row stands, and whether that can be found out."""

    def __init__(self, stands: bool, reachable: bool = True) -> None:
        super().__init__("the answer was lost")
        self.stands = stands
        self.reachable = reachable


class HeldJournal(MemoryJournal):
    """While `holds` is true each append waits for `let_go`. `outcomes` are raised by the next appends, None for none."""

    def __init__(self) -> None:
        super().__init__()
        self.holds = False
        self.outcomes: deque[BaseException | None] = deque()
        self.reachable = True
        self.stands_anyway = False
        self.is_waited_in = False
        self._arrived = Semaphore(0)
        self._go = Semaphore(0)

    def append(self, row: JournalRow, entries: Sequence[StreamEntry], metadata: MetadataChange = NO_METADATA) -> None:
        if self.holds:
            self.is_waited_in = True
            self._arrived.release()
            assert self._go.acquire(timeout=PATIENCE_SECONDS)
        outcome = self.outcomes.popleft() if self.outcomes else None
        if outcome is None or self.stands_anyway or (isinstance(outcome, Lost) and outcome.stands):
            super().append(row, entries, metadata)
        if isinstance(outcome, Lost):
            self.reachable = outcome.reachable
        if outcome is not None:
            raise outcome

    def reopen(self) -> None:
        if not self.reachable:
            raise StorageUnavailable("still gone")

    def wait_for_append(self) -> None:
        """Returns when somebody waits in `append`."""
        assert self._arrived.acquire(timeout=PATIENCE_SECONDS)

    def let_go(self, *outcomes: BaseException | None) -> None:
        """The append that waits goes on and ends like this, as do those after it, which do not wait any more."""
        self.outcomes.extend(outcomes)
        self.holds = False
        self._go.release()

    @property
    def rows_stored(self) -> Sequence[JournalRow]:
        """All rows."""
        return list(self.rows())


class Crowd:
    """A ledger on a held journal, and threads that use it. `alice` and `bob` have 100 each of USD and of PLN."""

    def __init__(self, clock: Callable[[], int] = lambda: 1) -> None:
        self.journal = HeldJournal()
        self.ledger = ledger_on(self.journal, clock, iter(f"hold-{k}" for k in range(10**6)).__next__)
        self._threads: list[Thread] = []
        for code in ("USD", "PLN"):
            self.ledger.register_token(Token(code, unit=10 if code == "USD" else None))
        with self.ledger.atomic() as tx:
            for code in ("USD", "PLN"):
                for account in ("alice", "bob"):
                    tx.mint(code, account, 100)
        self.rows_before = len(self.journal.rows_stored)

    def start(self, call: Callable[..., Any], *arguments: Any) -> "Future[Any]":
        """Has it called on a thread of its own."""
        future: Future[Any] = Future()

        def run() -> None:
            try:
                future.set_result(call(*arguments))
            except BaseException as error:
                future.set_exception(error)

        thread = Thread(target=run, daemon=True)
        self._threads.append(thread)
        thread.start()
        return future

    def transfer(self, sender: str, receiver: str, amount: int, *key: Any, token: str = "USD") -> Any:
        """One transfer, as a transaction; gives its context."""
        with self.ledger.atomic(*key) as tx:
            tx.transfer(token, sender, receiver, amount)
        return tx

    def queued(self, call: Callable[..., Any], *arguments: Any, **options: Any) -> "Future[Any]":
        """Has it called on a thread of its own, and returns when its transaction waits in the queue."""
        waiting = len(self._waiting) + 1
        future = self.start(lambda: call(*arguments, **options))
        until(lambda: len(self._waiting) >= waiting or future.done())
        return future

    def hold(self) -> "Future[Any]":
        """Somebody mints one PLN to "first" and is held in `append`; all who come after wait behind that."""
        self.journal.holds = True
        future = self.start(self._mint_one)
        self.journal.wait_for_append()
        return future

    def _mint_one(self) -> Any:
        with self.ledger.atomic() as tx:
            tx.mint("PLN", "first", 1)
        return tx

    def close(self) -> None:
        """Everybody must have ended by then."""
        for thread in self._threads:
            thread.join(PATIENCE_SECONDS)
        self.ledger.close()

    @property
    def rows(self) -> int:
        """How many rows were stored since the beginning."""
        return len(self.journal.rows_stored) - self.rows_before

    @property
    def _waiting(self) -> Sequence[Any]:
        return queue_of(self.ledger)._waiting


def until(condition: Callable[[], object]) -> None:
    """Returns when it is so."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it hangs"
        time.sleep(0.0005)


def result(future: "Future[Any]") -> Any:
    """What it gave, or the error that it ended with."""
    error = future.exception(timeout=PATIENCE_SECONDS)
    return future.result() if error is None else error
