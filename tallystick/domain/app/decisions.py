"""The decisions about apps: deposits, payments, trades on the bonding curve, and what goes to holders and owners.

Refusals are made in the order in which a function's documentation lists them, after `TokenNotFound` and `NotAnApp`. Every
trade pays into or out of the app's bonding cell, and none is allowed after which that could not buy back all in circulation.
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

from tallystick.domain.app.operations import (
    Buy,
    BuyExactly,
    ConsumeDeposit,
    Deposit,
    DistributeDividend,
    DistributeIncome,
    Pay,
    Refund,
    Sell,
    Trading,
    UpdateApp,
    WithdrawIncome,
)
from tallystick.domain.cells import bonding_cell, deposit_cell, locate
from tallystick.domain.checks import (
    app_of,
    check_credits,
    check_debits,
    check_owner,
    check_party,
    require,
    settlement_of,
)
from tallystick.domain.errors import (
    Conflict,
    InsufficientFunds,
    InvalidAccount,
    InvalidAmount,
    InvalidCurve,
    InvalidToken,
    LedgerError,
    MeaninglessCell,
    NoHolders,
    SupplyExhausted,
    TokenNotAccepted,
    UnknownCurve,
)
from tallystick.domain.events import AppUpdated, Burned, Distributed, DomainEvent, Minted, Moved
from tallystick.domain.integers import as_int
from tallystick.domain.operation import Operation
from tallystick.domain.rounding import SYSTEMATIC
from tallystick.domain.values.token import Token
from tallystick.domain.view import View


class Purchase(NamedTuple):
    """What buying leads to: the movements of the payment, and how much of the app's token it mints."""

    movements: list[DomainEvent]
    amount: int


class Surplus(NamedTuple):
    """What a trade brought beyond what the block was told to count on."""

    token: str
    account: str
    amount: int


def purchase(
    view: View, app: Token, payer: str, payment: int, memo: str, at_least: int | None = None, told: int | None = None
) -> Purchase:
    """What `payment` out of the cell `payer` of the settlement token buys.

    `InsufficientFunds`, `UnknownCurve`, `Conflict` where the block was `told` otherwise, `SupplyExhausted`, `InvalidAmount`
    where it buys nothing or less than `at_least`, `InvalidCurve`, and `InsufficientFunds` of the bonding cell where it could
    not buy back all in circulation afterwards.
    """
    settlement = settlement_of(view).code
    require(view, settlement, payer, payment)
    amount, spread = bought_for(view, app, payment, at_least, told)
    return Purchase(_paying(settlement, app, payer, payment, spread, memo), amount)


def bought_for(view: View, app: Token, payment: int, at_least: int | None = None, told: int | None = None) -> tuple[int, int]:
    """How much of the app's token `payment` buys, whoever pays, and what of that is spread. Refusals as `purchase`."""
    state = view.token_state(app.code)
    supply = state.token.max_supply - state.reserve
    amount = _ask(app, "amount_for", supply, payment)
    _check_told("buys", app, app, amount, at_least, told)
    if amount > state.reserve:
        raise SupplyExhausted(decimals=app.decimals, token=app.code, required=amount, reserve=state.reserve)
    _check_least("buys", app, app, amount, at_least)
    cost = _ask(app, "cost", supply, amount)
    if cost > payment:
        raise InvalidCurve(f"the curve of {app.code} gives {amount} for {payment} and says that they cost {cost}")
    return amount, _spread_of(view, app, amount, cost, payment)


def cost_of(view: View, app: Token, amount: int) -> int:
    """What `amount` of the app's token costs, whoever buys: `SupplyExhausted`, `UnknownCurve`, `InvalidCurve`."""
    reserve = view.token_state(app.code).reserve
    if amount > reserve:
        raise SupplyExhausted(token=app.code, required=amount, reserve=reserve)
    return _ask(app, "cost", app.max_supply - reserve, amount)


def paid_for(view: View, app: Token, amount: int, at_least: int | None = None, told: int | None = None) -> int:
    """What `amount` of the app's token brings, whoever sells: `InsufficientFunds` where not so much is in circulation,
    `UnknownCurve`, `Conflict` where the block was `told` otherwise, `InvalidAmount` where it brings nothing or less than
    `at_least`, `InvalidCurve`, and `InsufficientFunds` of the bonding cell.
    """
    settlement = settlement_of(view)
    supply = app.max_supply - view.token_state(app.code).reserve
    if amount > supply:
        raise InsufficientFunds(
            decimals=app.decimals, token=app.code, account="everybody together", required=amount, available=supply
        )
    paid = _ask(app, "proceeds", supply, amount)
    _check_told("brings", app, settlement, paid, at_least, told)
    _check_least("brings", app, settlement, paid, at_least)
    left = view.token_state(settlement.code).available_of(bonding_cell(app.code)) - paid
    _check_backing(view, app, supply - amount, left)
    return paid


