"""A batch read back: the rows of a `MovedMany`, `MintedMany` or `BurnedMany` as columns, or one by one as the events they are.

A batch names accounts by numbers that were given to them by it or by a batch before it, so batches are read in the order of
the journal, from the first on, or with the names that are known by then.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import repeat
from typing import TypeVar, cast

import msgspec
import numpy as np

from tallystick.domain.arithmetic.columns import Column, Numbers, listed
from tallystick.domain.batch.columns import unpack, unpack_places
from tallystick.domain.batch.notes import NO_NOTES, Notes
from tallystick.domain.batch.texts import TextColumn
from tallystick.domain.batch.transfer_ids import ID_BYTES
from tallystick.domain.events import (
    BATCHES,
    BatchEvent,
    Burned,
    FragmentsMinted,
    FragmentsMintedMany,
    Minted,
    MintedMany,
    Moved,
    MovedMany,
)

RowEvent = Moved | Minted | Burned
AnyEvent = TypeVar("AnyEvent")


class Batch(msgspec.Struct, frozen=True, eq=False):
    """Rows that each move `amounts[row]` of `token` from account number `senders[row]` to `receivers[row]`.

    `senders` is None where the rows are mints, `receivers` where they are burns; `names` are the accounts by number. Columns
    of machine integers are numpy's, amounts that do not fit are in a list. What rows say besides is in `notes`; `memo` is that
    of every row where they have no memos of their own.
    """

    token: str
    senders: Column | None
    receivers: Column | None
    amounts: Numbers
    names: Sequence[str]
    memo: str
    notes: Notes = NO_NOTES

    def __len__(self) -> int:
        return len(self.amounts)

    @property
    def times(self) -> Column | None:
        """When each row occurred, in microseconds since 1970 in UTC; None where the rows do not say."""
        return self.notes.times

    @property
    def memos(self) -> TextColumn | None:
        """Each row's memo, None where all have `memo`."""
        return self.notes.memos

    @property
    def refs(self) -> TextColumn | None:
        """Each row's reference, which may be None; None where no row has one."""
        return self.notes.refs

    @property
    def id_texts(self) -> TextColumn | None:
        """Each row's id where they are texts, else None."""
        return self.notes.id_texts

    def memo_of(self, row: int) -> str:
        """The memo of one row."""
        return self.memo if self.notes.memos is None else self.notes.memos[row]

    def occurred_at(self, row: int) -> int | None:
        """When one row occurred, in microseconds since 1970 in UTC; None where it does not say."""
        return None if self.notes.times is None else int(self.notes.times[row])

    def reference(self, row: int) -> str | None:
        """The reference of one row; None where it has none."""
        return None if self.notes.refs is None else self.notes.refs[row]

    def id_text(self, row: int) -> str | None:
        """The id of one row where they are texts, else None."""
        return None if self.notes.id_texts is None else self.notes.id_texts[row]

    def rows_with_reference(self, reference: str) -> list[int]:
        """The rows that have this reference."""
        return [] if self.notes.refs is None else self.notes.refs.rows_of(reference)

    def rows_of(self, number: int | None) -> list[int]:
        """The rows that name the account with this number."""
        columns = [column == number for column in (self.senders, self.receivers) if column is not None]
        return [] if number is None else listed(np.flatnonzero(np.logical_or.reduce(columns)))

    def event(self, row: int) -> RowEvent:
        """What happened in one row; `ValueError` where rows have neither senders nor receivers."""
        amount, memo = int(self.amounts[row]), self.memo_of(row)
        sender = None if self.senders is None else self.names[int(self.senders[row])]
        receiver = None if self.receivers is None else self.names[int(self.receivers[row])]
        if sender is not None and receiver is not None:
            return Moved(self.token, sender, receiver, amount, memo)
        if receiver is not None:
            return Minted(self.token, receiver, amount, memo)
        if sender is not None:
            return Burned(self.token, sender, amount, memo)
        raise ValueError("rows with neither senders nor receivers move nothing")

    def events(self) -> Iterator[RowEvent]:
        """What happened, row after row."""
        names, token, amounts = self.names, self.token, listed(self.amounts)
        memos = cast(Iterable[str], repeat(self.memo, len(amounts)) if self.memos is None else self.memos)
        if self.senders is not None and self.receivers is not None:
            for sender, receiver, amount, memo in zip(
                listed(self.senders), listed(self.receivers), amounts, memos, strict=True
            ):
                yield Moved(token, names[sender], names[receiver], amount, memo)
        elif self.receivers is not None:
            for account, amount, memo in zip(listed(self.receivers), amounts, memos, strict=True):
                yield Minted(token, names[account], amount, memo)
        elif self.senders is not None:
            for account, amount, memo in zip(listed(self.senders), amounts, memos, strict=True):
                yield Burned(token, names[account], amount, memo)


