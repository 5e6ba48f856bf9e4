"""Runs: fragments whose ids follow on each other, said by the first id and a count.

A large amount of a fragmented token comes in a thousand equal pieces, and leaves in the order in which they came. So what
happens to very many fragments happens to few runs of them, in the journal and in memory. Events about few fragments name each,
as they always did; those about many name runs, and are of format 2. Which form an event has follows from the fragments alone.
A run has at most `RUN_MAX` fragments, all of one event: it ends where the ids of another may begin.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

from tallystick.domain.events import (
    RUN_EVENTS,
    DomainEvent,
    FragmentsBurned,
    FragmentsMinted,
    FragmentsReleased,
    FragmentsReserved,
    PlainFragmentEvent,
    RunEvent,
    RunsBurnedMany,
    RunsMintedMany,
    RunsReleasedMany,
    RunsReservedMany,
)
from tallystick.domain.limits import check_fragments
from tallystick.domain.memory.holding import RUN_MAX

NAMED_MAX = 64
"""An event about more fragments than these names runs."""

Runs = tuple[list[int], list[int]]
"""The first ids, or the amounts, and how many there are of each."""
ONE = [1]
NO_COUNTS: Mapping[int, int] = {}


def runs_of(ids: Sequence[int], counts: Mapping[int, int] = NO_COUNTS) -> Runs:
    """Fragments as few runs, in their order. `counts` says of how many an id is the first, where it is of more than itself."""
    firsts: list[int] = []
    sizes: list[int] = []
    following = -1
    for id in ids:
        count = counts.get(id, 1)
        if id == following and id % RUN_MAX:
            sizes[-1] += count
        else:
            firsts.append(id)
            sizes.append(count)
        following = id + count
    return firsts, sizes


def ids_of(firsts: Sequence[int], counts: Sequence[int]) -> list[int]:
    """All ids of runs."""
    return [id for first, count in zip(firsts, counts, strict=True) for id in range(first, first + count)]


def amounts_of(amounts: Sequence[int], counts: Sequence[int]) -> list[int]:
    """The amount of every fragment, where so many in a row have each of these."""
    named: list[int] = []
    for amount, count in zip(amounts, counts, strict=True):
        named += [amount] * count
    return named


def equal_amounts(amounts: Sequence[int]) -> Runs:
    """The amounts of fragments, and how many in a row have each: `amounts_of` the other way."""
    groups = [(amount, sum(1 for _ in same)) for amount, same in groupby(amounts)]
    return [amount for amount, _ in groups], [count for _, count in groups]


# Events, in the one form or the other.


def minted(token: str, owner: str, first_id: int, pieces: Runs) -> FragmentsMinted | RunsMintedMany:
    """Fragments of these amounts, so many in a row of each, came to be."""
    amounts, counts = pieces
    if counts == ONE or counts.count(1) == len(counts) <= NAMED_MAX:  # as most are
        return FragmentsMinted(token, owner, first_id, amounts)
    if sum(counts) <= NAMED_MAX:
        return FragmentsMinted(token, owner, first_id, amounts_of(amounts, counts))
    return RunsMintedMany(token, owner, first_id, amounts, counts)


def burned(token: str, ids: list[int], counts: Mapping[int, int] = NO_COUNTS) -> FragmentsBurned | RunsBurnedMany:
    """Fragments ended; of what an id is the first say `counts`."""
    named = few(ids, counts)
    if named is not None:
        return FragmentsBurned(token, named)
    firsts, sizes = runs_of(ids, counts)
    return FragmentsBurned(token, ids_of(firsts, sizes)) if are_named(firsts, sizes) else RunsBurnedMany(token, firsts, sizes)


def reserved(
    token: str, hold: str, ids: list[int], counts: Mapping[int, int] = NO_COUNTS
) -> FragmentsReserved | RunsReservedMany:
    """Fragments came under a hold."""
    named = few(ids, counts)
    if named is not None:
        return FragmentsReserved(token, hold, named)
    firsts, sizes = runs_of(ids, counts)
    if are_named(firsts, sizes):
        return FragmentsReserved(token, hold, ids_of(firsts, sizes))
    return RunsReservedMany(token, hold, firsts, sizes)


def released(
    token: str, hold: str, ids: list[int], counts: Mapping[int, int] = NO_COUNTS
) -> FragmentsReleased | RunsReleasedMany:
    """Fragments came out of a hold, and are live."""
    named = few(ids, counts)
    if named is not None:
        return FragmentsReleased(token, hold, named)
    firsts, sizes = runs_of(ids, counts)
    if are_named(firsts, sizes):
        return FragmentsReleased(token, hold, ids_of(firsts, sizes))
    return RunsReleasedMany(token, hold, firsts, sizes)


def few(ids: list[int], counts: Mapping[int, int]) -> list[int] | None:
    """Each fragment's id, where there are so few that an event names each; most movements have no more."""
    if len(ids) > NAMED_MAX:
        return None
    if counts.keys().isdisjoint(ids):
        return ids
    named: list[int] = []
    for id in ids:
        named += range(id, id + counts.get(id, 1))
        if len(named) > NAMED_MAX:
            return None
    return named


