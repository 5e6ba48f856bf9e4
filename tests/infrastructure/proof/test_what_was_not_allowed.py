"""The audit finds whatever the rules would not have recorded: one forged row, with right digests, for each refusal."""

import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tallystick import (
    DAO_RESERVED_ACCOUNT,
    HIDDEN_BONDING_CURVE_ACCOUNT,
    SEAT_COLLECTION_POOL,
    SEAT_DISTRIBUTION_POOL,
    TOTAL_SUPPLY_RESERVE,
    Ledger,
    SquareRootCurve,
    Token,
)
from tallystick.domain.arithmetic.columns import as_numbers
from tallystick.domain.batch.columns import pack
from tallystick.domain.entry.kinds import TAKEN_OVER
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
    BurnedMany,
    ContractRegistered,
    Deallocated,
    Distributed,
    FragmentsMinted,
    Minted,
    MintedMany,
    Moved,
    MovedMany,
    Released,
    Reserved,
    Settled,
    ShadowLowered,
    ShadowRaised,
    TokenRegistered,
)
from tallystick.infrastructure.journal.format import Key
from tests.support.books.forged_rows import forge

DUE = datetime(2090, 1, 1, tzinfo=UTC)
AFTER_DUE = int(datetime(2091, 1, 1, tzinfo=UTC).timestamp()) * 10**6
BONDING = f"APP {HIDDEN_BONDING_CURVE_ACCOUNT}"
POOL, PUBLIC, DAO, RESERVE = SEAT_COLLECTION_POOL, SEAT_DISTRIBUTION_POOL, DAO_RESERVED_ACCOUNT, TOTAL_SUPPLY_RESERVE
EMPTY_APP = TokenRegistered("NEW", 12, 10**30, None, "app", "square_root", (10, 10), "own")


class Book(NamedTuple):
    """A journal that is right, the next position in it, and its holds: one that falls due, and one that does not."""

    path: Path
    next: int
    due: str
    hold: str


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Book:
    path = tmp_path_factory.mktemp("made") / "books.db"
    with Ledger.open(path) as ledger:
        for token in (
            Token("USD", decimals=2, max_supply=10**6),
            Token("TEA", role="settlement", decimals=12),
            Token("APP", role="app", decimals=12, curve=SquareRootCurve(10, 9), owner="own", accepts=("USD",)),
            Token("ALT", role="app", decimals=12, curve=SquareRootCurve(10)),
            Token("FRG", unit=10),
        ):
            ledger.register_token(token)
        with ledger.atomic() as tx:
            tx.mint("USD", "alice", 1000)
            tx.mint("USD", "cold", 100)
            tx.mint("FRG", "alice", 100)
            tx.mint("TEA", "alice", 10**16)
            tx.mint("TEA", DAO, 100)
            tx.app("APP").buy("alice", 10**15)
            tx.app("APP").deposit("alice", 500)
            tx.app("APP").pay("alice", 10**13)
            tx.app("APP").pay("alice", 7, "USD")
            tx.seats.collect_memory_tax("APP", 101)
            tx.register_contract("pool", backed_by="USD").fund("alice", 100)
            tx.contract("pool").alloc("bob")
            tx.contract("pool").alloc("empty")
            tx.contract("pool").shadow_up("bob", 50)
            tx.register_contract("figure").balance_up(10)
            tx.register_contract("idle").balance_up(10)
            tx.freeze("cold")
            tx.freeze("shut", credits=True, debits=False)
        with ledger.atomic() as tx:
            tx.reserve("USD", "alice", "keeper", 10, expires_at=DUE)
            tx.reserve("USD", "alice", "keeper", 20)
        due, hold = tx.receipt.hold_ids
        assert ledger.audit().ok
        return Book(path, ledger.status().head.position + 1, due, hold)


Make = Callable[[Book], list[Any]]

