"""The steps of a world: drawn at random, most of them possible, and played on a ledger, in a block or as a call without one."""

from collections.abc import Callable
from random import Random
from typing import Any

from tallystick import FixedPriceCurve, Ledger, Token
from tests.torture.world.model import APP_PRICE, KEEPER, MAX_SUPPLY, USERS, Model, Step

PLAIN, FRAGMENTED, WIDE = "PLN", "USD", "WEI"
MONEY = (PLAIN, FRAGMENTED, WIDE)
UNIT = 100
TOKENS = (
    Token(PLAIN, decimals=2, max_supply=MAX_SUPPLY[PLAIN]),
    Token(FRAGMENTED, decimals=2, unit=UNIT, max_supply=MAX_SUPPLY[FRAGMENTED]),
    Token(WIDE, decimals=18, max_supply=MAX_SUPPLY[WIDE]),
    Token("TEA", decimals=12, role="settlement", max_supply=MAX_SUPPLY["TEA"]),
    Token("APP", decimals=12, role="app", curve=FixedPriceCurve(APP_PRICE), max_supply=MAX_SUPPLY["APP"]),
)
SIZES = {PLAIN: 10**6, FRAGMENTED: 3_000, WIDE: 2**200, "TEA": 10**12, "APP": 10**11}
CALLS = ("mint", "burn", "transfer", "reserve", "freeze", "unfreeze", "settle", "release")
APP_CALLS = ("deposit", "refund", "pay", "buy", "sell")


def make_world(ledger: Ledger) -> None:
    """Registers what every world has."""
    for token in TOKENS:
        ledger.register_token(token)
    with ledger.atomic() as tx:
        tx.register_contract("backed", backed_by=PLAIN)
        tx.register_contract("figure")


def draw(model: Model, chance: Random) -> Step:
    """A step of any kind, with an amount that its giver has as a rule."""
    kind = chance.choice(KINDS)
    return kind(model, chance)


def _amount(chance: Random, has: int, size: int) -> int:
    """A part of what somebody has, all of it, one more, or any amount."""
    return max(1, chance.choice([chance.randint(0, has), chance.randint(0, has), has, has + 1, chance.randint(1, size)]))


def _money(model: Model, chance: Random) -> Step:
    token, (giver, taker) = chance.choice(MONEY), chance.sample(USERS, 2)
    has = model.cells[token, giver]
    amount = _amount(chance, has, SIZES[token])
    match chance.randrange(5):
        case 0:
            return ("mint", token, giver, _amount(chance, SIZES[token], SIZES[token]))
        case 1:
            return ("burn", token, giver, amount)
        case 2:
            weights = {user: chance.randint(1, 9) for user in chance.sample(USERS, chance.randint(1, 4))}
            return ("split", token, giver, amount, weights)
        case _:
            return ("transfer", token, giver, taker, amount)


def _escrow(model: Model, chance: Random) -> Step:
    holds = list(model.holds)
    if not holds or chance.random() < 0.5:
        token, payer = chance.choice(MONEY), chance.choice(USERS)
        return ("reserve", token, payer, _amount(chance, model.cells[token, payer], SIZES[token]))
    id = chance.choice(holds)
    amount = _amount(chance, model.holds[id].left, 10)
    token = model.holds[id].token
    return ("settle", token, id, chance.choice(USERS), amount) if chance.random() < 0.5 else ("release", id, amount)


def _closing(model: Model, chance: Random) -> Step:
    account, token = chance.choice(USERS), chance.choice(MONEY)
    if chance.random() < 0.7:
        return ("unfreeze", account, token)
    return ("freeze", account, token, *chance.choice([(True, False), (False, True), (True, True)]))


def _app(model: Model, chance: Random) -> Step:
    user = chance.choice(USERS)
    tea = _amount(chance, model.cells["TEA", user], SIZES["TEA"])
    match chance.randrange(9):
        case 0 | 1:
            return ("mint", "TEA", user, chance.randint(1, SIZES["TEA"]))
        case 2:
            return ("deposit", user, tea)
        case 3:
            name = chance.choice(["refund", "consume_deposit"])
            return (name, user, _amount(chance, model.deposits[user], SIZES["TEA"]))
        case 4:
            return ("pay", user, tea)
        case 5 | 6:
            return ("buy", user, tea)
        case 7:
            return ("sell", user, _amount(chance, model.cells["APP", user], SIZES["APP"]))
        case _:
            income = model.cells["TEA", "APP"]
            return ("collect_memory_tax", _amount(chance, income, 10)) if chance.random() < 0.5 else ("distribute_income", {})


def _contract(model: Model, chance: Random) -> Step:
    name = chance.choice(list(model.contracts))
    of, user = model.contracts[name], chance.choice(USERS)
    free = of.balance - of.allocated
    match chance.randrange(8):
        case 0:
            return ("alloc", name, user)
        case 1 | 2:
            up = _amount(chance, model.cells[PLAIN, user], 10**6)
            return ("fund", name, user, up) if of.backed else ("balance_up", name, up)
        case 3:
            down = _amount(chance, free, 10)
            return ("defund", name, user, down) if of.backed else ("balance_down", name, down)
        case 4 | 5:
            return ("shadow_up", name, user, _amount(chance, free, 10))
        case 6:
            return ("shadow_down", name, user, _amount(chance, of.shares.get(user, 0) // 10**8, 10))
        case _:
            way = chance.choice(["shadow_up_all", "shadow_down_all"])
            return (way, name, _amount(chance, free if way == "shadow_up_all" else of.allocated, 10))


KINDS: tuple[Callable[[Model, Random], Step], ...] = (_money, _money, _escrow, _closing, _app, _app, _contract, _contract)


def play(tx: Any, step: Step) -> Any:
    """Plays a step in a block; gives the id of what it reserved."""
    match step:
        case ("split", token, owner, amount, weights):
            return tx.money(token, owner, amount).split(weights)
        case (("deposit" | "refund" | "consume_deposit" | "pay" | "buy" | "sell") as name, *arguments):
            return getattr(tx.app("APP"), name)(*arguments)
        case ("distribute_income", _):
            return tx.app("APP").distribute_income()
        case ("collect_memory_tax", amount):
            return tx.seats.collect_memory_tax("APP", amount)
        case (("mint" | "burn" | "transfer" | "reserve" | "settle" | "release" | "freeze" | "unfreeze"), *_):
            return _call(tx, step)
        case (name, contract, *arguments):
            return getattr(tx.contract(contract), name)(*arguments)
        case _:
            raise LookupError(step)


def call(ledger: Ledger, step: Step) -> Any:
    """Plays a step without a block, if it can be, else in one; gives the id of what it reserved."""
    if step[0] in APP_CALLS:
        return getattr(ledger.app("APP"), step[0])(*step[1:])
    if step[0] in CALLS:
        receipt = _call(ledger, step)
        return receipt.hold_id if step[0] == "reserve" else None
    with ledger.atomic() as tx:
        return play(tx, step)


def _call(on: Any, step: Step) -> Any:
    """What ledgers and blocks call alike."""
    match step:
        case ("reserve", token, payer, amount):
            return on.reserve(token, payer, KEEPER, amount)
        case ("settle", token, id, receiver, amount):
            return on.settle(token, KEEPER, receiver, amount, hold=id)
        case ("freeze", account, token, debits, credits):
            return on.freeze(account, token, debits=debits, credits=credits)
        case (name, *arguments):
            return getattr(on, name)(*arguments)
        case _:
            raise LookupError(step)
