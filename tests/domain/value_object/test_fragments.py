"""Money in fragments: how credits are cut, what is burned, what change is given, and what escrow splits."""

from collections.abc import Callable
from pathlib import Path
from threading import Thread

import pytest

from tallystick import FragmentState, InsufficientFunds, Ledger, Token

UNIT = 10_000


@pytest.fixture
def usd(ledger: Ledger) -> Ledger:
    """The ledger, with a token of unit 10,000."""
    ledger.register_token(Token("CENT", unit=UNIT))
    return ledger


def mint(ledger: Ledger, account: str, *amounts: int) -> None:
    with ledger.atomic() as tx:
        for amount in amounts:
            tx.mint("CENT", account, amount)


def amounts(ledger: Ledger, account: str, state: FragmentState = FragmentState.ALIVE) -> list[int]:
    return [fragment.amount for fragment in ledger.fragments("CENT", account) if fragment.state is state]


@pytest.mark.parametrize(
    ("credits", "verdict"),
    [
        ([25_000], [5_000, 10_000, 10_000]),
        ([10_000], [10_000]),
        ([10_001], [1, 10_000]),
        ([1], [1]),
        ([7, 7], [7, 7]),
        ([1000 * UNIT], [UNIT] * 1000),
        ([1000 * UNIT + 1], [9_002] + [10_001] * 999),
        ([2000 * UNIT], [2 * UNIT] * 1000),
    ],
)
def test_a_credit_is_cut_into_units(usd: Ledger, credits: list[int], verdict: list[int]) -> None:
    mint(usd, "alice", *credits)
    assert amounts(usd, "alice") == verdict
    assert usd.audit().ok


@pytest.mark.parametrize(
    ("credits", "spent", "left"),
    [
        ([25_000], 6_000, [9_000, 10_000]),
        ([25_000], 5_000, [10_000, 10_000]),
        ([25_000], 5_001, [9_999, 10_000]),
        ([25_000], 25_000, []),
        ([25_000], 24_999, [1]),
        ([3, 2, 1], 4, [2]),
        ([10_000, 10_000], 1, [9_999, 10_000]),
        ([2000 * UNIT], 1, [19_999] + [20_000] * 999),
    ],
)
@pytest.mark.parametrize("way", ["transfer", "burn"])
def test_spending_burns_the_smallest_and_gives_change(
    usd: Ledger, credits: list[int], spent: int, left: list[int], way: str
) -> None:
    mint(usd, "alice", *credits)
    with usd.atomic() as tx:
        if way == "burn":
            tx.burn("CENT", "alice", spent)
        else:
            tx.transfer("CENT", "alice", "bob", spent)
    assert amounts(usd, "alice") == left
    assert sum(amounts(usd, "bob")) == (spent if way == "transfer" else 0)
    assert usd.audit().ok


def test_ties_are_taken_by_id(usd: Ledger) -> None:
    mint(usd, "alice", 5, 5, 5)
    ids = [fragment.id for fragment in usd.fragments("CENT", "alice")]
    with usd.atomic() as tx:
        tx.transfer("CENT", "alice", "bob", 10)
    assert [fragment.id for fragment in usd.fragments("CENT", "alice")] == ids[2:]


def test_change_is_cut_by_the_number_of_fragments_burned(usd: Ledger) -> None:
    mint(usd, "alice", 1, 2000 * UNIT * 10)
    assert amounts(usd, "alice") == [1] + [200_000] * 1000
    with usd.atomic() as tx:
        tx.transfer("CENT", "alice", "bob", 2)
    assert amounts(usd, "alice") == sorted([100_000, 99_999] + [200_000] * 999)


def test_a_transfer_to_oneself_leaves_fragments_alone(usd: Ledger) -> None:
    mint(usd, "alice", 25_000)
    before = usd.fragments("CENT", "alice")
    with usd.atomic() as tx:
        tx.transfer("CENT", "alice", "alice", 6_000)
    assert usd.fragments("CENT", "alice") == before
    assert usd.transaction(usd.history("CENT", "alice")[-1].position).burned_amount == 6_000