REFUSED: dict[str, tuple[Make, str]] = {
    # Tokens.
    "a token that is not registered moves": (lambda b: [Moved("NIL", "alice", "bob", 1)], "TokenNotFound NIL"),
    "an account gives more than it has": (lambda b: [Moved("USD", "bob", "eve", 5)], "InsufficientFunds bob USD"),
    "more is minted than is left": (lambda b: [Minted("USD", "eve", 10**6)], "SupplyExhausted USD"),
    "more is burned than an account has": (lambda b: [Burned("USD", "bob", 5)], "InsufficientFunds bob"),
    "an app's tokens are minted without a purchase": (lambda b: [Minted("APP", "eve", 5)], "InvalidToken APP"),
    "an app's tokens are burned without a sale": (lambda b: [Burned("APP", "alice", 5)], "InvalidToken APP"),
    "money is minted for an app": (lambda b: [Minted("USD", "APP", 5)], "InvalidAccount APP"),
    "money is minted for a contract": (lambda b: [Minted("USD", "pool", 5)], "InvalidAccount pool"),
    "money is minted for a pool of the seats": (lambda b: [Minted("TEA", POOL, 5)], f"InvalidAccount {POOL}"),
    "money is minted for a deposit": (lambda b: [Minted("TEA", "alice APP", 5)], "InvalidAccount 'alice APP'"),
    "money is minted for the DAO in another token": (lambda b: [Minted("USD", DAO, 5)], "MeaninglessCell"),
    "the reserve is minted for": (lambda b: [Minted("USD", RESERVE, 5)], "InvalidAccount"),
    "money is burned of a contract": (lambda b: [Burned("USD", "pool", 5)], "InvalidAccount pool"),
    "a cell is opened that is none": (lambda b: [Minted("USD", "alice APP", 5, TAKEN_OVER)], "is not what the rules record"),
    "a contract's cell is opened": (lambda b: [Minted("USD", "pool", 5, TAKEN_OVER)], "InvalidAccount pool"),
    "more is opened than is left": (lambda b: [Minted("USD", "eve", 10**6, TAKEN_OVER)], "SupplyExhausted"),
    # Registrations.
    "a token is registered again": (lambda b: [TokenRegistered("USD", 2, 5, None, "external")], "TokenAlreadyRegistered USD"),
    "the same token is registered again": (lambda b: [TokenRegistered("FRG", 0, 2**128 - 1, 10, "external")], "not what"),
    "there are two settlement tokens": (
        lambda b: [TokenRegistered("TEA2", 0, 100, None, "settlement")],
        "TokenAlreadyRegistered TEA2",
    ),
    "an app has the name of a holder": (lambda b: [TokenRegistered("alice", 0, 9, None, "app")], "NameInUse alice"),
    "a token has the name of a depositor": (lambda b: [TokenRegistered("alice", 0, 9, None, "external")], "NameInUse alice"),
    "a token has the name of a contract": (lambda b: [TokenRegistered("pool", 0, 9, None, "external")], "NameInUse pool"),
    "an app has the name of a frozen account": (lambda b: [TokenRegistered("shut", 0, 9, None, "app")], "NameInUse shut"),
    "an app is owned by a pool": (
        lambda b: [TokenRegistered("NEW", 0, 9, None, "app", "square_root", (9, 9), POOL)],
        "InvalidAccount",
    ),
    "a role that there is not": (lambda b: [TokenRegistered("X", 0, 9, None, "god")], "InvalidToken X"),
    "a supply that is too large": (lambda b: [TokenRegistered("X", 0, 2**300, None, "external")], "InvalidToken max_supply"),
    "a supply below zero": (lambda b: [TokenRegistered("X", 0, -5, None, "external")], "InvalidToken max_supply"),
    "decimals that are too many": (lambda b: [TokenRegistered("X", 78, 5, None, "external")], "InvalidToken decimals"),
    "a unit of nothing": (lambda b: [TokenRegistered("X", 0, 5, 0, "external")], "InvalidToken unit"),
    "an app in fragments": (lambda b: [TokenRegistered("X", 0, 5, 1, "app")], "InvalidToken X"),
    "parameters that a curve cannot have": (
        lambda b: [TokenRegistered("X", 0, 9, None, "app", "square_root", (-(10**300),))],
        "InvalidCurve square_root",
    ),
    # Holds.
    "a hold settles what it has not": (
        lambda b: [Settled("USD", "keeper", "eve", 21, b.hold)],
        "InsufficientFunds keeper",
    ),
    "a hold is settled by another": (lambda b: [Settled("USD", "eve", "eve", 5, b.hold)], "InvalidAuthority keeper"),
    "a hold is settled that there is not": (lambda b: [Settled("USD", "keeper", "eve", 5, "none")], "HoldNotFound none"),
    "a hold is settled to an app": (lambda b: [Settled("USD", "keeper", "APP", 5, b.hold)], "InvalidAccount APP"),
    "a hold is settled to a pool": (lambda b: [Settled("USD", "keeper", POOL, 5, b.hold)], "MeaninglessCell"),
    "a hold is released beyond what it has": (
        lambda b: [Released("USD", "keeper", "alice", 21, b.hold)],
        "InsufficientFunds",
    ),
    "a hold is released to another": (lambda b: [Released("USD", "keeper", "eve", 5, b.hold)], "is not what the rules"),
    "a hold expires before it is due": (
        lambda b: [Released("USD", "keeper", "alice", 10, b.due, True)],
        "was not due",
    ),
    "a hold expires that is never due": (lambda b: [Released("USD", "keeper", "alice", 20, b.hold, True)], "was not due"),
    "a hold of what is not there": (lambda b: [Reserved("USD", "bob", "keeper", 5, "h")], "InsufficientFunds bob"),
    "a hold of a contract's money": (lambda b: [Reserved("USD", "pool", "keeper", 5, "h")], "InvalidAccount pool"),
    "a hold of a deposit": (lambda b: [Reserved("TEA", "alice APP", "keeper", 5, "h")], "InvalidAccount"),
    "a hold kept by an app": (lambda b: [Reserved("USD", "alice", "APP", 5, "h")], "InvalidAccount APP"),
    "a hold is opened twice": (lambda b: [Reserved("USD", "alice", "keeper", 5, b.hold)], "opened a second time"),
    "a hold falls due before 1970": (lambda b: [Reserved("USD", "alice", "k", 1, "h", -1)], "between 1970 and 9999"),
    "a hold falls due after 9999": (lambda b: [Reserved("USD", "alice", "k", 1, "h", 10**18)], "between 1970 and 9999"),
    # Apps.
    "a token that is no app's is updated": (lambda b: [AppUpdated("USD", "eve", ())], "NotAnApp USD"),
    "an app comes to be a pool's": (lambda b: [AppUpdated("APP", POOL, ())], "InvalidAccount"),
    "an app loses its owner": (lambda b: [AppUpdated("APP", None, ())], "is not what the rules record"),
    "the same of an app is recorded again": (lambda b: [AppUpdated("APP", "own", ("USD",))], "is not what the rules record"),
    "the curve's money is moved": (lambda b: [Moved("TEA", BONDING, "eve", 5)], f"stands alone {BONDING}"),
    "money is put beside a curve": (lambda b: [Moved("TEA", "alice", BONDING, 5)], f"stands alone {BONDING}"),
    "a deposit is paid to another": (lambda b: [Moved("TEA", "alice APP", "eve", 5)], "is not what the rules record"),
    "more is refunded than was deposited": (lambda b: [Moved("TEA", "alice APP", "alice", 501)], "InsufficientFunds alice APP"),
    "more is consumed than was deposited": (lambda b: [Moved("TEA", "alice APP", "APP", 501)], "InsufficientFunds alice APP"),
    "a deposit of what is not there": (lambda b: [Moved("TEA", "bob", "bob APP", 5)], "InsufficientFunds bob"),
    "a deposit with what is no app": (lambda b: [Moved("TEA", "alice", "alice USD", 5)], "NotAnApp USD"),
    "a deposit in another's name": (lambda b: [Moved("TEA", "alice", "eve APP", 5)], "InsufficientFunds eve"),
    "a deposit in another token": (lambda b: [Moved("USD", "alice", "alice APP", 5)], "is not what the rules record"),
    "an app's income is moved": (lambda b: [Moved("TEA", "APP", "eve", 5)], "InvalidToken TEA"),
    "income is withdrawn by another": (lambda b: [Moved("USD", "APP", "eve", 5)], "is not what the rules record own"),
    "more income is withdrawn than there is": (lambda b: [Moved("USD", "APP", "own", 8)], "InsufficientFunds APP"),
    "income of an app without an owner": (lambda b: [Moved("USD", "ALT", "eve", 5)], "InvalidAccount ALT"),
    "an app is paid in what it does not take": (lambda b: [Moved("USD", "alice", "ALT", 5)], "TokenNotAccepted ALT"),
    "an app is paid what is not there": (lambda b: [Moved("TEA", "bob", "APP", 5)], "InsufficientFunds bob"),
    "a purchase of too much": (
        lambda b: [Moved("TEA", "alice", BONDING, 900), Moved("TEA", "alice", "own", 100), Minted("APP", "alice", 10**12)],
        "is not what the rules record",
    ),
    "a purchase whose spread goes to another": (
        lambda b: [Moved("TEA", "alice", BONDING, 900), Moved("TEA", "alice", "eve", 100), Minted("APP", "alice", 5)],
        "is not what the rules record",
    ),
    "a purchase that another gets": (
        lambda b: [Moved("TEA", "alice", BONDING, 900), Minted("APP", "eve", 5)],
        f"stands alone {BONDING}",
    ),
    "a purchase of more than there can be": (
        lambda b: [EMPTY_APP, Minted("NEW", "alice", 10**30, TAKEN_OVER), *_bought("NEW", 10**9)],
        "SupplyExhausted NEW",
    ),
    "a purchase that leaves the curve insolvent": (
        lambda b: [EMPTY_APP, Minted("NEW", "alice", 10**12, TAKEN_OVER), *_bought("NEW", 10**9)],
        f"InsufficientFunds {HIDDEN_BONDING_CURVE_ACCOUNT}",
    ),
    "a sale that pays too much": (
        lambda b: [Burned("APP", "alice", 10), Moved("TEA", BONDING, "alice", 10**12)],
        "is not what the rules record",
    ),
    "a sale that pays another": (
        lambda b: [Burned("APP", "alice", 10**9), Moved("TEA", BONDING, "eve", 10**8)],
        "is not what the rules record",
    ),
    "a sale of what is not there": (
        lambda b: [Burned("APP", "bob", 10**9), Moved("TEA", BONDING, "bob", 10**8)],
        "InsufficientFunds bob",
    ),
    "a sale that the curve cannot pay": (
        lambda b: [EMPTY_APP, Minted("NEW", "eve", 10**12, TAKEN_OVER), Burned("NEW", "eve", 10**12), _paid("NEW", "eve", 5)],
        f"InsufficientFunds NEW {HIDDEN_BONDING_CURVE_ACCOUNT}",
    ),
    # Distributions.
    "a dividend of more than there is": (lambda b: [Distributed("APP", "APP", 5, 0)], "is not what the rules record"),
    "a dividend without holders": (
        lambda b: [Minted("ALT", "ALT", 5, TAKEN_OVER), Distributed("ALT", "ALT", 5, 0, ("ALT",))],
        "NoHolders ALT",
    ),
    "a distribution out of nothing": (lambda b: [Distributed("APP", None, 5, 0)], "stands alone APP"),
    "income that buys too much": (
        lambda b: [Moved("TEA", "APP", BONDING, 10**13 - 101), Distributed("APP", None, 10**12, 0)],
        "is not what the rules record",
    ),
    "a part of the income is distributed": (
        lambda b: [Moved("TEA", "APP", BONDING, 10), Distributed("APP", None, 1, 0)],
        "is not what the rules record",
    ),
    # Seats.
    "tax is collected from an account": (lambda b: [Moved("TEA", "alice", POOL, 5)], "TokenNotFound alice"),
    "more tax than an app's income": (lambda b: [Moved("TEA", "APP", POOL, 10**15)], "InsufficientFunds APP"),
    "the collection pool pays somebody": (lambda b: [Moved("TEA", POOL, "eve", 5)], f"stands alone {POOL}"),
    "the shares are unequal": (
        lambda b: [Moved("TEA", POOL, "m1", 60), Moved("TEA", POOL, "m2", 41)],
        f"stands alone {POOL}",
    ),
    "a share goes to an app": (lambda b: [Moved("TEA", POOL, "APP", 101)], "InvalidAccount APP"),
    "a tax that the maintainer cannot pay": (
        lambda b: [Moved("TEA", POOL, PUBLIC, 101), Moved("TEA", "bob", PUBLIC, 5)],
        "InsufficientFunds bob",
    ),
    "a service is paid by the DAO while the pool has some": (
        lambda b: [Moved("TEA", POOL, PUBLIC, 101), Moved("TEA", DAO, "eve", 5)],
        "is not what the rules record",
    ),
    "a service is paid more than there is": (lambda b: [Moved("TEA", DAO, "eve", 101)], "InsufficientFunds"),
    "a service is an app": (lambda b: [Moved("TEA", DAO, "APP", 5)], "InvalidAccount APP"),
    "the DAO is paid by somebody": (lambda b: [Moved("TEA", "alice", DAO, 5)], f"stands alone {DAO}"),
    # Contracts.
    "a contract is registered again": (lambda b: [ContractRegistered("pool", None)], "ContractAlreadyRegistered pool"),
    "a contract is backed by no token": (lambda b: [ContractRegistered("new", "NIL")], "TokenNotFound NIL"),
    "a contract has the name of a token": (lambda b: [ContractRegistered("USD", None)], "NameInUse USD"),
    "a contract has the name of a holder": (lambda b: [ContractRegistered("alice", None)], "NameInUse alice"),
    "a contract has the name of a frozen account": (lambda b: [ContractRegistered("shut", None)], "NameInUse shut"),
    "a contract has the name of a pool": (lambda b: [ContractRegistered(POOL, None)], "InvalidAccount"),
    "a step of no contract": (lambda b: [BalanceRaised("nil", 5)], "ContractNotFound nil"),
    "the figure of a backed contract is raised": (lambda b: [BalanceRaised("pool", 5)], "ContractIsBacked pool"),
    "the figure of a backed contract is lowered": (lambda b: [BalanceLowered("pool", 5)], "ContractIsBacked pool"),
    "a balance that is too large": (lambda b: [BalanceRaised("figure", 2**256 - 1)], "InvalidAmount figure"),
    "a balance below zero": (lambda b: [BalanceLowered("figure", 11)], "BalanceBelowZero figure"),
    "a balance below its allocations": (
        lambda b: [Moved("USD", "pool", "eve", 60), BalanceLowered("pool", 60)],
        "BalanceBelowAllocations pool",
    ),
    "a contract's money is moved": (lambda b: [Moved("USD", "pool", "eve", 5)], "stands alone pool"),
    "a contract gets money that it does not count": (lambda b: [Moved("USD", "alice", "pool", 5)], "stands alone pool"),
    "a contract is funded in another token": (
        lambda b: [Moved("TEA", "alice", "pool", 5), BalanceRaised("pool", 5)],
        "is not what the rules record",
    ),
    "a contract that is a figure is funded": (
        lambda b: [Moved("USD", "alice", "figure", 5), BalanceRaised("figure", 5)],
        "ContractIsNotBacked figure",
    ),
    "a contract is funded by an app": (
        lambda b: [Moved("USD", "APP", "pool", 5), BalanceRaised("pool", 5)],
        "InvalidAccount APP",
    ),
    "a contract is funded in part": (
        lambda b: [Moved("USD", "alice", "pool", 5), BalanceRaised("pool", 4)],
        "is not what the rules record",
    ),
    "an account is allocated again": (lambda b: [Allocated("pool", "bob")], "AccountAlreadyAllocated bob"),
    "an account leaves that has some": (lambda b: [Deallocated("pool", "bob", 50 * 10**8, 0)], "AllocationNotZero bob"),
    "an account leaves that is not there": (lambda b: [Deallocated("pool", "eve", 0, 0)], "AccountNotAllocated eve"),
    "an account leaves and takes some of the sum": (lambda b: [Deallocated("pool", "empty", 0, 5)], "is not what the rules"),
    "allocations above the balance": (lambda b: [ShadowRaised("pool", "bob", 51)], "AllocationsExceedBalance pool"),
    "an allocation of nobody is raised": (lambda b: [ShadowRaised("pool", "eve", 1)], "AccountNotAllocated eve"),
    "an allocation of nobody is lowered": (lambda b: [ShadowLowered("pool", "eve", 1)], "AccountNotAllocated eve"),
    "an allocation below zero": (lambda b: [ShadowLowered("pool", "bob", 51)], "AllocationBelowZero bob"),
    "all allocations above the balance": (lambda b: [AllShadowsRaised("pool", 51, 50)], "AllocationsExceedBalance pool"),
    "all allocations of another sum": (lambda b: [AllShadowsRaised("pool", 5, 49)], "is not what the rules record"),
    "all allocations of nobody": (lambda b: [AllShadowsRaised("idle", 5, 5)], "NothingAllocated idle"),
    "all allocations below zero": (lambda b: [AllShadowsLowered("pool", 51, 50)], "AllocationBelowZero"),
    "an unknown rounding of allocations": (lambda b: [AllShadowsRaised("pool", 5, 50, 99)], "rounding 99"),
    "an unknown rounding of a distribution": (
        lambda b: [Minted("APP", "APP", 5, TAKEN_OVER), Distributed("APP", "APP", 5, 0, ("APP",), 99)],
        "rounding 99",
    ),
    # Freezes.
    "an app is frozen": (lambda b: [AccountFrozen("APP", None, True, False)], "InvalidAccount APP"),
    "a contract is frozen": (lambda b: [AccountFrozen("pool", None, True, False)], "InvalidAccount pool"),
    "a pool is frozen": (lambda b: [AccountFrozen(POOL, None, True, False)], "InvalidAccount"),
    "a freeze in no token": (lambda b: [AccountFrozen("eve", "NIL", True, False)], "TokenNotFound NIL"),
    "a freeze in no direction": (lambda b: [AccountFrozen("eve", None, False, False)], "debits"),
    "the same freeze again": (lambda b: [AccountFrozen("cold", None, True, False)], "is not what the rules record"),
    "a freeze ends that there is not": (lambda b: [AccountUnfrozen("eve", None)], "is not what the rules record"),
    "a frozen account gives": (lambda b: [Moved("USD", "cold", "eve", 5)], "AccountIsFrozen cold"),
    "a frozen account gets": (lambda b: [Moved("USD", "alice", "shut", 5)], "AccountIsFrozen shut"),
    "a frozen account is minted for": (lambda b: [Minted("USD", "shut", 5)], "AccountIsFrozen shut"),
    "a frozen account burns": (lambda b: [Burned("USD", "cold", 5)], "AccountIsFrozen cold"),
    "a frozen account opens a hold": (lambda b: [Reserved("USD", "cold", "k", 5, "h")], "AccountIsFrozen cold"),
    "a hold is settled to a frozen account": (lambda b: [Settled("USD", "keeper", "shut", 5, b.hold)], "AccountIsFrozen shut"),
    # Batches.
    "a row gives more than there is": (
        lambda b: [_moves(["alice", "bob"], ["eve", "eve"], [1, 5])],
        "+1 InsufficientFunds bob",
    ),
    "a row comes short on the way": (
        lambda b: [_moves(["eve", "alice"], ["zoe", "eve"], [5, 5])],
        "+0 InsufficientFunds eve",
    ),
    "a row of an app": (lambda b: [_moves(["alice", "alice"], ["eve", "APP"], [1, 1])], "+1 InvalidAccount APP"),
    "a row of a contract": (lambda b: [_moves(["pool"], ["eve"], [1])], "+0 InvalidAccount pool"),
    "a row of a deposit": (lambda b: [_moves(["alice"], ["alice APP"], [1])], "+0 InvalidAccount 'alice APP'"),
    "a row of a pool": (lambda b: [_moves(["alice"], [POOL], [1])], "+0 MeaninglessCell"),
    "a row of a frozen account": (lambda b: [_moves(["cold"], ["eve"], [1])], "+0 AccountIsFrozen cold"),
    "a row to a frozen account": (lambda b: [_moves(["alice"], ["shut"], [1])], "+0 AccountIsFrozen shut"),
    "a row of nothing": (lambda b: [_moves(["alice"], ["eve"], [0])], "+0 amount"),
    "rows with one id": (lambda b: [_moves(["alice"] * 2, ["eve"] * 2, [1, 1], [7, 7])], "+1 DuplicateTransferId 7"),
    "rows that mint more than is left": (
        lambda b: [MintedMany("USD", 2, ["eve"], b"\0\0", pack(as_numbers([1, 10**6])))],
        "+1 SupplyExhausted USD",
    ),
    "rows that mint an app's token": (lambda b: [MintedMany("APP", 1, ["eve"], b"\0", b"\5")], "+0 InvalidToken APP"),
    "rows that burn an app's token": (lambda b: [BurnedMany("APP", 1, ["alice"], b"\0", b"\5")], "+0 InvalidToken APP"),
    "rows that burn what is not there": (lambda b: [BurnedMany("USD", 1, ["bob"], b"\0", b"\5")], "+0 InsufficientFunds bob"),
    # Fragments.
    "a fragment above its unit": (
        lambda b: [Minted("FRG", "eve", 50), FragmentsMinted("FRG", "eve", (b.next + 1) * 1000, [50])],
        "+0 unit fragment",
    ),
    "a fragment with another position's id": (
        lambda b: [Minted("FRG", "eve", 5), FragmentsMinted("FRG", "eve", (b.next + 9) * 1000, [5])],
        "+1 fragments ids",
    ),
    "fragments of a token that has none": (
        lambda b: [Minted("USD", "eve", 5), FragmentsMinted("USD", "eve", (b.next + 1) * 1000, [5])],
        "+1 fragments USD",
    ),
    # Names, amounts and texts.
    "a name with control characters": (lambda b: [Moved("USD", "alice", "\x1b[31mEVIL\n", 1)], "is no name"),
    "a name of 129 characters": (lambda b: [Moved("USD", "alice", "x" * 129, 1)], "129 is no name"),
    "a name of nothing": (lambda b: [Moved("USD", "alice", "", 1)], "is no name"),
    "a name of white space": (lambda b: [Moved("USD", "alice", "a\u2003b", 1)], "is no name"),
    "a batch names what is no name": (lambda b: [_moves(["alice"], ["a\nb"], [1])], "is no name"),
    "an authority that is no name": (lambda b: [Reserved("USD", "alice", "a\nb", 1, "h")], "is no name"),
    "an id of a hold that is none": (lambda b: [Reserved("USD", "alice", "k", 1, "h\x1b[31m")], "no id of a hold"),
    "an id of a hold that is empty": (lambda b: [Reserved("USD", "alice", "k", 1, "")], "no id of a hold"),
    "an id of a hold that is too long": (lambda b: [Reserved("USD", "alice", "k", 1, "h" * 513)], "no id of a hold"),
    "an allocation for what is no name": (lambda b: [Allocated("pool", "a\tb")], "is no name"),
    "a contract that has no name": (lambda b: [ContractRegistered("a\nb", None)], "is no name"),
    "a memo that is too long": (lambda b: [Moved("USD", "alice", "bob", 1, "m" * 65_537)], "memo 65537"),
    "a reason that is too long": (lambda b: [AccountFrozen("eve", None, True, False, "m" * 65_537)], "reason 65537"),
    "an amount of nothing": (lambda b: [Moved("USD", "alice", "bob", 0)], "amount 0"),
    "an amount below zero": (lambda b: [Moved("USD", "alice", "bob", -5)], "amount -5"),
    "an amount above the largest": (lambda b: [Moved("USD", "alice", "bob", 2**256)], "amount"),
}

