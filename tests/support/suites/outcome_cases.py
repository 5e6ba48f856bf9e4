"""What becomes of a row, and what those are told who wanted it: one suite for all who append, which their tests inherit."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import pytest

from tallystick import OutcomeUnknown, StorageFull, StorageUnavailable
from tallystick.infrastructure.journal.port import Overtaken
from tallystick.infrastructure.proof.audit import audit
from tests.support.faults.held_journal import HeldJournal, Lost


class Appender(ABC):
    """Somebody who appends to `journal`."""

    overtaken_once: type[BaseException] | None = None
    """What is raised where somebody else was faster, None where it is done again."""
    overtaken_always: type[BaseException]

    def __init__(self) -> None:
        self.journal = HeldJournal()
        self.rows_before = 0

    @abstractmethod
    def record(self, number: int) -> Any:
        """Has one row appended, another one for each number."""

    def told(self, error: BaseException) -> BaseException:
        """What is behind the error that `record` raised."""
        return error

    @property
    def rows(self) -> int:
        """How many rows were stored since the beginning."""
        return len(self.journal.rows_stored) - self.rows_before


class OutcomeCases:
    """Inherit, and give `appender`."""

    @pytest.fixture
    def appender(self) -> Iterator[Appender]:
        raise NotImplementedError

    def test_a_row_that_stands(self, appender: Appender) -> None:
        appender.record(1)
        assert appender.rows == 1
        self.goes_on(appender)

    @pytest.mark.parametrize(
        ("outcome", "verdict", "rows"),
        [
            (StorageFull("full"), StorageFull, 0),
            (StorageUnavailable("gone"), StorageUnavailable, 0),
            (Lost(stands=True), None, 1),
            (Lost(stands=False), StorageUnavailable, 0),
            (Lost(stands=True, reachable=False), OutcomeUnknown, 1),
            (Lost(stands=False, reachable=False), OutcomeUnknown, 0),
            (OutcomeUnknown("who knows"), StorageUnavailable, 0),
            (MemoryError("none left"), MemoryError, 0),
            (KeyboardInterrupt(), KeyboardInterrupt, 0),
        ],
    )
    def test_an_append_that_raises(
        self, appender: Appender, outcome: BaseException, verdict: type[BaseException] | None, rows: int
    ) -> None:
        appender.journal.outcomes.append(outcome)
        self.records(appender, verdict)
        assert appender.rows == rows
        appender.journal.reachable = True
        self.goes_on(appender)

    @pytest.mark.parametrize(("outcome", "verdict"), [(MemoryError(), None), (KeyboardInterrupt(), KeyboardInterrupt)])
    def test_a_row_that_stands_although_something_was_raised(
        self, appender: Appender, outcome: BaseException, verdict: type[BaseException] | None
    ) -> None:
        appender.journal.stands_anyway = True
        appender.journal.outcomes.append(outcome)
        self.records(appender, verdict)
        appender.journal.stands_anyway = False
        assert appender.rows == 1
        self.goes_on(appender)

    def test_a_row_that_somebody_was_faster_than(self, appender: Appender) -> None:
        appender.journal.outcomes.append(Overtaken("too late"))
        self.records(appender, appender.overtaken_once)
        assert appender.rows == (appender.overtaken_once is None)
        self.goes_on(appender)

    def test_a_row_that_somebody_is_always_faster_than(self, appender: Appender) -> None:
        appender.journal.outcomes.extend(Overtaken("too late") for _ in range(100))
        self.records(appender, appender.overtaken_always)
        assert appender.rows == 0
        self.goes_on(appender)

    def records(self, appender: Appender, verdict: type[BaseException] | None) -> None:
        told: type[BaseException] | None = None
        try:
            appender.record(1)
        except BaseException as error:
            told = type(appender.told(error))
        assert told is verdict

    def goes_on(self, appender: Appender) -> None:
        """The next row is none but itself, and all that stands agrees."""
        appender.journal.outcomes.clear()
        rows = appender.rows
        appender.record(2)
        assert appender.rows == rows + 1
        report = audit(appender.journal)
        assert report.ok, report.findings
