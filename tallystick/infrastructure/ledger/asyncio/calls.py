"""Executing one direct call of a task: made on the event loop, queued with those of all other tasks, and awaited."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from functools import partial, wraps
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

from tallystick.domain.errors import DuplicateIdempotencyKey
from tallystick.infrastructure.commit.receipt import Receipt
from tallystick.infrastructure.ledger.asyncio.transaction import AsyncCommits, AwaitedMember
from tallystick.infrastructure.ledger.calls.direct_calls import Make
from tallystick.infrastructure.ledger.calls.execution import check_key, is_key_unknown, made_at_head
from tallystick.infrastructure.ledger.calls.options import CallOptions, first_receipt, request_of

Result = TypeVar("Result")
Arguments = ParamSpec("Arguments")


def awaited(
    named: Callable[Concatenate[Any, Arguments], Result],
) -> Callable[Concatenate[Any, Arguments], Coroutine[Any, Any, Result]]:
    """The same call for who executes it by `call` below, whose coroutine is what it gives."""

    @wraps(named)
    async def awaited(caller: Any, *arguments: Arguments.args, **options: Arguments.kwargs) -> Result:
        return await cast(Coroutine[Any, Any, Result], named(caller, *arguments, **options))

    return awaited


async def call(commits: AsyncCommits, options: CallOptions, make: Make, arguments: Sequence[Any]) -> Receipt | None:
    """Executes the call; as `execution.call`, without making the event loop wait.

    A task that is cancelled while it is in the queue does not withdraw it.
    """
    core = commits.core
    if core.is_closed or asyncio.get_running_loop() is not commits.loop:
        commits.check_usable()
    request = request_of(**options)
    if commits.tasks:
        commits.check_no_block(asyncio.current_task())
    operation = failure = None
    try:
        operation = make(core.books, *arguments)
    except Exception as error:
        failure = error
    try:
        if operation is None:
            operation = await commits.on_a_thread(partial(made_at_head, core, request, make, arguments, failure))
        member = AwaitedMember((operation,), request, commits)
        commits.submit(member)
        await member.future
        if member.error is not None:
            if is_key_unknown(core, member):
                await commits.on_a_thread(partial(check_key, core, request))
            raise member.error
    except DuplicateIdempotencyKey as error:
        return first_receipt(options, error)
    return None if member.committed is None else member.committed.receipt()
