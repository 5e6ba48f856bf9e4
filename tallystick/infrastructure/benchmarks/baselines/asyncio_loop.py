"""A group committer of one event loop, as one would write it for nothing but speed: what a call costs at least in Python.

Tasks put what they want into a list; one task takes all of it, decides each on the loop, and has a thread write the events of
all as one row, while the next are gathered. Everything that a ledger does beside that is left out.
"""

import asyncio
import sqlite3
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from secrets import token_bytes

import msgspec

from tallystick.infrastructure.benchmarks.measuring.timing import Baseline

LOOP = Baseline(
    "a bare loop of asyncio, SQLite",
    "takes what its tasks want and looks whether the sender has it; moves fragments and counts the stream's version; keeps the "
    "events of all who waited as JSON, with their keys of 16 random bytes, in one row and one durable commit",
    "check names, amounts or limits, look a key up, find one again but by reading every row, chain anything, undo what a "
    "failing disk refused, let threads or processes in, or give more than the row's number",
)

TOKEN = "USD"
Payment = tuple[str, str, str, int]


class Moved(msgspec.Struct, array_like=True, tag=True, gc=False):
    """An amount went from one account to another; `version` is the token's."""

    token: str
    version: int
    sender: str
    receiver: str
    amount: int


class Minted(msgspec.Struct, array_like=True, tag=True, gc=False):
    """A fragment began."""

    fragment: str
    version: int
    token: str
    owner: str
    amount: int


class Burned(msgspec.Struct, array_like=True, tag=True, gc=False):
    """A fragment ended."""

    fragment: str
    version: int
    token: str
    owner: str
    amount: int


Event = Moved | Minted | Burned
Waiting = tuple[Payment, bytes, "asyncio.Future[int]"]


class AsyncioLoop:
    """The committer, with so many `funds` for each account of one token, and an event loop of its own."""

    def __init__(self, path: Path, accounts: Sequence[str], funds: int) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.execute("CREATE TABLE commits (id INTEGER PRIMARY KEY, keys BLOB, body BLOB)")
        self._balances = {TOKEN: dict.fromkeys(accounts, funds)}
        self._versions = {TOKEN: 1}
        self._fragments = {f"{TOKEN}|{account}": [(f"V{n:x}", funds)] for n, account in enumerate(accounts)}
        self._newest_fragment = len(accounts)
        self._encode = msgspec.json.Encoder().encode
        self._loop = asyncio.Runner()
        self._thread = ThreadPoolExecutor(1)
        self._waiting: list[Waiting] = []
        self._has_some = asyncio.Event()

    def run(self, payments: Sequence[Payment], tasks: int) -> int:
        """The payments by so many tasks, each paying the next as soon as the one before is durable; gives their number."""
        self._loop.run(self._pay([payments[task::tasks] for task in range(tasks)]))
        return len(payments)

    def close(self) -> None:
        """Ends the loop and the thread, and closes the file."""
        self._loop.close()
        self._thread.shutdown()
        self._connection.close()

    async def _pay(self, shares: Sequence[Sequence[Payment]]) -> None:
        committing = asyncio.create_task(self._commit_all())
        await asyncio.gather(*map(self._pay_each, shares))
        committing.cancel()

    async def _pay_each(self, payments: Sequence[Payment]) -> None:
        loop, waiting, has_some = asyncio.get_running_loop(), self._waiting, self._has_some
        for payment in payments:
            durable = loop.create_future()
            waiting.append((payment, token_bytes(16), durable))
            has_some.set()
            await durable

    async def _commit_all(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._has_some.wait()
            await asyncio.sleep(0)  # for all who were told a moment ago, and want the next
            self._has_some.clear()
            group = self._waiting[:]
            self._waiting.clear()
            events: list[Event] = []
            told: list[asyncio.Future[int]] = []
            keys: list[bytes] = []
            for payment, key, durable in group:
                _, sender, receiver, amount = payment
                try:
                    self._move(TOKEN, sender, receiver, amount, events)
                except ValueError as error:
                    durable.set_exception(error)
                    continue
                keys.append(key)
                told.append(durable)
            if events:
                number = await loop.run_in_executor(self._thread, self._commit, events, keys)
                for durable in told:
                    durable.set_result(number)

    def _move(self, token: str, sender: str, receiver: str, amount: int, events: list[Event]) -> None:
        balances = self._balances[token]
        available = balances.get(sender, 0)
        if amount <= 0 or available < amount:
            raise ValueError(f"{sender} has {available}")
        version = self._versions[token] = self._versions[token] + 1
        events.append(Moved(token, version, sender, receiver, amount))
        balances[sender] = available - amount
        balances[receiver] = balances.get(receiver, 0) + amount
        fragments, gathered, newest = self._fragments[f"{token}|{sender}"], 0, self._newest_fragment + 1
        while gathered < amount:
            fragment, size = fragments.pop()
            gathered += size
            events.append(Burned(fragment, 2, token, sender, size))
        fragment = f"V{newest:x}"
        events.append(Minted(fragment, 1, token, receiver, amount))
        self._fragments.setdefault(f"{token}|{receiver}", []).append((fragment, amount))
        if gathered > amount:
            newest += 1
            fragment = f"V{newest:x}"
            events.append(Minted(fragment, 1, token, sender, gathered - amount))
            fragments.append((fragment, gathered - amount))
        self._newest_fragment = newest

    def _commit(self, events: Sequence[Event], keys: Sequence[bytes]) -> int:
        row = (b"".join(keys), self._encode(events))
        return self._connection.execute("INSERT INTO commits (keys, body) VALUES (?, ?)", row).lastrowid or 0
