"""The decisions about the seats: memory tax is collected, shared among those who maintain the state, and taxed in turn.

What comes of that tax pays public services, with the DAO's reserve behind it, or buys an app's token for its holders.
Refusals are made in the order in which a function's documentation lists them.
"""

from collections.abc import Callable, Sequence
from typing import Any

from tallystick.domain.app.decisions import shared_purchase
from tallystick.domain.app.operations import CollectMemoryTax, Open, PayPublicService, ShareDistributionPool, ShareIncome
from tallystick.domain.cells import check_ordinary, locate
from tallystick.domain.checks import app_of, check_credits, check_debits, check_party, require, settlement_of
from tallystick.domain.errors import CellNotEmpty, InsufficientFunds, InvalidAccount, MeaninglessCell, SupplyExhausted
from tallystick.domain.events import DomainEvent, Minted, Moved
from tallystick.domain.operation import Operation
from tallystick.domain.values.account import (
    DAO_RESERVED_ACCOUNT,
    SEAT_COLLECTION_POOL,
    SEAT_DISTRIBUTION_POOL,
    TOTAL_SUPPLY_RESERVE,
)
from tallystick.domain.view import View


def _collect(view: View, operation: CollectMemoryTax) -> Sequence[DomainEvent]:
    """`TokenNotFound`, `NotAnApp`, `InsufficientFunds`."""
    app, settlement = app_of(view, operation.app), settlement_of(view)
    require(view, settlement.code, app.code, operation.amount)
    return (Moved(settlement.code, app.code, SEAT_COLLECTION_POOL, operation.amount, operation.memo),)


def _share_income(view: View, operation: ShareIncome) -> Sequence[DomainEvent]:
    """`InvalidAccount`; where a maintainer is to pay what the tax exceeds the share by, `AccountIsFrozen` and
    `InsufficientFunds`. What a maintainer gets comes whatever is frozen.
    """
    settlement = settlement_of(view)
    token_state = view.token_state(settlement.code)
    share = token_state.available_of(SEAT_COLLECTION_POOL) // len(operation.taxes) if operation.taxes else 0
    movements: list[DomainEvent] = []

    def move(sender: str, receiver: str, amount: int) -> None:
        if amount > 0:
            movements.append(Moved(settlement.code, sender, receiver, amount, operation.memo))

    for maintainer, tax in operation.taxes:
        check_party(view, settlement, maintainer)
        if tax > share:
            check_debits(view, settlement.code, maintainer)
            require(view, settlement.code, maintainer, tax - share)
        move(SEAT_COLLECTION_POOL, maintainer, share - tax)
        move(SEAT_COLLECTION_POOL, SEAT_DISTRIBUTION_POOL, min(share, tax))
        move(maintainer, SEAT_DISTRIBUTION_POOL, tax - share)
    return movements


def _pay_public_service(view: View, operation: PayPublicService) -> Sequence[DomainEvent]:
    """`InvalidAccount`, `AccountIsFrozen`, `InsufficientFunds` where pool and reserve together have less."""
    settlement = settlement_of(view)
    check_party(view, settlement, operation.receiver)
    check_credits(view, settlement.code, operation.receiver)
    token_state = view.token_state(settlement.code)
    pool, reserve = token_state.available_of(SEAT_DISTRIBUTION_POOL), token_state.available_of(DAO_RESERVED_ACCOUNT)
    if pool + reserve < operation.amount:
        raise InsufficientFunds(
            decimals=settlement.decimals,
            token=settlement.code,
            account=SEAT_DISTRIBUTION_POOL,
            required=operation.amount,
            available=pool + reserve,
        )
    from_pool = min(pool, operation.amount)
    parts = ((SEAT_DISTRIBUTION_POOL, from_pool), (DAO_RESERVED_ACCOUNT, operation.amount - from_pool))
    return [Moved(settlement.code, cell, operation.receiver, part, operation.memo) for cell, part in parts if part]


def _share_pool(view: View, operation: ShareDistributionPool) -> Sequence[DomainEvent]:
    """`TokenNotFound`, `NotAnApp`, `InsufficientFunds`, `NoHolders`, then as buying."""
    app = app_of(view, operation.app)
    return shared_purchase(view, app, SEAT_DISTRIBUTION_POOL, operation.amount, operation.memo)


def _open(view: View, operation: Open) -> Sequence[DomainEvent]:
    """`MeaninglessCell`, also for a supply reserve, which is what the others leave; `InvalidAccount`, `AccountIsFrozen`,
    `CellNotEmpty`, `SupplyExhausted`.
    """
    place = f"state[{operation.first}][{operation.second}]"
    try:
        cell = locate(view, operation.first, operation.second)
    except InvalidAccount as error:
        raise InvalidAccount(f"{place}: {error}") from error
    if cell.name == TOTAL_SUPPLY_RESERVE:
        raise MeaninglessCell("a reserve is what the other cells leave", first=operation.first, second=operation.second)
    if view.is_contract(cell.name):
        check_ordinary(view, cell.token.code, cell.name)
    if view.token(operation.first) is None:
        check_ordinary(view, cell.token.code, operation.first)
    check_credits(view, cell.token.code, cell.name)
    state, decimals = view.token_state(cell.token.code), cell.token.decimals
    held, reserve = state.available_of(cell.name) + state.held_of(cell.name), state.reserve
    if operation.only_empty and held:
        raise CellNotEmpty(decimals=decimals, first=operation.first, second=operation.second, amount=held)
    if operation.amount > reserve:
        required = operation.amount
        raise SupplyExhausted(f" for {place}", decimals=decimals, token=cell.token.code, required=required, reserve=reserve)
    return (Minted(cell.token.code, cell.name, operation.amount, operation.memo),)


SEAT_RULES: dict[type[Operation], Callable[[Any, Any], Sequence[DomainEvent]]] = {
    CollectMemoryTax: _collect,
    ShareIncome: _share_income,
    PayPublicService: _pay_public_service,
    ShareDistributionPool: _share_pool,
    Open: _open,
}
