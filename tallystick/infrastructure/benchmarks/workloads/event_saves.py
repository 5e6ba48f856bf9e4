"""What saving events costs in a journal that is an event store, beside the library's own recorders.

Whoever saves calls the recorder alone: what an application does besides is the same with every store.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from itertools import cycle, islice

from eventsourcing.persistence import ApplicationRecorder, StoredEvent

from tallystick.infrastructure.benchmarks.baselines.recorder_baselines import (
    RECORDER_MEMORY,
    RECORDER_POSTGRES,
    RECORDER_SQLITE,
)
from tallystick.infrastructure.benchmarks.inputs.event_draws import EventDraws
from tallystick.infrastructure.benchmarks.measuring.timing import Figure
from tallystick.infrastructure.benchmarks.measuring.workload import Settings, Workload
from tallystick.infrastructure.benchmarks.places.chosen_places import new_place, stores
from tallystick.infrastructure.benchmarks.places.places import Store
from tallystick.infrastructure.benchmarks.places.recorder_pair import SAVED_AT_ONCE, RecorderPair

THREADS = 8
AGGREGATES = 1_000
SAVES_OF_MANY = 20

Saves = Sequence[Sequence[StoredEvent]]


def saving(settings: Settings) -> Iterator[Figure]:
    """One event a save, by one thread and by several, and a thousand aggregates a save."""
    for make in stores(settings):
        for measure in (_one_event_a_save, _many_aggregates_a_save):
            with new_place(settings, make) as place, closing(RecorderPair(place)) as pair:
                yield from measure(settings, place, pair)


def _one_event_a_save(settings: Settings, place: Store, pair: RecorderPair) -> Iterator[Figure]:
    """Each thread has aggregates of its own."""
    draws, count = EventDraws(), place.saves // settings.scale
    for callers in (1, THREADS):
        shares = [draws.aggregates(AGGREGATES // callers) for _ in range(callers)]
        rounds = [
            [[[event] for event in draws.events(islice(cycle(share), count // callers))] for share in shares]
            for _ in range(settings.runs + 1)
        ]
        with ThreadPoolExecutor(callers) as threads:
            yield pair.compare(
                "one event a save",
                "1 thread" if callers == 1 else f"{callers} threads",
                "events",
                rounds,
                (lambda recorder, saves: _save(recorder, saves[0])) if callers == 1 else partial(_save_by_threads, threads),
            )


def _many_aggregates_a_save(settings: Settings, place: Store, pair: RecorderPair) -> Iterator[Figure]:
    """The first event of each, and then the second of each."""
    draws, size = EventDraws(), SAVED_AT_ONCE // settings.scale
    rounds = [[draws.aggregates(size) for _ in range(SAVES_OF_MANY)] for _ in range(settings.runs + 1)]
    for version in ("first", "second"):
        saves = [[draws.events(ids) for ids in saved] for saved in rounds]
        yield pair.compare(f"{size:,} aggregates a save", f"{version} versions", "events", saves, _save)


def _save(recorder: ApplicationRecorder, saves: Saves) -> int:
    for events in saves:
        recorder.insert_events(events)
    return sum(map(len, saves))


def _save_by_threads(threads: ThreadPoolExecutor, recorder: ApplicationRecorder, shares: Sequence[Saves]) -> int:
    return sum(threads.map(partial(_save, recorder), shares))


BASELINES = (RECORDER_MEMORY, RECORDER_SQLITE, RECORDER_POSTGRES)
WORKLOADS = (
    Workload("event-saves", "events of others saved: one, by 1 and by 8 threads, and of 1,000 aggregates", saving, BASELINES),
)
