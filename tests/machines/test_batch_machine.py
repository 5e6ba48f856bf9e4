"""A state machine: batches on two ledgers of one file, and the same rows one after another on a third with a file of its own.

Whatever is done is done on both sides, and after every step both say the same of balances, supplies and fragments. Where a
batch is to abort, that side must be as it was, and the error that of the first row that would be refused alone.
"""

import copy
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tallystick import (
    AlreadyReversed,
    Balances,
    BatchReceipt,
    CommitTooLarge,
    Fragments,
    Ledger,
    LedgerError,
    SupplyReserves,
    Transactions,
)
from tallystick.domain.values.instant import to_microseconds
from tallystick.infrastructure.commit import group
from tests.support.books.batch_book import (
    CODES,
    TOKENS,
    BatchRow,
    RowByRow,
    RowNotes,
    check_replays,
    columns_of,
    differences,
    first_refusal,
    meaning,
    money,
    one_after_another,
    verdicts_of,
)
from tests.support.strategies import (
    ACCOUNTS,
    batch_ids,
    batch_notes,
    crowd,
    freezes,
    on_refusals,
    picks,
    singles,
    supply_rows,
    tokens,
    transfer_rows,
)

Notes = dict[str, Any]
whichever = st.integers(0, 1)
NONE = {"debits": False}


