"""The rules of the ledger's state machine: what is played on the ledger and on the model of `tests/machines/test_machine.py`.

Transactions, calls without a block, batches, refusals, keys, dates, metadata and its erasure, time, reopening, and a second
ledger on the same journal that comes in between.
"""

import copy
import shutil
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule

from tallystick import DuplicateIdempotencyKey, InvalidRequest, Ledger, LedgerError, NotFound, Receipt, Refused, Token
from tests.support.strategies import (
    ACCOUNTS,
    CROWD,
    KEEPERS,
    batch_ids,
    batch_notes,
    direct_steps,
    entry_details,
    on_refusals,
    picks,
    plans,
    reversals,
    tokens,
    transfer_rows,
)
from tests.support.suites.comparison import (
    HOUR,
    START,
    check_left,
    compare_books,
    compare_entry,
    compare_journal,
    compare_left,
    compare_lines,
)
from tests.support.suites.machine import AbandonedError, TransactingMachine

TOKENS = (Token("PLN", max_supply=2**63), Token("CENT", max_supply=2**66, unit=1000), Token("WEI", max_supply=2**256 - 1))

FIRST: list[list[Any]] = [
    [("mint", account, 25_000) for account in ACCOUNTS],
    [("reserve", "alice", "keeper", 401, None), ("reserve", "dave", "bob", 300, 2), ("transfer", "alice", "bob", 100)],
    [("settle", "keeper", "carol", 150), ("burn", "carol", 50)],
]
"""What every book begins with, of each token, so that there is something to take back of every kind."""

FREEZES: list[Any] = [
    ("PLN", ("freeze", "dave", True, {}), ""),
    ("CENT", ("freeze", "bob", False, {"credits": True}), ""),
    ("WEI", ("freeze", "keeper", False, {}), ""),
]
"""And who is frozen in it."""


