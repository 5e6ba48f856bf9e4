"""Freezing accounts and unfreezing them: the operations, and their decisions.

A freeze of an account in all tokens and one in a single token are two records, and either closes the account. What is so
already is not recorded again. A frozen account is an ordinary one, and stays one: no app and no contract gets its name.
"""

from collections.abc import Callable, Sequence
from typing import Any

from tallystick.domain.cells import SPECIAL_ACCOUNTS, check_holder
from tallystick.domain.errors import InvalidAccount
from tallystick.domain.events import AccountFrozen, AccountUnfrozen, DomainEvent
from tallystick.domain.operation import Operation
from tallystick.domain.view import View


class FreezeAccount(Operation, frozen=True):
    """Nothing of `token`, or of any where it is None, leaves `account` (`debits`) or comes to it (`credits`)."""

    account: str
    token: str | None
    debits: bool
    credits: bool
    reason: str


class UnfreezeAccount(Operation, frozen=True):
    """The freeze of `account` in `token`, or that in all tokens where it is None, ends."""

    account: str
    token: str | None


def _freeze(view: View, operation: FreezeAccount) -> Sequence[DomainEvent]:
    """`TokenNotFound`; `InvalidAccount` or `MeaninglessCell` where the account is no ordinary one."""
    account, token = operation.account, operation.token
    if token is not None:
        check_holder(view.token_state(token).token, account)
    if account in SPECIAL_ACCOUNTS:
        raise InvalidAccount(f"{account} cannot be frozen: {SPECIAL_ACCOUNTS[account]}")
    if view.is_special(account):
        raise InvalidAccount(f"{account} cannot be frozen: it is {'a contract' if view.is_contract(account) else 'an app'}")
    known = view.freeze_of(account, token)
    wanted = (operation.debits, operation.credits, operation.reason)
    if known is not None and (known.debits, known.credits, known.reason) == wanted:
        return ()
    return (AccountFrozen(account, token, *wanted),)


def _unfreeze(view: View, operation: UnfreezeAccount) -> Sequence[DomainEvent]:
    """`TokenNotFound`. Where there is no such freeze nothing happens."""
    if operation.token is not None:
        view.token_state(operation.token)
    known = view.freeze_of(operation.account, operation.token)
    return () if known is None else (AccountUnfrozen(operation.account, operation.token),)


FREEZE_RULES: dict[type[Operation], Callable[[Any, Any], Sequence[DomainEvent]]] = {
    FreezeAccount: _freeze,
    UnfreezeAccount: _unfreeze,
}
