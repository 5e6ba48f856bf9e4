"""What reading events costs in a journal that is an event store, beside the library's own recorders.

Events that were saved one by one are a row each in both. Those that were saved together are one row of the journal, of which
it keeps what it has decoded, but no more than some: so aggregates are read out of fewer and out of more than that.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from itertools import islice
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

from eventsourcing.persistence import ApplicationRecorder

from tallystick.infrastructure.benchmarks.baselines.recorder_baselines import (
    FOLLOWED_SQLITE,
    RECORDER_MEMORY,
    RECORDER_POSTGRES,
    RECORDER_SQLITE,
    SUBSCRIPTION_MEMORY,
    SUBSCRIPTION_POSTGRES,
)
from tallystick.infrastructure.benchmarks.inputs.event_draws import EventDraws
from tallystick.infrastructure.benchmarks.measuring.timing import Figure
from tallystick.infrastructure.benchmarks.measuring.workload import Settings, Workload
from tallystick.infrastructure.benchmarks.places.chosen_places import new_place, stores
from tallystick.infrastructure.benchmarks.places.places import Store
from tallystick.infrastructure.benchmarks.places.recorder_pair import RecorderPair, Task

EVENTS_A_RUN = 20_000
STREAMS_A_RUN = 2_000
SECTIONS = (10, 500)
PULLED = 500


class Saved(NamedTuple):
    """How events were saved: how many of each of so many aggregates, one by one or together."""

    aggregates: int
    versions: int
    together: bool


ONE_BY_ONE = Saved(50, 100, together=False)
TOGETHER = Saved(10_000, 3, together=True)
MORE_TOGETHER = Saved(60_000, 3, together=True)


class Filled(NamedTuple):
    """A place, and recorders that have the same events there."""

    place: Store
    pair: RecorderPair
    draws: EventDraws
    ids: list[UUID]
    events: int
    size: str


def reading(settings: Settings) -> Iterator[Figure]:
    """Aggregates' events, their newest one, and all from start to end, as events were saved."""
    for make in stores(settings):
        for saved in (ONE_BY_ONE, TOGETHER, MORE_TOGETHER):
            with _filled(settings, make, saved) as filled:
                yield from _streams(settings, filled, saved.versions)
                if saved != MORE_TOGETHER:
                    yield from _notifications(settings, filled)
                    yield _subscription(settings, filled)


@contextmanager
def _filled(settings: Settings, make: Callable[[Path], Store], saved: Saved) -> Generator[Filled]:
    with new_place(settings, make) as place, closing(RecorderPair(place)) as pair:
        draws = EventDraws()
        ids = draws.aggregates(max(1, saved.aggregates // settings.scale))
        save = pair.save if saved.together else pair.save_each
        for _ in range(saved.versions):
            save(draws.events(ids))
        events = len(ids) * saved.versions
        size = f"{events:,} events saved {'1,000 at a time' if saved.together else 'one by one'}"
        yield Filled(place, pair, draws, ids, events, size)


def _streams(settings: Settings, filled: Filled, versions: int) -> Iterator[Figure]:
    """Aggregates in no order."""

    def rounds(number: int) -> list[list[UUID]]:
        number = max(1, number // settings.scale)
        return [filled.draws.some(filled.ids, number) for _ in range(settings.runs + 1)]

    reads = min(STREAMS_A_RUN, EVENTS_A_RUN // versions)
    yield filled.pair.compare(f"streams of {versions} events", filled.size, "events", rounds(reads), _read)
    yield filled.pair.compare("newest event of a stream", filled.size, "events", rounds(STREAMS_A_RUN), _read_newest)


def _read(recorder: ApplicationRecorder, ids: Sequence[UUID]) -> int:
    return sum([len(recorder.select_events(id)) for id in ids])


def _read_newest(recorder: ApplicationRecorder, ids: Sequence[UUID]) -> int:
    return sum([len(recorder.select_events(id, desc=True, limit=1)) for id in ids])


def _notifications(settings: Settings, filled: Filled) -> Iterator[Figure]:
    for section in SECTIONS:
        yield filled.pair.compare(
            f"all notifications, {section} at a time", filled.size, "events", _passes(settings, filled), _in_sections(section)
        )


def _passes(settings: Settings, filled: Filled) -> list[int]:
    """How often all are read, so that it takes a while, in each round."""
    return [max(1, EVENTS_A_RUN // settings.scale // filled.events)] * (settings.runs + 1)


def _in_sections(section: int) -> Task[int]:
    """From the start to the end, so often."""

    def select(recorder: ApplicationRecorder, passes: int) -> int:
        done = 0
        for _ in range(passes):
            start, notifications = 1, recorder.select_notifications(1, section)
            while notifications:
                done += len(notifications)
                start = notifications[-1].id + 1
                notifications = recorder.select_notifications(start, section)
        return done

    return select


def _subscription(settings: Settings, filled: Filled) -> Figure:
    """From the start to the newest event; those who wait for their threads to end do so when nothing is timed."""
    with ExitStack() as entered:

        def drain(recorder: ApplicationRecorder, passes: int) -> int:
            for _ in range(passes):
                subscription = entered.enter_context(recorder.subscribe(gt=0))
                deque(islice(subscription, filled.events), maxlen=0)
                subscription.stop()
            return passes * filled.events

        return filled.pair.compare(
            "subscription drained",
            filled.size,
            "events",
            _passes(settings, filled),
            drain,
            drain if filled.place.has_subscription else _in_sections(PULLED),
            filled.place.subscription_baseline,
        )


BASELINES = (
    *(RECORDER_MEMORY, RECORDER_SQLITE, RECORDER_POSTGRES),
    *(SUBSCRIPTION_MEMORY, FOLLOWED_SQLITE, SUBSCRIPTION_POSTGRES),
)
WORKLOADS = (
    Workload("event-reads", "events of others: streams, newest ones, notifications, a subscription", reading, BASELINES),
)
