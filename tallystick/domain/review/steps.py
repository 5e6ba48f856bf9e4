"""Which operation the next events of an entry came of: told from the events, and from what the books say of the names in them.

An operation is recorded as one event or as several one after another, such as the legs of a trade. An event that could be of
more than one operation gives a step for each, the most likely first.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

from tallystick.domain.app.operations import (
    Buy,
    BuyExactly,
    CollectMemoryTax,
    ConsumeDeposit,
    Deposit,
    DistributeDividend,
    DistributeIncome,
    Open,
    Pay,
    Refund,
    Sell,
    ShareDistributionPool,
    UpdateApp,
    WithdrawIncome,
)
from tallystick.domain.books.books import Books
from tallystick.domain.cells import SPECIAL_ACCOUNTS, check_holder, check_receiver_of_mint, is_bonding, is_crossing
from tallystick.domain.contract.decisions import check_contract_id
from tallystick.domain.contract.operations import (
    Allocate,
    Deallocate,
    Defund,
    Fund,
    LowerAllShadows,
    LowerBalance,
    LowerShadow,
    RaiseAllShadows,
    RaiseBalance,
    RaiseShadow,
    RegisterContract,
)
from tallystick.domain.contract.sweeping import SWEPT, Sweep
from tallystick.domain.dispatch import Rules
from tallystick.domain.entry.erasing import EraseMetadata
from tallystick.domain.entry.import_end import EndImport
from tallystick.domain.entry.kinds import TAKEN_OVER
from tallystick.domain.errors import HoldNotFound, InvalidCurve, InvalidRequest
from tallystick.domain.events import (
    AccountFrozen,
    AccountUnfrozen,
    Allocated,
    AllShadowsLowered,
    AllShadowsRaised,
    AppUpdated,
    BalanceLowered,
    BalanceRaised,
    Burned,
    ContractRegistered,
    Deallocated,
    Distributed,
    DomainEvent,
    ImportEnded,
    MetadataErased,
    Minted,
    Moved,
    Released,
    Reserved,
    Settled,
    ShadowLowered,
    ShadowRaised,
    TokenRegistered,
)
from tallystick.domain.operation import Operation
from tallystick.domain.plan.execution import decide
from tallystick.domain.review.ahead import Ahead
from tallystick.domain.review.seat_steps import public_service, shared_income
from tallystick.domain.token.freezing import FreezeAccount, UnfreezeAccount
from tallystick.domain.token.operations import Burn, Mint, RegisterToken, Release, Reserve, Settle, Transfer
from tallystick.domain.token.registration import registered_token
from tallystick.domain.values.account import (
    DAO_RESERVED_ACCOUNT,
    SEAT_COLLECTION_POOL,
    SEAT_DISTRIBUTION_POOL,
)
from tallystick.domain.values.curve import CURVES, UnresolvedCurve
from tallystick.domain.values.pool_curves import PoolCurve


class Step(NamedTuple):
    """An operation that the next `length` events can be; `decide` asks the rules which they should be, at a time."""

    decide: Callable[[Books, int], Sequence[DomainEvent]]
    length: int = 1


def steps(books: Books, ahead: Ahead) -> Iterator[Step]:
    """The operations of which the next events can be; none where no operation records the first of them like that.

    Raises `NotFound` or `InvalidRequest` where no operation could be asked for so.
    """
    event = ahead.at(0)
    return _STEPS[type(event)](books, ahead, event)


def _asked(operation: Operation, length: int = 1) -> Step:
    def decided(books: Books, now: int) -> Sequence[DomainEvent]:
        return decide(books, operation, now)

    return Step(decided, length)


def _of_one(make: Callable[[Any], Operation]) -> Callable[[Books, Ahead, Any], Iterator[Step]]:
    """Steps of an event that is an operation by itself."""

    def found(books: Books, ahead: Ahead, event: Any) -> Iterator[Step]:
        yield _asked(make(event))

    return found


def _check_holders(books: Books, token: str, *accounts: str) -> None:
    """`InvalidAccount` or `MeaninglessCell` where one is a cell that only operations of its own touch."""
    state = books.token_state(token)
    for account in accounts:
        if account not in state.holders:
            if is_crossing(account) or account in SPECIAL_ACCOUNTS:
                check_holder(state.token, account)
            state.holders.add(account)


# Tokens and holds.


def _registered(books: Books, ahead: Ahead, event: TokenRegistered) -> Iterator[Step]:
    token = registered_token(event, books.curves)
    name = event.curve or ""
    is_ours = name in CURVES and books.curves.get(name) is CURVES[name]
    if is_ours and isinstance(token.curve, UnresolvedCurve):
        raise InvalidCurve(f"the curve {name} cannot have the parameters {str(event.parameters)[:80]}")
    is_unscaled = isinstance(token.curve, PoolCurve) and token.curve.scale is None
    yield _asked(RegisterToken(token, is_of_older_book=is_unscaled))


def _minted(books: Books, ahead: Ahead, event: Minted) -> Iterator[Step]:
    if event.memo == TAKEN_OVER:
        first, second = event.token, event.account
        if is_bonding(second) or is_crossing(second):
            first, _, second = second.partition(" ")
        yield _asked(Open(first, second, event.amount, event.memo))
        return
    if is_crossing(event.account) or event.account in SPECIAL_ACCOUNTS:
        check_receiver_of_mint(books.token_state(event.token).token, event.account)
    yield _asked(Mint(event.token, event.account, event.amount, event.memo))


def _burned(books: Books, ahead: Ahead, event: Burned) -> Iterator[Step]:
    paid = ahead.at(1)
    if books.is_app(event.token) and type(paid) is Moved and is_bonding(paid.sender):
        yield _asked(Sell(event.token, event.account, event.amount, None, None, event.memo), 2)
    _check_holders(books, event.token, event.account)
    yield _asked(Burn(event.token, event.account, event.amount, event.memo))


def _reserved(books: Books, ahead: Ahead, event: Reserved) -> Iterator[Step]:
    _check_holders(books, event.token, event.payer, event.authority)
    yield _asked(Reserve(event.token, event.payer, event.authority, event.amount, event.hold, event.expires_at, event.memo))


def _settled(books: Books, ahead: Ahead, event: Settled) -> Iterator[Step]:
    _check_holders(books, event.token, event.authority, event.receiver)
    yield _asked(Settle(event.token, event.authority, event.receiver, event.amount, event.hold, event.memo))


def _released(books: Books, ahead: Ahead, event: Released) -> Iterator[Step]:
    if event.expired:
        yield Step(partial(_expired, event))
    else:
        yield _asked(Release(event.hold, event.amount, event.memo))


def _expired(event: Released, books: Books, now: int) -> Sequence[DomainEvent]:
    """What the expiry of its hold records, of which each is decided apart here."""
    hold = books.hold(event.hold)
    if hold is None:
        raise HoldNotFound(hold=event.hold)
    if not hold.is_due(now):
        raise InvalidRequest(f"hold {hold.id!r} expires, and was not due")
    return (Released(hold.token, hold.authority, hold.payer, hold.amount, hold.id, expired=True),)


# Movements.


def _moved(books: Books, ahead: Ahead, event: Moved) -> Iterator[Step]:
    token, sender, receiver, amount, memo = event.token, event.sender, event.receiver, event.amount, event.memo
    books.token_state(token)
    yield from _purchases(books, ahead, event)
    yield from _sweeps(ahead, event)
    if sender in _SEATS or receiver in _SEATS:
        yield from _of_seats(books, ahead, event)
        return
    if is_bonding(sender) or is_bonding(receiver):
        return  # all else that touches them was a trade
    if is_crossing(receiver):
        user, app = receiver.split(" ", 1)
        yield _asked(Deposit(app, user, amount, memo))
    elif is_crossing(sender):
        user, app = sender.split(" ", 1)
        yield _asked(ConsumeDeposit(app, user, amount, memo) if receiver == app else Refund(app, user, amount, memo))
    elif books.is_contract(sender) or books.is_contract(receiver):
        yield from _of_contract(books, ahead, event)
    elif books.is_app(sender):
        yield _asked(WithdrawIncome(sender, token, amount, memo))
    elif books.is_app(receiver):
        yield _asked(Pay(receiver, sender, token, amount, memo))
    else:
        _check_holders(books, token, sender, receiver)
        yield _asked(Transfer(token, sender, receiver, amount, memo))


def _purchases(books: Books, ahead: Ahead, event: Moved) -> Iterator[Step]:
    """What a payment buys on a curve, for the payer or for an app's holders: into the curve, to the owner, or both."""
    legs = [event]
    second = ahead.at(1)
    if is_bonding(event.receiver) and type(second) is Moved and second.sender == event.sender:
        legs.append(second)
    bought = ahead.at(len(legs))
    payment = sum(leg.amount for leg in legs)
    if type(bought) is Minted and bought.account == event.sender and books.is_app(bought.token):
        yield _asked(Buy(bought.token, event.sender, payment, None, None, event.memo), len(legs) + 1)
        exactly = BuyExactly(bought.token, event.sender, bought.amount, payment, None, event.memo)
        yield _asked(exactly, len(legs) + 1)
    if type(bought) is Distributed and bought.source is None:
        if event.sender == bought.token:
            yield _asked(DistributeIncome(bought.token, event.memo), len(legs) + 1)
        elif event.sender == SEAT_DISTRIBUTION_POOL:
            yield _asked(ShareDistributionPool(bought.token, payment, event.memo), len(legs) + 1)


