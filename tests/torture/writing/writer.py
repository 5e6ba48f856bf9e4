"""A process that commits entry after entry, and says before each what it is to do and after it that it was acknowledged.

What it says are lines of JSON: "intent" with the `Intent`; "done" with the key and the position; "failed" with the key, whether
that surely left nothing, and the error. It writes alone, with threads, or with tasks of asyncio.
"""

import asyncio
import itertools
import json
import os
import threading
import time
from collections.abc import Callable
from random import Random
from typing import Any, Literal

import msgspec

from tallystick import AsyncLedger, InvalidRequest, Ledger, LedgerError, NotFound, Refused, StorageError
from tests.torture.writing.entries import KINDS, PLANNED_ALONE, Intent, batch, make_book, plan, reversal

Manner = Literal["alone", "threads", "tasks"]
MANNERS: tuple[Manner, ...] = ("alone", "threads", "tasks")
OPENED_MAX = 100
WAIT_SECONDS = 0.05
FAILURES_MAX = 100
GIVEN_UP = 3
"""The exit code of a process none of whose last so many entries could be committed."""
THREADS = 4
TASKS = 12
NOTHING_RECORDED = "nothing was recorded"
Say = Callable[[str], object]


def write(url: str, manner: Manner, name: str, say: Say, entries: int | None = None, *, closes: bool = False) -> None:
    """Commits so many entries, or without end; `name` begins their keys and seeds them."""
    numbers = itertools.count() if entries is None else iter(range(entries))

    def work() -> None:
        if manner == "tasks":
            asyncio.run(_write_with_tasks(url, name, say, numbers))
        else:
            _write_with_threads(url, THREADS if manner == "threads" else 1, name, say, numbers, closes)

    for _ in range(OPENED_MAX - 1):  # what is opened may be a server that recovers; what fails later is said and goes on
        try:
            return work()
        except StorageError as error:
            say(_failed("", error))
            time.sleep(WAIT_SECONDS)
    return work()


def _write_with_threads(url: str, threads: int, name: str, say: Say, numbers: Any, closes: bool) -> None:
    ledger = Ledger.open(url)
    make_book(ledger)
    works = [_Writer(ledger, say, f"{name}-{which}", numbers) for which in range(threads)]
    others = [threading.Thread(target=work.run, daemon=True) for work in works[1:]]
    for other in others:
        other.start()
    works[0].run()
    for other in others:
        other.join()
    if closes:
        ledger.close()


class _Writer:
    """What one thread writes; `numbers` are shared by all and end it."""

    def __init__(self, ledger: Ledger, say: Say, name: str, numbers: Any) -> None:
        self._ledger = ledger
        self._say = say
        self._name = name
        self._numbers = numbers
        self._chance = Random(name)
        self._reversible: list[tuple[int, Intent]] = []

    def run(self) -> None:
        failures = 0
        for number in self._numbers:
            key = f"{self._name}-{number}"
            try:
                self._write(key)
                failures = 0
                if self._chance.random() < 0.04:
                    self._ledger.snapshot()
            except LedgerError as error:
                failures += 1
                self._say(_failed(key, error))
                if failures == FAILURES_MAX:
                    os._exit(GIVEN_UP)

    def _write(self, key: str) -> None:
        """One entry."""
        kind = self._chance.choice((*KINDS, "batch", "reversal", "chain"))
        if kind == "batch":
            intent, columns = batch(key, self._chance)
            self._say(_intended(intent))
            receipt: Any = self._ledger.transfer_many(**columns, idempotency_key=key)
        elif kind == "reversal" and self._reversible:
            id, original = self._reversible.pop()
            self._say(_intended(reversal(original, key)))
            receipt = self._ledger.reverse(entry=id, idempotency_key=key)
        else:
            details: dict[str, Any] = {"reference": key, "metadata": {"of": key}} if self._chance.random() < 0.3 else {}
            with self._ledger.atomic(key, **details) as tx:
                intent = plan(tx, kind if kind in KINDS else "chain", key, self._chance)
                self._say(_intended(intent))
            receipt = tx.receipt
            if intent.kind == "chain":
                self._reversible.append((receipt.entry_id, intent))
        self._say(json.dumps(["done", key, receipt.position]))


async def _write_with_tasks(url: str, name: str, say: Say, numbers: Any) -> None:
    async with AsyncLedger.open(url) as ledger:
        await asyncio.to_thread(make_book, ledger.blocking)

        async def task(which: int) -> None:
            chance, failures = Random(f"{name}-{which}"), 0
            for number in numbers:
                key = f"{name}-{which}-{number}"
                try:
                    async with ledger.atomic(key) as tx:
                        say(_intended(plan(tx, chance.choice(PLANNED_ALONE), key, chance)))
                    assert tx.receipt is not None
                    say(json.dumps(["done", key, tx.receipt.position]))
                    failures = 0
                except LedgerError as error:
                    failures += 1
                    say(_failed(key, error))
                    if failures == FAILURES_MAX:
                        os._exit(GIVEN_UP)

        await asyncio.gather(*map(task, range(TASKS)))


def _intended(intent: Intent) -> str:
    return json.dumps(["intent", msgspec.to_builtins(intent)])


def _failed(key: str, error: LedgerError) -> str:
    left_nothing = isinstance(error, Refused | NotFound | InvalidRequest) or NOTHING_RECORDED in str(error)
    return json.dumps(["failed", key, left_nothing, f"{type(error).__name__}: {error}"])
