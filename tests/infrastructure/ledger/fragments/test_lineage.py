"""What a fragment was made of, back to what was minted: certain of single movements, and of batches one of these."""

import asyncio
import random
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import pytest

from tallystick import AsyncLedger, FragmentNotFound, FragmentOrigin, InvalidRequest, Ledger, Lineage, Token
from tallystick.events import (
    FragmentsBurned,
    FragmentsMinted,
    FragmentsReserved,
    Minted,
    Moved,
    Released,
    Reserved,
    Settled,
)
from tallystick.infrastructure.ledger.reading.fragments import lineage_reads

Told = tuple[str, int, str, list[str]]
"""Of an origin: the owner, the amount, the kind, and owner and amount of each parent."""


@pytest.fixture
def cups(ledger: Ledger) -> Ledger:
    ledger.register_token(Token("CUP", unit=10))
    return ledger


def held_by(ledger: Ledger, account: str) -> list[int]:
    return [fragment.id for fragment in ledger.fragments("CUP", account) if not fragment.hold]


def origins(lineage: Lineage) -> dict[int, FragmentOrigin]:
    return {each.id: each for each in (lineage.fragment, *lineage.ancestors)}


def told(lineage: Lineage) -> list[Told]:
    known = origins(lineage)
    return [
        (each.owner, each.amount, each.kind, [f"{known[id].owner} {known[id].amount}" for id in each.parents])
        for each in known.values()
    ]


def hold_of_7(ledger: Ledger) -> str:
    ledger.mint("CUP", "alice", 15)  # in 10 and 5
    receipt = ledger.reserve("CUP", "alice", "keeper", 7)  # the 5, and 2 of the 10
    assert receipt.hold_id is not None
    return receipt.hold_id


def settled(ledger: Ledger) -> None:
    ledger.settle("CUP", "keeper", "bob", 6, hold_of_7(ledger))


def released(ledger: Ledger) -> None:
    ledger.release(hold_of_7(ledger), 1)


def paid_itself(ledger: Ledger) -> None:
    ledger.settle("CUP", "keeper", "alice", 6, hold_of_7(ledger))


def in_one_block(ledger: Ledger) -> None:
    with ledger.atomic() as tx:
        tx.mint("CUP", "alice", 15)
        tx.transfer("CUP", "alice", "bob", 12)
        tx.transfer("CUP", "bob", "carol", 4)


def reversed_(ledger: Ledger) -> None:
    ledger.mint("CUP", "alice", 15)
    ledger.reverse(transaction=ledger.transfer("CUP", "alice", "bob", 12).transaction_ids[0])


MINTED = [("alice", 5, "mint", []), ("alice", 10, "mint", [])]
HELD = ("alice", 2, "reserve", ["alice 10"])
PAID = ["alice 5", "alice 10"]


