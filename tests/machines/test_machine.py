"""A state machine against a model of plain dictionaries, for plain, fragmented and wide tokens alike, with reopening.

The model knows balances, holds, freezes, entries and what was taken back of them, and nothing of columns, fragments, drafts or
journals. Each rule plays a transaction, a call or a batch on both, from the same ledger object or another one on the same
journal, and whatever the model refuses the ledger must refuse.
"""

import copy
import shutil
from collections import defaultdict
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule, run_state_machine_as_test

from tallystick import (
    AccountIsFrozen,
    AlreadyReversed,
    Balance,
    DuplicateIdempotencyKey,
    DuplicateTransferId,
    InvalidRequest,
    Ledger,
    LedgerError,
    NotFound,
    NotReversible,
    Receipt,
    Refused,
    Token,
)
from tests.support.programs.postgres_server import SchemaRemover, ledger_url, unused_name
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
    tokens,
    transfer_rows,
)
from tests.support.suites.comparison import HOUR, START, compare_books, compare_entry, compare_journal, compare_lines
from tests.support.suites.machine import AbandonedError, ModelRefusal, TransactingMachine

TOKENS = (Token("PLN", max_supply=2**63), Token("CENT", max_supply=2**66, unit=1000), Token("WEI", max_supply=2**256 - 1))


class Movement(NamedTuple):
    """What moved from whom to whom; `payer` is that of the hold, `reverses` the movement that it takes back.

    The rest is known once it is recorded.
    """

    kind: str
    token: str
    sender: str | None
    receiver: str | None
    amount: int
    hold: str | None = None
    payer: str | None = None
    reverses: int | None = None
    memo: str = ""
    entry: int = 0
    hour: int = 0
    occurred_at: datetime | None = None
    reference: str | None = None


class Recorded(NamedTuple):
    """An entry: the ids of its movements, when it was recorded, and what was said of it."""

    ids: tuple[int, ...]
    hour: int
    key: str | None = None
    occurred_at: datetime | None = None
    reference: str | None = None
    metadata: dict[str, Any] | None = None


