"""Forks: scratch ledgers that go on from a moment of another, of which they change nothing."""

import asyncio
from pathlib import Path

import pytest

from tallystick import (
    AsyncLedger,
    Balance,
    Balances,
    Difference,
    DuplicateIdempotencyKey,
    DuplicateTransferId,
    InvalidPosition,
    InvalidRequest,
    Ledger,
    Token,
    TokenNotFound,
)
from tallystick.projections.projection import digest
from tests.infrastructure.ledger.travel.test_as_of import told
from tests.support.books.varied_book import VariedBook


def test_a_fork_goes_on_as_the_ledger_did(url: str | Path) -> None:
    book = VariedBook(url, 3)
    with book.ledger as ledger:
        positions = list(book.play(25))
        for position in (positions[0], positions[9], positions[-1]):
            expected = told(ledger.as_of(position))
            fork = ledger.fork(position)
            assert told(fork) == expected
            other = VariedBook.__new__(VariedBook)
            other.__dict__ |= book.__dict__ | {"ledger": fork}
            list(other.play(15))
            assert fork.verify().ok
            assert fork.audit().findings == ()
            assert fork.verify().position > position
            again = fork.fork()
            assert told(again) == told(fork)
            assert told(fork.as_of(position)) == expected
            assert told(fork.fork(position)) == expected
        assert ledger.status().head.position == positions[-1]
        assert ledger.audit().ok


def test_what_was_used_later_is_free_in_it(url: str | Path) -> None:
    with Ledger.open(url) as ledger:
        ledger.register_token(Token("USD"))
        ledger.mint("USD", "alice", 1, idempotency_key="first")
        ledger.mint("USD", "alice", 1, idempotency_key="second", reference="order")
        ledger.mint_many("USD", ["alice"], [1], ids=["row"])
        before = digest(ledger.replay(Balances()))
        fork = ledger.fork(2)
        assert fork.receipt("second") is None
        assert fork.find("order") == []
        fork.mint("USD", "alice", 5, idempotency_key="second", reference="order")
        fork.mint_many("USD", ["alice"], [1], ids=["row"])
        for key in ("first", "second"):
            with pytest.raises(DuplicateIdempotencyKey):
                fork.mint("USD", "alice", 5, idempotency_key=key)
        with pytest.raises(DuplicateTransferId):
            fork.mint_many("USD", ["alice"], [1], ids=["row"])
        assert [entry.id for entry in fork.find("order")] == [3]
        assert fork.balance("USD", "alice").total == 7
        assert digest(ledger.replay(Balances())) == before
        ledger.mint("USD", "alice", 1)
        assert fork.balance("USD", "alice").total == 7


def test_metadata_that_was_erased_later_is_missing_in_it_and_whole(url: str | Path) -> None:
    with Ledger.open(url) as ledger:
        ledger.register_token(Token("USD"))
        for number in range(3):
            ledger.mint("USD", "alice", 1, metadata={"n": number})
        ledger.erase(2, "asked for")
        fork = ledger.fork(3)
        assert [fork.entry(id).metadata for id in (2, 3)] == [None, {"n": 1}]
        fork.erase(3, "tried")
        fork.mint("USD", "alice", 1, metadata={"n": 9})
        for each in (fork, fork.fork(), ledger.as_of(3), ledger):
            assert each.audit().findings == ()
            assert each.verify().findings == ()
        assert [fork.entry(id).metadata for id in (2, 3, 5)] == [None, None, {"n": 9}]
        assert ledger.entry(3).metadata == {"n": 1}


def test_what_lies_between(url: str | Path) -> None:
    with Ledger.open(url) as ledger:
        ledger.register_token(Token("USD"))
        ledger.mint("USD", "alice", 10)
        ledger.register_token(Token("EUR"))
        ledger.transfer("USD", "alice", "bob", 4)
        ledger.reserve("USD", "bob", "shop", 1)
        ledger.mint("EUR", "alice", 7)
        ten, six = Balance(10, 0, 10), Balance(6, 0, 6)
        alice = Difference("USD", "alice", ten, six, -4, 0)
        shop = Difference("USD", "shop", Balance(0, 0, 0), Balance(0, 1, 1), 0, 1)
        bob = Difference("USD", "bob", Balance(0, 0, 0), Balance(3, 0, 3), 3, 0)
        euro = Difference("EUR", "alice", Balance(0, 0, 0), Balance(7, 0, 7), 7, 0)
        assert ledger.diff(2, 6) == [alice, bob, shop, euro]
        assert ledger.diff(2) == ledger.diff(2, 6)
        assert ledger.diff(2, token="EUR") == [euro]
        assert ledger.diff(3, 4, "USD") == [alice, Difference("USD", "bob", Balance(0, 0, 0), Balance(4, 0, 4), 4, 0)]
        assert ledger.diff(4, 4) == []
        assert ledger.diff(6, 5) == [Difference("EUR", "alice", euro.after, euro.before, -7, 0)]
        for arguments, error in (((), InvalidRequest), ((2, 9), InvalidPosition), ((0, 2), InvalidPosition)):
            with pytest.raises(error):
                ledger.diff(*arguments)
        with pytest.raises(TokenNotFound):
            ledger.diff(1, 2, "EUR")
        fork = ledger.fork(2)
        assert fork.diff() == []
        fork.burn("USD", "alice", 1)
        assert fork.diff() == [Difference("USD", "alice", ten, Balance(9, 0, 9), -1, 0)]


def test_a_fork_of_an_empty_ledger() -> None:
    with Ledger.open("memory:") as ledger:
        fork = ledger.fork()
        fork.register_token(Token("USD"))
        fork.mint("USD", "alice", 1)
        assert [difference.available for difference in fork.diff()] == [1]
        assert fork.audit().ok
        assert ledger.tokens() == []


def test_awaited() -> None:
    async def main() -> None:
        async with AsyncLedger.open("memory:") as ledger:
            await ledger.register_token(Token("USD"))
            await ledger.mint("USD", "alice", 5)
            await ledger.mint("USD", "alice", 5)
            async with ledger.fork(2) as fork:
                await fork.mint("USD", "bob", 1)
                assert [difference.account for difference in await fork.diff()] == ["bob"]
                assert (await fork.audit()).ok
            assert (await ledger.balance("USD", "bob")).total == 0
            with pytest.raises(InvalidPosition):
                await ledger.fork(4)

    asyncio.run(main())
