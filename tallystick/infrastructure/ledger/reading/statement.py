"""A statement: the lines of a cell in a span of time, between what it had before and after them.

By the time at which they were recorded, lines stand in the journal's order, and each has the balance that the cell had then.
By the time at which they occurred they are put in that order, of equal ones by position, and balances are worked out anew along
it: the statement begins with all that had occurred before, whenever it was recorded. What was booked late may stand before the
money that it spends, so such a balance can be negative on the way.
"""

import re
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import NamedTuple, cast
from zoneinfo import ZoneInfo

import msgspec

from tallystick.domain.errors import InvalidRequest
from tallystick.domain.token.token_state import Balance
from tallystick.domain.values.instant import to_microseconds
from tallystick.domain.values.result import Result
from tallystick.infrastructure.ledger.reading.lines.request import By
from tallystick.projections.lines import Line, Page

HadBefore = Callable[[int], Balance | None]
"""Gives what a cell had by what occurred before a time, in microseconds; None where only all lines can tell."""
_MONTH = re.compile(r"([0-9]{4})-(0[1-9]|1[0-2])")


class Statement(Result, frozen=True):
    """What happened to the cell of a token and an account in a span: `opening` and the changes of `lines` give `closing`.

    `since` is within the span and `until` is not; each is None where the span has no such end. `by` says which of their times
    places lines in it.
    """

    token: str
    account: str
    by: str
    since: datetime | None
    until: datetime | None
    opening: Balance
    lines: tuple[Line, ...]
    closing: Balance


class Span(NamedTuple):
    """From `since` on and before `until`; None is without end."""

    since: datetime | None
    until: datetime | None

    def has_begun_by(self, time: datetime) -> bool:
        """Whether it does not begin after the time."""
        return self.since is None or time >= self.since

    def goes_on_at(self, time: datetime) -> bool:
        """Whether it does not end before the time, or at it."""
        return self.until is None or time < self.until


def span_of(since: datetime | None, until: datetime | None, month: str | None, tz: str) -> Span:
    """The span between two aware datetimes, or of a month such as "2026-11" in a time zone; else `InvalidRequest`."""
    if month is None:
        for time in (since, until):
            if time is not None:
                to_microseconds(time)
        if since is not None and until is not None and until < since:
            raise InvalidRequest(f"a span ends after it begins, and {until.isoformat()} is before {since.isoformat()}")
        return Span(since, until)
    if since is not None or until is not None:
        raise InvalidRequest("a span is given by since and until, or by a month, and not by both")
    found = _MONTH.fullmatch(month) if isinstance(cast(object, month), str) else None
    if found is None or found[1] == "0000":
        raise InvalidRequest(f"a month is written as 2026-11, not {month!r}")
    year, number, zone = int(found[1]), int(found[2]), time_zone(tz)
    if (year, number) == (9999, 12):
        return Span(datetime(year, number, 1, tzinfo=zone), None)
    return Span(datetime(year, number, 1, tzinfo=zone), datetime(year + number // 12, number % 12 + 1, 1, tzinfo=zone))


def time_zone(tz: object) -> ZoneInfo:
    """The time zone of that name; else `InvalidRequest`."""
    try:
        return ZoneInfo(cast(str, tz))
    except (LookupError, ValueError, TypeError, OSError, AttributeError) as error:
        raise InvalidRequest(f"a time zone is a name that this machine knows, as Europe/Paris, not {tz!r}") from error


def statement_of(
    history: Callable[..., Page], had_before: HadBefore, now: Balance, token: str, account: str, span: Span, by: By
) -> Statement:
    """The statement of a cell, whose balance is `now`; `history` gives its pages, and `had_before` what it had."""
    if by == "recorded_at":
        lines, opening = _recorded(history, span), None
        if not lines:
            later = history(since=span.since, limit=1)
            opening = _before(later[0]) if later else now
        else:
            opening = _before(lines[0])
    elif by == "occurred_at":
        opening, lines = _occurred(history, had_before, span)
    else:
        raise InvalidRequest(f'lines are chosen by "recorded_at" or "occurred_at", not {by!r}')
    closing = _after(lines[-1]) if lines else opening
    return Statement(token, account, by, span.since, span.until, opening, tuple(lines), closing)


def _recorded(history: Callable[..., Page], span: Span) -> list[Line]:
    return list(_all(history, since=span.since, until=span.until))


def _occurred(history: Callable[..., Page], had_before: HadBefore, span: Span) -> tuple[Balance, list[Line]]:
    opening = None if span.since is None else had_before(to_microseconds(span.since))
    if opening is not None:
        within = list(_all(history, since=span.since, until=span.until))
    else:
        opening, within = _by_all_lines(history, span)
    within.sort(key=lambda line: (line.occurred_at, line.position))
    available, reserved = opening.available, opening.reserved
    lines: list[Line] = []
    for line in within:
        available, reserved = available + line.change, reserved + line.reserved_change
        lines.append(msgspec.structs.replace(line, available=available, reserved=reserved))
    return opening, lines


def _by_all_lines(history: Callable[..., Page], span: Span) -> tuple[Balance, list[Line]]:
    """What there was before the span, which all lines before it sum to, and the lines within."""
    within: list[Line] = []
    available = reserved = 0
    for line in _all(history) if span.since is not None else _all(history, until=span.until):
        if not span.has_begun_by(line.occurred_at):
            available, reserved = available + line.change, reserved + line.reserved_change
        elif span.goes_on_at(line.occurred_at):
            within.append(line)
    return _balance(available, reserved), within


def _all(history: Callable[..., Page], **span: datetime | None) -> Iterable[Line]:
    page = history(**span)
    yield from page
    while page.next is not None:
        page = history(after=page.next, **span)
        yield from page


def _before(line: Line) -> Balance:
    return _balance(line.available - line.change, line.reserved - line.reserved_change)


def _after(line: Line) -> Balance:
    return _balance(line.available, line.reserved)


def _balance(available: int, reserved: int) -> Balance:
    return Balance(available, reserved, available + reserved)