class LedgerMachine(TransactingMachine):
    """Two ledgers on the journal at `url`, whose cache is there; else on a file. Subclasses say what the model is."""

    def __init__(self, url: str = "", cache: Path | None = None) -> None:
        self.url, self.cache = url, cache
        self.next_id = count(100)
        super().__init__()

    def open(self, which: int) -> Ledger:
        return Ledger.open(self.url or f"sqlite:///{self.path}?durability=normal", clock=lambda: START + self.model.hour * HOUR)

    def call(self, tx: Any, model: Any, step: tuple[Any, ...], **options: Any) -> Any:
        """The step as a call on the transaction, or on the ledger itself."""
        match step:
            case ("split", token, owner, amount, weights):
                return tx.money(token, owner, amount).slice(amount).split(weights)
            case ("reserve", token, payer, keeper, amount, hours):
                due = None if hours is None else START + (model.hour + hours) * HOUR
                return tx.reserve(token, payer, keeper, amount, due, **options)
            case ("settle_hold", token, id, receiver, amount):
                authority = model.holds[id][1] if id in model.holds else "keeper"
                return tx.settle(token, authority, receiver, amount, hold=id, **options)
            case ("release", _, id, amount):
                return tx.release(id, amount, **options)
            case ("expire", _, limit):
                return tx.expire(limit, **options)
            case ("freeze", token, account, everywhere, ways):
                return tx.freeze(account, None if everywhere else token, **ways, **options)
            case ("unfreeze", token, account, everywhere):
                return tx.unfreeze(account, None if everywhere else token, **options)
            case ("reverse", what, id, amount, _):
                return tx.reverse(**{what: id}, amount=amount, **options)
            case _:
                return getattr(tx, step[0])(*step[1:], **options)

    def said(self, drawn: dict[str, Any]) -> dict[str, Any]:
        """Details as they were drawn, as keywords of a block."""
        hours = drawn["occurred"]
        occurred_at = None if hours is None else START + (self.model.hour + hours) * HOUR
        return {"occurred_at": occurred_at, "reference": drawn["reference"], "metadata": drawn["metadata"]}

    def is_refused(self, details: dict[str, Any] | None) -> bool:
        at = (details or {}).get("occurred_at")
        return at is not None and at > START + (self.model.hour + 24) * HOUR

    def note(self, receipt: Receipt | None, key: str | None, details: dict[str, Any]) -> None:
        super().note(receipt, key, details)
        if receipt is None:
            assert not self.model.done
            return
        assert not self.is_refused(details)
        self.model.record(receipt.entry_id, receipt.transaction_ids, key, **details)
        if key is not None:
            self.model.receipts[key] = receipt
        for ledger in self.ledgers:
            compare_entry(ledger, self.model, receipt.entry_id)

    def look(self, tx: Any, model: Any, step: tuple[Any, ...]) -> None:
        if step[0] == "reverse":
            what, id = step[1:3]
            for each in model.entries[id].ids if what == "entry" else (id,):
                if model.movements[each].kind not in ("release", "expire"):
                    check_left(tx, each, model.left(each))

    @initialize()
    def register_and_fund(self) -> None:
        for token in TOKENS:
            self.ledgers[0].register_token(token)
        for steps in FIRST:
            plan = [(token.code, step, "") for token in TOKENS for step in steps]
            self.play_transaction(0, plan, [], None, fails=False, details={"metadata": {"steps": len(plan)}})
        self.play_transaction(0, FREEZES, [], None, fails=False)
        assert len(self.model.entries) == len(FIRST) + 1

    @rule(
        which=st.integers(0, 1),
        plan=plans,
        key=st.sampled_from([None, None, None, *"vwxyz"]),
        drawn=entry_details,
        fails=st.integers(0, 9),
    )
    def transact(self, which: int, plan: list[Any], key: str | None, drawn: dict[str, Any], fails: int) -> None:
        """One transaction."""
        self.play_transaction(which, plan, [], key, fails=not fails, details=self.said(drawn))

    @rule(which=st.integers(0, 1), plan=plans, between=plans)
    def transact_in_a_race(self, which: int, plan: list[Any], between: list[Any]) -> None:
        """One transaction; just before it ends the other ledger does `between`, as a transaction of its own."""
        self.play_transaction(which, plan, between, None, fails=False)

    @rule(which=st.integers(0, 1), step=reversals, token=tokens)
    def take_back_in_vain(self, which: int, step: tuple[Any, ...], token: str) -> None:
        """A reversal that is executed, and then in conflict with what the same block was told: nothing was taken back."""
        told, changed = (token, ("balance", "carol"), ""), (token, ("mint", "carol", 1), "")
        self.play_transaction(which, [(token, step, "savepoint"), told], [changed], None, fails=False)
        compare_left(self.ledgers[which], self.model, list(self.model.movements)[-20:])

    @rule(
        which=st.integers(0, 1),
        steps=st.lists(st.tuples(tokens, direct_steps), min_size=1, max_size=4),
        key=st.sampled_from([None, None, None, *"vwxyz"]),
        drawn=entry_details,
        on_repeat=st.sampled_from(["raise", "receipt"]),
    )
    def call_directly(self, which: int, steps: list[Any], key: str | None, drawn: dict[str, Any], on_repeat: str) -> None:
        """Calls without a block, the first perhaps with a key."""
        for token, step in steps:
            self.play_call(which, self.model.resolve(token, step), key, self.said(drawn), on_repeat)
            key = None

    def play_call(self, which: int, step: tuple[Any, ...], key: str | None, details: dict[str, Any], on_repeat: str) -> None:
        """One call without a block, which means exactly its block: that is tried first, and given up."""
        ledger = self.ledgers[which]
        expected: LedgerError | None = None
        try:
            with ledger.atomic(**details) as tx:
                self.call(tx, self.model, step)
                raise AbandonedError
        except AbandonedError:
            pass
        except (Refused, NotFound, InvalidRequest) as error:
            expected = error
        try:
            receipt = self.call(ledger, self.model, step, idempotency_key=key, on_repeat=on_repeat, **details)
        except DuplicateIdempotencyKey as error:
            assert error.receipt == self.model.receipts[str(key)]
            assert on_repeat == "raise"
            return
        except (Refused, NotFound, InvalidRequest) as error:
            assert key not in self.model.receipts
            if expected is None or self.is_refused(details):
                assert self.is_refused(details)
                return
            assert (type(error), error.fields) == (type(expected), expected.fields)
            assert not self.follows([(step, "refused")])
            return
        if receipt is not None and receipt.repeated:
            assert ledger.receipt(str(key)) == self.model.receipts[str(key)]
            assert receipt.entry_id == self.model.receipts[str(key)].entry_id
            return
        assert expected is None
        assert self.follows([(step, receipt.hold_id if step[0] == "reserve" else None)])
        self.note(receipt, key, details)

    @rule(
        which=st.integers(0, 1),
        token=tokens,
        name=st.sampled_from(["transfer", "transfer", "mint", "burn"]),
        rows=transfer_rows,
        ids=batch_ids,
        notes=batch_notes,
        on=on_refusals,
        drawn=entry_details,
    )
    def do_many(
        self, which: int, token: str, name: str, rows: list[Any], ids: Any, notes: Any, on: str, drawn: dict[str, Any]
    ) -> None:
        """A batch."""
        names = 2 if name == "transfer" else 1
        rows = [(*row[:names], row[2] or self.model.available[token, row[0]] or 1) for row in rows]
        if ids is not None:
            ids = [next(self.next_id) for _ in rows] if ids == "ascending" else ids[: len(rows)]
            ids = [f"id {id}" for id in ids] if notes["ids are text"] else ids
        given = {name: cut(notes[name], len(rows)) for name in ("memo", "occurred_at", "references")}
        told = {**given, "metadata": drawn["metadata"], "ids": ids, "on_refusal": on}
        planned = copy.deepcopy(self.model)
        refused = planned.do_rows(name, token, rows, ids)
        columns = list(zip(*rows, strict=True))
        try:
            receipt = getattr(self.ledgers[which], f"{name}_many")(token, *columns, **told)
        except Refused as error:
            first = min(refused)
            assert on == "abort"
            assert isinstance(error, refused[first])
            assert error.fields["row"] == first
            return
        assert on == "skip" or not refused
        assert [row.index for row in receipt.refused] == list(refused)
        for row in receipt.refused:
            assert isinstance(row.reason, refused[row.index])
        self.model = planned
        if receipt.accepted:
            done = [index for index in range(len(rows)) if index not in refused]
            entry = receipt.transaction_ids[0]
            rows = [of_row(given, index) for index in done]
            self.model.record(entry, tuple(receipt.transaction_ids), None, rows, metadata=drawn["metadata"])
            compare_entry(self.ledgers[1 - which], self.model, entry)

    @rule(which=st.integers(0, 1), pick=picks)
    def erase(self, which: int, pick: int) -> None:
        """The metadata of an entry, if it has some: at most once."""
        with_some = [id for id, entry in self.model.entries.items() if entry.metadata is not None]
        among = [*with_some, *list(self.model.entries)[-2:]]
        id = among[pick % len(among)]
        if id in with_some:
            self.ledgers[which].erase(id, "on request")
            self.model.entries[id] = self.model.entries[id]._replace(metadata=None)
        else:
            with pytest.raises(InvalidRequest):
                self.ledgers[which].erase(id, "on request")
        for ledger in self.ledgers:
            compare_entry(ledger, self.model, id)

    @rule(
        which=st.integers(0, 1),
        hours=st.integers(0, 2),
        how=st.sampled_from(["", "", "snapshot", "without a cache"]),
        token=tokens,
        account=st.sampled_from(sorted({*CROWD, *KEEPERS})),
        since=st.integers(-40, 3),
    )
    def pause(self, which: int, hours: int, how: str, token: str, account: str, since: int) -> None:
        """Time goes by, one of the ledgers is opened anew, or both without what lay beside the journal; it has all that was."""
        self.model.hour += hours
        if how == "snapshot":
            self.ledgers[which].snapshot()
        self.ledgers[which].close()
        if how == "without a cache" and self.cache_folder is not None:
            self.ledgers[1 - which].close()
            shutil.rmtree(self.cache_folder, ignore_errors=True)
            self.ledgers[1 - which] = self.open(1 - which)
        self.ledgers[which] = ledger = self.open(which)
        compare_journal(ledger, self.model)
        compare_lines(ledger, self.model, token, account, self.model.hour + since, 30)

    @property
    def cache_folder(self) -> Path | None:
        """What lies beside the journal and can be made again."""
        return self.cache if self.url else Path(f"{self.path}.cache")

    def teardown(self) -> None:
        try:
            compare_journal(self.ledgers[1], self.model)
        finally:
            super().teardown()

    @invariant()
    def books_are_as_in_the_model(self) -> None:
        for ledger in self.ledgers:
            if not self.model.entries:
                return
            compare_books(ledger, self.model, TOKENS)
            compare_left(ledger, self.model, list(self.model.taken)[-2:])


def cut(given: Any, rows: int) -> Any:
    """One value, or a column of so many rows."""
    return given[:rows] if isinstance(given, list) else given


def of_row(given: dict[str, Any], row: int) -> dict[str, Any]:
    """What is said of a row."""
    values = {name: value[row] if isinstance(value, list) else value for name, value in given.items()}
    return {"memo": values["memo"], "occurred_at": values["occurred_at"], "reference": values["references"]}
