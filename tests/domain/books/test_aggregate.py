"""The aggregates have one shape: each begins with an event and becomes what its events make of it. One knows each type."""

from collections.abc import Callable
from typing import Any

import pytest

from tallystick import FragmentState, Supply, ValueObject
from tallystick.domain.books.aggregate import AGGREGATES
from tallystick.domain.contract.contract import Contract
from tallystick.domain.events import (
    BATCHES,
    BOOK_EVENTS,
    EVENT_TYPES,
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
    FragmentsBurned,
    FragmentsMinted,
    FragmentsMintedMany,
    FragmentsReleased,
    FragmentsReserved,
    Minted,
    Moved,
    Released,
    Reserved,
    RunsBurnedMany,
    RunsMintedMany,
    RunsReleasedMany,
    RunsReservedMany,
    Settled,
    ShadowLowered,
    ShadowRaised,
    TokenRegistered,
)
from tallystick.domain.token.token_state import TokenState

LIVES: dict[type, tuple[Callable[[Any], Any], list[Any], Any, Callable[[Any], Any]]] = {
    TokenState: (
        TokenState.registered_by,
        [
            TokenRegistered("TEA", 0, 1_000, None, "app", owner="dev"),
            AppUpdated("TEA", "alice", ("USD",)),
            Minted("TEA", "alice", 100),
            Moved("TEA", "alice", "bob", 30),
            Reserved("TEA", "alice", "court", 20, "hold"),
            Settled("TEA", "court", "bob", 15, "hold"),
            Released("TEA", "court", "alice", 5, "hold"),
            Burned("TEA", "bob", 10),
            Distributed("TEA", None, 9, 0),
        ],
        (Supply(1_000, 901, 99), {"alice": 61, "bob": 38}, "alice"),
        lambda token: (token.supply(), {name: cell.total for name, cell in token.balances()}, token.token.owner),
    ),
    Contract: (
        Contract.registered_by,
        [
            ContractRegistered("pool", "USD"),
            BalanceRaised("pool", 100),
            BalanceLowered("pool", 10),
            Allocated("pool", "alice"),
            Allocated("pool", "bob"),
            ShadowRaised("pool", "alice", 40),
            ShadowLowered("pool", "alice", 10),
            AllShadowsRaised("pool", 30, 30),
            AllShadowsLowered("pool", 20, 60),
            Deallocated("pool", "bob", 0, 0),
        ],
        ("USD", 90, 40, {"alice": 40}),
        lambda pool: (pool.backed_by, pool.balance, pool.allocs_sum, {name: each.sats for name, each in pool.allocations()}),
    ),
    ValueObject: (
        lambda event: ValueObject.minted_by(event)[0],
        [
            FragmentsMinted("USD", "alice", 7_000, [500]),
            FragmentsMintedMany("USD", 1, 7_001, b"\0", b"\1"),
            FragmentsReserved("USD", "hold", [7_000]),
            FragmentsReleased("USD", "hold", [7_000]),
            RunsMintedMany("USD", "alice", 7_001, [500], [70]),
            RunsReservedMany("USD", "hold", [6_950], [70]),
            RunsReleasedMany("USD", "hold", [6_000, 7_000], [1, 70]),
            RunsBurnedMany("USD", [7_001], [70]),
            FragmentsBurned("USD", [7_000]),
        ],
        ("alice", 500, FragmentState.BURNED),
        lambda fragment: (fragment.owner, fragment.amount, fragment.state),
    ),
}


@pytest.mark.parametrize("kind", AGGREGATES)
def test_an_aggregate_is_what_its_events_make_of_it(kind: type) -> None:
    begin, (first, *events), verdict, figures = LIVES[kind]
    aggregate = begin(first)
    id = aggregate.id
    assert id == {TokenState: "TEA", Contract: "pool", ValueObject: 7_000}[kind]
    for event in events:
        aggregate = aggregate.apply(event) or aggregate
    assert type(aggregate) is kind
    assert aggregate.id == id
    assert figures(aggregate) == verdict


@pytest.mark.parametrize("kind", EVENT_TYPES)
def test_every_event_is_one_of_some_aggregates_life(kind: type) -> None:
    knowing = [aggregate for aggregate, life in LIVES.items() if kind in map(type, life[1])]
    of_none = (*BATCHES, *BOOK_EVENTS)
    assert len(knowing) == (0 if kind in of_none else 1), "a batch is applied as the events of its rows"