ALLOWED: dict[str, Make] = {
    "a transfer": lambda b: [Moved("USD", "alice", "eve", 5)],
    "a new owner of an app": lambda b: [AppUpdated("APP", "eve", ())],
    "a contract is defunded": lambda b: [Moved("USD", "pool", "eve", 20), BalanceLowered("pool", 20)],
    "what was taken over": lambda b: [Minted("APP", "eve", 5, TAKEN_OVER), Minted("TEA", "eve APP", 5, TAKEN_OVER)],
    "an id of a hold with spaces": lambda b: [Reserved("USD", "alice", "k", 1, "hold 1 of 7")],
    "a curve of somebody's own": lambda b: [TokenRegistered("X", 0, 9, None, "app", "nonsense", (1,))],
    "a name of characters to come": lambda b: [Moved("USD", "alice", "a\U000323b0b", 1)],
    "a mint for the DAO": lambda b: [Minted("TEA", DAO, 5)],
    "shares with taxes": lambda b: [
        *(Moved("TEA", POOL, "m1", 50), Moved("TEA", POOL, "m2", 20), Moved("TEA", POOL, PUBLIC, 30)),
    ],
    "a share that is all tax, and more": lambda b: [Moved("TEA", POOL, PUBLIC, 101), Moved("TEA", "alice", PUBLIC, 5)],
    "a service paid by pool and DAO": lambda b: [
        *(Moved("TEA", POOL, PUBLIC, 101), Moved("TEA", PUBLIC, "eve", 101), Moved("TEA", DAO, "eve", 9)),
    ],
    "a batch": lambda b: [_moves(["alice", "eve"], ["eve", "zoe"], [5, 5], [1, 2])],
    "a release of what is frozen": lambda b: [
        *(AccountFrozen("alice", None, True, True), Released("USD", "keeper", "alice", 20, b.hold)),
    ],
}