def price_of(view: View, app: Token) -> int | None:
    """What one whole token costs about, in settlement units, rounded down; None where no curve is there to say."""
    if app.curve is None:
        return None
    try:
        price: object = app.curve.price(app.max_supply - view.token_state(app.code).reserve)
    except Exception:  # a curve of a user's own fails, or is not known here
        return None
    return as_int(price)


def shared_purchase(view: View, app: Token, payer: str, payment: int, memo: str) -> Sequence[DomainEvent]:
    """What `payment` buys, shared among the app's holders: `NoHolders`, then as `purchase`."""
    require(view, settlement_of(view).code, payer, payment)
    excluded = _excluded(view, app)
    bought = purchase(view, app, payer, payment, memo)
    turn = view.token_state(app.code).distributions
    return (*bought.movements, Distributed(app.code, None, bought.amount, turn, excluded, SYSTEMATIC, memo))


def paid_by(buyer: str, events: Sequence[DomainEvent]) -> int:
    """What a buyer pays by the events of a purchase, the owner's spread included."""
    return sum(event.amount for event in events if isinstance(event, Moved) and event.sender == buyer)


def brought_by(trade: Buy | Sell, events: Sequence[DomainEvent]) -> int:
    """What a trade brings by its events: the units that are minted for a buyer, the settlement units that a seller is paid."""
    if isinstance(trade, Buy):
        return sum(event.amount for event in events if isinstance(event, Minted))
    return sum(event.amount for event in events if isinstance(event, Moved) and event.receiver == trade.seller)


def counted_on(view: View, trade: Trading, events: Sequence[DomainEvent]) -> int:
    """What a block may count on of a trade that was planned as these events: what it brings, or the least that is accepted; of
    one for so many tokens, the most that is paid for them.
    """
    if isinstance(trade, BuyExactly):
        left = view.token_state(settlement_of(view).code).available_of(trade.buyer)
        return min(trade.at_most, paid_by(trade.buyer, events) + max(left, 0))
    return brought_by(trade, events) if trade.at_least is None else trade.at_least


def surplus_of(trade: Trading, events: Sequence[DomainEvent]) -> Surplus | None:
    """What a trade brings by its events, or leaves, beyond what the block was told, where it accepted more than one outcome."""
    if isinstance(trade, BuyExactly):
        paid: Any = events[0]
        left = None if trade.told is None else trade.told - paid_by(trade.buyer, events)
        return None if left is None else Surplus(paid.token, trade.buyer, left)
    if trade.told is None or trade.at_least is None:
        return None
    bringing: Any = events[-1]
    account = trade.buyer if isinstance(trade, Buy) else trade.seller
    return Surplus(bringing.token, account, brought_by(trade, events) - trade.told)


def _update(view: View, operation: UpdateApp) -> Sequence[DomainEvent]:
    app = app_of(view, operation.app)
    accepts = app.accepts if operation.accepts is None else operation.accepts
    owner = app.owner if operation.owner is None else operation.owner
    if operation.owner is not None:
        check_owner(view, operation.owner)
    return () if (owner, accepts) == (app.owner, app.accepts) else (AppUpdated(app.code, owner, accepts),)


def _deposit(view: View, operation: Deposit) -> Sequence[DomainEvent]:
    """`MeaninglessCell` where the user is a token, `InvalidAccount`, `AccountIsFrozen`, `InsufficientFunds`."""
    settlement, cell = _deposit_of(view, operation.app, operation.user)
    check_debits(view, settlement.code, operation.user)
    require(view, settlement.code, operation.user, operation.amount)
    return (Moved(settlement.code, operation.user, cell, operation.amount, operation.memo),)


def _refund(view: View, operation: Refund) -> Sequence[DomainEvent]:
    """`MeaninglessCell` where the user is a token, `InvalidAccount`, `AccountIsFrozen`, and `InsufficientFunds` of what the
    user deposited.
    """
    settlement, cell = _deposit_of(view, operation.app, operation.user)
    check_credits(view, settlement.code, operation.user)
    require(view, settlement.code, cell, operation.amount)
    return (Moved(settlement.code, cell, operation.user, operation.amount, operation.memo),)


def _consume(view: View, operation: ConsumeDeposit) -> Sequence[DomainEvent]:
    """As `_refund`; but that it is for good what the user gives, and a freeze of their debits forbids it."""
    settlement, cell = _deposit_of(view, operation.app, operation.user)
    check_debits(view, settlement.code, operation.user)
    require(view, settlement.code, cell, operation.amount)
    return (Moved(settlement.code, cell, operation.app, operation.amount, operation.memo),)


