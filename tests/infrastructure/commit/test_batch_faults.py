"""Batches and what goes wrong outside: a process killed in the middle, a full disk, a commit that is too large or unclear."""

import random
import signal
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tallystick import (
    BatchReceipt,
    CommitTooLarge,
    DuplicateTransferId,
    Ledger,
    OutcomeUnknown,
    StorageFull,
    StorageUnavailable,
)
from tallystick.infrastructure.commit import group
from tallystick.infrastructure.journal.format import JournalRow
from tallystick.infrastructure.journal.port import NO_METADATA, MetadataChange, StreamEntry, UnclearOutcome
from tallystick.infrastructure.journal.stores.sqlite.journal import SQLiteJournal
from tests.support.books.batch_book import check_replays, differences, money, open_funded, total
from tests.support.books.behind import ledger_on
from tests.support.faults.small_disk import run_on_a_small_disk
from tests.support.programs.processes import Step, kill_after

KILLS = 15
ROWS = 400
NAMES = [f"account-{k}" for k in range(20)]


# Killed.


def transfer_for_ever(path: Path, seed: int, step: Step) -> None:
    """Batches of one token after another, in each of which every account passes its money on; each is a step."""
    chance = random.Random(seed)
    with Ledger.open(path) as ledger:
        while True:
            token = chance.choice(["PLN", "CENT"])
            senders, receivers = (chance.choices(NAMES, k=ROWS) for _ in "12")
            ids = chance.sample(range(2**60), ROWS) if chance.random() < 0.5 else None
            ledger.transfer_many(token, senders, receivers, [chance.randint(1, 9) for _ in senders], ids=ids, on_refusal="skip")
            step()


def test_killed_in_the_middle_of_batches(tmp_path: Path) -> None:
    path = tmp_path / "books.db"
    open_funded(path, NAMES, 1_000).close()
    chance, positions = random.Random(5), set[int]()
    for kill in range(KILLS):
        work = partial(transfer_for_ever, path, kill)
        assert kill_after(chance.randrange(5), chance.uniform(0, 0.02), work) == -signal.SIGKILL
        with Ledger.open(path) as ledger:
            positions.add(ledger.verify().position)
            for token in ("PLN", "CENT"):
                assert total(ledger, token) == 1_000 * len(NAMES)
            receipt = ledger.transfer_many("PLN", [NAMES[0]] * 2, ["after"] * 2, [1, 10**9], on_refusal="skip")
            assert receipt.refused[-1].index == 1
    with Ledger.open(path) as ledger:
        check_replays(ledger)
        report = ledger.audit()
        assert report.ok, report.findings
    assert len(positions) == KILLS


FULL_DISK = """
    import sys
    from pathlib import Path
    from tallystick import Ledger, StorageFull, Token

    folder = Path(sys.argv[1])
    filler = folder / "filler"
    ledger = Ledger.open(folder / "books.db")
    ledger.register_token(Token("PLN"))
    ledger.register_token(Token("USD", unit=100))
    names = [f"account-{k}" for k in range(2_000)]
    kept, next_id = {"PLN": 0, "USD": 0}, 0
    for space in (0, 4096, 65_536):
        with filler.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError:
                pass
            file.truncate(max(0, file.tell() - space))
        refused = 0
        for attempt in range(30):
            for code in kept:
                before = ledger.balances(code), ledger.verify().position, ledger.fragments(code, names[0])
                ids = range(next_id + 500, next_id, -1)
                try:
                    ledger.mint_many(code, names[attempt * 50 :][:500], [7] * 500, ids=ids, idempotency_key=f"{next_id}")
                    kept[code] += 3_500
                except StorageFull:
                    refused += 1
                    assert (ledger.balances(code), ledger.verify().position, ledger.fragments(code, names[0])) == before
                    free = ids
                next_id += 500
        assert refused, f"with {space} bytes left everything went in"
        filler.unlink()
        ledger.mint_many("PLN", names[:500], [7] * 500, ids=free)
        kept["PLN"] += 3_500
        for code in kept:
            assert ledger.supply(code).circulating == kept[code]
    assert ledger.audit().ok, ledger.audit().findings
    ledger.close()
    with Ledger.open(folder / "books.db") as again:
        assert again.supply("USD").circulating == kept["USD"]
        assert again.audit().ok
    print("went on")
"""


def test_a_full_disk(tmp_path: Path) -> None:
    assert run_on_a_small_disk(FULL_DISK, tmp_path) == "went on\n"


# Taken back.