def _bought(app: str, payment: int) -> list[Any]:
    return [Moved("TEA", "alice", f"{app} {HIDDEN_BONDING_CURVE_ACCOUNT}", payment), Minted(app, "alice", 5)]


def _paid(app: str, seller: str, amount: int) -> Moved:
    return Moved("TEA", f"{app} {HIDDEN_BONDING_CURVE_ACCOUNT}", seller, amount)


def _moves(givers: list[str], takers: list[str], amounts: list[int], ids: list[int] | None = None) -> MovedMany:
    names = list(dict.fromkeys((*givers, *takers)))
    columns = [pack(as_numbers([names.index(name) for name in column])) for column in (givers, takers)]
    packed = b"" if ids is None else b"".join(id.to_bytes(16, "little") for id in ids)
    return MovedMany("USD", len(amounts), names, *columns, pack(as_numbers(amounts)), "", packed)


@pytest.fixture
def book(made: Book, tmp_path: Path) -> Book:
    path = tmp_path / "books.db"
    shutil.copy(made.path, path)
    return made._replace(path=path)


@pytest.mark.parametrize("what", REFUSED)
def test_what_no_rule_allows_is_found(book: Book, what: str) -> None:
    make, verdict = REFUSED[what]
    events = make(book)
    details = b"[]" if any(isinstance(event, AccountFrozen | AccountUnfrozen) for event in events) else None
    forge(book.path, events, details=details)
    offset, words = (int(verdict[:2]), verdict[2:].split()) if verdict[0] == "+" else (None, verdict.split())
    with Ledger.open(book.path) as ledger:
        assert ledger.verify().ok
        report = ledger.audit()
    found = [
        finding
        for finding in report.findings
        if finding.position >= book.next and offset in (None, finding.position - book.next)
    ]
    assert any(all(word in finding.reason for word in words) for finding in found), report.findings


