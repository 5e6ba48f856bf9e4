"""Rows of an imported file as columns, whichever importer read them: what moves, and what each row says besides.

A mint has the sender "", a burn the receiver "". A row is known by its id, where it has one.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

import msgspec


class TransferRows(msgspec.Struct, frozen=True, eq=False):
    """Rows one after another, `numbers` being their places in the file; amounts in smallest units, times in microseconds since
    1970 in UTC. An id is a number of 128 bits or a text.
    """

    numbers: Sequence[int]
    tokens: Sequence[str]
    senders: Sequence[str]
    receivers: Sequence[str]
    amounts: Sequence[int]
    ids: Sequence[int | str | None]
    memos: Sequence[str]
    times: Sequence[int | None]
    references: Sequence[str | None]

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def kind(self) -> str:
        """Which of the report's counts the rows belong to, where all are of one kind."""
        return "mints" if not self.senders[0] else "transfers" if self.receivers[0] else "burns"

    def runs(self) -> Iterator["TransferRows"]:
        """The rows in as few parts as can be, each one batch: of one token and kind, with ids of one type or without, and with
        times or without.
        """
        return self._cut(
            ((self.tokens, self.tokens[0]),),
            ((self.senders, ""), (self.receivers, ""), (self.ids, None), (self.times, None)),
            lambda: zip(
                self.tokens,
                map(bool, self.senders),
                map(bool, self.receivers),
                map(type, self.ids),
                [time is None for time in self.times],
                strict=True,
            ),
            mixed=len(set(map(type, self.ids))) > 1,
        )

    def runs_of_one_memo(self) -> Iterator["TransferRows"]:
        """The parts in which an earlier version recorded transfers: of one token, kind and memo, and with ids or without."""
        return self._cut(
            ((self.tokens, self.tokens[0]), (self.memos, self.memos[0])),
            ((self.senders, ""), (self.receivers, ""), (self.ids, None)),
            lambda: zip(
                self.tokens,
                self.memos,
                map(bool, self.senders),
                map(bool, self.receivers),
                [id is None for id in self.ids],
                strict=True,
            ),
        )

    def _cut(self, same: Any, all_or_none: Any, kinds: Any, *, mixed: bool = False) -> Iterator["TransferRows"]:
        count = len(self)
        is_one = not mixed and all(column.count(value) in (0, count) for column, value in all_or_none)
        if is_one and all(column.count(value) == count for column, value in same):
            yield self
            return
        start = 0
        for _, group in groupby(kinds()):
            stop = start + sum(1 for _ in group)
            yield self.part(start, stop)
            start = stop

    def part(self, start: int, stop: int) -> "TransferRows":
        """The rows from one index up to another."""
        return TransferRows(*(column[start:stop] for column in msgspec.structs.astuple(self)))

    def select(self, rows: Sequence[int]) -> "TransferRows":
        """The rows at these indices, in this order."""
        if len(rows) == len(self) and rows == list(range(len(self))):
            return self
        return TransferRows(*([column[row] for row in rows] for column in msgspec.structs.astuple(self)))