class BatchMachine(RuleBasedStateMachine):
    """`ledgers` take batches, `single` takes their rows."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "books.db"
        self.hold_ids = count()
        self.ledgers = [self.open(), self.open()]
        own_ids = count()
        self.single = Ledger.open("memory:", ids=lambda: f"hold-{next(own_ids)}")
        self.used: set[Any] = set()
        self.said: dict[int, tuple[Any, ...]] = {}
        self.rows: list[tuple[int, int]] = []
        """Of each row, its id in a batch and that of the transaction that did the same alone."""
        self.batches: list[range] = []
        """Where among them those of each batch are."""
        self.next_id = 100
        self.handles: list[dict[tuple[str, str], int]] = [{}, {}]

    def open(self) -> Ledger:
        return Ledger.open(f"sqlite:///{self.path}?durability=normal", ids=lambda: f"hold-{next(self.hold_ids)}")

    def teardown(self) -> None:
        ledger = self.ledgers[0]
        check_replays(ledger)
        assert ledger.replay(RowNotes()).state == self.said
        assert meaning(ledger) == meaning(self.single)
        assert ledger.verify().ok
        report = ledger.audit()
        assert report.ok, report.findings
        for opened in (*self.ledgers, self.single):
            opened.close()
        self.folder.cleanup()

    @initialize()
    def register_and_fund(self) -> None:
        for ledger in (self.ledgers[0], self.single):
            for token in TOKENS:
                ledger.register_token(token)
            with ledger.atomic() as tx:
                for code in CODES:
                    for account in ACCOUNTS:
                        tx.mint(code, account, 25_000)
                tx.mint("PLN", "alice", 2**62)
                tx.mint("WEI", "bob", 2**200)

    @rule(
        which=whichever,
        token=tokens,
        rows=transfer_rows,
        ids=batch_ids,
        notes=batch_notes,
        on=on_refusals,
        as_handles=st.booleans(),
    )
    def transfer(self, which: int, token: str, rows: list[BatchRow], ids: Any, notes: Notes, on: str, as_handles: bool) -> None:
        columns = columns_of(rows := self.resolve(token, rows))
        if as_handles:
            columns[:2] = [self.handles_of(which, token, names) for names in columns[:2]]
        self.play(self.ledgers[which].transfer_many, "transfer", token, rows, columns, ids, notes, on)

    @rule(
        which=whichever,
        token=tokens,
        rows=supply_rows,
        ids=batch_ids,
        notes=batch_notes,
        on=on_refusals,
        name=st.sampled_from(["mint", "burn"]),
    )
    def mint_or_burn(self, which: int, token: str, rows: list[BatchRow], ids: Any, notes: Notes, on: str, name: str) -> None:
        rows = self.resolve(token, rows)
        self.play(getattr(self.ledgers[which], f"{name}_many"), name, token, rows, columns_of(rows), ids, notes, on)

    def resolve(self, token: str, rows: list[BatchRow]) -> list[BatchRow]:
        """The rows with amounts, where they ask for all that somebody has."""
        return [(*accounts, amount or self.single.balance(token, accounts[0]).available or 1) for *accounts, amount in rows]

    def handles_of(self, which: int, token: str, names: list[str]) -> Any:
        """The handles of accounts in one of the ledgers, which are what they were when last asked for."""
        handles = self.ledgers[which].handles(token, names)
        for name, handle in zip(names, handles.tolist(), strict=True):
            assert self.handles[which].setdefault((token, name), handle) == handle
        return handles

    def play(
        self,
        call: Callable[..., BatchReceipt],
        operation: str,
        token: str,
        rows: Sequence[BatchRow],
        columns: list[Any],
        ids: Any,
        notes: Notes,
        on: str,
    ) -> None:
        """A batch, and its rows one after another."""
        if ids is not None:
            ids = ids[: len(rows)] if ids != "ascending" else list(range(self.next_id, self.next_id + len(rows)))
            self.next_id += len(rows)
            ids = [f"id {id}" for id in ids] if notes["ids are text"] else ids
        given = {name: cut(notes[name], len(rows)) for name in ("memo", "occurred_at", "references")}
        refusal = first_refusal(self.single, operation, token, rows, ids, self.used)
        before = self.ledgers[0].verify().position
        if on == "abort" and refusal is not None:
            index, kind, fields = refusal
            with pytest.raises(kind) as caught:
                call(token, *columns, ids=ids, on_refusal=on, **given)
            assert type(caught.value) is kind
            assert caught.value.fields == {**fields, "row": index}
            assert str(caught.value).startswith(f"row {index}: ")
            assert self.ledgers[0].verify().position == before
            return
        receipt = call(token, *columns, ids=ids, on_refusal=on, **given)
        alone: list[int] = []
        verdicts = one_after_another(self.single, operation, token, rows, ids, self.used, given["memo"], alone)
        assert verdicts_of(receipt.refused) == verdicts
        assert receipt.accepted == len(rows) - len(verdicts) == len(receipt.transaction_ids)
        assert receipt.position == self.ledgers[0].verify().position
        assert list(receipt.transaction_ids) == list(range(before + 1, before + 1 + receipt.accepted))
        done = [row for row in range(len(rows)) if row not in {verdict[0] for verdict in verdicts}]
        if done:
            self.batches.append(range(len(self.rows), len(self.rows) + len(done)))
            self.rows += zip(receipt.transaction_ids, alone, strict=True)
        for position, row in zip(receipt.transaction_ids, done, strict=True):
            self.said[position] = said_by(row, ids, given)

    @rule(which=whichever, token=tokens, step=singles)
    def transact(self, which: int, token: str, step: tuple[Any, ...]) -> None:
        """An ordinary transaction, on both sides."""
        name, *arguments = step
        if name == "transfer":
            (arguments,) = self.resolve(token, [tuple(arguments)])
        outcomes: list[object] = []
        for ledger in (self.ledgers[which], self.single):
            held = [hold.id for account in ACCOUNTS for hold in ledger.holds(token, account)]
            try:
                with ledger.atomic() as tx:
                    if name == "release":
                        tx.release(held[arguments[0] % len(held)] if held else "unknown")
                    else:
                        getattr(tx, name)(token, *arguments)
                outcomes.append(None)
            except LedgerError as error:
                outcomes.append((type(error), error.fields))
        assert outcomes[0] == outcomes[1]

    @rule(which=whichever, pick=picks, part=st.one_of(st.none(), st.integers(1, 900)), directly=st.booleans())
    def take_back_a_row(self, which: int, pick: int, part: int | None, directly: bool) -> None:
        """A row, or a part of it, as if it had been done alone."""
        if not self.rows:
            return
        outcomes: list[object] = []
        for ledger, id in zip((self.ledgers[which], self.single), self.rows[-1 - pick % len(self.rows)], strict=True):
            try:
                if directly:
                    ledger.reverse(transaction=id, amount=part)
                else:
                    with ledger.atomic() as tx:
                        tx.reverse(transaction=id, amount=part)
                outcomes.append(None)
            except LedgerError as error:
                outcomes.append((type(error), {**error.fields, "id": None}))
        assert outcomes[0] == outcomes[1]

    @rule(which=whichever, pick=picks)
    def take_back_a_batch(self, which: int, pick: int) -> None:
        """A batch as a whole, which is its rows, the newest first, all or none of them."""
        if not self.batches:
            return
        rows = [self.rows[row] for row in self.batches[-1 - pick % len(self.batches)]]
        outcomes: list[object] = []
        try:
            self.ledgers[which].reverse(entry=rows[0][0])
            outcomes.append(None)
        except LedgerError as error:
            outcomes.append(type(error))
        try:
            with self.single.atomic() as tx:
                for _, alone in rows[::-1]:
                    with suppress(AlreadyReversed):
                        tx.reverse(transaction=alone)
            outcomes.append(None if tx.receipt is not None else AlreadyReversed)
        except LedgerError as error:
            outcomes.append(type(error))
        assert outcomes[0] == outcomes[1]

    @rule(which=whichever, token=st.one_of(st.none(), tokens), account=crowd, ways=freezes.filter(lambda ways: ways != NONE))
    def freeze(self, which: int, token: str | None, account: str, ways: dict[str, Any]) -> None:
        for ledger in (self.ledgers[which], self.single):
            with ledger.atomic() as tx:
                tx.freeze(account, token, **ways)

    @rule(which=whichever)
    def unfreeze(self, which: int) -> None:
        """Everybody."""
        for ledger in (self.ledgers[which], self.single):
            with ledger.atomic() as tx:
                for freeze in ledger.frozen():
                    tx.unfreeze(freeze.account, freeze.token)

    @rule(which=whichever, token=tokens, rows=transfer_rows)
    def transfer_too_much_for_a_commit(self, which: int, token: str, rows: list[BatchRow]) -> None:
        """What does not fit a commit is taken back."""
        self.unfreeze(which)
        rows = self.resolve(token, rows)
        refusals = one_after_another(copy_of(self.single, token), "transfer", token, rows, None, set())
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(group, "COMMIT_BYTES_MAX", 10)
            try:
                self.ledgers[which].transfer_many(token, *columns_of(rows), on_refusal="skip")
            except CommitTooLarge:
                assert len(refusals) < len(rows)
            else:
                assert len(refusals) == len(rows)

    @rule(which=whichever)
    def reopen(self, which: int) -> None:
        self.ledgers[which].close()
        self.ledgers[which] = self.open()
        self.handles[which] = {}

    @rule(pick=picks)
    def replay_up_to_a_row(self, pick: int) -> None:
        """A replay that ends inside a batch ends with that row."""
        ledger = self.ledgers[0]
        states: dict[int, Any] = {}
        ledger.replay(
            RowByRow(Balances(), lambda position, projection: states.update({position: copy.deepcopy(projection.state)}))
        )
        head = ledger.verify().position
        for upto in {*range(max(1, head - 20), head + 1), 1 + pick % head}:
            assert ledger.replay(Balances(), upto=upto).state == states[upto]
            assert max(ledger.replay(Transactions(), upto=upto).state, default=0) <= upto
        assert ledger.replay(Fragments()).state == ledger.replay(RowByRow(Fragments())).state
        assert ledger.replay(SupplyReserves()).state == ledger.replay(RowByRow(SupplyReserves())).state

    @invariant()
    def both_sides_say_the_same(self) -> None:
        if self.single.tokens():
            expected = money(self.single)
            for ledger in self.ledgers:
                assert differences(ledger, expected) == []


def cut(given: Any, rows: int) -> Any:
    """One value, or a column of so many rows."""
    return given[:rows] if isinstance(given, list) else given


def said_by(row: int, ids: Any, given: Notes) -> tuple[Any, ...]:
    """What a row says: its memo, time, reference and id of text."""
    memo, times, references = given["memo"], given["occurred_at"], given["references"]
    return (
        memo if isinstance(memo, str) else memo[row],
        None if times is None else to_microseconds(times[row]),
        None if references is None else references[row],
        ids[row] if ids is not None and isinstance(ids[row], str) else None,
    )


def copy_of(ledger: Ledger, token: str) -> Ledger:
    """A ledger in which everybody can spend as much of one token."""
    copied = Ledger.open("memory:")
    copied.register_token(next(known for known in TOKENS if known.code == token))
    with copied.atomic() as tx:
        for account, balance in ledger.balances(token).items():
            if balance.available:
                tx.mint(token, account, balance.available)
    return copied


TestBatches = BatchMachine.TestCase
TestBatches.settings = settings(max_examples=60, stateful_step_count=15, deadline=None)
