"""Where two projections part: the first position of a journal at which their states are not the same.

Comparing two states costs what they are large, so it is done now and then, at ends of commits. Copies of both projections are
kept of the last time that they agreed, and of no other. Once they differ, that span is gone through by halves, from the copies
on: first commit by commit, then position by position within one commit. What is found is a position behind which they differ
and before which they agreed; the first such one, unless they had differed and agreed again between two comparisons.
"""

from collections import defaultdict
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from tallystick.domain.batch.batch import NamesOf
from tallystick.domain.events import BATCHES
from tallystick.infrastructure.journal.chain import rows_after
from tallystick.infrastructure.journal.format import EMPTY, Head, JournalRow
from tallystick.infrastructure.journal.port import Journal
from tallystick.infrastructure.ledger.comparing.copying import copied
from tallystick.infrastructure.ledger.comparing.states import is_same
from tallystick.infrastructure.ledger.reading.replaying import commit_of
from tallystick.infrastructure.ledger.reading.replays.headers import headers_of
from tallystick.infrastructure.ledger.reading.replays.rows import rows_between
from tallystick.projections.projection import Commit, Projection, Replay

EVERY = 65_536


class Pair(NamedTuple):
    """Two projections that were given the same events."""

    old: Projection
    new: Projection

    def agree(self) -> bool:
        """Whether their states are the same."""
        return is_same(self.old.state, self.new.state)

    def copy(self) -> "Pair":
        """Both as they are, to go on from."""
        return Pair(copied(self.old), copied(self.new))

    def wants_entries(self) -> bool:
        """Whether one of them is given entries whole, so that both are to be compared where an entry ends."""
        return hasattr(self.old, "apply_entry") or hasattr(self.new, "apply_entry")


class Parted(NamedTuple):
    """Where two projections part, at 0 before the first event, and both as they stand there."""

    position: int
    pair: Pair


class _Agreement(NamedTuple):
    """Copies of both where a commit ends at which they agree, and how many names batches had given accounts of each token."""

    head: Head
    pair: Pair
    names: Mapping[str, int]