def test_escrow_flips_whole_fragments_and_splits_the_last(usd: Ledger) -> None:
    mint(usd, "alice", 25_000)
    whole = {fragment.amount: fragment.id for fragment in usd.fragments("CENT", "alice")}
    with usd.atomic() as tx:
        hold = tx.reserve("CENT", "alice", "keeper", 12_000)
    held = usd.fragments("CENT", "keeper")
    assert [(fragment.amount, fragment.owner, fragment.state, fragment.hold) for fragment in held] == [
        (5_000, "alice", FragmentState.RESERVED, hold),
        (7_000, "alice", FragmentState.RESERVED, hold),
    ]
    assert held[0].id == whole[5_000]
    assert amounts(usd, "alice") == [3_000, 10_000]
    with usd.atomic() as tx:
        tx.release(hold, 6_000)
    assert amounts(usd, "keeper", FragmentState.RESERVED) == [6_000]
    assert amounts(usd, "alice") == [1_000, 3_000, 5_000, 10_000]
    assert whole[5_000] in {fragment.id for fragment in usd.fragments("CENT", "alice")}
    with usd.atomic() as tx:
        tx.settle("CENT", "keeper", "bob", 2_500)
    assert amounts(usd, "bob") == [2_500]
    assert amounts(usd, "keeper", FragmentState.RESERVED) == [3_500]
    with usd.atomic() as tx:
        tx.release(hold)
    assert amounts(usd, "keeper", FragmentState.RESERVED) == []
    assert sum(amounts(usd, "alice")) == 22_500
    assert usd.audit().ok


def test_a_fragment_that_changed_holds_is_the_newer_ones_alone(usd: Ledger) -> None:
    mint(usd, "alice", 5, 7, 9)
    with usd.atomic() as tx:
        first = tx.reserve("CENT", "alice", "keeper", 21)
    with usd.atomic() as tx:
        tx.release(first, 5)
        second = tx.reserve("CENT", "alice", "keeper", 5)
    with usd.atomic() as tx:
        tx.settle("CENT", "keeper", "bob", 7, hold=first)
    assert [(f.amount, f.hold) for f in usd.fragments("CENT", "keeper")] == [(5, second), (9, first)]
    assert amounts(usd, "bob") == [7]
    assert usd.audit().ok


def test_a_holding_much_changed_by_another_ledger_keeps_its_fragments(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "books.db") as one, Ledger.open(tmp_path / "books.db") as other:
        one.register_token(Token("CENT", unit=UNIT))
        mint(one, "alice", *range(1, 201))
        for ledger in (one, other, one):
            with ledger.atomic() as tx:
                tx.burn("CENT", "alice", 1)
            with ledger.atomic() as tx:
                hold = tx.reserve("CENT", "alice", "keeper", sum(range(1, 120)))
            with ledger.atomic() as tx:
                tx.release(hold)
        assert one.fragments("CENT", "alice") == other.fragments("CENT", "alice")
        with one.atomic() as tx:
            tx.transfer("CENT", "alice", "bob", sum(range(1, 201)) - 3)
        assert one.fragments("CENT", "alice") == other.fragments("CENT", "alice") == []
        assert one.audit().ok


def test_a_crowded_holding_merges_its_smallest(usd: Ledger) -> None:
    mint(usd, "alice", *[1] * 1300)
    assert len(amounts(usd, "alice")) <= 1002
    assert sum(amounts(usd, "alice")) == 1300
    mint(usd, "alice", *[UNIT] * 50)
    assert len(amounts(usd, "alice")) <= 1052
    assert max(amounts(usd, "alice")) <= UNIT
    assert usd.audit().ok


def test_ids_derive_from_positions(usd: Ledger) -> None:
    mint(usd, "alice", 25_000)
    position = usd.verify().position
    assert sorted(fragment.id for fragment in usd.fragments("CENT", "alice")) == [position * 1000 + k for k in range(3)]


def test_plain_tokens_have_no_fragments(ledger: Ledger) -> None:
    with ledger.atomic() as tx:
        tx.mint("PLN", "alice", 5)
    assert ledger.fragments("PLN", "alice") == []


def test_a_plan_refused_at_commit_leaves_the_fragments_as_they_were(usd: Ledger) -> None:
    mint(usd, "alice", 25_000, 5, 5)
    with usd.atomic() as tx:
        hold = tx.reserve("CENT", "alice", "keeper", 7_000)
        tx.mint("CENT", "bob", 50)
    with pytest.raises(InsufficientFunds), usd.atomic() as tx:
        tx.transfer("CENT", "alice", "bob", 6_000)
        tx.settle("CENT", "keeper", "bob", 1_000)
        tx.release(hold, 500)
        tx.reserve("CENT", "alice", "keeper", 1_234)
        tx.transfer("CENT", "bob", "carol", 7_050)
        in_thread(lambda: usd.run(lambda other: other.burn("CENT", "bob", 1)))
        before = [usd.fragments("CENT", account) for account in ("alice", "bob", "keeper")]
    assert [usd.fragments("CENT", account) for account in ("alice", "bob", "keeper")] == before
    assert usd.hold(hold).remaining == 7_000
    with usd.atomic() as tx:
        tx.transfer("CENT", "alice", "bob", 18_010)
        tx.settle("CENT", "keeper", "bob", 7_000)
    assert amounts(usd, "alice") == []
    assert sum(amounts(usd, "bob")) == 25_059
    assert usd.audit().ok


def in_thread(function: Callable[[], object]) -> None:
    thread = Thread(target=function)
    thread.start()
    thread.join()
