"""A direct call that is interrupted wherever it is: as with a block, it is done or not, and nobody else is troubled."""

from collections.abc import Sequence

import pytest

from tallystick import InsufficientFunds, Ledger, OutcomeUnknown, StorageError, StorageFull
from tallystick.infrastructure.journal.port import Overtaken
from tests.support.books.behind import ledger_on, queue_of
from tests.support.faults.held_journal import Crowd, Lost, result
from tests.support.faults.interruption import Interrupter


def called(ledger: Ledger, receiver: str, amount: int) -> object:
    return ledger.transfer("USD", "alice", receiver, amount, idempotency_key=f"for {receiver}")


def check(crowd: Crowd, receiver: str, told: object) -> None:
    amount = crowd.ledger.balance("USD", receiver).total
    if not isinstance(told, BaseException):
        assert amount == 1
    elif not isinstance(told, (OutcomeUnknown, KeyboardInterrupt)):
        assert isinstance(told, (InsufficientFunds, StorageError)), told
        assert amount == 0
    key = f"for {receiver}"
    crowd.ledger.transfer("USD", "alice", receiver, 1, idempotency_key=key, on_repeat="receipt")
    assert crowd.ledger.balance("USD", receiver).total == 1, "its key makes it happen once, whatever it was told"


@pytest.mark.parametrize("outcomes", [[], [None, StorageFull("full")], [None, Lost(stands=True)], [None, Overtaken()]])
@pytest.mark.parametrize("leads", [True, False])
def test_a_call_interrupted_at_any_point(leads: bool, outcomes: Sequence[BaseException | None]) -> None:
    point = 0
    interrupter = Interrupter(0)
    while not point or interrupter.happened:
        point += 1
        interrupter = Interrupter(point)
        crowd = Crowd()
        crowd.hold()
        calls: dict[str, object] = {}
        for name in ("member", "one", "two") if leads else ("one", "member", "two"):
            if name == "member":
                calls[name] = crowd.queued(interrupter, called, crowd.ledger, name, 1)
            else:
                calls[name] = crowd.queued(called, crowd.ledger, name, 1)
        calls["refused"] = crowd.queued(called, crowd.ledger, "refused", 1_000)
        crowd.journal.let_go(*outcomes)
        queue_of(crowd.ledger).start()
        told = {name: result(future) for name, future in calls.items()}  # type: ignore[arg-type]
        crowd.journal.outcomes.clear()
        for name, outcome in told.items():
            check(crowd, name, outcome)
        balances = crowd.ledger.balances("USD")
        assert sum(balance.total for balance in balances.values()) == 200
        report = crowd.ledger.audit()
        assert report.ok, report.findings
        crowd.close()
        with ledger_on(crowd.journal) as again:
            assert again.balances("USD") == balances
    assert point >= 20