@pytest.mark.parametrize(
    ("do", "owner", "lineages"),
    [
        (lambda ledger: ledger.mint("CUP", "bob", 15), "bob", [[("bob", 5, "mint", [])], [("bob", 10, "mint", [])]]),
        (hold_of_7, "alice", [[("alice", 8, "reserve", ["alice 10"]), MINTED[1]]]),
        (settled, "bob", [[("bob", 6, "settle", ["alice 2", "alice 5"]), HELD, *reversed(MINTED)]]),
        (settled, "alice", [[("alice", 8, "reserve", ["alice 10"]), MINTED[1]]]),
        (paid_itself, "alice", [[("alice", 6, "settle", ["alice 2", "alice 5"]), HELD, *reversed(MINTED)],
                                [("alice", 8, "reserve", ["alice 10"]), MINTED[1]]]),
        (released, "alice", [[("alice", 1, "release", ["alice 2"]), HELD, MINTED[1]],
                             [("alice", 8, "reserve", ["alice 10"]), MINTED[1]]]),
        (in_one_block, "carol", [[("carol", 4, "transfer", ["bob 2", "bob 10"]),
                                  ("bob", 2, "transfer", PAID), ("bob", 10, "transfer", PAID), *MINTED]]),
        (reversed_, "alice", [[("alice", 2, "transfer", ["bob 2", "bob 10"]), ("bob", 2, "transfer", PAID),
                               ("bob", 10, "transfer", PAID), *MINTED],
                              [("alice", 3, "transfer", PAID), *MINTED],
                              [("alice", 10, "transfer", ["bob 2", "bob 10"]), ("bob", 2, "transfer", PAID),
                               ("bob", 10, "transfer", PAID), *MINTED]]),
        (lambda ledger: (ledger.mint("CUP", "bob", 15), ledger.burn("CUP", "bob", 7)), "bob",
         [[("bob", 8, "burn", ["bob 5", "bob 10"]), ("bob", 5, "mint", []), ("bob", 10, "mint", [])]]),
    ],
)  # fmt: skip
def test_what_it_was_made_of(cups: Ledger, do: Callable[[Ledger], object], owner: str, lineages: list[list[Told]]) -> None:
    do(cups)
    found = [cups.lineage(id) for id in held_by(cups, owner)]
    assert [sorted(told(lineage)) for lineage in found] == [sorted(expected) for expected in lineages]
    for lineage in found:
        assert lineage.complete
        ids = [each.id for each in (lineage.fragment, *lineage.ancestors)]
        assert ids == sorted(ids, reverse=True)
        for each in (lineage.fragment, *lineage.ancestors):
            assert each.certain
            assert each.parents == tuple(sorted(each.parents, reverse=True))
            recorded = cups.fragment(each.id)
            assert (recorded.owner, recorded.amount, recorded.minted_in) == (each.owner, each.amount, each.entry_id)
            assert each.transaction_id is not None
            movement = cups.transaction(each.transaction_id)
            assert (movement.kind, movement.entry_id, movement.recorded_at) == (each.kind, each.entry_id, each.recorded_at)


def test_of_a_batch_it_is_one_of_these(cups: Ledger) -> None:
    cups.mint("CUP", "alice", 5)
    cups.mint("CUP", "bob", 7)
    (alices,), (bobs,) = held_by(cups, "alice"), held_by(cups, "bob")
    batch = cups.transfer_many("CUP", ["alice", "bob", "carol"], ["carol", "carol", "dave"], [5, 7, 6])
    (daves,) = held_by(cups, "dave")
    lineage = cups.lineage(daves)
    assert lineage.complete
    assert not lineage.fragment.certain
    assert (lineage.fragment.entry_id, lineage.fragment.transaction_id) == (batch.entry_id, None)
    assert lineage.fragment.kind == "transfer"
    first, second = sorted(each.id for each in lineage.ancestors if each.owner == "carol")
    assert lineage.fragment.parents == (second, first, bobs, alices)
    known = origins(lineage)
    assert (known[first].parents, known[second].parents) == ((bobs, alices), (first, bobs, alices))
    assert [known[id].certain for id in (first, alices, bobs)] == [False, True, True]


@pytest.mark.parametrize(
    ("do", "certain", "parents"),
    [
        (lambda ledger: ledger.mint_many("CUP", ["bob", "bob"], [3, 3]), True, 0),
        (lambda ledger: ledger.transfer_many("CUP", ["alice"], ["bob"], [5]), True, 1),
        (lambda ledger: ledger.transfer_many("CUP", ["alice"], ["bob"], [7]), False, 2),
        (lambda ledger: ledger.transfer_many("CUP", ["alice", "alice"], ["bob", "carol"], [5, 5]), False, 2),
        (lambda ledger: ledger.burn_many("CUP", ["alice"], [3]), True, 1),
    ],
)
def test_of_a_batch_it_is_certain_where_it_can_be_one_alone(
    cups: Ledger, do: Callable[[Ledger], Any], certain: bool, parents: int
) -> None:
    cups.mint("CUP", "alice", 15)
    done = do(cups)
    newest = max(held_by(cups, "bob") + held_by(cups, "alice") + held_by(cups, "carol"))
    fragment = cups.lineage(newest).fragment
    assert (fragment.certain, len(fragment.parents)) == (certain, parents)
    assert fragment.transaction_id == (done.transaction_ids[0] if done.accepted == 1 else None)


