"""An index that is begun anew, interrupted or asked for more than it has reached says nothing of what it does not know."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tallystick import Ledger, Token
from tallystick.domain.events import Distributed, Minted, TokenRegistered
from tallystick.infrastructure.indexes.past.past_index import NoIndex, PastIndex
from tests.support.books.behind import core_of
from tests.support.books.forged_rows import forge
from tests.support.past.past_book import replays_counted, small_index


@pytest.fixture(autouse=True)
def small() -> Iterator[None]:
    with small_index(bucket=40):
        yield


def index_of(ledger: Ledger) -> PastIndex:
    index = core_of(ledger).past
    assert index is not None
    return index


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "books.db"


@pytest.fixture
def ledger(path: Path) -> Iterator[Ledger]:
    """Alice got 1 a hundred times, from position 2 on, and was frozen at the end."""
    with Ledger.open(path) as opened:
        opened.register_token(Token("USD"))
        for _ in range(100):
            opened.mint("USD", "alice", 1)
        opened.freeze("alice")
        yield opened


def test_a_view_says_the_same_after_the_index_was_begun_anew(ledger: Ledger) -> None:
    index = index_of(ledger)
    index.extending.stop()
    late = ledger.as_of(102)
    assert late.balance("USD", "alice").total == 100
    assert isinstance(index.distrust("somebody found it damaged"), NoIndex)
    assert ledger.as_of(10).balance("USD", "alice").total == 9  # it reaches no further now
    with replays_counted() as replays:
        assert late.balance("USD", "alice").total == 100
        assert late.supply("USD").circulating == 100
        assert [each.account for each in late.frozen()] == ["alice"]
    assert not replays


def test_what_is_asked_first_is_asked_of_all_up_to_there(ledger: Ledger) -> None:
    index_of(ledger).extending.stop()
    assert ledger.as_of(5).balance("USD", "alice").total == 4
    assert [each.account for each in ledger.as_of(102).frozen()] == ["alice"]
    assert ledger.as_of(101).frozen() == []


def test_the_index_itself_answers_nothing_beyond_what_it_has_reached(ledger: Ledger) -> None:
    index = index_of(ledger)
    index.extending.stop()
    index.reach(5)
    for ask in (index.value, lambda cell, at: list(index.touched((cell,), 0, at))):
        with pytest.raises(NoIndex):
            ask(0, 90)


class InterruptedOnce:
    """Raises KeyboardInterrupt at the first call, and then does what it is put before."""

    def __init__(self, call: Any) -> None:
        self._call = call
        self.is_due = True

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        if self.is_due:
            self.is_due = False
            raise KeyboardInterrupt
        return self._call(*arguments, **options)


@pytest.mark.parametrize(
    "interrupted",
    [
        "tallystick.infrastructure.indexes.past.buckets.tail._bucket",
        "tallystick.infrastructure.indexes.past.buckets.gathering.Touches",
        "tallystick.infrastructure.indexes.past.buckets.bucket.segments_of",
        "tallystick.infrastructure.indexes.past.following.Touched",
        "tallystick.infrastructure.indexes.past.building.Tail",
    ],
)
def test_an_interruption_while_it_is_asked_or_extended(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, interrupted: str
) -> None:
    """Whatever step it was in, nothing is missing afterwards."""
    index = index_of(ledger)
    index.extending.stop()
    for head in (60, 101):
        module, name = interrupted.rsplit(".", 1)
        with monkeypatch.context() as patch:
            once = InterruptedOnce(getattr(__import__(module, fromlist=[name]), name))
            patch.setattr(interrupted, once)
            with pytest.raises(KeyboardInterrupt):
                for position in range(head - 45, head, 3):
                    ledger.as_of(position).balance("USD", "alice")
            for position in (head, *range(2, head)):
                assert ledger.as_of(position).balance("USD", "alice").total == position - 1
            assert len(list(ledger.as_of(head).history("USD", "alice"))) == head - 1
        index.distrust("for another try")


def test_a_token_that_is_registered_and_distributed_in_one_commit(path: Path) -> None:
    with Ledger.open(path) as ledger:
        ledger.register_token(Token("USD"))
    forge(
        path,
        [
            TokenRegistered("NEW", 0, 1000, None, "external"),
            Minted("NEW", "alice", 30),
            Minted("NEW", "bob", 10),
            Distributed("NEW", None, 8, 0),
            Minted("NEW", "bob", 1),
            Distributed("NEW", None, 8, 1),
        ],
    )
    with Ledger.open(path) as ledger:
        stood = ledger.balances("NEW")
        assert sum(balance.total for balance in stood.values()) == 57
        ledger.mint("NEW", "alice", 5)
        with replays_counted() as replays:
            assert ledger.as_of(7).balances("NEW") == stood
            assert [ledger.as_of(7).balance("NEW", account) for account in ("alice", "bob")] == list(stood.values())
        assert not replays
