"""What the books keep of frozen accounts: what is taken back, when a freeze was recorded, and which changes are told of."""

import random

import pytest

from tallystick.domain.events import AccountFrozen, AccountUnfrozen
from tallystick.domain.memory import freezes as module
from tallystick.domain.memory.freezes import Freezes
from tallystick.domain.values.freeze import Freeze

Event = AccountFrozen | AccountUnfrozen


def test_taken_back_it_is_as_it_was() -> None:
    drawn = random.Random(5)
    freezes, states, events = Freezes(set()), [], list[Event]()
    for position in range(1, 200):
        states.append(freezes.freeze())
        account, token = drawn.choice("abc"), drawn.choice([None, "USD"])
        event: Event = AccountFrozen(account, token, True, drawn.random() < 0.5)
        if drawn.random() < 0.5:
            event = AccountUnfrozen(account, token)
        freezes.apply(event, position)
        events.append(event)
    for event in reversed(events):
        freezes.revert(event)
        assert freezes.freeze() == states.pop()
    assert freezes.by_account == {}


def test_a_freeze_is_dated_once() -> None:
    freezes = Freezes(set())
    freezes.apply(AccountFrozen("a", None, True, False, "court"), 3)
    freezes.apply(AccountFrozen("b", "USD", True, False), 4)
    freezes.apply(AccountUnfrozen("b", "USD"), 5)
    freezes.forget(17)
    freezes.apply(AccountFrozen("b", None, True, False), 6)
    freezes.forget(18)
    assert freezes.freeze() == [
        Freeze("a", None, True, False, "court", 3, 17),
        Freeze("b", None, True, False, "", 6, 18),
    ]
    again = Freezes(set())
    again.restore(freezes.freeze())
    assert again.freeze() == freezes.freeze()
    assert again.changed_since(0) is None


def test_changes_are_told_of_as_long_as_they_are_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHANGES_KEPT", 3)
    freezes = Freezes(set())
    assert freezes.changed_since(0) == []
    freezes.apply(AccountFrozen("a", None, True, False), 1)
    freezes.apply(AccountUnfrozen("a", None), 2)
    assert freezes.changed_since(0) == ["a", "a"]
    assert freezes.changed_since(1) == ["a"]
    for position in range(3, 9):
        freezes.apply(AccountFrozen("b", None, True, position % 2 == 0), position)
    assert freezes.changed_since(0) is None
    assert freezes.changed_since(freezes.changes) == []
    freezes.apply(AccountUnfrozen("b", None), 9)
    assert freezes.changed_since(freezes.changes - 1) == ["b"]