class Parting:
    """The search for it in a journal, up to a position."""

    def __init__(self, journal: Journal, pair: Pair, upto: int, every: int) -> None:
        self._journal, self._upto, self._every = journal, upto, every
        self._pair = pair
        self._by_entry = pair.wants_entries()
        self._names = defaultdict[str, list[str]](list)
        self._agreement: _Agreement | None = None

    def find(self) -> Parted | None:
        """Where they part, or None."""
        if not self._pair.agree():
            return Parted(0, self._pair)
        replays = Replay(self._pair.old), Replay(self._pair.new)
        head, compared = EMPTY, 0
        for row in rows_between(self._journal, EMPTY, self._upto):
            commit = self._commit_of(row)
            moments = self._moments(row, commit)
            is_end = row.last_position >= self._upto
            is_due = is_end or row.last_position - compared >= self._every
            is_one_moment = is_due and head.position == compared and len(moments) <= 1
            if self._agreement is None and not is_one_moment:
                self._agreement = _Agreement(head, self._pair.copy(), self._counts())
            if self._every == 1 and self._agreement is not None:
                with _noting(row):
                    found = self._within(self._agreement, commit, moments)
                if found is not None:
                    return found
                self._agreement = None
            with _noting(row):
                for replay in replays:
                    replay.add(commit, self._upto)
            self._note(commit)
            head = row.head()
            if is_due:
                if not self._pair.agree():
                    return self._located(row, moments)
                self._agreement, compared = None, row.last_position
        return None

    def _located(self, row: JournalRow, moments: Sequence[int]) -> Parted:
        """The same, where they agreed at the last comparison and differ now, behind the row."""
        agreement = self._agreement
        if agreement is None:
            return Parted(moments[-1], self._pair)
        high = min(row.last_position, self._upto)
        while (middle := self._end_between(agreement.head.position, high)) is not None:
            further = self._from(agreement, middle)
            if further.pair.agree():
                agreement = further
            else:
                high = middle
        return self._in_commit(agreement, high)

    def _end_between(self, low: int, high: int) -> int | None:
        """Where a commit ends about halfway between the ends of two; None where there is one commit between them."""
        row = self._journal.row_at((low + high + 1) // 2)
        if row is not None and row.last_position < high:
            return row.last_position
        return row.first_position - 1 if row is not None and row.first_position - 1 > low else None

    def _from(self, agreement: _Agreement, upto: int) -> _Agreement:
        """Copies that have gone on to the end of a commit, whether or not they agree there."""
        pair, counts = agreement.pair.copy(), defaultdict(int, agreement.names)
        replays = [Replay(each, self._names_before(agreement)) for each in pair]
        head = agreement.head
        for row in rows_between(self._journal, head, upto):
            commit = self._commit_of(row)
            for replay in replays:
                replay.add(commit)
            for token, names in _named(commit):
                counts[token] += len(names)
            head = row.head()
        return _Agreement(head, pair, counts)

    def _in_commit(self, agreement: _Agreement, upto: int) -> Parted:
        """Where they part in the commit behind that at which they agree."""
        row = next(rows_after(self._journal, agreement.head))
        commit = self._commit_of(row)
        moments = [moment for moment in self._moments(row, commit) if moment <= upto]
        low, high = 0, len(moments) - 1
        found = self._at(agreement, commit, moments[high])
        while low < high:
            middle = (low + high) // 2
            pair = self._at(agreement, commit, moments[middle])
            if pair.agree():
                low = middle + 1
            else:
                high, found = middle, pair
        return Parted(moments[high], found)

    def _at(self, agreement: _Agreement, commit: Commit, upto: int) -> Pair:
        """Copies that were given the next commit up to a position."""
        pair = agreement.pair.copy()
        self._add(agreement, pair, commit, upto, 0)
        return pair

    def _within(self, agreement: _Agreement, commit: Commit, moments: Sequence[int]) -> Parted | None:
        """Where they part before the end of the next commit, all moments of it asked. Goes on with the copies themselves."""
        before = agreement.head.position
        for moment in moments[:-1]:
            self._add(agreement, agreement.pair, commit, moment, before)
            if not agreement.pair.agree():
                return Parted(moment, agreement.pair)
            before = moment
        return None

    def _add(self, agreement: _Agreement, pair: Pair, commit: Commit, upto: int, after: int) -> None:
        for each in pair:
            Replay(each, self._names_before(agreement)).add(commit, upto, after)

    def _commit_of(self, row: JournalRow) -> Commit:
        commit = commit_of(row)
        return commit._replace(entries=headers_of(row)) if self._by_entry else commit

    def _moments(self, row: JournalRow, commit: Commit) -> Sequence[int]:
        """The positions of a row behind which states are compared: where entries are given whole, the last of each."""
        if self._by_entry:
            return [entry.last_position for entry in commit.entries if entry.last_position <= self._upto]
        return range(row.first_position, min(row.last_position, self._upto) + 1)

    def _note(self, commit: Commit) -> None:
        for token, names in _named(commit):
            self._names[token] += names

    def _counts(self) -> Mapping[str, int]:
        return {token: len(names) for token, names in self._names.items()}

    def _names_before(self, agreement: _Agreement) -> NamesOf:
        return lambda token: self._names[token][: agreement.names.get(token, 0)]


@contextmanager
def _noting(row: JournalRow) -> Generator[None]:
    """What a projection raises says of which commit."""
    try:
        yield
    except Exception as error:
        error.add_note(f"in the commit that begins at position {row.first_position}")
        raise


def _named(commit: Commit) -> Sequence[tuple[str, Sequence[str]]]:
    """The names that the batches of a commit give accounts of a token, in order."""
    if not commit.may_hold_batches:
        return ()
    return [(event.token, event.names) for event in commit.events if isinstance(event, BATCHES)]
