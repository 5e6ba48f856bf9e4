"""A fragment of any state: where it was minted, held and ended."""

import asyncio
import random
from pathlib import Path
from typing import Any

import pytest

from tallystick import (
    AsyncLedger,
    FragmentNotFound,
    FragmentState,
    InvalidRequest,
    Ledger,
    RecordedFragment,
    Token,
    ValueObject,
)
from tallystick.events import FragmentsBurned, FragmentsMinted, FragmentsReleased, FragmentsReserved

ALIVE, RESERVED, BURNED = FragmentState.ALIVE, FragmentState.RESERVED, FragmentState.BURNED


class Folded:
    """A projection: every fragment there ever was, by the transitions of the plain value object."""

    name, version = "folded", 1

    def __init__(self) -> None:
        self.state: dict[int, ValueObject] = {}

    def apply(self, position: int, recorded_at: int, event: Any, /) -> None:
        if isinstance(event, FragmentsMinted):
            self.state.update((fragment.id, fragment) for fragment in ValueObject.minted_by(event))
        elif isinstance(event, FragmentsBurned | FragmentsReserved | FragmentsReleased):
            self.state.update((id, self.state[id].apply(event)) for id in event.ids)

    def apply_columns(self, position: int, recorded_at: int, batch: object, /) -> None:
        """How fragments carry a batch is said behind it."""


def test_from_its_minting_to_its_end(ledger: Ledger) -> None:
    ledger.register_token(Token("CUP", unit=10))
    minted = ledger.mint("CUP", "alice", 7)
    (held,) = ledger.fragments("CUP", "alice")
    assert ledger.fragment(held.id) == RecordedFragment(held.id, "CUP", "alice", 7, ALIVE, None, minted.entry_id)
    reserved = ledger.reserve("CUP", "alice", "keeper", 7)
    hold = reserved.hold_id
    assert hold is not None
    entries = minted.entry_id, reserved.entry_id
    assert ledger.fragment(held.id) == RecordedFragment(held.id, "CUP", "alice", 7, RESERVED, hold, *entries)
    settled = ledger.settle("CUP", "keeper", "bob", 7)
    ended = ledger.fragment(held.id)
    assert ended == RecordedFragment(held.id, "CUP", "alice", 7, BURNED, None, *entries, settled.entry_id)
    (given,) = ledger.fragments("CUP", "bob")
    hold = ledger.reserve("CUP", "bob", "keeper", 7).hold_id
    assert hold is not None
    ledger.release(hold)
    assert ledger.fragment(given.id) == RecordedFragment(given.id, "CUP", "bob", 7, ALIVE, None, settled.entry_id)
    burned = ledger.burn("CUP", "bob", 7)
    again = RecordedFragment(given.id, "CUP", "bob", 7, BURNED, None, settled.entry_id, None, burned.entry_id)
    assert ledger.fragment(given.id) == again
    assert "ended_in" in ledger.fragment(given.id).to_dict()


@pytest.mark.parametrize("id", [True, None, "7", 1.5])
def test_what_is_no_id(ledger: Ledger, id: Any) -> None:
    with pytest.raises(InvalidRequest, match="the id of a fragment is an int"):
        ledger.fragment(id)


@pytest.mark.parametrize("id", [0, -1, 1, 2**62, 2**200])
def test_what_was_never_minted(ledger: Ledger, id: Any) -> None:
    ledger.register_token(Token("PLAIN"))
    ledger.mint("PLAIN", "alice", 7)
    with pytest.raises(FragmentNotFound, match="ever minted"):
        ledger.fragment(id)


def test_fragments_that_move_as_runs(ledger: Ledger) -> None:
    ledger.register_token(Token("BIT", unit=1))
    minted = ledger.mint("BIT", "alice", 500)
    fragments = ledger.fragments("BIT", "alice")
    reserved = ledger.reserve("BIT", "alice", "keeper", 300)
    hold = reserved.hold_id
    assert hold is not None
    released = ledger.release(hold, 100)
    settled = ledger.settle("BIT", "keeper", "bob", 200)
    burned = ledger.burn("BIT", "alice", 250)
    seen = [ledger.fragment(fragment.id) for fragment in fragments]
    assert {fragment.minted_in for fragment in seen} == {minted.entry_id}
    paid = [fragment for fragment in seen if fragment.ended_in == settled.entry_id]
    assert len(paid) == 200
    assert {fragment.held_in for fragment in paid} == {reserved.entry_id}
    ended = [fragment for fragment in seen if fragment.ended_in == burned.entry_id]
    assert len(ended) == 250
    assert {fragment.held_in for fragment in ended} == {None}
    left = [fragment.id for fragment in seen if fragment.ended_in is None]
    assert left == [fragment.id for fragment in ledger.fragments("BIT", "alice")]
    assert {ledger.fragment(fragment.id).minted_in for fragment in ledger.fragments("BIT", "bob")} == {settled.entry_id}
    assert ledger.entry(released.entry_id).id == released.entry_id


def test_every_fragment_is_as_its_events_fold(shared_url: str | Path) -> None:
    """Also those that carry batches, and those that were minted and spent within one row."""
    chance = random.Random(7)
    accounts = ["alice", "bob", "carol"]
    with Ledger.open(shared_url) as ledger:
        ledger.register_token(Token("CUP", unit=10))
        ledger.mint_many("CUP", accounts, [300, 300, 300])
        for _ in range(25):
            payer, receiver = chance.sample(accounts, 2)
            with ledger.atomic() as tx:
                tx.transfer("CUP", payer, receiver, chance.randint(1, 20))
                hold = tx.reserve("CUP", receiver, "keeper", chance.randint(1, 15))
                if chance.random() < 0.5:
                    tx.settle("CUP", "keeper", payer, 1, hold)
                if chance.random() < 0.3:
                    tx.release(hold)
            ledger.transfer_many("CUP", [payer, receiver], [receiver, payer], [chance.randint(1, 9), 3])
        folded = ledger.replay(Folded()).state
        states = set[FragmentState]()
        for id, expected in folded.items():
            found = ledger.fragment(id)
            states.add(found.state)
            plain = ValueObject(found.id, found.token, found.owner, found.amount, found.state, found.hold)
            assert plain == expected
            assert found.minted_in <= (found.held_in or found.minted_in) <= (found.ended_in or 2**62)
            assert (found.ended_in is None) == (found.state is not BURNED)
            assert found.state is not RESERVED or found.held_in is not None
            for entry in {found.minted_in, found.held_in, found.ended_in} - {None}:
                assert ledger.entry(entry).id == entry
        assert states == set(FragmentState)


def test_it_is_awaited() -> None:
    async def case() -> None:
        async with AsyncLedger.open("memory:") as ledger:
            await ledger.register_token(Token("CUP", unit=10))
            await ledger.mint("CUP", "alice", 7)
            (fragment,) = await ledger.fragments("CUP", "alice")
            assert (await ledger.fragment(fragment.id)).amount == 7

    asyncio.run(case())
