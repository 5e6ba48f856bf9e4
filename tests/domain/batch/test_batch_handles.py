"""Handles: numbers that stand for accounts in batches, and what they stand for as long as a ledger is open."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick import InsufficientFunds, InvalidAccount, Ledger, LedgerError, StorageUnavailable, Token
from tallystick.infrastructure.journal.format import JournalRow
from tallystick.infrastructure.journal.port import NO_METADATA, MetadataChange, StreamEntry, UnclearOutcome
from tallystick.infrastructure.journal.stores.sqlite.journal import SQLiteJournal
from tests.support.books.batch_book import CODES, columns_of, differences, open_funded
from tests.support.books.behind import core_of, core_on, keeper_of
from tests.support.strategies import ACCOUNTS, CROWD, transfer_rows

NAMES = [*CROWD, *(f"account-{k}" for k in range(40))]


@given(batches=st.lists(st.tuples(st.sampled_from(CODES), transfer_rows), max_size=5))
@settings(max_examples=40)
def test_handles_do_what_names_do(batches: list[tuple[str, list[Any]]]) -> None:
    with open_funded("memory:", ACCOUNTS) as by_name, open_funded("memory:", ACCOUNTS) as by_handle:
        handles = {code: dict(zip(NAMES, by_handle.handles(code, NAMES).tolist(), strict=True)) for code in CODES}
        for code, rows in batches:
            senders, receivers, amounts = columns_of(rows)
            amounts = [amount or 25_000 for amount in amounts]
            receipts = (
                by_name.transfer_many(code, senders, receivers, amounts, on_refusal="skip"),
                by_handle.transfer_many(
                    code,
                    np.array([handles[code][name] for name in senders], dtype=np.uint8),
                    np.array([handles[code][name] for name in receivers], dtype=np.int32),
                    amounts,
                    on_refusal="skip",
                ),
            )
            outcomes = [
                (receipt.position, receipt.accepted, [(row.index, str(row.reason)) for row in receipt.refused])
                for receipt in receipts
            ]
            assert outcomes[0] == outcomes[1]
        assert differences(by_name, by_handle) == []


def test_names_have_one_handle_each(ledger: Ledger, token: str) -> None:
    handles = ledger.handles(token, ["bob", "alice", "bob"])
    assert handles.dtype == np.int64
    assert handles[0] == handles[2] != handles[1]
    assert ledger.handles(token, ["carol", "alice", "bob"])[1:].tolist() == [handles[1], handles[0]]
    assert ledger.handles(token, handles).tolist() == handles.tolist()
    ledger.mint_many(token, ["dave", "alice"], [5, 6])
    ledger.transfer_many(token, handles[1:2], handles[:1], [2])
    assert {account: balance.total for account, balance in ledger.balances(token).items()} == {"dave": 5, "alice": 4, "bob": 2}


def test_asking_for_handles_records_nothing(ledger: Ledger, token: str) -> None:
    position = ledger.verify().position
    ledger.handles(token, NAMES)
    assert ledger.verify().position == position
    assert ledger.balances(token) == {}
    with pytest.raises(InsufficientFunds):
        ledger.burn_many(token, ledger.handles(token, ["alice"]), [1])


def test_a_token_of_another_ledger_can_be_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "books.db"
    with Ledger.open(path) as one, Ledger.open(path) as other:
        one.register_token(Token("NEW"))
        handles = other.handles("NEW", ["alice", "bob"])
        one.mint_many("NEW", ["zoe", "alice"], [1, 7])
        assert other.transfer_many("NEW", handles[:1], handles[1:], [7]).accepted == 1
        assert one.balance("NEW", "bob").total == 7


def test_they_stay_after_commits_of_others(tmp_path: Path) -> None:
    """Each ledger names the accounts in an order of its own, and each batch is read by the other."""
    path = tmp_path / "books.db"
    with open_funded(path, ["alice"]) as one, Ledger.open(path) as other:
        handles = [one.handles("PLN", NAMES), other.handles("PLN", NAMES[::-1])[::-1]]
        assert handles[0].tolist() != handles[1].tolist()
        for turn in range(20):
            ledger, mine = ((one, handles[0]), (other, handles[1]))[turn % 2]
            assert ledger.transfer_many("PLN", mine[:1], mine[1 + turn : 2 + turn], [1 + turn]).accepted == 1
            ledger.mint_many("PLN", [f"new-{turn}-{k}" for k in range(turn)], [1] * turn)
        for ledger, mine in ((one, handles[0]), (other, handles[1])):
            assert ledger.handles("PLN", NAMES).tolist() == mine.tolist()
            assert [ledger.balance("PLN", NAMES[1 + turn]).total for turn in range(20)][5:] == list(range(6, 21))
        assert one.balances("PLN") == other.balances("PLN")
        assert one.audit().ok


class FailingJournal(SQLiteJournal):
    """A store whose next append has no clear outcome, and whose next reading is interrupted."""

    stands: bool | None = None
    interrupted = False

    def append(self, row: JournalRow, entries: Sequence[StreamEntry], metadata: MetadataChange = NO_METADATA) -> None:
        stands, self.stands = self.stands, None
        if stands is not False:
            super().append(row, entries, metadata)
        if stands is not None:
            raise UnclearOutcome("the answer was lost")

    def rows(self, after: int = 0) -> Iterator[JournalRow]:
        if self.interrupted:
            self.interrupted = False
            raise KeyboardInterrupt
        return super().rows(after)


@pytest.fixture
def failing(tmp_path: Path) -> FailingJournal:
    return FailingJournal(tmp_path / "books.db")


def ledger_on(journal: FailingJournal) -> tuple[Ledger, Any]:
    """A ledger whose handles are not in the order in which its journal names the accounts."""
    ledger = Ledger(core_on(journal))
    for code, unit in (("PLN", None), ("USD", 10)):
        ledger.register_token(Token(code, unit=unit))
    handles = {code: ledger.handles(code, ["never", "bob", "alice"]) for code in ("PLN", "USD")}
    for code in handles:
        ledger.mint_many(code, ["alice"], [100])
    return ledger, handles


@pytest.mark.parametrize("stands", [True, False])
@pytest.mark.parametrize("code", ["PLN", "USD"])
def test_they_stay_when_the_books_are_read_again(failing: FailingJournal, code: str, stands: bool) -> None:
    ledger, handles = ledger_on(failing)
    _, bob, alice = handles[code][:, None]
    with ledger:
        for expected in (7, 14):
            failing.stands = stands
            with suppress(StorageUnavailable):
                ledger.transfer_many(code, alice, bob, [7])
            keeper_of(ledger).drop()
            assert ledger.balance(code, "bob").available == (expected if stands else 0)
            assert ledger.handles(code, ["never", "bob", "alice"]).tolist() == handles[code].tolist()
        ledger.transfer_many(code, alice, bob, [5])
        assert ledger.balance(code, "bob").available == (19 if stands else 5)
        assert ledger.audit().ok


@pytest.mark.parametrize("code", ["PLN", "USD"])
def test_they_stay_when_reading_again_is_interrupted(failing: FailingJournal, code: str) -> None:
    ledger, handles = ledger_on(failing)
    _, bob, alice = handles[code][:, None]
    with ledger:
        failing.stands = False
        with pytest.raises(StorageUnavailable):
            ledger.transfer_many(code, alice, bob, [7])
        keeper_of(ledger).drop()
        failing.interrupted = True
        with pytest.raises(KeyboardInterrupt):
            ledger.balance(code, "alice")
        ledger.mint_many(code, ["carol", "dave"], [1, 1])
        with suppress(InvalidAccount):
            ledger.transfer_many(code, alice, bob, [1])
        assert ledger.balance(code, "bob").available == 1
        assert ledger.handles(code, ["never", "bob", "alice"]).tolist() == handles[code].tolist()


def test_threads_that_ask_for_handles_of_new_names_at_once(ledger: Ledger, token: str) -> None:
    ledger.mint_many(token, ["alice"], [8 * 15])
    found: list[dict[str, int]] = []
    errors: list[LedgerError] = []

    def ask(seed: int) -> None:
        try:
            for start in range(0, 150, 10):
                names = [f"account-{(start * 7 + seed + k) % 150}" for k in range(10)]
                found.append(dict(zip(names, ledger.handles(token, names).tolist(), strict=True)))
                ledger.transfer_many(token, ["alice"], ledger.handles(token, names)[:1], [1])
        except LedgerError as error:
            errors.append(error)

    threads = [Thread(target=ask, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    handles: dict[str, int] = {}
    for each in found:
        for name, handle in each.items():
            assert handles.setdefault(name, handle) == handle
    assert len(set(handles.values())) == len(handles)
    assert ledger.balance(token, "alice").total == 0
    assert ledger.audit().ok


def test_a_handle_that_was_half_given(ledger: Ledger) -> None:
    """Interrupted between the name and the columns, which no caller can see or cause at will."""
    before = ledger.handles("PLN", ["alice", "bob"])
    funds = core_of(ledger).books.token_state("PLN")
    funds.names.listed.append("carol")
    assert ledger.balances("PLN") == {}
    assert ledger.handles("PLN", ["dave", "carol"]).tolist() == [2, 3]
    ledger.mint_many("PLN", ["dave", "carol", "eve"], [1, 2, 3])
    keeper_of(ledger).drop()
    assert ledger.handles("PLN", ["alice", "bob", "dave", "carol", "eve"]).tolist() == [*before.tolist(), 2, 3, 4]
    assert {name: balance.total for name, balance in ledger.balances("PLN").items()} == {"dave": 1, "carol": 2, "eve": 3}
