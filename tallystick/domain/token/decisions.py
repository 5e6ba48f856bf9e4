"""The decisions: an operation and the books in, events or a refusal out.

An operation is what somebody wants, as data. `decide` checks it against a `View` of the books and answers with the events
that would make it so; it changes nothing. Planning decides against the plan's draft and executing decides against the books,
by the same rules, because the rules are written here once. Names and amounts are checked when an operation is made; what is
checked here is what only the books know.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from tallystick.domain.cells import check_ordinary
from tallystick.domain.checks import (
    check_credits,
    check_debits,
    check_is_no_app,
    check_owner,
    has_deposit,
    require,
    settlement_of,
)
from tallystick.domain.errors import (
    Conflict,
    HoldExpired,
    HoldNotFound,
    InsufficientFunds,
    InvalidAuthority,
    NameInUse,
    SupplyExhausted,
    TokenAlreadyRegistered,
)
from tallystick.domain.events import Burned, DomainEvent, Minted, Moved, Released, Reserved, Settled
from tallystick.domain.limits import OPERATIONS_MAX, check_operations
from tallystick.domain.operation import Operation
from tallystick.domain.token.operations import (
    Burn,
    Expire,
    Mint,
    Observe,
    ObserveCounted,
    RegisterToken,
    Release,
    Require,
    Reserve,
    Settle,
    Transfer,
)
from tallystick.domain.token.registration import registration_of
from tallystick.domain.values.curve import check_own_name, follow_decimals
from tallystick.domain.values.hold import OpenHold
from tallystick.domain.values.instant import from_microseconds
from tallystick.domain.values.pool_curves import PoolCurve
from tallystick.domain.values.token import Token
from tallystick.domain.view import View


def _register(view: View, operation: RegisterToken, now: int) -> Sequence[DomainEvent]:
    token = operation.definition
    known = view.token(token.code)
    if token.is_same(known) or (known is not None and _with_followed(token, view.settlement()).is_same(known)):
        return ()
    if known is not None:
        raise TokenAlreadyRegistered(f" as {known}, not {token}", token=token.code)
    if token.role == "settlement" and view.settlement() is not None:
        raise TokenAlreadyRegistered(": the book has its settlement token already", token=token.code)
    _check_name(view, token)
    if token.owner is not None:
        check_owner(view, token.owner)
    if token.curve is not None:
        check_own_name(token.curve)
    if isinstance(token.curve, PoolCurve) and (token.curve.scale is not None or not operation.is_of_older_book):
        token = _with_followed(token, settlement_of(view))
    return (registration_of(token),)


def _with_followed(token: Token, settlement: Token | None) -> Token:
    """The token with its curve following the decimals, where there is one; `InvalidCurve` where it was made for others."""
    if token.curve is None or settlement is None:
        return token
    curve = follow_decimals(token.curve, token.decimals, settlement.decimals)
    return msgspec.structs.replace(token, curve=curve)


def _check_name(view: View, token: Token) -> None:
    """`NameInUse`: nobody deposits under a token's name, and the account of an app or of the settlement token is its own."""
    if has_deposit(view, token.code):
        raise NameInUse("it is an account that has deposited to an app", name=token.code)
    if view.is_contract(token.code):
        raise NameInUse("it is a contract", name=token.code)
    if token.role != "external" and (view.holder_of_anything(token.code) or view.is_owed(token.code)):
        raise NameInUse(f"it is an account that holds something, and the account of {token.role} begins empty", name=token.code)
    if token.role != "external" and view.is_frozen(token.code):
        raise NameInUse("it is an account that is frozen", name=token.code)


def _mint(view: View, operation: Mint, now: int) -> Sequence[DomainEvent]:
    state = view.token_state(operation.token)
    reserve = state.reserve
    check_is_no_app(view, operation.token)
    if operation.account in view.watched:
        check_ordinary(view, operation.token, operation.account)
        check_credits(view, operation.token, operation.account)
    if operation.amount > reserve:
        decimals = state.token.decimals
        raise SupplyExhausted(decimals=decimals, token=operation.token, required=operation.amount, reserve=reserve)
    return (Minted(operation.token, operation.account, operation.amount, operation.memo),)


def _burn(view: View, operation: Burn, now: int) -> Sequence[DomainEvent]:
    check_is_no_app(view, operation.token)
    if operation.account in view.watched:
        check_ordinary(view, operation.token, operation.account)
        check_debits(view, operation.token, operation.account)
    require(view, operation.token, operation.account, operation.amount)
    return (Burned(operation.token, operation.account, operation.amount, operation.memo),)


def _transfer(view: View, operation: Transfer, now: int) -> Sequence[DomainEvent]:
    watched = view.watched
    if operation.receiver in watched or operation.sender in watched:
        check_ordinary(view, operation.token, operation.sender)
        check_ordinary(view, operation.token, operation.receiver)
        check_debits(view, operation.token, operation.sender)
        check_credits(view, operation.token, operation.receiver)
    if view.token_state(operation.token).available_of(operation.sender) < operation.amount:
        require(view, operation.token, operation.sender, operation.amount)
    return (Moved(operation.token, operation.sender, operation.receiver, operation.amount, operation.memo),)


