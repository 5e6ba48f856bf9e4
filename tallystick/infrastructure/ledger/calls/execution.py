"""Executing one direct call: its operation is a member of the queue by itself, without a plan, a draft or a recording.

A key is looked up once, by whoever executes it. Where the call fails before that, or a store that keeps keys itself was not
asked, it is looked up then: as in a block, a key that was used is reported before any mistake in what came with it.
"""

from collections.abc import Sequence
from typing import Any

from tallystick.domain.errors import DuplicateIdempotencyKey, InvalidRequest, NotFound, Refused, TokenNotFound
from tallystick.domain.operation import Operation
from tallystick.domain.plan.requests import reserve_of
from tallystick.domain.reversal.operations import Reverse
from tallystick.infrastructure.commit.idempotency import Request
from tallystick.infrastructure.commit.member import TransactionMember
from tallystick.infrastructure.commit.receipt import Receipt
from tallystick.infrastructure.ledger.calls.direct_calls import Make
from tallystick.infrastructure.ledger.calls.options import CallOptions, first_receipt, given_with
from tallystick.infrastructure.ledger.calls.reversing import reverse_of
from tallystick.infrastructure.ledger.core import LedgerCore
from tallystick.infrastructure.ledger.transaction import OpenBlocks

MADE_LATER: tuple[Make, ...] = (reserve_of, reverse_of)
"""Of what else `is_made_later` says no."""


def call(core: LedgerCore, blocks: OpenBlocks, options: CallOptions, make: Make, arguments: Sequence[Any]) -> Receipt | None:
    """Executes the call and returns when it is durable; None where there was nothing to record."""
    if core.is_closed or core.read_only:
        core.check_writable()
    request, details = given_with(**options)
    if blocks.is_in_one:
        blocks.check_none_is_open()
    operation = failure = None
    try:
        if make not in MADE_LATER or not is_made_later(core, request, make):
            operation = make(core.books, *arguments)
    except Exception as error:
        failure = error
    try:
        if operation is None:
            operation = made_at_head(core, request, make, arguments, failure)
        member = TransactionMember(operation if isinstance(operation, list) else (operation,), request, details)
        core.queue.run(member)
        committed = member.committed
        if committed is None and is_key_unknown(core, member):
            check_key(core, request)
        if member.error is not None:
            raise member.error
    except DuplicateIdempotencyKey as error:
        return first_receipt(options, error)
    return None if committed is None else committed.receipt()


def made_at_head(
    core: LedgerCore, request: Request | None, make: Make, arguments: Sequence[Any], failure: Exception | None
) -> Operation | list[Reverse]:
    """The operation, where its token is known at the journal's head; else raises the error, unless the key was used."""
    check_key(core, request)
    if failure is not None and not isinstance(failure, TokenNotFound):
        raise failure
    if make is reverse_of:  # reads the journal, and takes the lock for a moment
        return make(core.books, *arguments)
    with core.locked():
        core.reach_head()
        return make(core.books, *arguments)


def is_made_later(core: LedgerCore, request: Request | None, make: Make) -> bool:
    """Whether the key is looked up first: where a hold's id is drawn that is a caller's own, so that none is drawn in vain, and
    where the journal is read.
    """
    if make is reserve_of:
        return request is not None and not core.has_random_ids
    return make is reverse_of


def is_key_unknown(core: LedgerCore, member: TransactionMember) -> bool:
    """Whether the key of a member that recorded nothing was perhaps not looked up, for the store would have refused its row."""
    if member.request is None or not core.journal.keeps_keys:
        return False
    return member.error is None or isinstance(member.error, (Refused, NotFound, InvalidRequest))


def check_key(core: LedgerCore, request: Request | None) -> None:
    """Raises `DuplicateIdempotencyKey` or `IdempotencyMismatch` where there is a key and it was used."""
    if request is not None:
        core.keeper.check_unused(request)
