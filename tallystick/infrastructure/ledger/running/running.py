"""Calling again: a function in a block, by threads and by tasks. When, and how often, is `Tries`."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from threading import Event
from typing import TypeVar

from tallystick.domain.errors import Conflict
from tallystick.infrastructure.ledger.running.tries import Tries
from tallystick.infrastructure.ledger.running.turns import Turns

Result = TypeVar("Result")


def run(turns: Turns, timeout: float, attempts: int | None, call: Callable[[], Result]) -> Result:
    """What `call` gives, as soon as it meets no `Conflict`; raises the last one, with its `attempts`."""
    ends_at = turns.clock() + timeout
    first: Conflict | None = None
    if turns.holder is None:  # as nearly always: nothing is made that is not needed
        try:
            return call()
        except Conflict as error:
            first = error
    woken = Event()
    tries = Tries(turns, ends_at, attempts, woken.set)
    try:
        if first is not None:
            tries.began_with(first)
            first = None
        while True:
            while seconds := tries.pause():
                woken.wait(seconds)
                woken.clear()
            tries.begin()
            try:
                return call()
            except Conflict as error:
                tries.met(error)
            finally:
                tries.end()
    finally:
        tries.leave()


async def run_task(turns: Turns, timeout: float, attempts: int | None, call: Callable[[], Awaitable[Result]]) -> Result:
    """The same for a task, which lets others go on while it waits."""
    ends_at = turns.clock() + timeout
    first: Conflict | None = None
    if turns.holder is None:
        try:
            return await call()
        except Conflict as error:
            first = error
    woken = asyncio.Event()
    tries = Tries(turns, ends_at, attempts, _waking(woken))
    try:
        if first is not None:
            tries.began_with(first)
            first = None
        while True:
            while seconds := tries.pause():
                await _wait(woken, seconds)
                woken.clear()
            tries.begin()
            try:
                return await call()
            except Conflict as error:
                tries.met(error)
            finally:
                tries.end()
    finally:
        tries.leave()


def _waking(woken: asyncio.Event) -> Callable[[], None]:
    loop = asyncio.get_running_loop()

    def wake() -> None:
        with suppress(RuntimeError):  # the loop was closed: nobody waits any more
            loop.call_soon_threadsafe(woken.set)

    return wake


async def _wait(woken: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await woken.wait()