@pytest.mark.parametrize("what", ALLOWED)
def test_what_is_allowed_is_passed(book: Book, what: str) -> None:
    events = ALLOWED[what](book)
    details = b"[]" if any(isinstance(event, AccountFrozen) for event in events) else None
    forge(book.path, events, details=details)
    with Ledger.open(book.path) as ledger:
        report = ledger.audit()
        assert report.ok, report.findings


@pytest.mark.parametrize(
    ("event", "verdict"),
    [
        (lambda b: Settled("USD", "keeper", "eve", 5, b.due), "HoldExpired"),
        (lambda b: Released("USD", "keeper", "alice", 5, b.due, True), "is not what the rules record"),
        (lambda b: Released("USD", "keeper", "alice", 10, b.due, True), None),
        (lambda b: Released("USD", "keeper", "alice", 5, b.due), None),
        (lambda b: Settled("USD", "keeper", "eve", 5, b.hold), None),
    ],
)
def test_holds_that_are_due(book: Book, event: Callable[[Book], Any], verdict: str | None) -> None:
    position = forge(book.path, [event(book)], recorded_at=AFTER_DUE)
    with Ledger.open(book.path, max_clock_leap=None) as ledger:
        findings = ledger.audit().findings
    assert [finding.position for finding in findings] == [position] * (verdict is not None)
    assert all(verdict in finding.reason for finding in findings if verdict is not None)


