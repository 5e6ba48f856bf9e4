"""What state machines share: transactions played on a ledger and on a model side by side, by two ledgers on one file.

A model has `resolve(subject, step)`, which makes a step concrete, and `apply(step, result)`, which does it whole or raises
`ModelRefusal`; `result` is what the ledger told for it. The ledger may refuse nothing that the model allows, and do nothing
that it refuses, neither when a call is made nor when the block ends and others' commits came in between.
"""

import copy
import tempfile
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from hypothesis.stateful import RuleBasedStateMachine

from tallystick import Conflict, DuplicateIdempotencyKey, InvalidRequest, Ledger, LedgerError, NotFound, Receipt, Refused
from tallystick.infrastructure.ledger.transaction import TransactionContext


class ModelRefusal(Exception):
    """The model says no; it may know with which error the ledger must."""

    def __init__(self, expected: type[LedgerError] = LedgerError) -> None:
        self.expected = expected

    def check(self, error: LedgerError) -> None:
        """The ledger says no for the same reason."""
        assert isinstance(error, self.expected), f"{error!r} and not {self.expected.__name__}"


class StoppedError(Exception):
    """A block that ends half-way."""


class AbandonedError(Exception):
    """A savepoint that is given up."""


class TransactingMachine(RuleBasedStateMachine):
    """Two ledgers on one file and a model of what is in it."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "books.db"
        self.model = self.make_model()
        self.ledgers = [self.open(which) for which in (0, 1)]
        self.keys: dict[str, int] = {}

    def make_model(self) -> Any:
        """A model of an empty file."""
        raise NotImplementedError

    def open(self, which: int) -> Ledger:
        """One of the two ledgers."""
        raise NotImplementedError

    def call(self, tx: TransactionContext, model: Any, step: tuple[Any, ...]) -> Any:
        """The step as a call on the transaction."""
        raise NotImplementedError

    def teardown(self) -> None:
        ledger = self.ledgers[0]
        assert ledger.verify().ok
        report = ledger.audit()
        assert report.ok, report.findings
        for other in self.ledgers:
            other.close()
        self.folder.cleanup()

    def play_transaction(
        self,
        which: int,
        plan: list[Any],
        between: list[Any],
        key: str | None,
        *,
        fails: bool,
        place: int | None = None,
        detour: tuple[Any, ...] | list[Any] = (),
        details: dict[str, Any] | None = None,
    ) -> None:
        """Plays `plan`; before its step number `place`, or at its end, the other ledger commits `between`.

        At the same place `detour` is played in a savepoint and given up.
        """
        ledger = self.ledgers[which]
        start = copy.deepcopy(self.model)
        done: list[tuple[tuple[Any, ...], Any]] = []
        try:
            with ledger.atomic(key, **(details or {})) as tx:
                assert key not in self.keys
                planned = copy.deepcopy(start)
                for number, (subject, step, guard) in enumerate(plan):
                    if number == place and between:
                        planned = self.continue_after(which, between, done)
                    if number == place and detour:
                        self.go_astray(tx, planned, detour)
                    self.play(tx, planned, subject, step, guard, done)
                if fails:
                    raise StoppedError
                if between and (place is None or place >= len(plan)):
                    self.transact_between(1 - which, between)
        except StoppedError:
            return
        except Conflict:
            assert between
            return
        except DuplicateIdempotencyKey as refusal:
            assert refusal.receipt.position == self.keys[str(key)]
            return
        except (Refused, NotFound, InvalidRequest):
            assert self.is_refused(details) or not self.follows(done), "the ledger refused what the model allows"
            return
        assert self.follows(done), "the ledger did what the model refuses"
        self.note(tx.receipt, key, details or {})

    def end_block(self, model: Any) -> None:
        """A block is over on the model: what it was not told of is there."""

    def is_refused(self, details: dict[str, Any] | None) -> bool:
        """Whether what is said of an entry is wrong, as is only known when it is recorded."""
        return False

    def note(self, receipt: Receipt | None, key: str | None, details: dict[str, Any]) -> None:
        """What the model did is recorded by the ledger, which gave the receipt."""
        if key is not None and receipt is not None:
            self.keys[key] = receipt.position

    def continue_after(self, which: int, between: list[Any], done: list[Any]) -> Any:
        """The other commits `between` in the middle of a plan; gives what the plan so far makes of that, if it still can be."""
        self.transact_between(1 - which, between)
        self.ledgers[which].tokens()  # reads on
        planned = copy.deepcopy(self.model)
        try:
            for step, result in done:
                planned.apply(step, result)
        except ModelRefusal:
            raise StoppedError from None
        return planned

    def go_astray(self, tx: TransactionContext, planned: Any, detour: tuple[Any, ...] | list[Any]) -> None:
        """Plays steps in a savepoint that is given up."""
        astray = copy.deepcopy(planned)
        try:
            with tx.savepoint():
                for subject, step, guard in detour:
                    self.play(tx, astray, subject, step, guard or "savepoint", [])
                raise AbandonedError
        except AbandonedError:
            pass

    def transact_between(self, which: int, plan: list[Any]) -> None:
        done: list[tuple[tuple[Any, ...], Any]] = []
        planned = copy.deepcopy(self.model)
        with self.ledgers[which].atomic() as tx:
            for subject, step, _ in plan:
                self.play(tx, planned, subject, step, "savepoint", done)
        self.end_block(planned)
        self.model = planned
        self.note(tx.receipt, None, {})

    def follows(self, done: list[tuple[tuple[Any, ...], Any]]) -> bool:
        """Does on the model what was planned, if it can be done on what the model is by now."""
        after = copy.deepcopy(self.model)
        try:
            for step, result in done:
                after.apply(step, result)
        except ModelRefusal:
            return False
        self.end_block(after)
        self.model = after
        return True

    def play(
        self, tx: TransactionContext, model: Any, subject: str, step: tuple[Any, ...], guard: str, done: list[Any]
    ) -> None:
        """A step on the transaction and on the model, who must agree whether it can be done."""
        concrete = model.resolve(subject, step)
        after = copy.deepcopy(model)
        try:
            with tx.savepoint() if guard else nullcontext():
                result = self.call(tx, model, concrete)
                if guard == "abandoned":
                    raise AbandonedError
        except AbandonedError:
            after.apply(concrete, result)
            self.look(tx, model, concrete)
            return
        except (Refused, NotFound, InvalidRequest) as error:
            try:
                after.apply(concrete, "refused")
            except ModelRefusal as refusal:
                refusal.check(error)
                if not guard:
                    raise StoppedError from None
                return
            raise AssertionError(f"the ledger refused what the model allows: {concrete}") from None
        after.apply(concrete, result)
        model.__dict__.update(after.__dict__)
        done.append((concrete, result))
        self.look(tx, model, concrete)

    def look(self, tx: TransactionContext, model: Any, step: tuple[Any, ...]) -> None:
        """Looks in the midst of a block whether it stands as the model does, after a step that was done or given up."""
