"""Who builds the past index in the background rests while commits come, and nobody waits longer for it."""

from contextlib import nullcontext
from pathlib import Path

import pytest

from tallystick import Ledger, Token
from tallystick.infrastructure.indexes.past import giving_way, sizes
from tallystick.infrastructure.indexes.past.giving_way import (
    COMMITS_SECONDS,
    REST,
    REST_MAX_SECONDS,
    WORK_SECONDS,
    GivingWay,
)

BIT = WORK_SECONDS / 2


class Clock:
    """A clock that goes on when told to, and by sleeping."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def read(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.mark.parametrize(
    ("worked", "is_committed", "is_awaited", "rests"),
    [
        (2 * WORK_SECONDS, True, False, [REST * 2 * WORK_SECONDS]),
        (WORK_SECONDS * 1.5, True, False, [REST * WORK_SECONDS * 1.5]),
        (10.0, True, False, [REST_MAX_SECONDS]),
        (BIT, True, False, []),
        (2 * WORK_SECONDS, False, False, []),
        (2 * WORK_SECONDS, True, True, []),
        (10.0, False, True, []),
    ],
)
def test_it_rests_as_it_worked_while_commits_come(
    worked: float, is_committed: bool, is_awaited: bool, rests: list[float]
) -> None:
    clock = Clock()
    way = GivingWay(clock.read, clock.sleep)
    way.begin()
    if is_committed:
        way.position = 7
    with way.awaited() if is_awaited else nullcontext():
        clock.now += worked
        way.rest()
    assert clock.slept == pytest.approx(rests)


def test_it_rests_no_more_when_commits_have_ended() -> None:
    clock = Clock()
    way = GivingWay(clock.read, clock.sleep)
    way.position = 7
    way.begin()
    while clock.now < 100 + 3 * COMMITS_SECONDS:
        clock.now += 2 * WORK_SECONDS
        way.rest()
    rested = len(clock.slept)
    assert rested == pytest.approx(COMMITS_SECONDS / (2 * WORK_SECONDS * (1 + REST)), abs=2)
    way.position = 8
    clock.now += 2 * WORK_SECONDS
    way.rest()
    assert len(clock.slept) == rested + 1


def test_it_goes_on_resting_when_who_waited_was_answered_or_gave_up() -> None:
    clock = Clock()
    way = GivingWay(clock.read, clock.sleep)
    way.begin()
    way.position = 7
    with pytest.raises(KeyboardInterrupt), way.awaited(), way.awaited():
        raise KeyboardInterrupt
    clock.now += 2 * WORK_SECONDS
    way.rest()
    assert len(clock.slept) == 1


def test_what_is_built_between_commits_is_what_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(giving_way, "WORK_SECONDS", 0)
    monkeypatch.setattr(sizes, "BUCKET", 32)
    monkeypatch.setattr(sizes, "WORTH_POSITIONS", 0)
    with Ledger.open(tmp_path / "books.db") as ledger:
        ledger.register_token(Token("USD"))
        for _ in range(100):
            ledger.mint("USD", "alice", 1)
        assert ledger.as_of(2).balance("USD", "alice").available == 1  # from now on it is built in the background
        for _ in range(300):
            ledger.mint("USD", "alice", 1)
        for position in (2, 50, 101, 102, 250, 401):
            assert ledger.as_of(position).balance("USD", "alice").available == position - 1
