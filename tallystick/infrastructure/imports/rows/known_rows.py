"""Rows that are known: those whose id the journal holds, or that stand in the file before.

A file is gone through once for its ids alone. Of those that the journal holds it is then asked, in one walk, whether it says
the same of them; what is kept of each row meanwhile is a number of 64 bits for each thing that it says. What only one of
both says, a memo, a time or a reference, makes no difference.
"""

from collections.abc import Callable, Collection, Iterable, Sequence

import numpy as np

from tallystick.domain.arithmetic.columns import Column, listed
from tallystick.domain.batch.batch import RowEvent
from tallystick.domain.batch.text_ids import hashed, ids_and_texts_of
from tallystick.domain.batch.transfer_ids import TransferIds, Words
from tallystick.domain.events import Burned, Minted
from tallystick.infrastructure.imports.rows.desk import ImportDesk
from tallystick.infrastructure.imports.rows.transfer_rows import TransferRows

NO_TIME = -1
KeyOfMovement = Callable[[RowEvent], str]
"""By which id a row would be known that an earlier version recorded as a movement of its own."""


class KnownRows:
    """The rows of one file, gone through and then asked for."""

    def __init__(self, desk: ImportDesk) -> None:
        self._desk = desk
        self._ids: list[Words] = []
        self._known: list[Column] = []
        self._last = -1
        self._ascends = True
        self.repeated: set[int] = set()
        """Ids that stand in the file more than once."""
        self.differing: set[int] = set()
        """The numbers of rows of whose id the journal says something else."""
        self.singles: set[int] = set()
        """Ids of rows that an earlier version recorded one by one."""
        self._first: dict[int, tuple[int, int]] = {}  # of ids that are repeated: the first row, and what it says

    # Going through the file.

    def note(self, rows: TransferRows, *, compares: bool = True) -> Sequence[bool]:
        """Goes through rows that all have ids, and says which of them the journal holds. `compares`: it is to be asked what it
        says of them, for they may have come in another file.
        """
        ids = transfer_ids_of(rows)
        self._ascends = self._ascends and ids.is_ascending() and ids[0] > self._last
        self._last = ids.largest if self._ascends else self._last
        self._ids.append(_words(ids))
        used = self._desk.used(ids)
        if compares and used.any():
            found = np.flatnonzero(used)
            chosen = rows.select(listed(found))
            self._known.append(
                np.column_stack(
                    (
                        _words(ids)[found].view(np.int64),
                        np.array(chosen.numbers, dtype=np.int64),
                        np.array(list(map(hash, _movements(chosen))), dtype=np.int64),
                        np.array(list(map(_hash, chosen.memos)), dtype=np.int64),
                        np.array([NO_TIME if time is None else time for time in chosen.times], dtype=np.int64),
                        np.array(list(map(_hash, chosen.references)), dtype=np.int64),
                    )
                )
            )
        return used.tolist()

    def finish(self, key_of: KeyOfMovement | None = None) -> None:
        """Ends the going through, and asks the journal what it says of the rows that it holds."""
        if not self._ids:
            return
        words = np.concatenate(self._ids)
        if not self._ascends:
            repeated = TransferIds(words).repeated()
            self.repeated = _numbers(words[repeated])
        if key_of is not None:
            self._find_singles(_numbers(words), key_of)
        self._ids.clear()
        if self._known:
            self._compare(np.concatenate(self._known))
            self._known.clear()

    def _find_singles(self, ids: Collection[int], key_of: KeyOfMovement) -> None:
        for event in self._desk.single_movements():
            id = hashed([key_of(event)])[0]
            if id in ids:
                self.singles.add(id)

    def _compare(self, known: Column) -> None:
        lower = np.unique(known[:, 0].view(np.uint64))
        by_id: dict[tuple[int, int], list[int]] = {}
        for place, (low, high) in enumerate(known[:, :2].tolist()):
            by_id.setdefault((low, high), []).append(place)
        for ids, batch, (at, reference) in self._desk.batches_with_ids():
            for row in np.flatnonzero(np.isin(ids.lower, lower)).tolist():
                id = ids[row]
                places = by_id.get((_signed(id & 2**64 - 1), _signed(id >> 64)))
                if places is None:
                    continue
                *moved, memo = _parts(batch.event(row))
                content, told = hash(tuple(moved)), _hash(memo)
                time = at if batch.times is None else batch.occurred_at(row)
                referred = _hash(reference if batch.refs is None else batch.reference(row))
                for place in places:
                    _, _, number, given, given_memo, given_time, given_reference = known[place].tolist()
                    is_same = given == content and (time is None or given_time in (NO_TIME, time))
                    if not (is_same and _agree(told, given_memo) and _agree(referred, given_reference)):
                        self.differing.add(number)

    # Asking for rows.

    def sort(self, rows: TransferRows, *, skips: bool = False) -> tuple[list[int], list[int], list[int]]:
        """The indices of rows that are new, that are known, and whose id stands for something else.

        `skips`: rows may be refused, and then their ids are free for others: which of the new ones stand twice among them is
        left to the batch.
        """
        ids = transfer_ids_of(rows)
        used = self._desk.used(ids)
        new: list[int] = []
        known: list[int] = []
        wrong: list[int] = []
        if not used.any() and not self.repeated and not self.singles:
            return list(range(len(rows))), known, wrong
        for row, (is_used, number) in enumerate(zip(used.tolist(), rows.numbers, strict=True)):
            id = ids[row] if self.repeated or self.singles else 0
            if number in self.differing:
                wrong.append(row)
            elif id in self.repeated and (is_used or not skips):
                said = _all_said(rows, row)
                first = self._first.get(id) if is_used else self._first.setdefault(id, (number, said))
                if first is None or first[0] == number:
                    (known if is_used or id in self.singles else new).append(row)
                else:
                    (known if first[1] == said else wrong).append(row)
            else:
                (known if is_used or id in self.singles else new).append(row)
        return new, known, wrong

    def note_recorded(self, rows: TransferRows, refused: Collection[int]) -> None:
        """Rows were recorded, but for those at the indices `refused`."""
        if self.repeated:
            ids = transfer_ids_of(rows)
            for row, number in enumerate(rows.numbers):
                if row not in refused and ids[row] in self.repeated:
                    self._first[ids[row]] = number, _all_said(rows, row)