def _reserve(view: View, operation: Reserve, now: int) -> Sequence[DomainEvent]:
    watched = view.watched
    if operation.payer in watched or operation.authority in watched:
        check_ordinary(view, operation.token, operation.payer)
        check_ordinary(view, operation.token, operation.authority)
        check_debits(view, operation.token, operation.payer)
    require(view, operation.token, operation.payer, operation.amount)
    return (
        Reserved(
            operation.token,
            operation.payer,
            operation.authority,
            operation.amount,
            operation.hold,
            operation.expires_at,
            operation.memo,
        ),
    )


def _settle(view: View, operation: Settle, now: int) -> Sequence[DomainEvent]:
    watched = view.watched
    if operation.authority in watched or operation.receiver in watched:
        check_ordinary(view, operation.token, operation.receiver)
        check_debits(view, operation.token, operation.authority)  # what it keeps is not its own, and it is who pays it out
        check_credits(view, operation.token, operation.receiver)
    wanted = operation.amount
    if operation.hold is not None:
        holds: Iterable[OpenHold] = (_settleable(view, operation, operation.hold, now),)
    else:
        view.token_state(operation.token)
        holds = (hold for hold in view.holds(operation.token, operation.authority) if not hold.is_due(now))
    events: list[DomainEvent] = []
    for hold in holds:
        drawn = min(wanted, hold.amount)
        if len(events) >= OPERATIONS_MAX:
            check_operations(len(events) + 1, "holds")
        events.append(Settled(operation.token, operation.authority, operation.receiver, drawn, hold.id, operation.memo))
        wanted -= drawn
        if not wanted:
            return events
    raise _too_little_held(view, operation.token, operation.authority, operation.amount, operation.amount - wanted)


def _settleable(view: View, operation: Settle, id: str, now: int) -> OpenHold:
    hold = _open_hold(view, id)
    if (hold.token, hold.authority) != (operation.token, operation.authority):
        raise InvalidAuthority(
            f"{hold.authority} in {hold.token}", hold=id, token=operation.token, authority=operation.authority
        )
    if hold.expires_at is not None and hold.is_due(now):
        raise HoldExpired(hold=id, expires_at=from_microseconds(hold.expires_at), now=from_microseconds(now))
    return hold


def _release(view: View, operation: Release, now: int) -> Sequence[DomainEvent]:
    hold = _open_hold(view, operation.hold)
    amount = hold.amount if operation.amount is None else operation.amount
    if amount > hold.amount:
        raise _too_little_held(view, hold.token, hold.authority, amount, hold.amount)
    return (_released(hold, amount, expired=False, memo=operation.memo),)


def _too_little_held(view: View, token: str, authority: str, required: int, available: int) -> InsufficientFunds:
    """The refusal of what the authority keeps for others; into which holds it paid itself has nothing to do with it."""
    decimals = view.token_state(token).token.decimals
    error = InsufficientFunds(decimals=decimals, token=token, account=authority, required=required, available=available)
    error.ask_holds(lambda token, account: None)
    return error


def _open_hold(view: View, id: str) -> OpenHold:
    hold = view.hold(id)
    if hold is None:
        raise HoldNotFound(hold=id)
    return hold


def _expire(view: View, operation: Expire, now: int) -> Sequence[DomainEvent]:
    due = view.due(now if operation.due_at is None else operation.due_at, min(operation.limit, OPERATIONS_MAX))
    if operation.told is not None and operation.told != len(due):
        raise Conflict(subject="the number of holds due", told=operation.told, now=len(due))
    return [_released(hold, hold.amount, expired=True, memo="") for hold in due]


def _released(hold: OpenHold, amount: int, *, expired: bool, memo: str) -> Released:
    return Released(hold.token, hold.authority, hold.payer, amount, hold.id, expired, memo)


def _observe(view: View, operation: Observe | ObserveCounted, now: int) -> Sequence[DomainEvent]:
    check_observed(view, operation)
    return ()


def check_observed(view: View, operation: Observe | ObserveCounted, surplus: int = 0) -> None:
    """`Conflict` where the account has other amounts than the block was told, but for a `surplus` that it does not count on."""
    state = view.token_state(operation.token)
    told = (operation.available, operation.held)
    current = (state.available_of(operation.account) - surplus, state.held_of(operation.account))
    if told != current:
        subject = f"the {operation.token} of {operation.account} (available, reserved)"
        raise Conflict(decimals=state.token.decimals, subject=subject, told=told, now=current)


def _require(view: View, operation: Require, now: int) -> Sequence[DomainEvent]:
    state = view.token_state(operation.token)
    available = state.available_of(operation.account)
    if available < operation.at_least:
        if operation.is_told:
            subject = f"the {operation.token} that {operation.account} has to give"
            told = f"at least {state.token.format(operation.at_least)}"
            raise Conflict(decimals=state.token.decimals, subject=subject, told=told, now=available)
        require(view, operation.token, operation.account, operation.at_least)
    return ()


TOKEN_RULES: dict[type[Operation], Callable[[Any, Any, int], Sequence[DomainEvent]]] = {
    RegisterToken: _register,
    Mint: _mint,
    Burn: _burn,
    Transfer: _transfer,
    Reserve: _reserve,
    Settle: _settle,
    Release: _release,
    Expire: _expire,
    Observe: _observe,
    Require: _require,
}
