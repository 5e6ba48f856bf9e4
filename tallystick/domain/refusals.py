"""Explaining a refusal: the rule that it follows from, what is there of what is asked, and the holds in the way.

An explanation is worked out when somebody asks an error for it, from the error's fields; a refusal that nobody asks about costs
nothing more. Only the holds have to be looked up. So whoever refuses somebody for lack of funds leaves with the error whom to
ask: the ledger, or the draft of a block that is not executed, for what a block has put under holds itself is in the way too.
They are asked for once, and told as they are then. Where nobody can be asked, the rest is told without them.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple, Protocol

from tallystick.domain.errors import (
    AccountAlreadyAllocated,
    AccountIsFrozen,
    AccountNotAllocated,
    AllocationBelowZero,
    AllocationNotZero,
    AllocationsExceedBalance,
    AllocationsSumBelowZero,
    AlreadyReversed,
    BalanceBelowAllocations,
    BalanceBelowZero,
    CellNotEmpty,
    CommitTooLarge,
    Conflict,
    ContractAlreadyRegistered,
    ContractIsBacked,
    ContractIsNotBacked,
    DuplicateIdempotencyKey,
    DuplicateTransferId,
    HoldExpired,
    HoldNotFound,
    IdempotencyMismatch,
    IllegalTransition,
    InsufficientFunds,
    IntegrityError,
    InvalidAmount,
    InvalidAuthority,
    InvalidCurve,
    InvalidRequest,
    LedgerError,
    MeaninglessCell,
    NameInUse,
    NoHolders,
    NotAnApp,
    NotFound,
    NothingAllocated,
    NotReversible,
    PlanTooLarge,
    PositionTaken,
    Refused,
    StorageError,
    SupplyExhausted,
    TokenAlreadyRegistered,
    TokenNotAccepted,
    TooManyGaps,
    UnconsumedSlice,
    UnknownCurve,
    UnslicedMoney,
)
from tallystick.domain.values.hold import OpenHold
from tallystick.domain.values.instant import from_microseconds
from tallystick.domain.values.result import Amount, Result

HOLDS_TOLD = 100
"""So many holds are told one by one."""


class HoldInTheWay(Result, frozen=True):
    """An open hold that the refused account paid: `remaining` is what the `authority` still keeps of that under `id`.

    `expires_at` is an aware datetime, None where it never falls due. `position` is where it was opened, None where that is in
    the very block that was refused. `ledger.hold(id)` tells all of one that is recorded.
    """

    id: str
    authority: str
    remaining: Amount
    expires_at: datetime | None
    position: int | None


class RefusalExplanation(Result, frozen=True):
    """Why something was refused: the `rule` in one sentence; and the figures, where it is about amounts.

    `required` is what was asked, `available` what is there for it, and `missing` what is more in the one than in the other: in
    the smallest unit of `token`, or in satoshis of a contract, where `token` is None. `account` is who is concerned. What was
    not about amounts, a token or an account has None there.

    `held` is how much of the token the account has put under holds that are open, and `holds` are these, the oldest first and
    no more than 100: what could become available again. They are looked up when they are first asked for. `held` is None
    where that has nothing to do with it, or the ledger cannot be asked.
    """

    rule: str
    token: str | None = None
    account: str | None = None
    required: Amount | None = None
    available: Amount | None = None
    missing: Amount | None = None
    held: Amount | None = None
    holds: tuple[HoldInTheWay, ...] = ()


def explanation_of(error: LedgerError) -> RefusalExplanation:
    """Why it was refused: the rule, what is asked and what is there of it, and the open holds in the way.

    The holds are asked of the ledger, which may wait for a commit under way, in asyncio too.
    """
    required, available = next((FIGURES[kind](error) for kind in type(error).__mro__ if kind in FIGURES), (None, None))
    held = error.held() if isinstance(error, InsufficientFunds) else None
    return RefusalExplanation(
        next(RULES[kind] for kind in type(error).__mro__ if kind in RULES),
        error.fields.get("token"),
        error.fields.get("account"),
        required,
        available,
        None if required is None or available is None else max(required - available, 0),
        None if held is None else held.total,
        () if held is None else tuple(map(_told, held.oldest)),
    )


type.__setattr__(LedgerError, "explanation", property(explanation_of))


def _told(hold: OpenHold) -> HoldInTheWay:
    expires_at = None if hold.expires_at is None else from_microseconds(hold.expires_at)
    return HoldInTheWay(hold.id, hold.authority, hold.amount, expires_at, hold.position or None)


# Whom to ask for the holds.


class Held(NamedTuple):
    """What lies in the open holds of one payer and token, and the oldest of them."""

    total: int
    oldest: tuple[OpenHold, ...]


class Keeper(Protocol):
    """Who keeps the books."""

    def locked(self) -> AbstractContextManager[object]: ...
    def reach_head(self) -> None: ...


def asking(keeper: Keeper, holds_paid: Callable[[str, str], Sequence[OpenHold]]) -> Callable[[str, str], Held]:
    """Asks `holds_paid` of the books, or of a draft, for the holds in a token that an account paid, at the journal's head."""
    return partial(_ask, keeper, holds_paid)


def ask_holds(error: LedgerError, keeper: Keeper, holds_paid: Callable[[str, str], Sequence[OpenHold]]) -> None:
    """Has the explanation of a lack of funds, or that of a conflict's cause, ask for them."""
    refusal = error.cause if isinstance(error, Conflict) else error
    if isinstance(refusal, InsufficientFunds):
        refusal.ask_holds(asking(keeper, holds_paid))


