"""The first commit as of which something is true, found in as many calls as the logarithm of the positions, and two."""

import asyncio
from collections.abc import Iterator
from math import ceil, log2
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick import AsyncLedger, InvalidPosition, InvalidRequest, Ledger, Token, TokenNotFound, View
from tests.support.books.varied_book import VariedBook


@pytest.fixture(scope="module")
def ledger() -> Iterator[Ledger]:
    """Positions 1 and 2, then 30 transfers of 1 USD, each a commit; a batch of 40 rows; and 10 more."""
    with Ledger.open("memory:") as ledger:
        ledger.register_token(Token("USD"))
        ledger.mint("USD", "alice", 1_000)
        for number in range(30):
            ledger.transfer("USD", "alice", "bob", 1, idempotency_key=f"first {number}")
        ledger.transfer_many("USD", ["alice"] * 40, ["bob"] * 40, [1] * 40)
        for number in range(10):
            ledger.transfer("USD", "alice", "bob", 1, reference=f"last {number}")
        yield ledger


def has(amount: int) -> Any:
    return lambda view: view.balance("USD", "bob").total >= amount


@pytest.mark.parametrize(
    ("amount", "verdict"),
    [*((amount, 2 + amount) for amount in range(1, 31)), (31, 72), (70, 72), (71, 73), (80, 82)],
)
def test_a_planted_change_is_found(ledger: Ledger, amount: int, verdict: int) -> None:
    found = ledger.bisect(has(amount))
    assert found.position == verdict
    assert found.calls <= ceil(log2(82)) + 2
    assert [entry.last_position for entry in found.entries] == [verdict]
    assert ledger.as_of(found.position).recorded_at == found.recorded_at
    assert has(amount)(ledger.as_of(found.position))
    assert not has(amount)(ledger.as_of(found.position - 1))


@given(seed=st.integers(0, 10**9), commits=st.integers(1, 12), where=st.floats(0, 1))
def test_in_random_books(seed: int, commits: int, where: float) -> None:
    book = VariedBook("memory:", seed)
    ends = list(book.play(commits))
    with book.ledger as ledger:
        end = ends[-1]
        planted = 2 + int(where * (end - 2))
        asked: list[int] = []

        def is_behind(view: View) -> bool:
            asked.append(view.position)
            return view.position >= planted

        found = ledger.bisect(is_behind)
        assert found.position >= planted
        assert ledger.as_of(found.position - 1).position < planted
        assert found.calls == len(asked) == len(set(asked)) <= ceil(log2(end)) + 2
        assert asked[:2] == [1, end]
        assert found.entries[0].position <= planted <= found.entries[-1].last_position


@pytest.mark.parametrize(
    ("amount", "options", "verdict"),
    [
        (5, {"after": 6}, 7),
        (5, {"after": 3, "upto": 7}, 7),
        (5, {"upto": 40}, 7),
        (31, {"after": 20}, 72),
        (31, {"after": 40, "upto": 72}, 72),
        (71, {"after": 72}, 73),
        (5, {"after": 7}, "true as of position 7 already, where the search begins: begin before it"),
        (5, {"after": 50}, "true as of position 32 already"),
        (0, {}, "true as of position 1 already, where the search begins, which is the first that there is"),
        (81, {}, "not true as of position 82, where the search ends"),
        (5, {"upto": 6}, "not true as of position 6"),
        (31, {"upto": 71}, "not true as of position 32"),
        (5, {"after": 6, "upto": 6}, "not true as of position 6"),
        (5, {"after": 6, "upto": 3}, "begins at position 6 and would end before it, at 3"),
    ],
)
def test_both_ends_are_asked_first(ledger: Ledger, amount: int, options: Any, verdict: int | str) -> None:
    if isinstance(verdict, int):
        assert ledger.bisect(has(amount), **options).position == verdict
        return
    with pytest.raises(InvalidRequest, match=verdict):
        ledger.bisect(has(amount), **options)


@pytest.mark.parametrize("options", [{"after": 83}, {"upto": 83}, {"after": -1}, {"upto": -1}, {"upto": 0}, {"after": "x"}])
def test_positions_that_there_are_not(ledger: Ledger, options: Any) -> None:
    with pytest.raises(InvalidPosition):
        ledger.bisect(has(1), **options)


def test_nothing_is_searched_in_nothing() -> None:
    with Ledger.open("memory:") as ledger, pytest.raises(InvalidPosition, match="nothing was recorded"):
        ledger.bisect(has(1))


def test_what_a_predicate_raises_says_where(ledger: Ledger) -> None:
    with pytest.raises(TokenNotFound) as unknown:
        ledger.bisect(lambda view: view.balance("EUR", "bob").total)
    assert unknown.value.__notes__ == ["asked as of position 1"]

    def dividing(view: View) -> bool:
        return 1 // (view.position - 42 + 10) > 0 if view.position == 32 else view.position > 40

    with pytest.raises(ZeroDivisionError) as divided:
        ledger.bisect(dividing)
    assert divided.value.__notes__ == ["asked as of position 32"]


def test_what_cannot_be_asked_is_refused(ledger: Ledger) -> None:
    async def awaited(view: View) -> bool:
        return True

    for asked, said in ((awaited, "no coroutine"), (None, "is called with a View"), ("balances", "is called with a View")):
        with pytest.raises(InvalidRequest, match=said):
            ledger.bisect(asked)  # type: ignore[arg-type]


def test_on_every_store_and_awaited(url: str | Path) -> None:
    async def main() -> None:
        async with AsyncLedger.open(url) as ledger:
            await ledger.register_token(Token("USD"))
            await ledger.mint("USD", "alice", 100)
            for _ in range(20):
                await ledger.transfer("USD", "alice", "bob", 1)
            found = await ledger.bisect(has(13))
            assert (found.position, found.entries[0].transactions[0].receiver) == (15, "bob")

    asyncio.run(main())
