"""The entries that a writing process commits, and what each must have done once it stands.

All are of one book: eight accounts with a plain token, one of fragments and one that settles, an app, and a contract that the
plain token backs. An entry has several movements, so that half of one shows.
"""

from random import Random
from typing import Any

import msgspec

from tallystick import FixedPriceCurve, Ledger, Token

ACCOUNTS = [f"account-{number}" for number in range(8)]
FUNDS = 10**12
TOKENS = (
    Token("PLN", decimals=2),
    Token("USD", decimals=2, unit=100_00),
    Token("TEA", decimals=12, role="settlement"),
    Token("APP", decimals=12, role="app", curve=FixedPriceCurve(3)),
)
FUNDED = ("PLN", "USD", "TEA")
KEEPER = "market"
CONTRACT = "pool"
MEMO_LENGTHS = (0, 10, 3_000, 20_000)


class Intent(msgspec.Struct, frozen=True):
    """What the entry with this key is to do: how many transactions it has, what each account gains of each token, and what the
    contract's balance and the sum of its shadow space gain.
    """

    key: str
    kind: str
    legs: int
    gains: list[tuple[str, str, int]]
    pool: int = 0


def make_book(ledger: Ledger) -> None:
    """What all entries begin from; the same again does nothing."""
    for token in TOKENS:
        ledger.register_token(token)

    def fund(tx: Any) -> None:
        for account in ACCOUNTS:
            for token in FUNDED:
                tx.mint(token, account, FUNDS)
        pool = tx.register_contract(CONTRACT, backed_by="PLN")
        pool.alloc(ACCOUNTS[0])

    ledger.once(fund, "setup")


def plan(tx: Any, kind: str, key: str, chance: Random) -> Intent:
    """Plans an entry of the kind in a block."""
    first, second, third = chance.sample(ACCOUNTS, 3)
    amount = chance.randint(1, 50)
    memo = "m" * chance.choice(MEMO_LENGTHS)
    match kind:
        case "chain":
            tx.transfer("PLN", first, second, amount, memo=memo)
            tx.transfer("PLN", second, third, amount)
            return Intent(key, kind, 2, [("PLN", first, -amount), ("PLN", third, amount)])
        case "fragments":
            tx.mint("USD", first, 3 * amount, memo=memo)
            tx.transfer("USD", first, second, 2 * amount)
            return Intent(key, kind, 2, [("USD", first, amount), ("USD", second, 2 * amount)])
        case "escrow":
            hold = tx.reserve("PLN", first, KEEPER, 2 * amount)
            tx.settle("PLN", KEEPER, second, amount, hold=hold)
            tx.release(hold)
            return Intent(key, kind, 3, [("PLN", first, -amount), ("PLN", second, amount)])
        case "hold":
            tx.reserve("USD", first, KEEPER, amount)
            tx.transfer("USD", second, third, amount)
            gains = [("USD", first, -amount), ("USD", KEEPER, amount), ("USD", second, -amount), ("USD", third, amount)]
            return Intent(key, kind, 2, gains)
        case "app":
            tx.app("APP").deposit(first, amount)
            tx.app("APP").pay(second, amount)
            return Intent(key, kind, 2, [("TEA", first, -amount), ("TEA", second, -amount)])
        case _:
            pool = tx.contract(CONTRACT)
            pool.fund(first, amount)
            pool.shadow_up(ACCOUNTS[0], amount)
            return Intent(key, kind, 1, [("PLN", first, -amount), ("PLN", CONTRACT, amount)], pool=amount)


KINDS = ("chain", "fragments", "escrow", "hold", "app", "contract")
PLANNED_ALONE = ("chain", "fragments")
"""Those whose calls an asyncio block does not await."""


def batch(key: str, chance: Random) -> tuple[Intent, dict[str, Any]]:
    """A batch, and its columns."""
    token, rows = chance.choice(("PLN", "USD")), chance.randint(1, 200)
    senders, receivers = ([chance.choice(ACCOUNTS) for _ in range(rows)] for _ in range(2))
    amounts = [chance.randint(1, 9) for _ in range(rows)]
    gains = [(token, sender, -amount) for sender, amount in zip(senders, amounts, strict=True)]
    gains += [(token, receiver, amount) for receiver, amount in zip(receivers, amounts, strict=True)]
    return Intent(key, "batch", rows, gains), {"token": token, "senders": senders, "receivers": receivers, "amounts": amounts}


def reversal(of: Intent, key: str) -> Intent:
    """What takes the entry back."""
    return Intent(key, "reversal", of.legs, [(token, account, -amount) for token, account, amount in of.gains])