def _ask(keeper: Keeper, holds_paid: Callable[[str, str], Sequence[OpenHold]], token: str, account: str) -> Held:
    with keeper.locked():
        keeper.reach_head()
        found = holds_paid(token, account)
    return Held(sum(hold.amount for hold in found), tuple(found[:HOLDS_TOLD]))


# The rules, by the class of the error; of one that is not named, that of the nearest class above it.

RULES: dict[type[LedgerError], str] = {
    LedgerError: "What cannot be done is not done in part: nothing is changed.",
    InvalidRequest: "A call says what it wants in the form that its documentation gives.",
    InvalidAmount: "An amount is a whole number of smallest units, 1 or more, and a trade brings what was asked of it.",
    InvalidCurve: "A curve never promises more than it holds, whatever is bought and sold.",
    MeaninglessCell: "A cell of the double map is counted in one token; a pair of names that is counted in none is no cell.",
    UnslicedMoney: "Money that is taken in hand is used up within its block, to the last unit.",
    UnconsumedSlice: "A slice of money is sent, burned or reserved within its block.",
    NotFound: "A call names what the books know.",
    HoldNotFound: "Money is drawn out of a hold while it is open: until it is settled, released or expired in full.",
    Conflict: "What a transaction was told still holds when it is executed, or it is planned again.",
    StorageError: "Nothing is told as done that the store has not taken.",
    IntegrityError: "What is stored is what was written, or it is not gone by.",
    Refused: "The books as they stand have to allow what is done.",
    InsufficientFunds: "Nobody gives more than there is: an account what it can spend, an authority what lies in a hold.",
    SupplyExhausted: "What is in circulation never exceeds a token's max_supply: it is minted out of what is left of that.",
    TokenAlreadyRegistered: "A code stands for one token for ever, and a book has one settlement token.",
    NameInUse: "A name stands for one thing: an account, an app, a contract or the settlement token.",
    DuplicateIdempotencyKey: "What is asked for under an idempotency key is done once.",
    IdempotencyMismatch: "An idempotency key stands for one request.",
    DuplicateTransferId: "What is asked for under the id of a row is done once.",
    InvalidAuthority: "The authority that keeps a hold settles it, in the token that lies in it.",
    HoldExpired: "A hold that is due goes back to its payer and is no longer settled.",
    NotAnApp: "Deposits, payments, trades and income are an app's.",
    TokenNotAccepted: "An app takes the settlement token, its own, and those that it was registered to accept.",
    NoHolders: "What is shared in proportion to a token goes to those who have some of it, and somebody has to.",
    UnknownCurve: "A curve is gone by only where it is known how to work it out.",
    ContractAlreadyRegistered: "An id stands for one contract for ever.",
    ContractIsBacked: "The balance of a contract that is backed by a token is what lies in its account.",
    ContractIsNotBacked: "A contract without a token to back it has nothing to be funded with.",
    AccountAlreadyAllocated: "An account has one allocation in a contract.",
    AccountNotAllocated: "An account's part in a contract is changed between its allocation and its deallocation.",
    AllocationNotZero: "An allocation ends when nothing is left in it, unless a fraction is to be dropped.",
    AllocationBelowZero: "No more leaves an allocation than is in it.",
    AllocationsSumBelowZero: "No more leaves the allocations of a contract than they sum to.",
    AllocationsExceedBalance: "The allocations of a contract never sum to more than its balance.",
    NothingAllocated: "What is in proportion to allocations needs some.",
    BalanceBelowZero: "No more leaves the balance of a contract than is in it.",
    BalanceBelowAllocations: "The balance of a contract is never less than what is allocated of it.",
    IllegalTransition: "A fragment is alive, then reserved or burned; reserved, alive again or burned; and burned for ever.",
    AccountIsFrozen: "Nobody moves money out of an account whose debits are frozen, or into one whose credits are.",
    AlreadyReversed: "What is taken back of a movement never sums to more than it moved.",
    NotReversible: "What has a way back that harms nobody else can be reversed.",
    CellNotEmpty: "The balance of an older book is taken over into an empty cell.",
    CommitTooLarge: "One commit has a largest size, so that nobody waits for long.",
    PlanTooLarge: "One plan, batch or call has a largest size, so that nobody waits for long.",
    PositionTaken: "What stands at a position of the journal stays there.",
    TooManyGaps: "The gaps of an imported event store are filled where they are few.",
}


def _space(error: Any) -> tuple[int, int]:
    """What a contract's balance has beyond its allocations."""
    return error.amount, error.balance - error.allocs_sum


FIGURES: dict[type[LedgerError], Callable[[Any], tuple[int, int | None]]] = {
    InsufficientFunds: lambda error: (error.required, error.available),
    SupplyExhausted: lambda error: (error.required, error.reserve),
    AlreadyReversed: lambda error: (error.amount, error.left),
    AllocationBelowZero: lambda error: (error.amount, None),
    AllocationsSumBelowZero: lambda error: (error.amount, error.allocs_sum),
    AllocationsExceedBalance: _space,
    BalanceBelowZero: lambda error: (error.amount, error.balance),
    BalanceBelowAllocations: _space,
}
"""What was asked for, and what is there of it, by the class of the error."""
