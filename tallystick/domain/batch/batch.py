"""A batch read back: the rows of a `MovedMany`, `MintedMany` or `BurnedMany` as columns, or one by one as the events they are.

A batch names accounts by numbers that were given to them by it or by a batch before it, so batches are read in the order of
the journal, from the first on, or with the names that are known by then.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

import msgspec
import numpy as np

from tallystick.domain.arithmetic.columns import Column, Numbers, listed
from tallystick.domain.batch.columns import unpack, unpack_places
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
    of machine integers are numpy's, amounts that do not fit are in a list.
    """

    token: str
    senders: Column | None
    receivers: Column | None
    amounts: Numbers
    names: Sequence[str]
    memo: str

    def __len__(self) -> int:
        return len(self.amounts)

    def rows_of(self, number: int | None) -> list[int]:
        """The rows that name the account with this number."""
        columns = [column == number for column in (self.senders, self.receivers) if column is not None]
        return [] if number is None else listed(np.flatnonzero(np.logical_or.reduce(columns)))

    def event(self, row: int) -> RowEvent:
        """What happened in one row."""
        amount = int(self.amounts[row])
        if self.receivers is None:
            assert self.senders is not None
            return Burned(self.token, self.names[int(self.senders[row])], amount, self.memo)
        receiver = self.names[int(self.receivers[row])]
        if self.senders is None:
            return Minted(self.token, receiver, amount, self.memo)
        return Moved(self.token, self.names[int(self.senders[row])], receiver, amount, self.memo)

    def events(self) -> Iterator[RowEvent]:
        """What happened, row after row."""
        names, token, memo, amounts = self.names, self.token, self.memo, listed(self.amounts)
        if self.senders is not None and self.receivers is not None:
            for sender, receiver, amount in zip(listed(self.senders), listed(self.receivers), amounts, strict=True):
                yield Moved(token, names[sender], names[receiver], amount, memo)
        elif self.receivers is not None:
            for account, amount in zip(listed(self.receivers), amounts, strict=True):
                yield Minted(token, names[account], amount, memo)
        elif self.senders is not None:
            for account, amount in zip(listed(self.senders), amounts, strict=True):
                yield Burned(token, names[account], amount, memo)


def read_batch(event: BatchEvent, names: Sequence[str]) -> Batch:
    """The rows of `event`, the accounts with a number being `names`. `ValueError` where they cannot be read."""
    count, limit = event.count, len(names)
    amounts = unpack(event.amounts, count)
    if event.ids and len(event.ids) != count * ID_BYTES:
        raise ValueError(f"{len(event.ids)} bytes are no ids of {count} rows")
    if isinstance(event, MovedMany):
        senders = unpack_places(event.senders, count, limit)
        return Batch(event.token, senders, unpack_places(event.receivers, count, limit), amounts, names, event.memo)
    accounts = unpack_places(event.accounts, count, limit)
    given, taken = (None, accounts) if isinstance(event, MintedMany) else (accounts, None)
    return Batch(event.token, given, taken, amounts, names, event.memo)


class BatchReader:
    """Reads batches in the order of the journal, from the first on, and remembers the names of each token."""

    def __init__(self) -> None:
        self._names: dict[str, list[str]] = {}

    def read(self, event: BatchEvent) -> Batch:
        """The rows of the next batch."""
        names = self._names.setdefault(event.token, [])
        names += event.names
        return read_batch(event, names)

    def names_of(self, token: str) -> Sequence[str]:
        """The accounts of a token by number."""
        return self._names.get(token, ())


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