@pytest.mark.parametrize(
    ("name", "verdict"),
    [
        ("holder-A", None),
        ("0X" + "A" * 64, "lower case"),
        ("0x" + "A" * 64, "lower case"),
        ("3F2504E0-4F89-41D3-9A0C-0305E82C3301", "lower case"),
    ],
)
def test_names_are_judged_by_the_rules_of_today_where_they_are_new_in_a_row_of_format_2(
    book: Book, name: str, verdict: str | None
) -> None:
    old, new = book.path.with_name("old.db"), book.path
    shutil.copy(new, old)
    forge(old, [Moved("USD", "alice", name, 1)])
    forge(old, [Moved("USD", name, "alice", 1)], details=b"[]")
    forge(new, [Moved("USD", "alice", name, 1)], details=b"[]")
    with Ledger.open(old) as ledger:
        assert ledger.audit().ok
    with Ledger.open(new) as ledger:
        reasons = [finding.reason for finding in ledger.audit().findings]
    assert [verdict is not None and verdict in reason for reason in reasons] == [True] * (verdict is not None)


def test_steps_of_one_operation_in_two_transactions_are_none(book: Book) -> None:
    forge(book.path, [Moved("USD", "alice", "pool", 5), BalanceRaised("pool", 5)], counts=(1, 1))
    with Ledger.open(book.path) as ledger:
        positions = [finding.position for finding in ledger.audit().findings]
    assert positions == [book.next, book.next + 1]