class Model:
    """Balances, holds, freezes and entries in dictionaries, changed by steps: tuples of a name, a token and arguments."""

    def __init__(self) -> None:
        self.reserve = {token.code: token.max_supply for token in TOKENS}
        self.available: defaultdict[tuple[str, str], int] = defaultdict(int)
        self.holds: dict[str, list[Any]] = {}
        self.told: dict[str, tuple[int, tuple[Any, ...]]] = {}
        """Of every hold, open or closed, what was reserved and how it left."""
        self.freezes: dict[tuple[str, str | None], tuple[bool, bool, str]] = {}
        self.movements: dict[int, Movement] = {}
        self.taken: dict[int, int] = {}
        """How much of a movement was taken back."""
        self.entries: dict[int, Recorded] = {}
        self.receipts: dict[str, Receipt] = {}
        """By idempotency key."""
        self.ids: set[Any] = set()
        """Those of rows."""
        self.done: list[Movement] = []
        """Those that have no id yet."""
        self.hour = 0

    def __deepcopy__(self, memo: object) -> "Model":
        copied = Model()
        for name, value in vars(self).items():
            setattr(copied, name, value if isinstance(value, int) else value.copy())
        copied.holds = {id: [*hold] for id, hold in self.holds.items()}
        return copied

    def record(self, id: int, ids: tuple[int, ...], said: Recorded, rows: list[dict[str, Any]] | None = None) -> None:
        """What was done since is an entry now; of a batch, `rows` say more of its movements."""
        assert len(ids) == len(self.done)
        for number, movement in enumerate(self.done):
            told = {"occurred_at": said.occurred_at, "reference": said.reference} if rows is None else rows[number]
            self.movements[ids[number]] = movement._replace(entry=id, hour=self.hour, **told)
        self.entries[id] = said._replace(ids=tuple(ids))
        self.done = []

    def found(self, reference: str) -> list[int]:
        """The entries with a reference, newest first."""
        named = {id for id, entry in self.entries.items() if entry.reference == reference}
        return sorted(named | {m.entry for m in self.movements.values() if m.reference == reference}, reverse=True)

    def resolve(self, token: str, step: tuple[Any, ...]) -> tuple[Any, ...]:
        """The step with its token, and a hold where it only picks one."""
        name, *arguments = step
        if name in ("settle_hold", "release"):
            arguments[0] = list(self.holds)[arguments[0] % len(self.holds)] if self.holds else "unknown"
        if name == "reverse":
            return self.resolve_reversal(*arguments)
        if name == "drain":
            return ("transfer", token, *arguments, max(1, self.available[token, arguments[0]]))
        return (name, token, *arguments)

    def resolve_reversal(self, what: str, pick: int, amount: int | None) -> tuple[Any, ...]:
        """What is taken back, among the newest, and the movements of it of which something is left now."""
        among = list(self.entries if what == "entry" else self.movements)[-12:]
        id = among[pick % len(among)]
        ids = self.entries[id].ids[::-1] if what == "entry" else (id,)
        return ("reverse", what, id, None if what == "entry" else amount, [each for each in ids if self.left(each)])

    def apply(self, step: tuple[Any, ...], result: Any = None) -> None:
        """Does a step whole, or raises `ModelRefusal`; `result` is what the ledger gave for it."""
        getattr(self, f"do_{step[0]}")(*step[1:], *([result] if step[0] in ("reserve", "balance") else []))

    def held(self, token: str, keeper: str) -> int:
        return sum(hold[3] for hold in self.holds.values() if hold[:2] == [token, keeper])

    def due(self, hold: list[Any]) -> bool:
        return hold[4] is not None and hold[4] <= self.hour

    def check_open(self, token: str, *, giver: str | None = None, taker: str | None = None) -> None:
        for direction, account in enumerate((giver, taker)):
            for where in (None, token):
                frozen = account is not None and self.freezes.get((account, where), (False, False, ""))[direction]
                self.check(not frozen, AccountIsFrozen)

    def take(self, token: str, account: str, amount: int) -> None:
        self.check_open(token, giver=account)
        self.check(self.available[token, account] >= amount)
        self.available[token, account] -= amount

    def draw(self, id: str, amount: int, receiver: str, kind: str) -> None:
        hold = self.holds[id]
        self.check(hold[3] >= amount)
        hold[3] -= amount
        told = self.told[id]
        self.told[id] = (told[0], (*told[1], (kind, receiver, amount)))
        self.available[hold[0], receiver] += amount
        self.done.append(Movement(kind, hold[0], hold[1], receiver, amount, id, hold[2]))
        if not hold[3]:
            del self.holds[id]

    def do_mint(self, token: str, account: str, amount: int) -> None:
        self.check_open(token, taker=account)
        self.check(self.reserve[token] >= amount)
        self.reserve[token] -= amount
        self.available[token, account] += amount
        self.done.append(Movement("mint", token, None, account, amount))

    def do_burn(self, token: str, account: str, amount: int) -> None:
        self.take(token, account, amount)
        self.reserve[token] += amount
        self.done.append(Movement("burn", token, account, None, amount))

    def do_transfer(self, token: str, sender: str, receiver: str, amount: int) -> None:
        self.check_open(token, taker=receiver)
        self.take(token, sender, amount)
        self.available[token, receiver] += amount
        self.done.append(Movement("transfer", token, sender, receiver, amount))

    def do_split(self, token: str, owner: str, amount: int, weights: dict[str, int]) -> None:
        self.take(token, owner, amount)
        total = sum(weights.values())
        shares = {receiver: amount * weight // total for receiver, weight in weights.items()}
        largest = sorted(weights, key=lambda receiver: -(amount * weights[receiver] % total))
        for receiver in largest[: amount - sum(shares.values())]:
            shares[receiver] += 1
        for receiver, share in shares.items():
            self.check_open(token, taker=receiver if share else None)
            self.available[token, receiver] += share
            self.done += [Movement("transfer", token, owner, receiver, share)] if share else []

    def do_reserve(self, token: str, payer: str, keeper: str, amount: int, hours: int | None, id: str) -> None:
        self.check(hours is None or hours > 0)
        self.take(token, payer, amount)
        self.told[id] = (amount, ())
        self.done.append(Movement("reserve", token, payer, keeper, amount, id, payer))
        self.holds[id] = [token, keeper, payer, amount, None if hours is None else self.hour + hours]

    def do_settle(self, token: str, keeper: str, receiver: str, amount: int) -> None:
        self.check_open(token, giver=keeper, taker=receiver)
        for id, hold in list(self.holds.items()):
            if hold[:2] == [token, keeper] and not self.due(hold) and amount:
                drawn = min(amount, hold[3])
                self.draw(id, drawn, receiver, "settle")
                amount -= drawn
        self.check(not amount)

    def do_settle_hold(self, token: str, id: str, receiver: str, amount: int) -> None:
        self.check_open(token, giver=self.holds[id][1] if id in self.holds else "keeper", taker=receiver)
        self.check(id in self.holds and self.holds[id][0] == token and not self.due(self.holds[id]))
        self.draw(id, amount, receiver, "settle")

    def do_release(self, token: str, id: str, amount: int | None) -> None:
        self.check(id in self.holds)
        self.draw(id, self.holds[id][3] if amount is None else amount, self.holds[id][2], "release")

    def do_expire(self, token: str, limit: int) -> None:
        due = sorted((hold[4], place, id) for place, (id, hold) in enumerate(self.holds.items()) if self.due(hold))
        for _, _, id in due[:limit]:
            self.draw(id, self.holds[id][3], self.holds[id][2], "expire")

    def do_balance(self, token: str, account: str, told: Balance | str) -> None:
        if isinstance(told, Balance):
            self.check((told.available, told.reserved) == (self.available[token, account], self.held(token, account)))

    def do_freeze(self, token: str, account: str, everywhere: bool, ways: dict[str, Any]) -> None:
        debits, credits = ways.get("debits", True), ways.get("credits", False)
        self.check(debits or credits)
        self.freezes[account, None if everywhere else token] = (debits, credits, ways.get("reason", ""))

    def do_unfreeze(self, token: str, account: str, everywhere: bool) -> None:
        self.freezes.pop((account, None if everywhere else token), None)

    def left(self, id: int) -> int:
        """How much of a movement can be taken back: of what was reserved, what is still held."""
        movement = self.movements[id]
        if movement.kind == "reserve":
            return self.holds[movement.hold][3] if movement.hold in self.holds else 0
        return movement.amount - self.taken.get(id, 0)

    def do_reverse(self, what: str, id: int, amount: int | None, left: list[int]) -> None:
        ids = self.entries[id].ids if what == "entry" else (id,)
        self.check(bool(ids) and not {"release", "expire"} & {self.movements[each].kind for each in ids}, NotReversible)
        self.check(bool(left) or amount is not None, AlreadyReversed)
        for each in left or ids:
            self.take_back(each, self.left(each) if amount is None else amount)

    def take_back(self, id: int, amount: int) -> None:
        kind, token, sender, receiver, _, hold, payer, *_ = self.movements[id]
        self.check(0 < amount <= self.left(id), AlreadyReversed)
        match kind:
            case "mint":
                self.do_burn(token, receiver, amount)
            case "burn":
                self.do_mint(token, sender, amount)
            case "reserve":
                self.draw(hold, amount, payer, "release")
            case _:
                self.do_transfer(token, receiver, payer if kind == "settle" else sender, amount)
        self.taken[id] = self.taken.get(id, 0) + amount
        self.done[-1] = self.done[-1]._replace(reverses=id)

    def do_rows(self, name: str, token: str, rows: list[Any], ids: list[Any] | None) -> dict[int, type[LedgerError]]:
        """Does the rows one after another, and gives those that it refuses."""
        refused: dict[int, type[LedgerError]] = {}
        for index, row in enumerate(rows):
            try:
                self.check(ids is None or ids[index] not in self.ids, DuplicateTransferId)
                getattr(self, f"do_{name}")(token, *row)
                self.ids.update([] if ids is None else [ids[index]])
            except ModelRefusal as refusal:
                refused[index] = refusal.expected
        return refused

    @staticmethod
    def check(condition: bool, expected: type[LedgerError] = LedgerError) -> None:
        if not condition:
            raise ModelRefusal(expected)


class LedgerMachine(TransactingMachine):
    """Transactions, calls, batches, refusals, keys, time, reopening, and a second ledger on the journal in between."""

    def __init__(self, url: str = "", cache: Path | None = None) -> None:
        self.url, self.cache = url, cache
        self.next_id = count(100)
        super().__init__()

    def make_model(self) -> Model:
        return Model()

    def open(self, which: int) -> Ledger:
        return Ledger.open(self.url or f"sqlite:///{self.path}?durability=normal", clock=lambda: START + self.model.hour * HOUR)

    def call(self, tx: Any, model: Model, step: tuple[Any, ...], **options: Any) -> Any:
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
        self.model.record(receipt.entry_id, receipt.transaction_ids, Recorded((), self.model.hour, key, **details))
        if key is not None:
            self.model.receipts[key] = receipt
        for ledger in self.ledgers:
            compare_entry(ledger, self.model, receipt.entry_id)

    @initialize()
    def register_and_fund(self) -> None:
        for token in TOKENS:
            self.ledgers[0].register_token(token)
        steps = [("mint", account, 25_000) for account in ACCOUNTS]
        self.play_transaction(0, [(token.code, step, "") for token in TOKENS for step in steps], [], None, fails=False)

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

    @rule(
        which=st.integers(0, 1),
        token=tokens,
        step=direct_steps,
        key=st.sampled_from([None, None, None, *"vwxyz"]),
        drawn=entry_details,
        on_repeat=st.sampled_from(["raise", "receipt"]),
    )
    def call_directly(
        self, which: int, token: str, step: tuple[Any, ...], key: str | None, drawn: dict[str, Any], on_repeat: str
    ) -> None:
        """One call without a block, which means exactly its block: that is tried first, and given up."""
        ledger, step, details = self.ledgers[which], self.model.resolve(token, step), self.said(drawn)
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
            said = Recorded((), self.model.hour, metadata=drawn["metadata"])
            self.model.record(entry, tuple(receipt.transaction_ids), said, [of_row(given, index) for index in done])
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


def cut(given: Any, rows: int) -> Any:
    """One value, or a column of so many rows."""
    return given[:rows] if isinstance(given, list) else given


def of_row(given: dict[str, Any], row: int) -> dict[str, Any]:
    """What is said of a row."""
    values = {name: value[row] if isinstance(value, list) else value for name, value in given.items()}
    return {"memo": values["memo"], "occurred_at": values["occurred_at"], "reference": values["references"]}


TestLedger = LedgerMachine.TestCase
TestLedger.settings = settings(max_examples=60, stateful_step_count=20, deadline=None)


def test_in_memory() -> None:
    numbers = count()
    run_state_machine_as_test(
        lambda: LedgerMachine(f"memory:machine-{next(numbers)}"),
        settings=settings(max_examples=40, stateful_step_count=20, deadline=None),
    )


def test_in_postgresql(postgres: str, remove_schema: SchemaRemover, tmp_path: Path) -> None:
    numbers = count()

    class Machine(LedgerMachine):
        def __init__(self) -> None:
            self.schema = unused_name()
            cache = tmp_path / f"cache {next(numbers)}"
            super().__init__(ledger_url(postgres, cache, schema=self.schema), cache)

        def teardown(self) -> None:
            super().teardown()
            remove_schema(self.schema)

    run_state_machine_as_test(Machine, settings=settings(max_examples=12, stateful_step_count=20, deadline=None))
