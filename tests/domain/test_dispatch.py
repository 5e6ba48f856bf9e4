"""Every place that takes events by their types knows every type of its kind, and passes over none: those of contracts and of
fragments here, those of money in `test_effects`.
"""

from collections.abc import Callable, Collection
from typing import Any

import pytest

from tallystick import ShadowSpaces
from tallystick.domain.books.books import Books
from tallystick.domain.contract.contract import Contract
from tallystick.domain.dispatch import Rules
from tallystick.domain.events import (
    BATCHES,
    BOOK_EVENTS,
    CONTRACT_EVENTS,
    EVENT_TYPES,
    FRAGMENT_EVENTS,
    RECORDED,
    RUN_EVENTS,
    BalanceRaised,
    ContractEvent,
    ContractRegistered,
    Distributed,
    FragmentsMintedMany,
    Minted,
    TokenRegistered,
)
from tallystick.domain.plan.draft import _RULES as DRAFT_RULES
from tallystick.domain.plan.draft import Draft
from tallystick.domain.token.token_state import _RULES as TOKEN_RULES
from tallystick.domain.value_object.carrying import CARRYING
from tallystick.projections.invariants.contracts import ContractInvariants
from tallystick.projections.invariants.invariants import Invariants
from tallystick.projections.projection import Commit, replay

CHANGES = {kind for kind in CONTRACT_EVENTS if kind is not ContractRegistered}
EXPANDED = {*BATCHES, FragmentsMintedMany, *RUN_EVENTS}
"""What a replay gives as the events of its rows."""


def fragments_of(books: Books) -> Any:
    books.apply(TokenRegistered("USD", 2, 100, 10, "external"), 1)
    return books._fragments["USD"]


def invariants_of_contracts() -> ContractInvariants:
    return Invariants()._contracts


@pytest.mark.parametrize(
    ("rules", "verdict"),
    [
        (Books()._rules, {*EVENT_TYPES}),
        (Books()._reverting, {*EVENT_TYPES}),
        (DRAFT_RULES, {*EVENT_TYPES}),
        (TOKEN_RULES, {kind for kind in EVENT_TYPES if kind in RECORDED or kind.__name__ in ("Distributed", "AppUpdated")}),
        (CARRYING, {kind for kind in RECORDED if kind.__name__ != "Moved"}),
        (fragments_of(Books())._apply, {*FRAGMENT_EVENTS} - {FragmentsMintedMany}),
        (fragments_of(Books())._revert, {*FRAGMENT_EVENTS} - {FragmentsMintedMany}),
        (Contract("pool", None)._rules, CHANGES),
        (ShadowSpaces()._rules, CHANGES),
        (invariants_of_contracts()._rules, CHANGES),
        (Invariants()._rules, {kind for kind in EVENT_TYPES if kind not in (*CONTRACT_EVENTS, *BOOK_EVENTS)} - EXPANDED),
    ],
)
def test_a_place_knows_every_type(rules: Collection[type], verdict: set[type]) -> None:
    """But for subclasses that were met before, which have the rule of their base."""
    assert {kind for kind in rules if kind in EVENT_TYPES} == verdict


class Renamed(ContractEvent, frozen=True):
    """A change that a later version might have."""

    name: str


RENAMED: Any = Renamed("pool", "lake")
BEFORE = [ContractRegistered("pool", None), BalanceRaised("pool", 5)]


def contract() -> Contract:
    made = Contract("pool", None)
    made.apply(BalanceRaised("pool", 5))
    return made


def spaces() -> ShadowSpaces:
    return replay(ShadowSpaces(), [Commit(position, 0, [event]) for position, event in enumerate(BEFORE, 1)])


def books() -> Books:
    made = Books()
    for position, event in enumerate(BEFORE, 1):
        made.record(event, position, [])
    return made


@pytest.mark.parametrize(
    "place",
    [
        lambda: contract().apply(RENAMED),
        lambda: contract().revert(RENAMED),
        lambda: spaces().apply(3, 0, RENAMED),
        lambda: books().apply(RENAMED, 3),
        lambda: books().apply_commit([RENAMED], 3),
        lambda: books().contracts.record(RENAMED),
        lambda: books().revert([RENAMED]),
        lambda: Draft(books()).apply(RENAMED),
    ],
)
def test_an_unknown_change_of_a_contract_is_refused(place: Callable[[], object]) -> None:
    with pytest.raises(KeyError, match="Renamed"):
        place()


def test_an_auditor_says_that_a_change_of_a_contract_is_unknown() -> None:
    commits = [Commit(position, 0, [event]) for position, event in enumerate([*BEFORE, RENAMED], 1)]
    assert [str(finding) for finding in replay(Invariants(), commits).finish()] == [
        "position 3: Renamed is an event that this audit does not know"
    ]


def test_a_subclass_has_its_base_s_rule_and_no_stranger_has_one() -> None:
    class Typed(Minted, frozen=True):
        pass

    rules = Rules({Minted: 1})
    assert rules[Typed] == 1
    with pytest.raises(KeyError):
        rules[Distributed]
