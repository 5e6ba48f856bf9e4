"""Asking a store about the idempotency keys of all tasks that begin in one round of the event loop, in one question.

A question is a round trip to the store, and a thousand tasks that begin together would ask a thousand.
"""

import asyncio
from collections.abc import Mapping
from concurrent.futures import Executor

from tallystick.infrastructure.commit.idempotency import Request
from tallystick.infrastructure.ledger.core import LedgerCore


class KeyQuestions:
    """The questions of one event loop, to a store that keeps keys."""

    def __init__(self, core: LedgerCore, loop: asyncio.AbstractEventLoop, executor: Executor) -> None:
        self._core = core
        self._loop = loop
        self._executor = executor
        self._keys: list[str] = []
        self._answer: asyncio.Future[Mapping[str, int]] | None = None

    async def check_unused(self, request: Request) -> None:
        """Raises `DuplicateIdempotencyKey` or `IdempotencyMismatch` where the key was used, and the errors of the store."""
        if self._answer is None:
            self._answer = self._loop.create_future()
            self._loop.call_soon(self._ask, self._answer)
        self._keys.append(request.key)
        used = await asyncio.shield(self._answer)  # which others await too
        if request.key in used:
            await self._loop.run_in_executor(self._executor, self._core.keeper.check_unused, request)

    def _ask(self, answer: asyncio.Future[Mapping[str, int]]) -> None:
        keys = self._keys
        self._keys, self._answer = [], None

        def pass_on(asked: asyncio.Future[Mapping[str, int]]) -> None:
            if asked.cancelled():
                answer.cancel()
            elif (error := asked.exception()) is not None:
                answer.set_exception(error)
            else:
                answer.set_result(asked.result())

        try:
            self._loop.run_in_executor(self._executor, self._core.journal.key_positions, keys).add_done_callback(pass_on)
        except BaseException as error:  # no thread is to be had
            answer.set_exception(error)
            if not isinstance(error, Exception):
                raise
