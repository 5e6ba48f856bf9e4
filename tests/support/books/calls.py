"""The steps that strategies draw, as calls on a transaction."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from tallystick.infrastructure.ledger.transaction import TransactionContext

BACKING = "BTC"
"""The token that the contract named "backed" is made of."""


def money_call(
    token: str, step: Any, held: list[str], now: datetime, entries: Sequence[int] = ()
) -> Callable[[TransactionContext], Any]:
    """Holds are picked among those `held`, and what is taken back among the newest `entries` of the ledger."""
    match step:
        case ("split", owner, amount, weights):
            return lambda tx: tx.money(token, owner, amount).slice(amount).split(weights)
        case ("reserve", payer, keeper, amount, hours):
            return lambda tx: tx.reserve(token, payer, keeper, amount, hours and now + timedelta(hours=hours))
        case ("settle_hold", pick, receiver, amount):
            return lambda tx: tx.settle(token, "keeper", receiver, amount, hold=held[pick % len(held)] if held else "unknown")
        case ("release", pick, amount):
            return lambda tx: tx.release(held[pick % len(held)] if held else "unknown", amount)
        case ("expire", limit):
            return lambda tx: tx.expire(limit)
        case ("drain", sender, receiver):
            return lambda tx: tx.transfer(token, sender, receiver, tx.balance(token, sender).available)
        case ("freeze", account, everywhere, ways):
            return lambda tx: tx.freeze(account, None if everywhere else token, **ways)
        case ("unfreeze", account, everywhere):
            return lambda tx: tx.unfreeze(account, None if everywhere else token)
        case ("reverse", what, pick, amount):
            id = entries[-1 - pick % min(9, len(entries))] if entries else 0
            return lambda tx: tx.reverse(**{what: id}, amount=None if what == "entry" else amount)
        case (name, *arguments):
            return lambda tx: getattr(tx, name)(token, *arguments)


def contract_call(id: str, step: Any) -> Callable[[TransactionContext], Any]:
    match step:
        case ("register",):
            return lambda tx: tx.register_contract(id, backed_by=BACKING if id == "backed" else None)
        case ("drain", account):
            return lambda tx: tx.contract(id).dealloc(account, drop_fraction=True)
        case ("figures",):
            return lambda tx: (tx.contract(id).balance, tx.contract(id).allocs_sum, tx.contract(id).num_allocs)
        case (name, *arguments):
            return lambda tx: getattr(tx.contract(id), name)(*arguments)


def app_call(step: Any) -> Callable[[TransactionContext], Any]:
    match step:
        case ("topup" | "withdraw" | "transfer" | "move" | "balance", *arguments):
            return lambda tx: getattr(tx, step[0])(*arguments)
        case ("reserve", token, payer, amount):
            return lambda tx: tx.reserve(token, payer, "keeper", amount)
        case ("collect_memory_tax" | "share_income" | "pay_public_service" | "share_distribution_pool", *arguments):
            return lambda tx: getattr(tx.seats, step[0])(*arguments)
        case (name, app, *arguments):
            return lambda tx: getattr(tx.app(app), name)(*arguments)
