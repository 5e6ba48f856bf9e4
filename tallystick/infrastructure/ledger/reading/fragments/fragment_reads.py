"""Reads one fragment of any state: where it began its id says, and what became of it the rows from there on.

One that its owner can spend is told from the books and its first row alone. Of any other the rows behind are looked through for
its id or for runs, as bytes before anything is decoded, until it ends; outside the lock, up to where the journal ended when the
books were asked.
"""

from collections.abc import Iterator

from tallystick.domain.batch.batch import fragments_of, numbered
from tallystick.domain.errors import FragmentNotFound, InvalidRequest
from tallystick.domain.events import (
    FragmentsBurned,
    FragmentsMinted,
    FragmentsMintedMany,
    FragmentsReleased,
    FragmentsReserved,
    PlainFragmentEvent,
    RunsBurnedMany,
    RunsMintedMany,
    RunsReleasedMany,
    RunsReservedMany,
)
from tallystick.domain.integers import as_int
from tallystick.domain.value_object.carrying import IDS_PER_EVENT
from tallystick.domain.value_object.recorded_fragment import RecordedFragment
from tallystick.domain.value_object.runs import plain
from tallystick.domain.value_object.value_object import FragmentState
from tallystick.infrastructure.commit.recorded import checked_row
from tallystick.infrastructure.journal.details import place_in
from tallystick.infrastructure.journal.format import JournalRow, decode_events
from tallystick.infrastructure.ledger.core import LedgerCore

_CHANGES = (FragmentsReserved, FragmentsReleased, FragmentsBurned, RunsReservedMany, RunsReleasedMany, RunsBurnedMany)
_RUNS = b'["Runs'
"""How an event begins that may name the fragment without its id."""


class FragmentReads:
    """The answer."""

    def __init__(self, core: LedgerCore) -> None:
        self._core = core

    def fragment(self, id: int) -> RecordedFragment:
        """The fragment of this id; else `FragmentNotFound`, and `InvalidRequest` where it is no integer."""
        core, number = self._core, as_int(id)
        if number is None:
            raise InvalidRequest(f"the id of a fragment is an int, not {id!r}")
        with core.locked():
            core.reach_head()
            head = core.position
        position = number // IDS_PER_EVENT
        row = checked_row(core.journal, position) if 0 < position <= head else None
        minted = None if row is None else self._minted(row, number)
        if row is None or minted is None:
            raise FragmentNotFound(fragment=number)
        fragment = _told(minted, row)
        if fragment.state is FragmentState.ALIVE and self._lives(fragment):
            return fragment
        return self._followed(fragment, row, head)

    def _minted(self, row: JournalRow, id: int) -> RecordedFragment | None:
        """The fragment as it began in the row; None where none of this id did."""
        for position, event in numbered(decode_events(row), row.first_position):
            if isinstance(event, FragmentsMinted):
                begun: Iterator[PlainFragmentEvent] = iter((event,))
            elif isinstance(event, RunsMintedMany) and event.first_id <= id < event.first_id + sum(event.counts):
                begun = plain(event)
            elif isinstance(event, FragmentsMintedMany) and event.first_id <= id < event.first_id + event.count:
                begun = fragments_of(event, self._core.books.names_of(event.token))
            else:
                continue
            for minted in begun:
                if isinstance(minted, FragmentsMinted) and minted.first_id <= id < minted.first_id + len(minted.amounts):
                    amount = minted.amounts[id - minted.first_id]
                    entry = place_in(row, position).positions.start
                    return RecordedFragment(id, minted.token, minted.owner, amount, FragmentState.ALIVE, None, entry)
        return None

    def _lives(self, fragment: RecordedFragment) -> bool:
        """Whether it is among those that its owner can spend."""
        core = self._core
        with core.locked():
            core.reach_head()
            return any(each.id == fragment.id for each in core.books.fragments(fragment.token, fragment.owner) if not each.hold)

    def _followed(self, fragment: RecordedFragment, row: JournalRow, head: int) -> RecordedFragment:
        wanted = str(fragment.id).encode()
        for after in self._core.journal.rows(after=row.last_position):
            if fragment.ended_in is not None or after.first_position > head:
                break
            if wanted in after.body or _RUNS in after.body:
                fragment = _told(fragment, after)
        return fragment


def _told(fragment: RecordedFragment, row: JournalRow) -> RecordedFragment:
    """The fragment after the changes of a row."""
    for position, event in numbered(decode_events(row), row.first_position):
        if isinstance(event, _CHANGES):
            fragment = fragment.after(place_in(row, position).positions.start, event)
    return fragment
