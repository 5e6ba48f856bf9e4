"""A state machine against a model of plain dictionaries, for plain, fragmented and wide tokens alike, with reopening.

The model knows balances, holds, freezes, entries and what was taken back of them, and nothing of columns, fragments, drafts or
journals. Each rule (`tests/support/suites/ledger_machine.py`) plays a transaction, a call or a batch on both, from the same
ledger object or another one on the same journal, and whatever the model refuses the ledger must refuse. `comparison.py` beside
the rules holds what the ledger then says against the model.
"""

from collections import defaultdict
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from tallystick import (
    AccountIsFrozen,
    AlreadyReversed,
    Balance,
    DuplicateTransferId,
    LedgerError,
    NotReversible,
    Receipt,
)
from tests.support.programs.postgres_server import SchemaRemover, ledger_url, unused_name
from tests.support.suites.ledger_machine import TOKENS, LedgerMachine
from tests.support.suites.machine import ModelRefusal


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

    def record(
        self, id: int, ids: tuple[int, ...], key: str | None, rows: list[dict[str, Any]] | None = None, **said: Any
    ) -> None:
        """What was done since is an entry now; of a batch, `rows` say more of its movements."""
        assert len(ids) == len(self.done)
        entry = self.entries[id] = Recorded(ids, self.hour, key, **said)
        for number, movement in enumerate(self.done):
            told = {"occurred_at": entry.occurred_at, "reference": entry.reference} if rows is None else rows[number]
            self.movements[ids[number]] = movement._replace(entry=id, hour=self.hour, **told)
        self.done = []

    def found(self, reference: str) -> list[int]:
        """The entries with a reference, newest first."""
        named = {id for id, entry in self.entries.items() if entry.reference == reference}
        return sorted(named | {m.entry for m in self.movements.values() if m.reference == reference}, reverse=True)

    def resolve(self, token: str, step: tuple[Any, ...]) -> tuple[Any, ...]:
        """The step with its token, and a hold where it only picks one; as often as not no more than there is."""
        name, *arguments = step
        if name in ("settle_hold", "release") and self.holds:
            id = arguments[0] = list(self.holds)[-1 - arguments[0] % len(self.holds)]
            amount = arguments[-1]
            if amount is not None and amount % 4:
                token, arguments[-1] = self.holds[id][0], min(amount, self.holds[id][3])
        elif name in ("settle_hold", "release"):
            arguments[0] = "unknown"
        if name == "settle" and arguments[2] % 4:
            arguments[2] = min(arguments[2], self.held(token, arguments[0]) or 1)
        if name == "reverse":
            return self.resolve_reversal(*arguments)
        if name == "drain":
            return ("transfer", token, *arguments, max(1, self.available[token, arguments[0]]))
        return (name, token, *arguments)

    def resolve_reversal(self, what: str, pick: int, amount: int | None) -> tuple[Any, ...]:
        """What is taken back, one of the newest entries or of the newest movements of a kind, and of which of its movements
        something is left now.
        """
        among = list(self.entries)[-6:]
        if what == "transaction":
            kinds = sorted({movement.kind for movement in self.movements.values()})
            pick, kind = divmod(pick, len(kinds))
            among = [id for id, movement in self.movements.items() if movement.kind == kinds[kind]][-3:]
        id = among[-1 - pick % len(among)]
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
        self.taken[id] = self.taken.pop(id, 0) + amount  # the last one now
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


class MachineWithModel(LedgerMachine):
    """The machine with that model."""

    def make_model(self) -> Model:
        return Model()


TestLedger = MachineWithModel.TestCase
TestLedger.settings = settings(max_examples=40, stateful_step_count=20, deadline=None)


def test_in_memory() -> None:
    numbers = count()
    run_state_machine_as_test(
        lambda: MachineWithModel(f"memory:machine-{next(numbers)}"),
        settings=settings(max_examples=20, stateful_step_count=20, deadline=None),
    )


def test_in_postgresql(postgres: str, remove_schema: SchemaRemover, tmp_path: Path) -> None:
    numbers = count()

    class Machine(MachineWithModel):
        def __init__(self) -> None:
            self.schema = unused_name()
            cache = tmp_path / f"cache {next(numbers)}"
            super().__init__(ledger_url(postgres, cache, schema=self.schema), cache)

        def teardown(self) -> None:
            super().teardown()
            remove_schema(self.schema)

    run_state_machine_as_test(Machine, settings=settings(max_examples=6, stateful_step_count=20, deadline=None))
