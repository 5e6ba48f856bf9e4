"""Reads holds: which are open and what is left in them out of the books, and the rest of what is told out of the journal.

The books say where an open hold was reserved, and how much of it was drawn; so its row is read, and rows behind it only until
what was drawn is found. One that is closed is looked for from the first row on, by its id in their bytes. Rows come in pages,
whatever their number, and are read outside the lock: up to where the journal ended when the books were asked.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import msgspec

from tallystick.domain.batch.batch import numbered
from tallystick.domain.errors import CorruptJournal, HoldNotFound
from tallystick.domain.values.hold import OpenHold, check_hold_id
from tallystick.domain.values.instant import to_microseconds
from tallystick.domain.values.token import AnyToken
from tallystick.infrastructure.journal.format import JournalRow, decode_events
from tallystick.infrastructure.ledger.core import LedgerCore
from tallystick.projections.holds import Hold, HoldStory

_FEW = 16
"""So many ids are looked for in the bytes of a row, one by one, before it is decoded."""
_DRAWN = (b'"Settled"', b'"Released"')


class HoldReads:
    """The answers."""

    def __init__(self, core: LedgerCore) -> None:
        self._core = core
        self._journal = core.journal
        self._books = core.books

    def hold(self, id: str) -> Hold:
        """The hold of this id, open or closed; else `HoldNotFound`."""
        check_hold_id(id)
        with self._core.locked():
            self._core.reach_head()
            opened = self._books.hold(id)
            head = self._core.position
        if opened is not None:
            return self._told([opened], head)[0]
        found = self._closed(id, head)
        if found is None:
            raise HoldNotFound("recorded", hold=id)
        return found

    def holds(
        self,
        token: AnyToken | None,
        authority: str | None,
        payer: str | None,
        due_before: datetime | None,
    ) -> list[Hold]:
        """The open holds of this token, authority and payer that fall due before then, oldest first; None is any."""
        before = None if due_before is None else to_microseconds(due_before)
        books = self._books
        with self._core.locked():
            self._core.reach_head()
            keeper, giver = (None if account is None else books.spelled(account) for account in (authority, payer))
            code = None if token is None else books.token_state(token).code
            found = books.holds_found(code, keeper, giver, before)
            head = self._core.position
        return self._told(found, head)

    def _told(self, opened: Sequence[OpenHold], head: int) -> list[Hold]:
        """Open holds, oldest first, as the journal tells them up to `head`."""
        stories = {hold.id: HoldStory(hold.id, hold.amount) for hold in opened}
        waiting = iter(opened)
        hold = next(waiting, None)
        while hold is not None:
            row = self._journal.row_at(hold.position)
            if row is None:
                raise CorruptJournal("no row holds it", position=hold.position)
            begun: dict[str, HoldStory] = {}
            while hold is not None and hold.position <= row.last_position:
                begun[hold.id] = stories[hold.id]
                hold = next(waiting, None)
            _tell(begun, row)
        self._read_on({id: story for id, story in stories.items() if not story.is_complete}, opened, head)
        return [_whole(stories[hold.id], hold) for hold in opened]

    def _read_on(self, drawn: dict[str, HoldStory], opened: Sequence[OpenHold], head: int) -> None:
        """Reads the rows behind those that opened the holds which were `drawn` from, until it is known how."""
        if not drawn:
            return
        first = next(hold.position for hold in opened if hold.id in drawn)
        for row in self._journal.rows(after=first):
            if not drawn or row.first_position > head:
                return
            if _may_name(row.body, _DRAWN if len(drawn) > _FEW else map(_quoted, drawn)):
                for story in _tell(drawn, row):
                    if story.is_complete:
                        drawn.pop(story.id, None)

    def _closed(self, id: str, head: int) -> Hold | None:
        """The hold as the journal up to `head` tells it from its beginning on, where nothing is left in it."""
        try:
            wanted = (_quoted(id),)
        except UnicodeEncodeError:  # no row can name it
            return None
        story = HoldStory(id, remaining=0)
        for row in self._journal.rows():
            if story.is_complete or row.first_position > head:
                break
            if _may_name(row.body, wanted):
                _tell({id: story}, row)
        return story.hold()


def _tell(stories: Mapping[str, HoldStory], row: JournalRow) -> list[HoldStory]:
    """Each story takes the events of a row that are of its hold; gives those that did."""
    told: list[HoldStory] = []
    for position, event in numbered(decode_events(row), row.first_position):
        story = stories.get(getattr(event, "hold", ""))
        if story is not None:
            story.apply(position, row.recorded_at, event)
            told.append(story)
    return told


def _quoted(id: str) -> bytes:
    return msgspec.json.encode(id)


def _may_name(body: bytes, texts: Iterable[bytes]) -> bool:
    """Whether one of these stands in a row's body, or something that JSON may write in another way."""
    return any(text in body for text in texts) or b"\\" in body


def _whole(story: HoldStory, opened: OpenHold) -> Hold:
    hold = story.hold()
    if hold is None or not story.is_complete:
        raise CorruptJournal(f"the hold {opened.id!r} is not told as the books have it", position=opened.position)
    return hold
