"""What is asked of a history: which lines, in which order, and where a page of them begins."""

from datetime import datetime
from typing import Literal, NamedTuple

from tallystick.domain.errors import InvalidRequest
from tallystick.domain.values.ids import check_limit, check_position
from tallystick.domain.values.instant import to_microseconds
from tallystick.infrastructure.journal.format import JournalRow
from tallystick.infrastructure.ledger.reading.lines.entries import EntryEvents
from tallystick.projections.lines import Change, NextPage

By = Literal["recorded_at", "occurred_at"]


class LinesRequest(NamedTuple):
    """Lines above position `after` and below `before`, of entries from `since` on and before `until`, in microseconds.

    `start` is where the page before ended, if there was one.
    """

    after: int
    before: int | None
    since: int | None
    until: int | None
    by_occurred: bool
    limit: int | None
    newest_first: bool
    start: NextPage | None

    def wants(self, entry: EntryEvents, change: Change) -> bool:
        """Whether the time of the entry is asked for, or of the row of a batch."""
        occurred_at = entry.details.occurred_at if change.occurred_at is None else change.occurred_at
        time = occurred_at if self.by_occurred else entry.recorded_at
        return (self.since is None or time >= self.since) and (self.until is None or time < self.until)

    def is_within(self, position: int) -> bool:
        """Whether the position is asked for."""
        return position > self.after and (self.before is None or position < self.before)

    def ends_before(self, row: JournalRow) -> bool:
        """Whether nothing that is asked for is in a row or in one after it."""
        if self.before is not None and row.first_position >= self.before:
            return True
        return not self.by_occurred and self.until is not None and row.recorded_at >= self.until

    def ends_behind(self, row: JournalRow) -> bool:
        """Whether nothing that is asked for is in a row or in one before it."""
        return row.last_position <= self.after or (
            not self.by_occurred and self.since is not None and row.recorded_at < self.since
        )


def lines_request(
    after: object,
    before: object,
    since: datetime | None,
    until: datetime | None,
    by: object,
    limit: object,
    newest_first: object,
) -> LinesRequest:
    """What is asked for; `InvalidPosition` or `InvalidRequest` where it cannot be."""
    start = next((given for given in (after, before) if isinstance(given, NextPage)), None)
    if start is not None and (start.version is not None) is not newest_first:
        raise InvalidRequest("a page is gone on from in the order in which it was read: newest_first as before")
    if by not in ("recorded_at", "occurred_at"):
        raise InvalidRequest(f'lines are chosen by "recorded_at" or "occurred_at", not {by!r}')
    count = check_limit(limit)
    if type(newest_first) is not bool:
        raise InvalidRequest(f"newest_first is True or False, not {newest_first!r}")
    first, last = _position(after, default=0), None if before is None else _position(before)
    if start is not None:
        first, last = (first, start.position) if newest_first else (start.position, last)
    return LinesRequest(
        first,
        last,
        None if since is None else to_microseconds(since),
        None if until is None else to_microseconds(until),
        by == "occurred_at",
        count,
        newest_first,
        start,
    )


def _position(given: object, default: int = 0) -> int:
    if isinstance(given, NextPage):
        return default
    return check_position(given)