@pytest.mark.parametrize("key", ["", "k" * 257, "a\x1b[31mb", "a\nb"])
def test_keys_that_cannot_be_given_are_found(book: Book, key: str) -> None:
    position = forge(book.path, [Moved("USD", "alice", "bob", 1)], keys=[Key(key, None, 0)])
    with Ledger.open(book.path) as ledger:
        (finding,) = ledger.audit().findings
    assert finding.position == position
    assert "idempotency key" in finding.reason


def test_what_is_taken_back_has_a_way_back_and_goes_it(book: Book) -> None:
    with Ledger.open(book.path) as ledger:
        (paid,) = ledger.transfer("USD", "alice", "bob", 50).transaction_ids
        (bought,) = (each.transaction_id for each in ledger.app("APP").buy("alice", 10**9).trades)
        (shares,) = ledger.mint("USD", "eve", 9).transaction_ids
        settled = ledger.settle("USD", "keeper", "eve", 5, book.hold).transaction_ids[0]
        batch = ledger.transfer_many("USD", ["alice", "alice"], ["bob", "eve"], [30, 40]).position - 1
    cases: list[tuple[Any, int, str | None]] = [
        (Moved("USD", "bob", "alice", 50), paid, None),
        (Moved("USD", "bob", "alice", 1), paid, "more is taken back"),
        (Moved("USD", "bob", "eve", 5), batch, "not the way back"),
        (Burned("USD", "eve", 4), shares, None),
        (Moved("USD", "eve", "bob", 4), shares, "not the way back"),
        (Moved("USD", "eve", "alice", 5), settled, None),
        (Moved("USD", "eve", "keeper", 5), settled, "more is taken back"),
        (Moved("USD", "eve", "alice", 1), batch + 1, None),
        (Moved("USD", "bob", "alice", 1), batch + 1, "not the way back"),
        (Moved("USD", "eve", "alice", 1), bought, "has no way back"),
        (Moved("USD", "eve", "alice", 1), 1, "is no movement"),
        (Moved("USD", "eve", "alice", 1), 10**9, "is no movement"),
    ]
    expected: dict[int, str | None] = {}
    for event, id, verdict in cases:
        details = f'[[0,{{"reverses":[[0,{id}]]}}]]'.encode()
        expected[forge(book.path, [event], details=details)] = verdict
    with Ledger.open(book.path) as ledger:
        found = {finding.position: finding.reason for finding in ledger.audit().findings}
    assert set(found) == {position for position, verdict in expected.items() if verdict is not None}
    for position, reason in found.items():
        assert (expected[position] or "") in reason
