"""What every ledger says of its entries: by id, by key and by reference, with their time and metadata."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tallystick import DuplicateIdempotencyKey, EntryNotFound, IdempotencyMismatch, InsufficientFunds, InvalidRequest
from tests.support.suites.ledger_cases import NOW, played

OCCURRED = datetime(2020, 2, 29, 12, tzinfo=UTC)
METADATA = {"name": "Zoë", "lines": [1, 2.5, None, True, {"n": 10**40}]}


async def pay(ledger: Any, amount: int = 1, key: str | None = None, request: Any = None, **details: Any) -> Any:
    async with ledger.atomic(key, request, **details) as tx:
        tx.transfer("USD", "alice", "bob", amount)
    return tx.receipt


class EntryCases:
    """Subclasses say how a ledger is opened, as those of `LedgerCases` do."""

    @played
    async def test_an_entry_is_read_back(self, ledger: Any) -> None:
        async with ledger.atomic("key", {"a": 1}, occurred_at=OCCURRED, reference="order 7", metadata=METADATA) as tx:
            tx.transfer("USD", "alice", "bob", 3, memo="x")
            tx.burn("USD", "bob", 1)
        receipt = tx.receipt
        entry = await ledger.entry(receipt.entry_id)
        assert (entry.id, entry.position, entry.last_position) == (receipt.entry_id, receipt.entry_id, receipt.position)
        assert (entry.recorded_at, entry.occurred_at, entry.key) == (NOW, OCCURRED, "key")
        assert (receipt.recorded_at, receipt.occurred_at) == (NOW, OCCURRED)
        assert (entry.reference, entry.metadata) == ("order 7", METADATA)
        assert tuple(transaction.id for transaction in entry.transactions) == receipt.transaction_ids
        assert (entry.reverses, entry.reversed_by) == ((), ())
        assert (await ledger.audit()).ok

    @played
    async def test_an_entry_is_a_key_of_dicts(self, ledger: Any) -> None:
        receipt = await pay(ledger, metadata=METADATA)
        assert {await ledger.entry(receipt.entry_id): 1}[await ledger.entry(receipt.entry_id)] == 1

    @played
    async def test_an_entry_without_details(self, ledger: Any) -> None:
        receipt = await pay(ledger)
        entry = await ledger.entry(receipt.entry_id)
        assert (entry.key, entry.reference, entry.metadata, entry.occurred_at) == (None, None, None, entry.recorded_at)
        assert receipt.occurred_at == receipt.recorded_at == NOW

    @played
    async def test_only_the_position_of_its_first_event_is_an_entrys_id(self, ledger: Any) -> None:
        async with ledger.atomic() as tx:
            tx.transfer("USD", "alice", "bob", 3)
            tx.transfer("USD", "alice", "bob", 4)
        for id in (tx.receipt.transaction_ids[1], tx.receipt.position + 1, 0, -1, 2**63, 2**70):
            with pytest.raises(EntryNotFound):
                await ledger.entry(id)
        for wrong in ("1", None, 1.0, True):
            with pytest.raises(InvalidRequest):
                await ledger.entry(wrong)

    @played
    async def test_entries_are_found_by_reference_newest_first(self, ledger: Any) -> None:
        ids = {name: [(await pay(ledger, reference=name)).entry_id for _ in range(3)] for name in ("a", "A", "a ", "ż")}
        await pay(ledger)
        for name, expected in ids.items():
            assert [entry.id for entry in await ledger.find(name)] == expected[::-1]
            assert [entry.id for entry in await ledger.find(name, limit=2)] == expected[:0:-1]
            assert await ledger.find(name, limit=0) == []
        assert await ledger.find("b") == []
        for reference in ("", "x" * 257, 7, None):
            with pytest.raises(InvalidRequest):
                await ledger.find(reference)
        for limit in (-1, True, 1.5, "1"):
            with pytest.raises(InvalidRequest):
                await ledger.find("a", limit)

    @played
    async def test_a_receipt_is_found_by_its_key(self, ledger: Any) -> None:
        receipt = await pay(ledger, key="key", occurred_at=OCCURRED)
        found = await ledger.receipt("key")
        assert (found.entry_id, found.transaction_ids, found.occurred_at) == (
            receipt.entry_id,
            receipt.transaction_ids,
            OCCURRED,
        )
        assert await ledger.receipt("other") is None
        with pytest.raises(InvalidRequest):
            await ledger.receipt("")

    @played
    async def test_once_does_it_once(self, ledger: Any) -> None:
        def work(tx: Any) -> None:
            tx.transfer("USD", "alice", "bob", 7)

        details = {"occurred_at": OCCURRED, "reference": "order 7", "metadata": METADATA}
        first = await ledger.once(work, "key", request=[1], **details)
        again = await ledger.once(work, "key", request=[1])
        assert (first.repeated, again.repeated, again.entry_id) == (False, True, first.entry_id)
        assert (again.occurred_at, again.transaction_ids) == (OCCURRED, first.transaction_ids)
        assert (await ledger.balance("USD", "bob")).available == 7
        with pytest.raises(IdempotencyMismatch):
            await ledger.once(work, "key", request=[2])
        assert await ledger.once(lambda tx: None, "nothing") is None
        with pytest.raises(InsufficientFunds):
            await ledger.once(lambda tx: tx.transfer("USD", "carol", "bob", 7), "refused")
        assert (await ledger.once(work, "refused")).repeated is False
        with pytest.raises(InvalidRequest):
            await ledger.once(work, None)

    @played
    async def test_a_used_key_says_where(self, ledger: Any) -> None:
        receipt = await pay(ledger, key="key", request=[1], occurred_at=OCCURRED)
        for request, error, says in (
            ([1], DuplicateIdempotencyKey, ", with the same request"),
            (None, DuplicateIdempotencyKey, f", at position {receipt.position}"),
            ([2], IdempotencyMismatch, ", with another request"),
        ):
            with pytest.raises(error) as caught:
                await pay(ledger, key="key", request=request)
            assert caught.value.receipt == receipt
            assert str(caught.value).endswith(says)

    @pytest.mark.parametrize(
        ("ahead", "verdict"),
        [(timedelta(), True), (timedelta(days=1), True), (timedelta(days=1, microseconds=1), False)],
    )
    def test_it_happened_at_most_a_day_later(self, url: str | Path, ahead: timedelta, verdict: bool) -> None:
        @played
        async def case(self: Any, ledger: Any) -> None:
            if verdict:
                assert (await pay(ledger, occurred_at=NOW + ahead)).occurred_at == NOW + ahead
            else:
                with pytest.raises(InvalidRequest):
                    await pay(ledger, occurred_at=NOW + ahead, key="key")
                assert await ledger.receipt("key") is None
            assert (await ledger.audit()).ok

        case(self, url)

    @played
    async def test_what_is_recorded_together_keeps_its_own_details(self, ledger: Any) -> None:
        async def one(number: int) -> Any:
            details: dict[str, Any] = {}
            if number % 2:
                details["reference"] = f"order {number % 5}"
            if number % 3:
                details["metadata"] = {"number": number}
            if number % 7 == 1:
                details["occurred_at"] = OCCURRED + timedelta(seconds=number)
            return details, await pay(ledger, key=f"key {number}", **details)

        done = await asyncio.gather(*map(one, range(40)))
        for number, (details, receipt) in enumerate(done):
            entry = await ledger.entry(receipt.entry_id)
            assert (entry.reference, entry.metadata) == (details.get("reference"), details.get("metadata"))
            assert entry.occurred_at == details.get("occurred_at", NOW)
            assert entry.key == f"key {number}"
        for name in {details["reference"] for details, _ in done if "reference" in details}:
            expected = sorted((receipt.entry_id for details, receipt in done if details.get("reference") == name), reverse=True)
            assert [entry.id for entry in await ledger.find(name)] == expected
        assert (await ledger.audit()).ok

    @played
    async def test_metadata_is_erased(self, ledger: Any) -> None:
        receipt = await pay(ledger, reference="order 7", metadata=METADATA)
        with pytest.raises(InvalidRequest, match="a reason is a str of at most 65536 characters, not 5"):
            await ledger.erase(receipt.entry_id, 5)
        await ledger.erase(receipt.entry_id, "on request")
        entry = await ledger.entry(receipt.entry_id)
        assert (entry.reference, entry.metadata) == ("order 7", None)
        for id, error in ((receipt.entry_id, InvalidRequest), (1, InvalidRequest), (10**6, EntryNotFound)):
            with pytest.raises(error):
                await ledger.erase(id, "again")
        assert (await ledger.verify()).ok
        assert (await ledger.audit()).ok