def _sweeps(ahead: Ahead, event: Moved) -> Iterator[Step]:
    """What lay under a name before a contract was registered with it; that it was nobody's is believed."""
    if event.memo != SWEPT:
        return
    swept = [event]
    while type(after := ahead.at(len(swept))) is Moved and (after.sender, after.memo) == (event.sender, SWEPT):
        swept.append(after)
    if type(after) is ContractRegistered and after.contract == event.sender:
        sweep = Sweep(event.receiver, tuple((each.token, each.amount) for each in swept), (), is_somebodys=False)
        yield _asked(RegisterContract(after.contract, after.backed_by, sweep), len(swept) + 1)


def _of_seats(books: Books, ahead: Ahead, event: Moved) -> Iterator[Step]:
    sender, receiver = event.sender, event.receiver
    if receiver == SEAT_COLLECTION_POOL:
        yield _asked(CollectMemoryTax(sender, event.amount, event.memo))
    elif sender == SEAT_COLLECTION_POOL or receiver == SEAT_DISTRIBUTION_POOL:
        for operation, count in shared_income(books, ahead):
            yield _asked(operation, count)
    elif sender in _SEATS:
        for operation, count in public_service(ahead):
            yield _asked(operation, count)


def _of_contract(books: Books, ahead: Ahead, event: Moved) -> Iterator[Step]:
    after = ahead.at(1)
    if type(after) is BalanceRaised and after.contract == event.receiver:
        yield _asked(Fund(event.receiver, event.sender, event.amount, event.memo), 2)
    elif type(after) is BalanceLowered and after.contract == event.sender:
        yield _asked(Defund(event.sender, event.receiver, event.amount, event.memo), 2)


