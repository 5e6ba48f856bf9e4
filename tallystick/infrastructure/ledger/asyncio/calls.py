"""Executing one direct call of a task: made on the event loop, queued with those of all other tasks, and awaited."""

from asyncio import current_task, get_running_loop
from collections.abc import Callable, Coroutine, Sequence
from functools import partial, wraps
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

from tallystick.domain.errors import DuplicateIdempotencyKey
from tallystick.infrastructure.commit.receipt import Receipt
from tallystick.infrastructure.ledger.asyncio.transaction import AsyncCommits, AwaitedMember
from tallystick.infrastructure.ledger.calls.direct_calls import Make
from tallystick.infrastructure.ledger.calls.execution import MADE_LATER, check_key, is_key_unknown, is_made_later, made_at_head
from tallystick.infrastructure.ledger.calls.options import CallOptions, first_receipt, given_with

Result = TypeVar("Result")
Arguments = ParamSpec("Arguments")


Asked = tuple[AsyncCommits, CallOptions, Make, Sequence[Any]]
"""A call that is to be executed: by which commits, with which keywords, and how its operation is made, of which arguments."""


def awaited(
    named: Callable[Concatenate[Any, Arguments], Result],
) -> Callable[Concatenate[Any, Arguments], Coroutine[Any, Any, Result]]:
    """The same call, executed as `execution.call` does, without making the event loop wait. What it is given gives an `Asked`.

    A task that is cancelled while its call is in the queue does not withdraw it.
    """
    ask = cast(Callable[..., Asked], named)

    @wraps(named)
    async def awaited(*arguments: Any, **keywords: Any) -> Receipt | None:
        commits, options, make, given = ask(*arguments, **keywords)
        core = commits.core
        if core.is_closed or core.read_only or get_running_loop() is not commits.loop:
            commits.check_usable()
            core.check_writable()
        request, details = given_with(**options) if options else (None, None)
        if commits.tasks:
            commits.check_no_block(current_task())
        operation = failure = None
        try:
            if make not in MADE_LATER or not is_made_later(core, request, make):
                operation = make(core.books, *given)
        except Exception as error:
            failure = error
        try:
            if operation is None:
                operation = await commits.on_a_thread(partial(made_at_head, core, request, make, given, failure))
            member = AwaitedMember(operation if isinstance(operation, list) else (operation,), request, commits, details)
            commits.submit(member)
            await member.future
            committed = member.committed
            if committed is None and is_key_unknown(core, member):
                await commits.on_a_thread(partial(check_key, core, request))
            if member.error is not None:
                raise member.error
        except DuplicateIdempotencyKey as error:
            return first_receipt(options, error)
        return None if committed is None else committed.receipt()

    return cast(Callable[Concatenate[Any, Arguments], Coroutine[Any, Any, Result]], awaited)