def test_two_that_a_crowded_account_merges_are_the_parents_of_the_one(cups: Ledger) -> None:
    cups.mint_many("CUP", ["bob"] * 1_200, [1] * 1_200)
    cups.mint("CUP", "alice", 15)
    merges = {"mint": 0, "transfer": 0}
    for number in range(24):
        before = set(held_by(cups, "bob"))
        alices = held_by(cups, "alice")
        if number % 2:
            cups.mint("CUP", "bob", 1)
        else:
            cups.transfer("CUP", "alice", "bob", 1)
        after = set(held_by(cups, "bob"))
        assert len(before - after) in (0, 2)
        for id in after - before:
            fragment = cups.lineage(id).fragment
            assert fragment.certain
            parents = {*fragment.parents}
            if parents and parents == before - after:
                merges[fragment.kind] += 1
            else:
                assert parents == (set() if number % 2 else set(alices) - set(held_by(cups, "alice")))
    assert all(merges.values())


def test_runs_of_fragments_are_cut_where_there_are_more_than_are_wanted(ledger: Ledger) -> None:
    ledger.register_token(Token("BIT", unit=1))
    ledger.mint("BIT", "alice", 500)
    ids = [fragment.id for fragment in ledger.fragments("BIT", "alice")]
    with ledger.atomic() as tx:
        hold = tx.reserve("BIT", "alice", "keeper", 300)
        tx.settle("BIT", "keeper", "bob", 300, hold)
    for fragment in ledger.fragments("BIT", "bob")[:3]:
        lineage = ledger.lineage(fragment.id)
        assert lineage.complete
        assert [each.id for each in lineage.ancestors] == ids[299::-1]
        assert lineage.fragment.parents == tuple(ids[299::-1])
        for limit, whole in ((1, False), (299, False), (300, True), (301, True)):
            cut = ledger.lineage(fragment.id, limit=limit)
            assert (cut.ancestors, cut.complete) == (lineage.ancestors[:limit], whole)
            assert (cut.fragment.parents, cut.fragment.parent_count) == (tuple(ids[299::-1][:limit]), 300)


def test_of_very_many_that_it_may_be_made_of_some_are_named_and_all_are_told(cups: Ledger) -> None:
    givers = [f"giver-{number}" for number in range(150)]
    cups.mint_many("CUP", givers, [3] * 150)
    cups.transfer_many("CUP", givers, ["bob"] * 150, [3] * 150)
    ids = held_by(cups, "bob")
    assert len(ids) == 150
    lineage = cups.lineage(ids[-1])
    assert (lineage.fragment.parent_count, lineage.fragment.certain, lineage.complete) == (150, False, True)
    assert lineage.fragment.parents == tuple(sorted((each.id for each in lineage.ancestors), reverse=True))[:100]
    assert [each.owner for each in lineage.ancestors] == [*reversed(givers)]
    for limit, named in ((99, 99), (149, 100), (150, 100)):
        cut = cups.lineage(ids[0], limit)
        assert (len(cut.ancestors), len(cut.fragment.parents), cut.complete) == (limit, named, limit == 150)


def test_a_limit_leaves_out_the_oldest(cups: Ledger) -> None:
    cups.mint("CUP", "a0", 7)
    for number in range(20):
        cups.transfer("CUP", f"a{number}", f"a{number + 1}", 7)
    (id,) = held_by(cups, "a20")
    whole = cups.lineage(id)
    assert ([each.owner for each in whole.ancestors], whole.complete) == ([f"a{n}" for n in range(19, -1, -1)], True)
    for limit in (1, 7, 19, 20, 21, 2**70):
        cut = cups.lineage(id, limit)
        assert (cut.ancestors, cut.complete) == (whole.ancestors[:limit], limit >= 20)


