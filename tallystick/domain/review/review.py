"""The review of a journal: every operation that is recorded is decided again, on the books as they stood before it.

Whatever the rules refuse, and whatever they would record otherwise, is told with its position. So no rule is written twice:
what a ledger would not have recorded, a review finds. It believes what the events name, such as how much was paid, and the time
of their commit. Proportional changes and distributions are held against their own number of rounding. Trades on a curve that
is not known here cannot be decided again, and are noted.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
from typing import Any, Protocol

import msgspec

from tallystick.domain.batch.application import rows_of
from tallystick.domain.batch.batch import numbered
from tallystick.domain.batch.decisions import decide_batch
from tallystick.domain.batch.transfer_ids import TransferIds, UsedIds
from tallystick.domain.books.books import Books
from tallystick.domain.errors import LedgerError, UnknownCurve
from tallystick.domain.events import (
    BATCHES,
    FRAGMENT_EVENTS,
    AllShadowsLowered,
    AllShadowsRaised,
    AppUpdated,
    BatchEvent,
    ContractRegistered,
    Distributed,
    DomainEvent,
    ForeignEvent,
    Moved,
    TokenRegistered,
)
from tallystick.domain.review.ahead import Ahead
from tallystick.domain.review.forms import Forms
from tallystick.domain.review.steps import Step, steps
from tallystick.domain.values.amount import AMOUNT_MAX
from tallystick.domain.values.curve import CURVES, CurveMaker, UnresolvedCurve
from tallystick.domain.values.memo import MEMO_LENGTH_MAX

_ALL = 2**63
SHOWN = 300
"""So many characters are shown of what should have been recorded."""


class IdIndex(UsedIds, Protocol):
    """The ids of rows that were used so far."""

    def add(self, ids: TransferIds) -> None: ...


class RecordedCommit(msgspec.Struct, frozen=True):
    """The events of a commit, how many positions each of its entries takes, and when it was recorded.

    `is_format_2`: it has something that came with format 2 of the journal, so no older version wrote it.
    """

    first_position: int
    recorded_at: int
    events: Sequence[Any]
    counts: Sequence[int]
    may_hold_batches: bool
    is_format_2: bool


class Review:
    """The books as they are derived, and what of the events the rules do not allow, which goes to `find(position, reason)`.

    Where an event cannot be applied there are no books after it, and nothing more is reviewed.
    """

    def __init__(self, find: Callable[[int, str], None], used_ids: IdIndex, curves: Mapping[str, CurveMaker] = CURVES) -> None:
        self._find = find
        self._used_ids = used_ids
        self.books = Books(contracts_in_memory=_ALL, curves=curves)
        self.is_lost = False
        self.unknown_curves: dict[str, None] = {}
        """The names of curves on which trades were recorded, and which are not known here."""
        self._forms = Forms()
        self._owners: set[str | None] = set()

    def add(self, commit: RecordedCommit) -> None:
        """Reviews the next commit."""
        if self.is_lost:
            return
        events = commit.events
        self._commit = commit
        self._positions: Sequence[int] = (
            [position for position, _ in numbered(events, commit.first_position)]
            if commit.may_hold_batches
            else range(commit.first_position, commit.first_position + len(events))
        )
        self._ends: list[int] | None = None
        index = 0
        while (index := self._plain_moves(events, index)) < len(events) and not self.is_lost:
            index = self._next(events, index)
        self.books.forget(commit.recorded_at)

    def _plain_moves(self, events: Sequence[Any], index: int) -> int:
        """Moves between accounts of whom nothing more is to be asked, which most are; gives the first event that is none."""
        books, owners = self.books, self._owners
        watched = books.watched
        token: str | None = None
        state: Any = None
        holders: set[str] = set()
        for at in range(index, len(events)):
            event = events[at]
            if type(event) is not Moved:
                return at
            if event.token != token:
                token = event.token
                if books.token(token) is None:
                    return at
                state = books.token_state(token)
                holders = state.holders
            sender, receiver, amount = event.sender, event.receiver, event.amount
            if sender not in holders or receiver not in holders or receiver in owners or len(event.memo) > MEMO_LENGTH_MAX:
                return at
            if sender in watched or receiver in watched or not 0 < amount <= AMOUNT_MAX:
                return at
            if state.available_of(sender) < amount:
                return at
            state.transfer(sender, receiver, amount)
        return len(events)

    def _next(self, events: Sequence[Any], index: int) -> int:
        """Reviews and applies the events of the next operation, and gives the index of the one after them."""
        event, position = events[index], self._positions[index]
        stop = index + 1
        if isinstance(event, ForeignEvent):
            return stop
        if isinstance(event, BATCHES):
            self._judge_fields(event, position)
            self._batch(event, position)
            return stop
        if not isinstance(event, FRAGMENT_EVENTS):
            ahead = Ahead(events, index, self._end_of(index))
            stop = ahead.index(self._allowed(ahead, position) - 1) + 1
        for at in range(index, stop):
            self._judge_fields(events[at], self._positions[at])
            self._apply(events[at], self._positions[at])
        return stop

    def _end_of(self, index: int) -> int:
        """The index of the first event after the entry to which the one at `index` belongs."""
        if self._ends is None:
            self._ends = [self._commit.first_position + end for end in accumulate(self._commit.counts)]
        end = bisect_right(self._ends, self._positions[index])
        return bisect_left(self._positions, self._ends[end])

    def _judge_fields(self, event: Any, position: int) -> None:
        for reason in self._forms.faults(event, self._commit.is_format_2):
            self._find(position, reason)
        if isinstance(event, TokenRegistered | AppUpdated):
            self._owners.add(event.owner)

    def _apply(self, event: DomainEvent, position: int) -> None:
        try:
            if isinstance(event, ContractRegistered):
                self.books.contracts.record(event)  # there is no shelf from which it could be loaded
            else:
                self.books.apply(event, position)
        except (LookupError, ArithmeticError, ValueError, LedgerError) as error:
            self._lose(position, error)

    def _lose(self, position: int, error: Exception) -> None:
        self.is_lost = True
        self._find(position, f"this event cannot be applied: {error!r}")

    def _allowed(self, ahead: Ahead, position: int) -> int:
        """How many of the next events are one operation that is allowed; 1 where the first is of none, which is told."""
        reason = ""
        try:
            for step in steps(self.books, ahead):
                refusal = self._refusal(step, ahead)
                if refusal is None:
                    return step.length
                reason = reason or refusal
        except LedgerError as error:
            reason = reason or _said(error)
        event = ahead.at(0)
        reason = reason or f"stands alone, and no operation records it so: {str(event)[:SHOWN]}"
        self._find(position, f"{type(event).__name__} {reason}")
        return 1

    def _refusal(self, step: Step, ahead: Ahead) -> str | None:
        """Why the next events cannot be this operation; None where they can."""
        events = ahead.events(step.length)
        try:
            expected = step.decide(self.books, self._commit.recorded_at)
        except UnknownCurve as error:
            unknown = self._unknown_curves(events)
            self.unknown_curves.update(unknown)
            return None if unknown else _said(error)
        except LedgerError as error:
            return _said(error)
        if len(expected) == len(events) and all(map(_agrees, expected, events)):
            return None
        return f"is not what the rules record: {str(list(expected))[:SHOWN]}"

    def _unknown_curves(self, events: Sequence[Any]) -> dict[str, None]:
        tokens = [self.books.token(event.token) for event in events]
        curves = [token.curve for token in tokens if token is not None]
        return {curve.name: None for curve in curves if isinstance(curve, UnresolvedCurve)}

    def _batch(self, event: BatchEvent, position: int) -> None:
        try:
            state = self.books.token_state(event.token)
            request = rows_of(state, event)
        except (ValueError, LookupError) as error:
            self._lose(position, error)
            return
        try:
            decide_batch(self.books, request, self._used_ids)
        except LedgerError as error:
            self._find(position + int(error.fields.get("row", 0)), f"{type(event).__name__} {_said(error)}")
        try:
            state.move_many(request.givers, request.takers, request.amounts)
        except ArithmeticError as error:
            self._lose(position, error)
        if request.ids is not None:
            self._used_ids.add(request.ids)


def _said(error: LedgerError) -> str:
    return f"is not allowed: {type(error).__name__}: {error}"


def _agrees(expected: Any, event: Any) -> bool:
    """Whether an event is the one expected, by its own rule of rounding; who is no holder may be named in any order."""
    if expected == event:
        return True
    if type(expected) is not type(event) or not isinstance(event, Distributed | AllShadowsRaised | AllShadowsLowered):
        return False
    changes: dict[str, Any] = {"rounding": event.rounding}
    if isinstance(event, Distributed) and sorted(expected.excluded) == sorted(event.excluded):
        changes["excluded"] = event.excluded
    return msgspec.structs.replace(expected, **changes) == event
