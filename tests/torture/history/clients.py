"""The clients of one ledger whose histories are checked: eight processes, each with a ledger of its own on the same journal.

Two commit blocks, which read before they pay; two make direct calls; two only read; one has tasks of asyncio, of which some are
cancelled; one has threads. Amounts are random and large, so that hardly two states have equal balances.
"""

import asyncio
import threading
import time
from collections.abc import Callable
from random import Random
from typing import Any

import msgspec

from tallystick import AsyncLedger, Conflict, InsufficientFunds, Ledger, OutcomeUnknown
from tests.torture.history.operations import ACCOUNTS, TOKEN, Answer, History, Read, Transfer

TASKS = 8
THREADS = 4
LARGE = 10**9

now = time.monotonic_ns
Client = Callable[[str, str, int, Callable[[], object]], list[Any]]


def _chosen(chance: Random) -> dict[str, Any]:
    """A transfer, which the poor account often cannot pay."""
    sender, receiver = chance.sample(ACCOUNTS, 2)
    most = LARGE if "poor" in (sender, receiver) else 100 * LARGE
    return {"sender": sender, "receiver": receiver, "amount": chance.randint(1, most)}


class _Recorder:
    """What one thread or task of a client does, in order."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.chance = Random(name)
        self.history: History = []

    def transfer(self, number: int, call: Callable[[str, dict[str, Any]], tuple[Any, int | None]]) -> None:
        """A transfer by `call`, which gives the receipt and what it was told."""
        key, chosen, begin = f"{self.name}-{number}", _chosen(self.chance), now()
        receipt: Any = None
        told: int | None = None
        answer: Answer = "done"
        try:
            receipt, told = call(key, chosen)
        except InsufficientFunds:
            answer = "refused"
        except OutcomeUnknown:
            answer = "unknown"
        except Conflict:
            return
        self.note(key, chosen, begin, answer, receipt, told)

    def note(self, key: str, chosen: dict[str, Any], begin: int, answer: Answer, receipt: Any, told: int | None = None) -> None:
        """Keeps a transfer that ends now."""
        places = {"entry": receipt.entry_id, "position": receipt.position} if receipt is not None else {}
        self.history.append(Transfer(begin=begin, end=now(), key=key, answer=answer, told=told, **chosen, **places))

    def read(self, ledger: Ledger) -> None:
        """One balance, or all at once."""
        begin = now()
        if self.chance.random() < 0.5:
            account = self.chance.choice(ACCOUNTS)
            balances = {account: ledger.balance(TOKEN, account).total}
        else:
            balances = {account: balance.total for account, balance in ledger.balances(TOKEN).items()}
        self.history.append(Read(begin=begin, end=now(), balances=balances))


def _plain(*recorders: _Recorder) -> list[Any]:
    return [msgspec.to_builtins(operation) for recorder in recorders for operation in recorder.history]


def blocks(url: str, name: str, turns: int, wait: Callable[[], object]) -> list[Any]:
    """Commits blocks, of which half read what the sender has, and pay a part of that; reads now and then."""
    recorder = _Recorder(name)
    with Ledger.open(url) as ledger:

        def call(key: str, chosen: dict[str, Any]) -> tuple[Any, int | None]:
            told = None
            with ledger.atomic(key) as tx:
                if recorder.chance.random() < 0.5:
                    told = tx.balance(TOKEN, chosen["sender"]).total
                tx.transfer(TOKEN, **chosen)
            return tx.receipt, told

        wait()
        for turn in range(turns):
            recorder.transfer(turn, call)
            if recorder.chance.random() < 0.3:
                recorder.read(ledger)
    return _plain(recorder)


def direct(url: str, name: str, turns: int, wait: Callable[[], object]) -> list[Any]:
    """Makes direct calls, and reads now and then."""
    recorder = _Recorder(name)
    with Ledger.open(url) as ledger:
        wait()
        for turn in range(turns):
            recorder.transfer(turn, lambda key, chosen: (ledger.transfer(TOKEN, **chosen, idempotency_key=key), None))
            if recorder.chance.random() < 0.3:
                recorder.read(ledger)
    return _plain(recorder)


def reads(url: str, name: str, turns: int, wait: Callable[[], object]) -> list[Any]:
    """Only reads."""
    recorder = _Recorder(name)
    with Ledger.open(url) as ledger:
        wait()
        for _ in range(turns):
            recorder.read(ledger)
    return _plain(recorder)


def threads(url: str, name: str, turns: int, wait: Callable[[], object]) -> list[Any]:
    """Pays and reads with threads that share a ledger."""
    recorders = [_Recorder(f"{name}-{number}") for number in range(THREADS)]
    with Ledger.open(url) as ledger:

        def run(recorder: _Recorder) -> None:
            for turn in range(turns // THREADS):
                recorder.transfer(turn, lambda key, chosen: (ledger.transfer(TOKEN, **chosen, idempotency_key=key), None))
                recorder.read(ledger)

        wait()
        running = [threading.Thread(target=run, args=(recorder,)) for recorder in recorders]
        for thread in running:
            thread.start()
        for thread in running:
            thread.join()
    return _plain(*recorders)


def tasks(url: str, name: str, turns: int, wait: Callable[[], object]) -> list[Any]:
    """Pays and reads with tasks that share a ledger; one in four transfers is cancelled after a few rounds of the loop."""
    recorders = [_Recorder(f"{name}-{number}") for number in range(TASKS)]

    async def pay(ledger: AsyncLedger, recorder: _Recorder, turn: int) -> None:
        key, chosen, begin = f"{recorder.name}-{turn}", _chosen(recorder.chance), now()
        try:
            async with ledger.atomic(key) as tx:
                tx.transfer(TOKEN, **chosen)
            recorder.note(key, chosen, begin, "done", tx.receipt)
        except InsufficientFunds:
            recorder.note(key, chosen, begin, "refused", None)
        except (OutcomeUnknown, asyncio.CancelledError):
            recorder.note(key, chosen, begin, "unknown", None)

    async def run(ledger: AsyncLedger, recorder: _Recorder) -> None:
        for turn in range(turns // TASKS):
            paying = asyncio.create_task(pay(ledger, recorder, turn))
            if recorder.chance.random() < 0.25:
                for _ in range(recorder.chance.randint(1, 6)):
                    await asyncio.sleep(0)
                paying.cancel()
            await asyncio.wait([paying])
            paying.cancelled() or paying.result()
            begin, account = now(), recorder.chance.choice(ACCOUNTS)
            balance = await ledger.balance(TOKEN, account)
            recorder.history.append(Read(begin=begin, end=now(), balances={account: balance.total}))

    async def main() -> None:
        async with AsyncLedger.open(url) as ledger:
            wait()
            await asyncio.gather(*(run(ledger, recorder) for recorder in recorders))

    asyncio.run(main())
    return _plain(*recorders)


CLIENTS: tuple[Client, ...] = (blocks, blocks, direct, direct, reads, reads, tasks, threads)
