"""The history of an allocation: its lines add up to what it is, and each is what it was then."""

import pytest

from tallystick import AllocationLine, ContractNotFound, InvalidAccount, Ledger
from tallystick.domain.contract.contract import SATI_PER_SAT
from tests.support.books.varied_book import ACCOUNTS, CONTRACTS, VariedBook


def test_what_each_call_did() -> None:
    with Ledger.open("memory:") as ledger:
        with ledger.atomic(reference="year 1") as tx:
            pool = tx.register_contract("pool")
            pool.balance_up(100)
            for account in ("alice", "bob"):
                pool.alloc(account)
            pool.shadow_up("alice", 10)
        with ledger.atomic() as tx:
            tx.contract("pool").shadow_up("bob", 20)
            tx.contract("pool").shadow_up_all(6)
        with ledger.atomic() as tx:
            tx.contract("pool").shadow_down("alice", 12)
            tx.contract("pool").shadow_down_all(3)
            tx.contract("pool").dealloc("alice", drop_fraction=True)
        with ledger.atomic() as tx:
            tx.contract("pool").shadow_up_all(3)
            tx.contract("pool").alloc("alice")
        lines = ledger.allocation_history("pool", "alice")
        assert [(line.kind, line.change // SATI_PER_SAT, line.allocation and line.allocation.sats) for line in lines] == [
            ("alloc", 0, 0),
            ("shadow_up", 10, 10),
            ("shadow_up_all", 2, 12),
            ("shadow_down", -12, 0),
            ("shadow_down_all", 0, 0),
            ("dealloc", 0, None),
            ("alloc", 0, 0),
        ]
        assert [line.reference for line in lines] == ["year 1", "year 1", None, None, None, None, None]
        assert [line.entry_id for line in lines] == [ledger.entry(line.entry_id).id for line in lines]
        assert ledger.allocation_history("pool", "carol") == []
        with pytest.raises(ContractNotFound):
            ledger.allocation_history("fund", "alice")
        with pytest.raises(InvalidAccount):
            ledger.allocation_history("pool", "")


@pytest.mark.parametrize("seed", range(6))
def test_lines_are_what_stood_then(seed: int) -> None:
    book = VariedBook("memory:", seed)
    ends = list(book.play(60))
    ledger = book.ledger
    for contract in CONTRACTS:
        for account in ACCOUNTS:
            lines = ledger.allocation_history(contract, account)
            now = ledger.allocation(contract, account)
            assert sum(line.change for line in lines) == (0 if now is None else now.sati)
            newest: dict[int, AllocationLine] = {}
            for line in lines:
                newest[next(end for end in ends if end >= line.position) if line.position > ends[0] else ends[0]] = line
            for end, line in newest.items():
                assert ledger.as_of(end).allocation(contract, account) == line.allocation
                assert ledger.as_of(end).allocation_history(contract, account)[-1] == line
    ledger.close()
