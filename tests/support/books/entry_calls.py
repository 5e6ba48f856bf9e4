"""Every call of a block that moves money or changes a contract, on the book of `entry_book`, and the kinds of its movements."""

from collections.abc import Callable
from typing import Any

from tallystick import DAO_RESERVED_ACCOUNT


def reserve_and(then: Callable[[Any, str], Any]) -> Callable[[Any], Any]:
    return lambda tx: then(tx, tx.reserve("CUP", "alice", "bob", 25))


def in_hand(token: str, use: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda tx: use(tx.money(token, "alice", 35))


CALLS: dict[str, tuple[Callable[[Any], Any], list[str]]] = {
    **{f"mint {token}": (lambda tx, t=token: tx.mint(t, "alice", 33), ["mint"]) for token in ("TEA", "CUP")},
    "mint with a memo": (lambda tx: tx.mint("CUP", "alice", 33, memo="rent"), ["mint"]),
    "mint to the DAO": (lambda tx: tx.mint("TEA", DAO_RESERVED_ACCOUNT, 5), ["seats"]),
    "topup": (lambda tx: tx.topup("BTC", "dev", 3), ["mint"]),
    "burn": (lambda tx: tx.burn("CUP", "alice", 33), ["burn"]),
    "withdraw": (lambda tx: tx.withdraw("TEA", "alice", 3), ["burn"]),
    **{f"transfer {token}": (lambda tx, t=token: tx.transfer(t, "alice", "dev", 33), ["transfer"]) for token in ("TEA", "CUP")},
    "transfer to oneself": (lambda tx: tx.transfer("CUP", "alice", "alice", 33), ["transfer"]),
    "transfer of an app's token": (lambda tx: tx.transfer("Spread", "alice", "dev", 3), ["transfer"]),
    "transfer as a spread": (lambda tx: tx.transfer("TEA", "alice", "dev", 300), ["transfer"]),
    "move": (lambda tx: tx.move(("TEA", "alice"), ("TEA", "bob"), 3), ["transfer"]),
    "move into a deposit": (lambda tx: tx.move(("TEA", "alice"), ("alice", "Plain"), 3), ["deposit"]),
    "move out of a deposit": (lambda tx: tx.move(("alice", "Plain"), ("TEA", "alice"), 3), ["refund"]),
    "money sent": (in_hand("CUP", lambda money: money.transfer_to("bob")), ["transfer"]),
    "money split": (in_hand("CUP", lambda money: money.split({"bob": 1, "dev": 2})), ["transfer"]),
    "money burned": (in_hand("CUP", lambda money: money.burn()), ["burn"]),
    "money reserved": (in_hand("CUP", lambda money: money.reserve("bob")), ["reserve"]),
    "money sliced": (in_hand("TEA", lambda money: (money.slice(5).transfer_to("dev"), money.burn())), ["transfer", "burn"]),
    "reserve": (lambda tx: tx.reserve("CUP", "alice", "bob", 25), ["reserve"]),
    "reserve for oneself": (lambda tx: tx.reserve("TEA", "alice", "alice", 25), ["reserve"]),
    "settle": (lambda tx: (tx.reserve("TEA", "alice", "bob", 9), tx.settle("TEA", "bob", "dev", 9)), ["reserve", "settle"]),
    "settle a hold": (reserve_and(lambda tx, hold: tx.settle("CUP", "bob", "dev", 7, hold=hold)), ["reserve", "settle"]),
    "release": (reserve_and(lambda tx, hold: tx.release(hold, 7)), ["reserve", "release"]),
    "release of all": (reserve_and(lambda tx, hold: tx.release(hold)), ["reserve", "release"]),
    "expire": (lambda tx: tx.expire(1), ["expire"]),
    "expire some": (lambda tx: tx.expire(3), ["expire"]),
    **{f"buy {app}": (lambda tx, a=app: tx.app(a).buy("alice", 10**5), ["buy"]) for app in ("Spread", "Plain", "Owned")},
    "the owner buys": (lambda tx: tx.app("Spread").buy("dev", 10**5), ["buy"]),
    **{f"sell {app}": (lambda tx, a=app: tx.app(a).sell("alice", 10**5), ["sell"]) for app in ("Spread", "Plain")},
    "deposit": (lambda tx: tx.app("Plain").deposit("alice", 50), ["deposit"]),
    "refund": (lambda tx: tx.app("Plain").refund("alice", 5), ["refund"]),
    "consume a deposit": (lambda tx: tx.app("Plain").consume_deposit("alice", 5), ["consume_deposit"]),
    "pay": (lambda tx: tx.app("Spread").pay("alice", 5), ["pay"]),
    "pay in fragments": (lambda tx: tx.app("Spread").pay("alice", 33, "CUP"), ["pay"]),
    "pay in the app's own": (lambda tx: tx.app("Spread").pay("alice", 50, "Spread"), ["pay"]),
    "withdraw income": (lambda tx: tx.app("Spread").withdraw_income("BTC", 1), ["withdraw_income"]),
    "income with a spread": (
        lambda tx: (tx.app("Spread").pay("bob", 10**6), tx.app("Spread").distribute_income()),
        ["pay", "distribution"],
    ),
    "income without": (
        lambda tx: (tx.app("Plain").pay("bob", 10**6), tx.app("Plain").distribute_income()),
        ["pay", "distribution"],
    ),
    "income that is all spread": (
        lambda tx: (tx.app("Owned").pay("bob", 10**6), tx.app("Owned").distribute_income()),
        ["pay", "distribution"],
    ),
    "dividend": (
        lambda tx: (tx.app("Spread").pay("bob", 50, "Spread"), tx.app("Spread").distribute_dividend()),
        ["pay", "distribution"],
    ),
    "collect tax": (
        lambda tx: (tx.app("Plain").pay("bob", 10), tx.seats.collect_memory_tax("Plain", 10)),
        ["pay", "seats"],
    ),
    "share the pool": (
        lambda tx: (
            tx.app("Plain").pay("bob", 100),
            tx.seats.collect_memory_tax("Plain", 100),
            tx.seats.share_income({"alice": 10**6, "bob": 0}),
        ),
        ["pay", "seats"],
    ),
    "pay a service": (lambda tx: tx.seats.pay_public_service("dev", 1), ["seats"]),
    "share out": (lambda tx: tx.seats.share_distribution_pool("Spread", 50_000), ["seats", "seats", "distribution"]),
    "fund": (lambda tx: tx.contract("pool").fund("alice", 5), ["contract"]),
    "defund": (lambda tx: tx.contract("pool").defund("alice", 1), ["contract"]),
    "a contract's figure": (lambda tx: tx.contract("figure").balance_up(5), []),
    "an allocation": (lambda tx: tx.contract("figure").shadow_up("alice", 1), []),
}


"""Each with the kinds of its movements, the last as often as there are more of them."""