def test_parents_are_named_up_to_a_number(cups: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    cups.mint("CUP", "alice", 1000)
    for _ in range(10):
        cups.transfer("CUP", "alice", "alice2", 1000)
        cups.transfer("CUP", "alice2", "alice", 1000)
    id = held_by(cups, "alice")[-1]
    assert cups.lineage(id, 10_000).complete
    monkeypatch.setattr(lineage_reads, "PARENTS_MAX", 500)
    cut = cups.lineage(id, 10_000)
    assert not cut.complete
    assert 0 < len(cut.ancestors) < 700


@pytest.mark.parametrize("id", [True, None, "7", 1.5])
def test_what_is_no_id(cups: Ledger, id: Any) -> None:
    with pytest.raises(InvalidRequest, match="the id of a fragment is an int"):
        cups.lineage(id)


@pytest.mark.parametrize("limit", [0, -1, None, "7", True, 1.5])
def test_what_is_no_limit(cups: Ledger, limit: Any) -> None:
    cups.mint("CUP", "alice", 7)
    with pytest.raises(InvalidRequest, match="a limit is an int, 1 or more"):
        cups.lineage(held_by(cups, "alice")[0], limit)


@pytest.mark.parametrize("id", [0, -1, 1, 999, 2**62, 2**200])
def test_what_was_never_minted(cups: Ledger, id: Any) -> None:
    cups.mint("CUP", "alice", 7)
    (minted,) = held_by(cups, "alice")
    for number in (id, minted - 1, minted + 1, minted + 1_000, minted + 10**6):
        with pytest.raises(FragmentNotFound, match="ever minted"):
            cups.lineage(number)


def test_a_view_knows_what_was_minted_by_then(cups: Ledger) -> None:
    then = cups.mint("CUP", "alice", 7).position
    (old,) = held_by(cups, "alice")
    cups.transfer("CUP", "alice", "bob", 7)
    (new,) = held_by(cups, "bob")
    view = cups.as_of(then)
    assert view.lineage(old) == cups.lineage(old)
    with pytest.raises(FragmentNotFound):
        view.lineage(new)
    with cups.fork(then) as fork:
        fork.transfer("CUP", "alice", "carol", 7)
        (forked,) = held_by(fork, "carol")
        assert [each.owner for each in fork.lineage(forked).ancestors] == ["alice"]


def test_it_is_awaited() -> None:
    async def case() -> None:
        async with AsyncLedger.open("memory:") as ledger:
            await ledger.register_token(Token("CUP", unit=10))
            await ledger.mint("CUP", "alice", 7)
            (fragment,) = await ledger.fragments("CUP", "alice")
            found = await ledger.lineage(fragment.id)
            view = await ledger.as_of((await ledger.status()).head.position)
            assert found == await view.lineage(fragment.id)
            assert (found.fragment.kind, found.ancestors, found.complete) == ("mint", (), True)

    asyncio.run(case())


class Ancestry:
    """A projection: of each fragment what it was made of, by whose the burned ones were and whether they were held."""

    name, version = "ancestry", 1

    def __init__(self) -> None:
        self.state: dict[int, tuple[int, str, str, int, list[int]]] = {}
        self._held: set[int] = set()
        self._payers: dict[str, str] = {}
        self._position, self._movement = 0, None
        self._burned: list[int] = []

    def apply(self, position: int, recorded_at: int, event: Any, /) -> None:
        match event:
            case FragmentsMinted():
                self._mint(event)
            case FragmentsBurned():
                self._burned += event.ids
            case FragmentsReserved():
                self._held.update(event.ids)
            case Minted() | Moved() | Reserved() | Settled() | Released():
                self._position, self._movement, self._burned = position, event, []
                if isinstance(event, Reserved):
                    self._payers[event.hold] = event.payer
            case _:
                self._position, self._movement, self._burned = position, event, []

    def apply_columns(self, position: int, recorded_at: int, batch: object, /) -> None:
        self._position, self._movement, self._burned = position, None, []

    def _mint(self, event: FragmentsMinted) -> None:
        burned = {id: self.state[id] for id in self._burned if id in self.state}
        taken, merged = [*burned], []
        movement = self._movement
        if isinstance(movement, Minted):
            taken, merged = [], taken
        elif isinstance(movement, Moved):
            taken = [id for id, each in burned.items() if each[2] == movement.sender]
            merged = [id for id in burned if id not in taken]
        elif isinstance(movement, Settled):
            taken = [id for id in burned if id in self._held]
            merged = [id for id in burned if id not in taken]
        is_merged = bool(merged) and event.amounts == [sum(burned[id][3] for id in merged)]
        if is_merged:  # once
            self._burned = [id for id in self._burned if id not in merged]
        for id, amount in enumerate(event.amounts, event.first_id):
            self.state[id] = (self._position, event.token, event.owner, amount, merged if is_merged else taken)


@pytest.mark.parametrize("seed", range(3))
def test_every_fragment_is_made_of_what_its_movement_burned(seed: int) -> None:
    """As a projection tells it that goes by owners; and nothing came from nowhere."""
    chance = random.Random(seed)
    accounts = ["alice", "bob", "carol"]
    with Ledger.open("memory:") as ledger:
        ledger.register_token(Token("CUP", unit=10))
        ledger.mint("CUP", "alice", 300)
        ledger.mint("CUP", "carol", 200)
        ledger.mint_many("CUP", ["bob"] * 1_150, [1] * 1_150)
        for _ in range(30):
            payer, receiver = chance.sample(accounts, 2)
            with ledger.atomic() as tx:
                tx.transfer("CUP", payer, receiver, chance.randint(1, 20))
                hold = tx.reserve("CUP", receiver, "keeper", chance.randint(3, 15))
                if chance.random() < 0.5:
                    tx.settle("CUP", "keeper", payer, chance.randint(1, 3), hold)
                if chance.random() < 0.3:
                    tx.release(hold, 1) if chance.random() < 0.5 else tx.mint("CUP", "bob", chance.randint(1, 30))
                tx.burn("CUP", payer, chance.randint(1, 3))
            if chance.random() < 0.3:
                ledger.transfer_many("CUP", [payer, receiver], [receiver, payer], [chance.randint(1, 9), 3])
        ancestry = ledger.replay(Ancestry()).state
        children: dict[tuple[int, ...], list[FragmentOrigin]] = defaultdict(list)
        told = {id: ledger.lineage(id, 1).fragment for id in ancestry}
        for id, (position, token, owner, amount, made_of) in ancestry.items():
            each = told[id]
            assert (each.token, each.owner, each.amount) == (token, owner, amount)
            if each.transaction_id is None:
                assert all(parent < id for parent in each.parents)
                continue
            assert each.transaction_id == position
            assert list(each.parents) == sorted(made_of, reverse=True)[:1]
            whole = ledger.lineage(id, 5_000)
            assert list(whole.fragment.parents) == sorted(made_of, reverse=True)
            assert whole.fragment.certain
            if made_of:
                children[(position, *made_of)].append(whole.fragment)
        burned = 0
        for (position, *made_of), made in children.items():
            lost = sum(ancestry[id][3] for id in made_of) - sum(each.amount for each in made)
            movement = ledger.transaction(position)
            assert lost == (movement.burned_amount if movement.kind == "burn" else 0)
            burned += lost
        assert burned > 0
        for account in accounts:
            for fragment in ledger.fragments("CUP", account):
                lineage = ledger.lineage(fragment.id, 5_000)
                assert lineage.complete
                known = origins(lineage)
                assert {parent for each in known.values() for parent in each.parents} <= known.keys()
