"""Findings of an audit are for people: amounts are written in their token's decimals."""

from collections.abc import Sequence

import pytest

from tallystick import Token
from tallystick.domain.events import (
    Allocated,
    AllShadowsRaised,
    BalanceRaised,
    ContractRegistered,
    DomainEvent,
    FragmentsMinted,
    Minted,
    Moved,
    Reserved,
    Settled,
    ShadowLowered,
    ShadowRaised,
)
from tallystick.domain.token.registration import registration_of
from tallystick.projections.invariants.invariants import Invariants
from tallystick.projections.projection import Commit, replay

BEFORE: list[DomainEvent] = [
    registration_of(Token("USD", decimals=2, max_supply=10_00)),
    registration_of(Token("BIG", decimals=18, max_supply=10**30)),
    registration_of(Token("GOLD", decimals=3, unit=1_000)),
    Minted("USD", "alice", 5_00),
]
POOL: list[DomainEvent] = [
    ContractRegistered("pool", "USD"),
    Moved("USD", "alice", "pool", 3_00),
    BalanceRaised("pool", 3_00),
    Allocated("pool", "bob"),
    ShadowRaised("pool", "bob", 1_00),
]


@pytest.mark.parametrize(
    ("events", "verdict"),
    [
        ([Minted("USD", "bob", 6_00)], "the supply reserve of USD is -1.00"),
        ([Moved("USD", "bob", "alice", 5)], "bob has -0.05 USD"),
        ([Moved("BIG", "bob", "alice", 10**17)], "bob has -0.100000000000000000 BIG"),
        (
            [Reserved("USD", "alice", "shop", 2_00, "h"), Settled("USD", "shop", "bob", 2_50, "h")],
            "hold 'h' is drawn to -0.50",
        ),
        ([Minted("GOLD", "bob", 1_500)], "bob has 1.500 GOLD and live fragments of 0.000"),
        (
            [Minted("GOLD", "bob", 1_500), FragmentsMinted("GOLD", "bob", 1, [1_000])],
            "bob has 1.500 GOLD and live fragments of 1.000",
        ),
        ([*POOL, BalanceRaised("pool", 5)], "contract 'pool' has 3.00 USD in its account and a balance of 3.05"),
        ([*POOL, ShadowRaised("pool", "bob", 2_01)], "contract 'pool' has 3.01 allocated of a balance of 3.00"),
        ([*POOL, ShadowLowered("pool", "bob", 1_01)], "bob has less than 1.01 in contract 'pool'"),
        ([*POOL, AllShadowsRaised("pool", 1_00, 99)], "the allocations of contract 'pool' sum to 1.00, not 0.99"),
        ([Moved("USD", "alice", "bob", 0)], "an amount is 0 smallest units"),
    ],
)
def test_a_finding_has_decimals(events: Sequence[DomainEvent], verdict: str) -> None:
    commits = [Commit(position, 0, [event]) for position, event in enumerate([*BEFORE, *events], 1)]
    assert verdict in [finding.reason for finding in replay(Invariants(), commits).finish()]
