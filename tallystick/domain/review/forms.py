"""What the fields of a recorded event must be whatever the books say: names, amounts, texts and times.

Rules for names may become narrower, and what was recorded before stays right. So names are judged by what was never a name in
any version; and by the rules of today where they are new in a row of format 2. Which characters are printable is a table of the
Python that runs: one that it does not know yet may be a letter to the Python that wrote it.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any
from unicodedata import category

from tallystick.domain.cells import is_crossing
from tallystick.domain.errors import InvalidAccount, InvalidRequest
from tallystick.domain.events import BATCHES, NOTED_BATCHES, BatchEvent, NotedBatchEvent, Reserved
from tallystick.domain.values.account import ACCOUNT_LENGTH_MAX, check_account, check_form
from tallystick.domain.values.amount import AMOUNT_MAX
from tallystick.domain.values.entry_details import check_reference
from tallystick.domain.values.ids import TEXT_ID_LENGTH_MAX
from tallystick.domain.values.instant import INSTANT_MAX
from tallystick.domain.values.memo import MEMO_LENGTH_MAX

_NAMES = (
    *("token", "account", "sender", "receiver", "payer", "authority", "owner", "source"),
    *("contract", "backed_by"),
)
_CELLS = ("account", "sender", "receiver")
"""The names that may be those of a cell under two names."""
_TEXTS = ("memo", "reason")
_NEVER = frozenset(("Cc", "Cf", "Cs", "Co", "Zs", "Zl", "Zp"))
"""The categories of characters that were never part of a name. A Python may not know all of the others."""
HOLD_LENGTH_MAX = 4 * ACCOUNT_LENGTH_MAX
"""Ids of holds are made by whoever opens a ledger, as texts of any form, and none is longer than this."""
SHOWN = 80
"""So many characters of what is wrong are shown."""


class Forms:
    """Judges the fields of one event after another, in the order of the journal; a name is judged where it is new."""

    def __init__(self) -> None:
        self.judged: set[str] = set()
        self._fields: dict[type, tuple[list[tuple[str, bool]], list[str], bool]] = {}

    def faults(self, event: Any, is_format_2: bool) -> Iterator[str]:
        """What is wrong with the fields of an event, in a row that has something of format 2 or may be older."""
        kind: type = event.__class__
        fields = self._fields.get(kind)
        if fields is None:
            fields = self._fields[kind] = _fields_of(kind)
        names, texts, has_amount = fields
        for field, may_cross in names:
            name = getattr(event, field)
            if name is not None and name not in self.judged:
                yield from self._name(name, is_format_2, may_cross)
        for field in texts:
            if len(getattr(event, field)) > MEMO_LENGTH_MAX:
                yield f"its {field} has {len(getattr(event, field))} characters, more than {MEMO_LENGTH_MAX}"
        if has_amount and event.amount > AMOUNT_MAX:
            yield "an amount is above 2**256 - 1"
        if isinstance(event, BATCHES):
            yield from self._batch(event, is_format_2)
        if isinstance(event, Reserved) and not (1 <= len(event.hold) <= HOLD_LENGTH_MAX and could_be_printed(event.hold)):
            yield f"{event.hold[:SHOWN]!r} is no id of a hold"
        if isinstance(event, Reserved) and event.expires_at is not None and not 0 <= event.expires_at <= INSTANT_MAX:
            yield f"hold {event.hold!r} falls due at {event.expires_at}, which is not between 1970 and 9999"

    def _name(self, name: str, is_format_2: bool, may_cross: bool) -> Iterator[str]:
        self.judged.add(name)
        for part in name.split(" ", 1) if may_cross and is_crossing(name) else (name,):
            if not _was_ever_name(part):
                yield f"{part[:SHOWN]!r}, of {len(part)} characters, is no name"
            elif is_format_2:
                yield from _refusal(_check_spelling, part)

    def _batch(self, event: BatchEvent, is_format_2: bool) -> Iterator[str]:
        for name in event.names:
            if name not in self.judged:
                yield from self._name(name, is_format_2, may_cross=True)
        if isinstance(event, NOTED_BATCHES):
            yield from _notes(event)


def _notes(event: NotedBatchEvent) -> Iterator[str]:
    notes = event.notes
    if any(len(memo) > MEMO_LENGTH_MAX for memo in notes.memos):
        yield f"a memo of its rows has more than {MEMO_LENGTH_MAX} characters"
    if any(not 1 <= len(id) <= TEXT_ID_LENGTH_MAX for id in notes.id_texts):
        yield f"an id of its rows has not 1 to {TEXT_ID_LENGTH_MAX} characters"
    for reference in notes.refs:
        if reference is not None:
            yield from _refusal(check_reference, reference)


def _refusal(check: Callable[[object], object], value: object) -> Iterator[str]:
    try:
        check(value)
    except (InvalidAccount, InvalidRequest) as error:
        yield str(error)


def could_be_printed(text: str) -> bool:
    """Whether some Python, of this time or another, may take all its characters to be printable, as a space is."""
    return text.isprintable() or not any(category(each) in _NEVER and each != " " for each in text)


def _was_ever_name(name: str) -> bool:
    try:
        check_form(name)
    except InvalidAccount:
        return False
    return True


def _check_spelling(name: object) -> None:
    spelled = check_account(name)
    if spelled != name:
        raise InvalidAccount(f"{name!r} is written in lower case, {spelled!r}")


def _fields_of(kind: Any) -> tuple[list[tuple[str, bool]], list[str], bool]:
    fields: Sequence[str] = kind.__struct_fields__
    names = [(field, field in _CELLS) for field in _NAMES if field in fields]
    return names, [field for field in _TEXTS if field in fields], "amount" in fields