def transfer_ids_of(rows: TransferRows) -> TransferIds:
    """The ids of rows that all have one, of the same type."""
    return ids_and_texts_of(list(rows.ids))[0]


def _movements(rows: TransferRows) -> Iterable[tuple[str, str, str, int]]:
    return zip(rows.tokens, rows.senders, rows.receivers, rows.amounts, strict=True)


def _all_said(rows: TransferRows, row: int) -> int:
    return hash((rows.tokens[row], rows.senders[row], rows.receivers[row], rows.amounts[row], rows.memos[row]))


def _parts(event: RowEvent) -> tuple[str, str, str, int, str]:
    if isinstance(event, Minted):
        return event.token, "", event.account, event.amount, event.memo
    if isinstance(event, Burned):
        return event.token, event.account, "", event.amount, event.memo
    return event.token, event.sender, event.receiver, event.amount, event.memo


def _hash(text: str | None) -> int:
    return hash(text) or 1 if text else 0


def _agree(first: int, second: int) -> bool:
    """Whether two hashes of texts are the same, or one of them is of none."""
    return first == second or not (first and second)


def _words(ids: TransferIds) -> Words:
    return np.column_stack((ids.lower, ids.upper))


def _numbers(words: Words) -> set[int]:
    return {upper << 64 | lower for lower, upper in words.tolist()}


def _signed(word: int) -> int:
    return word - 2**64 if word >= 2**63 else word