def _pay(view: View, operation: Pay) -> Sequence[DomainEvent]:
    """`TokenNotFound`, `TokenNotAccepted`, `InvalidAccount`, `AccountIsFrozen`, `InsufficientFunds`."""
    app = app_of(view, operation.app)
    token = settlement_of(view) if operation.token is None else view.token_state(operation.token).token
    if token.role != "settlement" and token.code not in (app.code, *app.accepts):
        accepted = ", ".join(("the settlement token", app.code, *app.accepts))
        raise TokenNotAccepted(accepted, app=app.code, token=token.code)
    check_party(view, token, operation.user)
    check_debits(view, token.code, operation.user)
    require(view, token.code, operation.user, operation.amount)
    return (Moved(token.code, operation.user, app.code, operation.amount, operation.memo),)


def _buy(view: View, operation: Buy) -> Sequence[DomainEvent]:
    """`InvalidAccount`, `AccountIsFrozen`, then as `purchase`."""
    app, settlement = app_of(view, operation.app), settlement_of(view)
    check_party(view, settlement, operation.buyer)
    check_debits(view, settlement.code, operation.buyer)
    check_credits(view, app.code, operation.buyer)
    bought = purchase(view, app, operation.buyer, operation.payment, operation.memo, operation.at_least, operation.told)
    return (*bought.movements, Minted(app.code, operation.buyer, bought.amount, operation.memo))


def _buy_exactly(view: View, operation: BuyExactly) -> Sequence[DomainEvent]:
    """`InvalidAccount`, `AccountIsFrozen`, `SupplyExhausted`, `UnknownCurve`, `Conflict` where it costs more than the block was
    `told`, `InvalidAmount` where it costs more than `at_most`, `InsufficientFunds`, `InvalidCurve`.
    """
    app, settlement, buyer, amount = app_of(view, operation.app), settlement_of(view), operation.buyer, operation.amount
    check_party(view, settlement, buyer)
    check_debits(view, settlement.code, buyer)
    check_credits(view, app.code, buyer)
    cost, told = cost_of(view, app, amount), operation.told
    payment = max(1, cost)
    if told is not None and payment > told:
        raise Conflict(subject=f"what this costs on the curve of {app.code}", told=told, now=payment)
    if payment > operation.at_most:
        raise InvalidAmount(f"what this costs on the curve of {app.code} is {payment}, and more than {operation.at_most}")
    require(view, settlement.code, buyer, payment)
    spread = _spread_of(view, app, amount, cost, payment)
    movements = _paying(settlement.code, app, buyer, payment, spread, operation.memo)
    return (*movements, Minted(app.code, buyer, amount, operation.memo))


def _sell(view: View, operation: Sell) -> Sequence[DomainEvent]:
    """`InvalidAccount`, `AccountIsFrozen`, `InsufficientFunds`, `UnknownCurve`, `InvalidAmount` where it brings nothing or less
    than `at_least`, `InvalidCurve`, and `InsufficientFunds` of the bonding cell.
    """
    app, settlement = app_of(view, operation.app), settlement_of(view)
    check_party(view, settlement, operation.seller)
    check_debits(view, app.code, operation.seller)
    check_credits(view, settlement.code, operation.seller)
    require(view, app.code, operation.seller, operation.amount)
    paid = paid_for(view, app, operation.amount, operation.at_least, operation.told)
    return (
        Burned(app.code, operation.seller, operation.amount, operation.memo),
        Moved(settlement.code, bonding_cell(app.code), operation.seller, paid, operation.memo),
    )


def _distribute_income(view: View, operation: DistributeIncome) -> Sequence[DomainEvent]:
    """`NoHolders`, then as `purchase`. Where there is no income nothing happens."""
    app = app_of(view, operation.app)
    income = view.token_state(settlement_of(view).code).available_of(app.code)
    return shared_purchase(view, app, app.code, income, operation.memo) if income > 0 else ()


def _distribute_dividend(view: View, operation: DistributeDividend) -> Sequence[DomainEvent]:
    """`NoHolders`. Where there is no income nothing happens."""
    app = app_of(view, operation.app)
    income = view.token_state(app.code).available_of(app.code)
    if income <= 0:
        return ()
    turn = view.token_state(app.code).distributions
    return (Distributed(app.code, app.code, income, turn, _excluded(view, app), SYSTEMATIC, operation.memo),)


def _withdraw_income(view: View, operation: WithdrawIncome) -> Sequence[DomainEvent]:
    """`TokenNotFound`, `InvalidToken` where that income is the holders', `InvalidAccount`, `AccountIsFrozen` where the owner's
    credits are, `InsufficientFunds`.
    """
    app = app_of(view, operation.app)
    token = view.token_state(operation.token).token
    if token.role == "settlement" or token.code == app.code:
        raise InvalidToken(f"income in {token.code} is distributed to the holders of {app.code}, and not withdrawn")
    if app.owner is None:
        raise InvalidAccount(f"app {app.code} has no owner to withdraw its income")
    check_party(view, token, app.owner)
    check_credits(view, token.code, app.owner)
    require(view, token.code, app.code, operation.amount)
    return (Moved(token.code, app.code, app.owner, operation.amount, operation.memo),)