CALLS: list[Callable[[Ledger, str], BatchReceipt]] = [
    lambda ledger, token: ledger.transfer_many(
        token, ["alice", "new", "alice", "bob"], ["new", "bob", "bob", "alice"], [12_500, 12_500, 1, 20_000], ids=[9, 8, 7, 6]
    ),
    lambda ledger, token: ledger.mint_many(token, ["alice", "new", "newer", "bob"], [12_500, 1, 1, 20_000], ids=[9, 8, 7, 6]),
    lambda ledger, token: ledger.burn_many(token, ["alice", "bob", "alice", "bob"], [12_500, 1, 1, 19_000], ids=[9, 8, 7, 6]),
    lambda ledger, token: ledger.transfer_many(
        token, ["alice"] * 4, ["new", "bob", "alice", "newer"], [2**66, 25_000, 1, 1], on_refusal="skip", ids=[9, 8, 7, 6]
    ),
]
TOKENS = ["PLN", "CENT", "WEI"]


def check_goes_on(ledger: Ledger, token: str, call: Callable[[Ledger, str], BatchReceipt]) -> None:
    """The same batch, and whatever else, can be done after it failed, and stands as if it had not."""
    receipt = call(ledger, token)
    assert receipt.accepted + len(receipt.refused) == 4
    with pytest.raises(DuplicateTransferId):
        ledger.mint_many(token, ["alice"] * 2, [1, 1], ids=[10, 8])
    with ledger.atomic() as tx:
        tx.transfer(token, "bob", "carol", 5_000)
    ledger.transfer_many(token, ["bob", "carol"], ["carol", "latest"], [1, 5_001])
    report = ledger.audit()
    assert report.ok, report.findings
    check_replays(ledger)


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("token", TOKENS)
def test_a_commit_that_is_too_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, token: str, call: Callable[[Ledger, str], BatchReceipt]
) -> None:
    with open_funded(tmp_path / "books.db", ["alice", "bob"]) as ledger:
        before, position = money(ledger), ledger.verify().position
        with monkeypatch.context() as patch:
            patch.setattr(group, "COMMIT_BYTES_MAX", 50)
            with pytest.raises(CommitTooLarge) as caught:
                call(ledger, token)
        assert caught.value.fields["limit"] == 50
        assert differences(ledger, before) == []
        assert ledger.verify().position == position
        check_goes_on(ledger, token, call)


class FailingJournal(SQLiteJournal):
    """A store whose next append fails, before or after the row stands."""

    error: BaseException | None = None
    stands = False
    reachable = True

    def append(self, row: JournalRow, entries: Sequence[StreamEntry], metadata: MetadataChange = NO_METADATA) -> None:
        error, self.error = self.error, None
        if error is None or self.stands:
            super().append(row, entries, metadata)
        if error is not None:
            raise error

    def reopen(self) -> None:
        if not self.reachable:
            raise StorageUnavailable("still gone")
        super().reopen()


@pytest.mark.parametrize("token", TOKENS)
@pytest.mark.parametrize(
    ("error", "stands", "reachable", "verdict"),
    [
        (StorageFull("no space"), False, True, StorageFull),
        (UnclearOutcome("the answer was lost"), True, True, None),
        (UnclearOutcome("the answer was lost"), False, True, StorageUnavailable),
        (UnclearOutcome("the answer was lost"), True, False, OutcomeUnknown),
        (UnclearOutcome("the answer was lost"), False, False, OutcomeUnknown),
        (KeyboardInterrupt(), True, True, KeyboardInterrupt),
        (KeyboardInterrupt(), False, True, KeyboardInterrupt),
        (MemoryError(), False, True, MemoryError),
    ],
)
def test_a_commit_that_fails(tmp_path: Path, token: str, error: Any, stands: bool, reachable: bool, verdict: Any) -> None:
    path = tmp_path / "books.db"
    open_funded(path, ["alice", "bob"]).close()
    journal = FailingJournal(path)
    with ledger_on(journal) as ledger:
        before = money(ledger)
        journal.error, journal.stands, journal.reachable = error, stands, reachable
        if verdict is None:
            receipt = CALLS[0](ledger, token)
            assert receipt.position == ledger.verify().position
            assert ledger.transaction(receipt.transaction_ids[-1]).token == token
        else:
            with pytest.raises(verdict):
                CALLS[0](ledger, token)
        journal.reachable = True
        after = money(ledger)
        with Ledger.open(path) as other:
            assert differences(other, after) == []
        assert bool(differences(after, before)) is stands
        if stands:
            with pytest.raises(DuplicateTransferId):
                ledger.mint_many(token, ["alice"], [1], ids=[7])
        else:
            check_goes_on(ledger, token, CALLS[0])
        assert ledger.audit().ok


@pytest.mark.parametrize("token", TOKENS)
def test_interrupted_while_the_books_are_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, token: str) -> None:
    """Whatever happens after a batch was decided and before it is written, the journal knows what stands."""
    with open_funded(tmp_path / "books.db", ["alice", "bob"]) as ledger:
        before = money(ledger)
        with monkeypatch.context() as patch:

            def interrupted(*arguments: Any) -> None:
                raise KeyboardInterrupt

            patch.setattr(group, "make_row", interrupted)
            with pytest.raises(KeyboardInterrupt):
                CALLS[0](ledger, token)
        assert differences(ledger, before) == []
        check_goes_on(ledger, token, CALLS[0])