def _distributed(books: Books, ahead: Ahead, event: Distributed) -> Iterator[Step]:
    if event.source is not None:
        yield _asked(DistributeDividend(event.token, event.memo))


# Contracts and freezes.


def _contract_registered(books: Books, ahead: Ahead, event: ContractRegistered) -> Iterator[Step]:
    if event.contract in SPECIAL_ACCOUNTS:
        check_contract_id(event.contract)
    yield _asked(RegisterContract(event.contract, event.backed_by))


def _account_frozen(books: Books, ahead: Ahead, event: AccountFrozen) -> Iterator[Step]:
    if not (event.debits or event.credits):
        raise InvalidRequest("a freeze closes debits, credits or both")
    yield _asked(FreezeAccount(event.account, event.token, event.debits, event.credits, event.reason))


_SEATS = (SEAT_COLLECTION_POOL, SEAT_DISTRIBUTION_POOL, DAO_RESERVED_ACCOUNT)
_STEPS: Rules[Callable[[Books, Ahead, Any], Iterator[Step]]] = Rules(
    {
        TokenRegistered: _registered,
        AppUpdated: _of_one(lambda event: UpdateApp(event.token, event.accepts, event.owner)),
        Minted: _minted,
        Burned: _burned,
        Moved: _moved,
        Reserved: _reserved,
        Settled: _settled,
        Released: _released,
        Distributed: _distributed,
        ContractRegistered: _contract_registered,
        BalanceRaised: _of_one(lambda event: RaiseBalance(event.contract, event.amount, event.memo)),
        BalanceLowered: _of_one(lambda event: LowerBalance(event.contract, event.amount, event.memo)),
        Allocated: _of_one(lambda event: Allocate(event.contract, event.account, event.memo)),
        Deallocated: _of_one(lambda event: Deallocate(event.contract, event.account, True, event.memo)),
        ShadowRaised: _of_one(lambda event: RaiseShadow(event.contract, event.account, event.amount, event.memo)),
        ShadowLowered: _of_one(lambda event: LowerShadow(event.contract, event.account, event.amount, event.memo)),
        AllShadowsRaised: _of_one(lambda event: RaiseAllShadows(event.contract, event.amount, event.memo)),
        AllShadowsLowered: _of_one(lambda event: LowerAllShadows(event.contract, event.amount, event.memo)),
        AccountFrozen: _account_frozen,
        AccountUnfrozen: _of_one(lambda event: UnfreezeAccount(event.account, event.token)),
        MetadataErased: _of_one(lambda event: EraseMetadata(event.entry, event.reason)),
        ImportEnded: _of_one(lambda event: EndImport(event.kind, event.name, event.refused)),
    }
)
"""By type of event: what batches do is decided as columns, and how fragments carry a movement is nobody's to ask for."""
