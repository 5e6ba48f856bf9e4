"""Reversals, freezes and details interrupted wherever they are: the books are as a reader of the journal makes them."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from tallystick import Ledger, OutcomeUnknown, Refused, StorageError
from tests.support.books.behind import keeper_of, ledger_on
from tests.support.faults.held_journal import Crowd, Lost, result
from tests.support.faults.interruption import PACKAGE, Interrupter

MODULES = (
    "domain/books/reversals.py",
    "domain/memory/freezes.py",
    "domain/plan/execution.py",
    "domain/plan/recording.py",
    "domain/watched.py",
    "infrastructure/commit/row_details.py",
    "infrastructure/indexes/references.py",
    "infrastructure/ledger/calls/execution.py",
)
FILES = {str(PACKAGE / module) for module in MODULES}
SAID: dict[str, Any] = {
    "idempotency_key": "key",
    "occurred_at": datetime(1970, 1, 1, tzinfo=UTC),
    "reference": "order 7",
    "metadata": {"a": 1},
}


class AbandonedError(Exception):
    """A savepoint is left."""


def in_a_block(ledger: Ledger, moved: int, reserved: int) -> None:
    with ledger.atomic(**SAID) as tx:
        tx.reverse(transaction=moved, amount=3)
        tx.freeze("carol")
        try:
            with tx.savepoint():
                tx.reverse(transaction=moved)
                tx.freeze("bob")
                raise AbandonedError
        except AbandonedError:
            pass
        tx.reverse(entry=reserved)


def in_a_block_that_goes_on(ledger: Ledger, moved: int, reserved: int) -> None:
    with ledger.atomic(**SAID) as tx:
        try:
            with tx.savepoint():
                tx.reverse(transaction=moved)
                tx.unfreeze("zoe")
        except KeyboardInterrupt:
            pass
        tx.transfer("USD", "alice", "dave", 1)


def directly(ledger: Ledger, moved: int, reserved: int) -> None:
    ledger.reverse(entry=moved, **SAID)


def in_vain(ledger: Ledger, moved: int, reserved: int) -> None:
    with pytest.raises(Refused), ledger.atomic(**SAID) as tx:
        tx.reverse(transaction=moved)
        tx.unfreeze("zoe")
        tx.transfer("USD", "bob", "dave", 1_000)


def told(ledger: Ledger) -> Any:
    """All that a ledger knows of money, reversals, freezes and references."""
    keeper = keeper_of(ledger)
    keeper.reach_head()
    books = keeper.books.freeze()
    assert not keeper.books.reversals.recent
    return (
        keeper.state.head,
        [ledger.balances(token) for token in ("USD", "PLN")],
        [ledger.fragments("USD", account) for account in ("alice", "bob")],
        (books.holds, books.reversals, books.freezes, sorted(keeper.books.watched)),
        ledger.find("order 7"),
        keeper.state.versions.freeze(),
    )


@pytest.mark.parametrize("outcome", [None, Lost(stands=True), Lost(stands=False)])
@pytest.mark.parametrize("scene", [in_a_block, in_a_block_that_goes_on, directly, in_vain])
def test_what_is_interrupted_at_any_point_happened_or_did_not(
    monkeypatch: pytest.MonkeyPatch, scene: Callable[[Ledger, int, int], None], outcome: BaseException | None
) -> None:
    monkeypatch.setattr("tests.support.faults.interruption.FILES", FILES)
    point = 0
    interrupter = Interrupter(0)
    while not point or interrupter.happened:
        point += 1
        interrupter = Interrupter(point)
        crowd = Crowd()
        ledger = crowd.ledger
        moved = ledger.transfer("USD", "alice", "bob", 10).entry_id
        reserved = ledger.reserve("PLN", "alice", "keeper", 5).entry_id
        ledger.freeze("zoe")
        crowd.journal.outcomes.append(outcome)
        error = result(crowd.start(interrupter, scene, ledger, moved, reserved))
        assert error is None or isinstance(error, (KeyboardInterrupt, StorageError, OutcomeUnknown)), error
        assert error is None or interrupter.happened or outcome is not None
        crowd.journal.outcomes.clear()
        assert told(ledger) == told(ledger_on(crowd.journal))
        if scene is not in_vain:
            first = ledger.receipt("key")
            assert first is not None or error is not None
            crowd.start(scene, ledger, moved, reserved).exception()
            again = ledger.receipt("key")
            assert again is not None
            assert first in (None, again)
        assert told(ledger) == told(ledger_on(crowd.journal))
        assert ledger.audit().findings == ()
        crowd.close()
    assert point > 20
