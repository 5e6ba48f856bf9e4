"""The clients of one ledger whose histories are checked: eight processes, each with a ledger of its own on the same journal.

Two commit blocks, which read before they pay; two make direct calls; two only read, until somebody else is done; one has tasks
of asyncio, of which some are cancelled; one has threads that pay and threads that read. Amounts are random and large, so that
hardly two states have equal balances.
"""

import asyncio
import threading
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import msgspec

from tallystick import AsyncLedger, Conflict, InsufficientFunds, Ledger, OutcomeUnknown
from tests.torture.history.operations import ACCOUNTS, TOKEN, Answer, History, Read, Transfer

TASKS = 8
LARGE = 10**9

now = time.monotonic_ns
READS_A_TURN = 50


class Place(NamedTuple):
    """The ledger's address, the client's name, which seeds it, and the file that is there once somebody is done."""

    url: str
    name: str
    stop: Path


Client = Callable[[Place, int, Callable[[], object]], list[Any]]


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
        self.history.append(
            Transfer(by=self.name, begin=begin, end=now(), key=key, answer=answer, told=told, **chosen, **places)
        )

    def read(self, ledger: Ledger) -> None:
        """One balance, or all at once."""
        begin = now()
        if self.chance.random() < 0.5:
            account = self.chance.choice(ACCOUNTS)
            balances = {account: ledger.balance(TOKEN, account).total}
        else:
            balances = {account: balance.total for account, balance in ledger.balances(TOKEN).items()}
        self.history.append(Read(by=self.name, begin=begin, end=now(), balances=balances))


def _plain(*recorders: _Recorder) -> list[Any]:
    return [msgspec.to_builtins(operation) for recorder in recorders for operation in recorder.history]


def blocks(place: Place, turns: int, wait: Callable[[], object]) -> list[Any]:
    """Commits blocks, of which half read what the sender has, and pay a part of that; reads now and then."""
    recorder = _Recorder(place.name)
    with Ledger.open(place.url) as ledger:

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


def direct(place: Place, turns: int, wait: Callable[[], object]) -> list[Any]:
    """Makes direct calls, and reads now and then."""
    recorder = _Recorder(place.name)
    with Ledger.open(place.url) as ledger:
        wait()
        for turn in range(turns):
            recorder.transfer(turn, lambda key, chosen: (ledger.transfer(TOKEN, **chosen, idempotency_key=key), None))
            if recorder.chance.random() < 0.3:
                recorder.read(ledger)
    return _plain(recorder)


def reads(place: Place, turns: int, wait: Callable[[], object]) -> list[Any]:
    """Only reads, until another client has made all its turns."""
    recorder = _Recorder(place.name)
    with Ledger.open(place.url) as ledger:
        wait()
        while not place.stop.exists() and len(recorder.history) < READS_A_TURN * turns:
            recorder.read(ledger)
    return _plain(recorder)


def threads(place: Place, turns: int, wait: Callable[[], object]) -> list[Any]:
    """With threads that share a ledger: two pay, and two only read until one of those is done."""
    paying, reading = ([_Recorder(f"{place.name}-{does}-{number}") for number in range(2)] for does in ("pays", "reads"))
    done = threading.Event()
    with Ledger.open(place.url) as ledger:

        def pay(recorder: _Recorder) -> None:
            for turn in range(turns // 2):
                recorder.transfer(turn, lambda key, chosen: (ledger.transfer(TOKEN, **chosen, idempotency_key=key), None))
            done.set()

        def read(recorder: _Recorder) -> None:
            while not done.is_set() and len(recorder.history) < READS_A_TURN * turns:
                recorder.read(ledger)

        wait()
        running = [threading.Thread(target=pay, args=(recorder,)) for recorder in paying]
        running += [threading.Thread(target=read, args=(recorder,)) for recorder in reading]
        for thread in running:
            thread.start()
        for thread in running:
            thread.join()
    return _plain(*paying, *reading)


def tasks(place: Place, turns: int, wait: Callable[[], object]) -> list[Any]:
    """Pays and reads with tasks that share a ledger; one in four transfers is cancelled after a few rounds of the loop."""
    recorders = [_Recorder(f"{place.name}-{number}") for number in range(TASKS)]

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
            recorder.history.append(Read(by=recorder.name, begin=begin, end=now(), balances={account: balance.total}))

    async def main() -> None:
        async with AsyncLedger.open(place.url) as ledger:
            wait()
            await asyncio.gather(*(run(ledger, recorder) for recorder in recorders))

    asyncio.run(main())
    return _plain(*recorders)


CLIENTS: tuple[Client, ...] = (blocks, blocks, direct, direct, reads, reads, tasks, threads)