def _deposit_of(view: View, app: str, user: str) -> tuple[Token, str]:
    app_of(view, app)
    settlement = settlement_of(view)
    cell = locate(view, user, app)
    if cell.name != deposit_cell(user, app):
        raise MeaninglessCell(f"{user!r} is a token, and tokens deposit nothing", first=user, second=app)
    check_party(view, settlement, user)
    return cell


def _excluded(view: View, app: Token) -> tuple[str, ...]:
    """Those who have some of the app's token and are no holders; `NoHolders` where there is nobody else."""
    state = view.token_state(app.code)
    excluded = tuple(name for name in view.special_names() if state.available_of(name))
    if not state.has_holders(excluded):
        raise NoHolders(token=app.code)
    return excluded


def _paying(settlement: str, app: Token, payer: str, payment: int, spread: int, memo: str) -> list[DomainEvent]:
    """The movements of a payment: the spread goes to the app's owner, and all else to what the curve holds."""
    movements: list[DomainEvent] = []
    if payment > spread:
        movements.append(Moved(settlement, payer, bonding_cell(app.code), payment - spread, memo))
    if spread and app.owner is not None:
        movements.append(Moved(settlement, payer, app.owner, spread, memo))
    return movements


def _spread_of(view: View, app: Token, amount: int, cost: int, payment: int) -> int:
    """What of the payment for `amount`, which costs `cost`, is the owner's spread. `InvalidAccount` where that cannot be paid,
    `InvalidCurve`, and `InsufficientFunds` of the bonding cell where it could not buy back all in circulation afterwards.
    """
    settlement = settlement_of(view)
    supply = app.max_supply - view.token_state(app.code).reserve + amount
    spread = max(0, cost - _ask(app, "proceeds", supply, amount)) if app.owner is not None else 0
    if spread:
        check_party(view, settlement, app.owner or "")
    held = view.token_state(settlement.code).available_of(bonding_cell(app.code))
    _check_backing(view, app, supply, held + payment - spread)
    return spread


def _ask(app: Token, question: Literal["amount_for", "cost", "proceeds"], supply: int, amount: int) -> int:
    """What the app's curve answers; `UnknownCurve`, or `InvalidCurve` where it fails or answers no amount."""
    if app.curve is None:
        raise UnknownCurve(name=f"of {app.code}, which was registered without one")
    try:
        given: object = getattr(app.curve, question)(supply, amount)
    except LedgerError:
        raise
    except Exception as error:
        raise InvalidCurve(f"the curve of {app.code} fails at {question}({supply}, {amount}): {error!r}") from error
    answer = as_int(given)
    if answer is None or answer < 0:
        raise InvalidCurve(f"the curve of {app.code} answers {given!r} to {question}({supply}, {amount}): that is no amount")
    return answer


def _check_told(verb: str, app: Token, token: Token, amount: int, at_least: int | None, told: int | None) -> None:
    """`Conflict` where it is less than the block may count on or, where it named no least, other than it was told."""
    if told is not None and (amount < told if at_least is not None else amount != told):
        raise Conflict(decimals=token.decimals, subject=f"what this {verb} on the curve of {app.code}", told=told, now=amount)


def _check_least(verb: str, app: Token, token: Token, amount: int, at_least: int | None) -> None:
    """`InvalidAmount` where a trade gives less than `at_least` of the token."""
    least = at_least or 1
    if amount < least:
        subject = f"what this {verb} on the curve of {app.code}"
        raise InvalidAmount(f"{subject} is {token.format(amount)} {token.code}, and less than {token.format(least)}")


def _check_backing(view: View, app: Token, supply: int, held: int) -> None:
    required = _ask(app, "proceeds", supply, supply)
    if required > held:
        settlement, cell = settlement_of(view), bonding_cell(app.code)
        raise InsufficientFunds(
            decimals=settlement.decimals, token=settlement.code, account=cell, required=required, available=held
        )


APP_RULES: dict[type[Operation], Callable[[Any, Any], Sequence[DomainEvent]]] = {
    UpdateApp: _update,
    Deposit: _deposit,
    Refund: _refund,
    ConsumeDeposit: _consume,
    Pay: _pay,
    Buy: _buy,
    BuyExactly: _buy_exactly,
    Sell: _sell,
    DistributeIncome: _distribute_income,
    DistributeDividend: _distribute_dividend,
    WithdrawIncome: _withdraw_income,
}