def are_named(firsts: Sequence[int], sizes: Sequence[int]) -> bool:
    """Whether an event about these runs names each fragment: there are few, or most follow on no other."""
    count = sum(sizes)
    return count <= NAMED_MAX or 2 * len(firsts) > count


# The plain form of what names runs.


def minted_runs(event: RunsMintedMany) -> Runs:
    """The amounts and how many there are of each, together no more than an event has ids. Raises `ValueError` else."""
    if sum(event.counts) > RUN_MAX or min(event.amounts, default=0) <= 0:
        raise ValueError(f"one event mints fragments of something, and no more than {RUN_MAX}")
    return _checked(event.amounts, event.counts)


def named_runs(event: RunsBurnedMany | RunsReservedMany | RunsReleasedMany) -> Runs:
    """The first ids and how many there are from each on. Raises `ValueError` where those cannot be runs."""
    return _checked(event.first_ids, event.counts)


def _checked(names: list[int], counts: list[int]) -> Runs:
    """No run is empty, or longer than an event has ids."""
    if len(names) != len(counts) or (counts and not 0 < min(counts) <= max(counts) <= RUN_MAX):
        raise ValueError(f"a run has from 1 to {RUN_MAX} fragments, as its count says")
    return names, counts


def plain(event: RunEvent) -> Iterator[PlainFragmentEvent]:
    """What an event that names runs says, as events that name each fragment, a run each. Raises `ValueError`."""
    if isinstance(event, RunsMintedMany):
        yield FragmentsMinted(event.token, event.owner, event.first_id, amounts_of(*minted_runs(event)))
        return
    for first, count in zip(*named_runs(event), strict=True):
        yield plainly(event, list(range(first, first + count)))


def plainly(event: RunsBurnedMany | RunsReservedMany | RunsReleasedMany, ids: list[int]) -> PlainFragmentEvent:
    """The event that says of these fragments what `event` says of runs."""
    match event:
        case RunsBurnedMany():
            return FragmentsBurned(event.token, ids)
        case RunsReservedMany():
            return FragmentsReserved(event.token, event.hold, ids)
        case RunsReleasedMany():
            return FragmentsReleased(event.token, event.hold, ids)


def all_in_format_1(events: Sequence[DomainEvent]) -> list[DomainEvent]:
    """The same said in events of format 1; `PlanTooLarge` where those would name too many fragments."""
    check_fragments(sum([fragments_in(event) for event in events if isinstance(event, RUN_EVENTS)]))
    return [in_format_1(event) for event in events]


def fragments_in(event: RunEvent) -> int:
    """How many fragments an event is about."""
    return sum(event.counts)


def in_format_1(event: DomainEvent) -> DomainEvent:
    """The same said in one event of format 1."""
    match event:
        case RunsMintedMany():
            return FragmentsMinted(event.token, event.owner, event.first_id, amounts_of(event.amounts, event.counts))
        case RunsBurnedMany() | RunsReservedMany() | RunsReleasedMany():
            return plainly(event, ids_of(event.first_ids, event.counts))
        case _:
            return event
