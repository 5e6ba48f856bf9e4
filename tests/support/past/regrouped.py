"""The entries of one journal in another one, several of them to a commit: what many writers at once would have recorded.

Positions stay what they are, so what events say of each other is as right as it was. So commits come about that have two
batches, or the registration of a token beside all that happened to it first.
"""

from collections.abc import Iterable, Iterator
from random import Random

from tallystick import Ledger
from tallystick.domain.batch.batch import positions_of
from tallystick.infrastructure.journal.details import Details, decode_details, encode_details
from tallystick.infrastructure.journal.format import (
    Foreign,
    JournalRow,
    Key,
    decode_counts,
    decode_events,
    decode_keys,
    join_bodies,
    make_row,
)
from tallystick.infrastructure.journal.port import Journal, StreamEntry
from tests.support.books.behind import journal_of


def regrouped(rows: Iterable[JournalRow], into: Ledger, chance: Random, most: int = 6) -> Iterator[int]:
    """Appends the rows to the journal of a ledger, up to `most` in each commit; gives the position after each of these."""
    waiting: list[JournalRow] = []
    size = chance.randint(1, most)
    for row in rows:
        taken_back = [id for each in decode_details(row).values() for _, id in each.reverses]
        if waiting and max(taken_back, default=0) >= waiting[0].first_position:  # a commit takes nothing back of its own
            yield _append(waiting, into)
            waiting = []
        waiting.append(row)
        if len(waiting) >= size:
            yield _append(waiting, into)
            waiting, size = [], chance.randint(1, most)
    if waiting:
        yield _append(waiting, into)


def _append(rows: list[JournalRow], into: Ledger) -> int:
    keys: list[Key] = []
    counts: list[int] = []
    details: list[tuple[int, Details]] = []
    for row in rows:
        keys += [Key(key.key, key.request, key.index + len(counts)) for key in decode_keys(row)]
        for number, each in decode_details(row).items():
            kept = Details(each.at, each.ref, None, each.reverses)  # metadata lies in no row
            details.append((number + len(counts), kept))
        counts += decode_counts(row)
    journal = journal_of(into)
    with journal.writing() as head:
        encoded = encode_details(details) if any(row.details is not None for row in rows) else None
        body = join_bodies([row.body for row in rows])
        made = make_row(head.digest, head.position + 1, rows[-1].recorded_at, keys, counts, body, encoded)
        journal.append(made, _entries(journal, made))
    return made.last_position


def _entries(journal: Journal, row: JournalRow) -> list[StreamEntry]:
    """What the row adds to each stream."""
    spans: dict[str, tuple[int, int]] = {}
    events = decode_events(row)
    last = journal.last_entries({event.stream for event in events})
    for event in events:
        name = event.stream
        first, end = spans.get(name, (0, last[name].last_version if name in last else 0))
        if isinstance(event, Foreign):
            spans[name] = (first if name in spans else event.version, event.version)
        else:
            spans[name] = (first or end + 1, end + positions_of(event))
    return [StreamEntry(name, first, end, row.first_position) for name, (first, end) in spans.items()]
