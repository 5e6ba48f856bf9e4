"""A column of texts: each text that stands in it once, and by number which of them a row has.

Where few texts repeat, that is a byte or two a row, whatever their length; where every row has a text of its own, numbers would
say nothing and there are none. A row may have no text, which is a None among them.
"""

from collections.abc import Callable, Iterator, Sequence
from operator import itemgetter
from typing import Any, NamedTuple, cast

import numpy as np

from tallystick.domain.arithmetic.columns import Column, listed
from tallystick.domain.batch.columns import pack, unpack_places
from tallystick.domain.errors import InvalidRequest
from tallystick.domain.values.entry_details import REFERENCE_LENGTH_MAX, check_reference
from tallystick.domain.values.ids import TEXT_ID_LENGTH_MAX, check_text_id
from tallystick.domain.values.memo import MEMO_LENGTH_MAX, check_memo

Text = str | None


class TextColumn(Sequence[Text]):
    """The texts of `rows` rows. Without `numbers` each has its own, in order, or all have the one there is."""

    def __init__(self, texts: Sequence[Text], numbers: Column | None, rows: int) -> None:
        self.texts = texts
        self.numbers = numbers
        self._rows = rows

    @classmethod
    def of_rows(cls, texts: Sequence[Text]) -> "TextColumn":
        """The column of these texts, one a row."""
        distinct = cast(dict[Text, int], dict.fromkeys(texts))
        if len(distinct) == len(texts) or len(distinct) == 1:
            return cls(list(distinct), None, len(texts))
        for number, text in enumerate(distinct):
            distinct[text] = number
        numbers = np.fromiter(itemgetter(*texts)(distinct), dtype=np.int64, count=len(texts))
        return cls(list(distinct), numbers, len(texts))

    @classmethod
    def of_bytes(cls, texts: Sequence[Text], numbers: bytes, rows: int) -> "TextColumn | None":
        """The column that an event keeps so, None where that is nothing; `ValueError` where it is no column of `rows` rows."""
        if not texts and not numbers:
            return None
        if numbers:
            return cls(texts, unpack_places(numbers, rows, len(texts)), rows)
        if len(texts) not in (1, rows):
            raise ValueError(f"{len(texts)} texts are no column of {rows} rows")
        return cls(texts, None, rows)

    def numbers_of_rows(self) -> Column:
        """Each row's number in `texts`."""
        if self.numbers is not None:
            return self.numbers
        return np.arange(self._rows) if len(self.texts) == self._rows else np.zeros(self._rows, dtype=np.int64)

    def numbers_to_bytes(self) -> bytes:
        """The numbers as an event keeps them."""
        return b"" if self.numbers is None else pack(self.numbers)

    def __len__(self) -> int:
        return self._rows

    def __getitem__(self, row: Any) -> Any:
        """The text of a row, given by its index."""
        if self.numbers is not None:
            return self.texts[int(self.numbers[row])]
        return self.texts[int(row) if len(self.texts) == self._rows else 0]

    def __iter__(self) -> Iterator[Text]:
        if self.numbers is not None:
            return map(self.texts.__getitem__, listed(self.numbers))
        return iter(self.texts if len(self.texts) == self._rows else [self.texts[0]] * self._rows)

    def select(self, rows: Column) -> "TextColumn":
        """The texts of these rows."""
        if self.numbers is None and len(self.texts) == 1:
            return TextColumn(self.texts, None, len(rows))
        return TextColumn.of_rows([self[row] for row in listed(rows)])

    def rows_of(self, text: str) -> list[int]:
        """The rows that have this text."""
        if text not in self.texts:
            return []
        number = self.texts.index(text)
        if self.numbers is not None:
            return listed(np.flatnonzero(self.numbers == number))
        return [number] if len(self.texts) == self._rows else list(range(self._rows))


class TextRule(NamedTuple):
    """Which texts a column may have: those that `check` lets pass, and whether a row may have none."""

    check: Callable[[object], str]
    length_min: int
    length_max: int
    may_be_none: bool = False


MEMOS = TextRule(check_memo, 0, MEMO_LENGTH_MAX)
REFERENCES = TextRule(check_reference, 1, REFERENCE_LENGTH_MAX, may_be_none=True)
TEXT_IDS = TextRule(check_text_id, 1, TEXT_ID_LENGTH_MAX)


def texts_of(given: Sequence[Any], rule: TextRule) -> TextColumn:
    """The column of these texts; `InvalidRequest` names the first row that has no such text."""
    try:
        column = TextColumn.of_rows(given)
    except TypeError:  # what cannot be hashed is no text
        return TextColumn.of_rows(_one_by_one(given, rule))
    return column if _is_sound(column.texts, rule) else TextColumn.of_rows(_one_by_one(given, rule))


def _is_sound(distinct: Sequence[Any], rule: TextRule) -> bool:
    """Whether all are seen to be right at once; else they are looked at one by one."""
    kinds = set(map(type, distinct))
    if rule.may_be_none and type(None) in kinds:
        kinds.discard(type(None))
        distinct = [text for text in distinct if text is not None]
    if kinds - {str}:
        return False
    lengths = set(map(len, distinct))
    if lengths and (min(lengths) < rule.length_min or max(lengths) > rule.length_max):
        return False
    together = "".join(distinct)
    try:
        return together.isascii() or bool(together.encode())
    except UnicodeEncodeError:
        return False


def _one_by_one(given: Sequence[Any], rule: TextRule) -> list[Text]:
    found: list[Text] = []
    for row, text in enumerate(given):
        if text is None and rule.may_be_none:
            found.append(None)
            continue
        try:
            found.append(rule.check(str.__str__(text) if isinstance(text, str) else text))
        except InvalidRequest as error:
            raise error.at_row(row) from None
    return found
