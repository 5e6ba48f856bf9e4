"""Two recorders of the `eventsourcing` library in one place, a journal's and one of its own, which are given the same to do."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from eventsourcing.persistence import ApplicationRecorder, InfrastructureFactory, StoredEvent
from eventsourcing.utils import Environment

from tallystick.infrastructure.benchmarks.measuring.timing import Baseline, Figure, Work, compare
from tallystick.infrastructure.benchmarks.places.places import Store

APPLICATION = "bank"
SAVED_AT_ONCE = 1_000

Given = TypeVar("Given")
Task = Callable[[ApplicationRecorder, Given], int]
"""What a recorder does with what is drawn for a round; gives how many units of work that was."""


class RecorderPair:
    """A journal as an event store, and what the library brings for the same database."""

    def __init__(self, place: Store) -> None:
        self._place = place
        self._factories = [
            _factory({"PERSISTENCE_MODULE": "tallystick.infrastructure.recorders", "TALLYSTICK_URL": _url(place.url)}),
            _factory(place.eventsourcing_environment()),
        ]
        self._ours, self._stock = self._recorders = [factory.application_recorder() for factory in self._factories]

    def save_each(self, events: Sequence[StoredEvent]) -> None:
        """Saves in both, one event after another."""
        for recorder in self._recorders:
            for event in events:
                recorder.insert_events([event])

    def save(self, events: Sequence[StoredEvent]) -> None:
        """Saves in both, `SAVED_AT_ONCE` events after another."""
        for recorder in self._recorders:
            for start in range(0, len(events), SAVED_AT_ONCE):
                recorder.insert_events(events[start : start + SAVED_AT_ONCE])

    def compare(
        self,
        name: str,
        size: str,
        unit: str,
        rounds: Sequence[Given],
        task: Task[Given],
        eventsourcing_task: Task[Given] | None = None,
        baseline: Baseline | None = None,
    ) -> Figure:
        """Both do the task, or the library's its own, in each round, the first of which is to warm up."""
        return compare(
            f"{name}, {self._place.name}",
            size,
            unit,
            _in_turn(self._ours, task, iter(rounds)),
            {baseline or self._place.recorder_baseline: _in_turn(self._stock, eventsourcing_task or task, iter(rounds))},
            len(rounds) - 1,
        )

    def close(self) -> None:
        """Closes both."""
        for factory in self._factories:
            factory.close()


def _in_turn(recorder: ApplicationRecorder, task: Task[Given], rounds: Iterator[Given]) -> Work:
    return lambda: task(recorder, next(rounds))


def _factory(environment: Mapping[str, str]) -> InfrastructureFactory[Any]:
    return InfrastructureFactory[Any].construct(Environment(APPLICATION, environment))


def _url(url: str | Path) -> str:
    return f"sqlite:///{quote(str(url.absolute()))}" if isinstance(url, Path) else url
