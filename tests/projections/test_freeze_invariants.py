"""An audit's own look at frozen accounts: what happened against a freeze is found, and what nobody chose is not."""

from collections.abc import Sequence

import numpy as np
import pytest

from tallystick import SEAT_COLLECTION_POOL, TOTAL_SUPPLY_RESERVE, Token
from tallystick.domain.batch.columns import pack
from tallystick.domain.events import (
    AccountFrozen,
    AccountUnfrozen,
    Allocated,
    AppUpdated,
    BalanceRaised,
    Burned,
    ContractRegistered,
    Deallocated,
    Distributed,
    DomainEvent,
    MetadataErased,
    Minted,
    Moved,
    MovedMany,
    Released,
    Reserved,
    Settled,
    ShadowLowered,
    ShadowRaised,
    TokenRegistered,
)
from tallystick.domain.token.registration import registration_of
from tallystick.projections.invariants.invariants import Invariants
from tallystick.projections.projection import Commit, replay

BEFORE: list[DomainEvent] = [
    registration_of(Token("USD")),
    registration_of(Token("TEA", role="settlement")),
    TokenRegistered("App", 0, 10**6, None, "app", owner="dev"),
    *(Minted(token, account, 100) for token in ("USD", "TEA") for account in ("alice", "bob", "keeper")),
    Minted("App", "alice", 50),
    Minted("TEA", SEAT_COLLECTION_POOL, 50),
    Moved("TEA", "alice", "alice App", 10),
    Reserved("USD", "bob", "keeper", 10, "held"),
    Reserved("USD", "bob", "alice", 10, "kept"),
    Reserved("USD", "alice", "keeper", 10, "paid"),
    ContractRegistered("pool", "USD"),
    Moved("USD", "bob", "pool", 50),
    BalanceRaised("pool", 50),
    Allocated("pool", "alice"),
    ShadowRaised("pool", "alice", 20),
    Allocated("pool", "bob"),
]


def column(*values: int) -> bytes:
    return pack(np.array(values, dtype=np.int64))


def findings(events: Sequence[DomainEvent]) -> list[str]:
    commits, position = [], 1
    for event in events:
        commits.append(Commit(position, 0, [event]))
        position += event.count if isinstance(event, MovedMany) else 1
    return [finding.reason for finding in replay(Invariants(), commits).finish()]


CASES: list[tuple[DomainEvent, str]] = [
    (Moved("USD", "alice", "bob", 5), "debits"),
    (Moved("USD", "bob", "alice", 5), "credits"),
    (Moved("USD", "bob", "keeper", 5), ""),
    (Minted("USD", "alice", 5), "credits"),
    (Burned("USD", "alice", 5), "debits"),
    (Reserved("USD", "alice", "keeper", 5, "new"), "debits"),
    (Reserved("USD", "bob", "alice", 5, "new"), ""),
    (Settled("USD", "keeper", "alice", 5, "held"), "credits"),
    (Settled("USD", "alice", "bob", 5, "kept"), "debits"),
    (Settled("USD", "keeper", "bob", 5, "paid"), ""),
    (Released("USD", "keeper", "alice", 5, "paid"), ""),
    (Released("USD", "keeper", "alice", 5, "paid", True), ""),
    (Moved("TEA", "alice App", "App", 5), "debits"),
    (Moved("TEA", "alice App", "alice", 5), "credits"),
    (Moved("TEA", SEAT_COLLECTION_POOL, "alice", 5), ""),
    (Distributed("App", None, 5, 0), ""),
    (ShadowLowered("pool", "alice", 5), "debits"),
    (ShadowRaised("pool", "alice", 5), ""),
    (MovedMany("USD", 1, ["alice", "bob"], column(0), column(1), column(5)), "debits"),
    (MovedMany("USD", 1, ["alice", "bob"], column(1), column(0), column(5)), "credits"),
]


@pytest.mark.parametrize("way", ["debits", "credits"])
@pytest.mark.parametrize("where", [None, "own", "another"])
@pytest.mark.parametrize(("event", "closed"), CASES)
def test_what_happened_against_a_freeze(event: DomainEvent, closed: str, where: str | None, way: str) -> None:
    token = getattr(event, "token", "USD")
    frozen_in = {None: None, "own": token, "another": "TEA" if token != "TEA" else "USD"}[where]
    freeze = AccountFrozen("alice", frozen_in, way == "debits", way == "credits")
    goes = {"debits": "leaves it", "credits": "comes to it"}[way]
    expected = [f"alice is frozen, and {token} {goes}"] if way == closed and where != "another" else []
    assert findings([*BEFORE, freeze, event]) == expected
    assert findings([*BEFORE, freeze, AccountUnfrozen("alice", frozen_in), event]) == []


def test_an_allocation_that_is_ended() -> None:
    emptied = [*BEFORE, ShadowLowered("pool", "alice", 20), AccountFrozen("alice", "USD", True, False)]
    assert findings([*emptied, Deallocated("pool", "alice", 0, 0)]) == ["alice is frozen, and USD leaves it"]


@pytest.mark.parametrize("owner", ["dev", "alice"])
def test_what_may_be_the_spread_of_a_trade_is_passed_over(owner: str) -> None:
    events = [*BEFORE, AppUpdated("App", owner, ()), AccountFrozen(owner, None, True, True)]
    assert findings([*events, Moved("TEA", "bob", owner, 5)]) == []
    assert findings([*events, Moved("USD", "bob", owner, 5)]) == [f"{owner} is frozen, and USD comes to it"]


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([AccountFrozen("App", None, True, False)], "App is frozen and is no ordinary account"),
        ([AccountFrozen("pool", None, True, False)], "pool is frozen and is no ordinary account"),
        (
            [AccountFrozen(TOTAL_SUPPLY_RESERVE, None, True, False)],
            f"{TOTAL_SUPPLY_RESERVE} is frozen and is no ordinary account",
        ),
        ([AccountFrozen("alice App", None, True, False)], "alice App is frozen and is no ordinary account"),
        ([AccountFrozen("alice", None, False, False)], "alice is frozen in no direction"),
        ([AccountFrozen("alice", "EUR", True, False)], "token 'EUR' is not registered"),
        ([AccountUnfrozen("alice", None)], "alice is unfrozen in all tokens and was not frozen"),
        (
            [AccountFrozen("alice", None, True, False), AccountUnfrozen("alice", "USD")],
            "alice is unfrozen in USD and was not frozen",
        ),
        (
            [AccountFrozen("carol", "USD", True, False), ContractRegistered("carol", None)],
            "carol is frozen, and is an account of its own from here on",
        ),
        (
            [AccountFrozen("carol", "USD", True, False), TokenRegistered("carol", 0, 5, None, "app")],
            "carol is frozen, and is an account of its own from here on",
        ),
    ],
)
def test_freezes_that_cannot_be(events: list[DomainEvent], expected: str) -> None:
    assert findings([*BEFORE, *events]) == [expected]


def test_what_can_be() -> None:
    assert findings([*BEFORE, MetadataErased(1, "asked for"), AccountFrozen("TEA", None, True, True)]) == []