def read_batch(event: BatchEvent, names: Sequence[str]) -> Batch:
    """The rows of `event`, the accounts with a number being `names`. `ValueError` where they cannot be read."""
    count, limit, notes = event.count, len(names), Notes.read(event)
    amounts = unpack(event.amounts, count)
    if event.ids and len(event.ids) != count * ID_BYTES:
        raise ValueError(f"{len(event.ids)} bytes are no ids of {count} rows")
    if isinstance(event, MovedMany):
        senders = unpack_places(event.senders, count, limit)
        return Batch(event.token, senders, unpack_places(event.receivers, count, limit), amounts, names, event.memo, notes)
    accounts = unpack_places(event.accounts, count, limit)
    given, taken = (None, accounts) if isinstance(event, MintedMany) else (accounts, None)
    return Batch(event.token, given, taken, amounts, names, event.memo, notes)


NamesOf = Callable[[str], Sequence[str]]
"""The accounts of a token, by the numbers that batches gave them."""


def no_names(token: str) -> Sequence[str]:
    """Those of a token before the first batch of a journal."""
    return ()


class BatchReader:
    """Reads batches in the order of the journal, and remembers the names of each token.

    They are read from the first on, or from one before which the names were those of `names_before`, which is asked once for
    each token.
    """

    def __init__(self, names_before: NamesOf = no_names) -> None:
        self._names_before = names_before
        self._names: dict[str, list[str]] = {}

    def read(self, event: BatchEvent) -> Batch:
        """The rows of the next batch."""
        names = self._known(event.token)
        names += event.names
        return read_batch(event, names)

    def names_of(self, token: str) -> Sequence[str]:
        """The accounts of a token by number."""
        return self._known(token)

    def _known(self, token: str) -> list[str]:
        names = self._names.get(token)
        if names is None:
            names = self._names[token] = list(self._names_before(token))
        return names


def positions_of(event: object) -> int:
    """How many positions an event takes: one, and a batch one a row."""
    return event.count if isinstance(event, BATCHES) else 1


def numbered(events: Sequence[AnyEvent], first_position: int) -> Iterator[tuple[int, AnyEvent]]:
    """Each event with its position, or where it takes several with the first of them."""
    position = first_position
    for event in events:
        yield position, event
        position += positions_of(event)


def expanded(events: Iterable[AnyEvent], names_of: Callable[[str], Sequence[str]]) -> list[AnyEvent | RowEvent]:
    """The events, each batch as those of its rows; `names_of` a token are its accounts by number."""
    found: list[AnyEvent | RowEvent] = []
    for event in events:
        if isinstance(event, BATCHES):
            found += read_batch(event, names_of(event.token)).events()
        else:
            found.append(event)
    return found


def fragments_of(event: FragmentsMintedMany, names: Sequence[str]) -> Iterator[FragmentsMinted]:
    """Each fragment's minting as an event of its own, the accounts with a number being `names`."""
    owners = listed(unpack_places(event.owners, event.count, len(names)))
    for id, (owner, amount) in enumerate(zip(owners, listed(unpack(event.amounts, event.count)), strict=True), event.first_id):
        yield FragmentsMinted(event.token, names[owner], id, [amount])
