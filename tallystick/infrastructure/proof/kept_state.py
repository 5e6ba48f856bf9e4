"""Whether what a ledger goes by, in memory or out of a snapshot, is what an audit derives from the journal.

All of it is taken when the audit begins, as it stands then, and compared when the audit has read so far. Columns are compared
as columns. Indexes are sets of pairs in an order of their own, so they are compared by a sum of hashes that a number drawn for
the audit goes into: whoever made them could not know it.
"""

import contextlib
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, cast

import numpy as np

from tallystick.domain.books.books import Books
from tallystick.domain.contract.contract import FrozenContract
from tallystick.domain.errors import CorruptJournal, LedgerError
from tallystick.domain.token.registration import registration_of
from tallystick.infrastructure.indexes.keys import FrozenKeys
from tallystick.infrastructure.indexes.references import FrozenReferences, ReferenceIndex, may_have_references
from tallystick.infrastructure.indexes.runs.checked_words import DamagedRun
from tallystick.infrastructure.indexes.runs.pairs import Pairs
from tallystick.infrastructure.indexes.transfer_ids import FrozenTransferIds, TransferIdIndex
from tallystick.infrastructure.journal.format import Head, JournalRow
from tallystick.infrastructure.journal.port import Journal
from tallystick.infrastructure.proof.kept_tokens import token_differences
from tallystick.infrastructure.snapshots.contract_shelf import ContractShelf
from tallystick.infrastructure.snapshots.contract_snapshots import Anchor
from tallystick.infrastructure.snapshots.snapshots import IDS, KEYS, REFERENCES, FrozenState
from tallystick.projections.invariants.invariants import Finding


class Kept(NamedTuple):
    """A ledger's state at its head, and the contracts that it has in memory."""

    state: FrozenState
    contracts: Sequence[FrozenContract]


class KeptState:
    """What is kept, and what is derived beside the books to compare it with: the indexes, row after row from the first on.

    `kept` gives it; where it is None, nothing is kept.
    """

    def __init__(self, journal: Journal, kept: Callable[[], Kept] | None) -> None:
        self._journal = journal
        self._failure = ""
        self._state: FrozenState | None = None
        self._contracts: Sequence[FrozenContract] = ()
        if kept is not None:
            try:
                self._state, self._contracts = kept()
            except CorruptJournal as error:
                self._failure = str(error)
        parts: Mapping[str, Any] = {} if self._state is None else self._state.parts
        self._ids: FrozenTransferIds | None = parts.get(IDS)
        self._references: FrozenReferences | None = parts.get(REFERENCES)
        self._keys: FrozenKeys | None = parts.get(KEYS)
        self.ids = TransferIdIndex(seed=None if self._ids is None else self._ids.seed)
        """The ids of transfers that were derived; who derives the books adds them."""
        self._derived_references = ReferenceIndex(seed=None if self._references is None else self._references.seed)
        self._is_compared = self._state is None or not self._state.head.position

    def add(self, row: JournalRow, events: Sequence[object]) -> bool:
        """Notes what indexes have of the next row; says whether what is kept stands there, and `compare` is to be called."""
        if self._is_compared or self._state is None:
            return False
        if row.details is not None and may_have_references(row):
            self._derived_references.note(row, events)
        return row.last_position == self._state.head.position

    def compare(self, head: Head, books: Books, versions: Mapping[str, int], keys: Mapping[str, int]) -> Iterator[Finding]:
        """What differs from these books, which stand at this head. `versions` are the last of each stream; `keys` all that were
        used, with the first positions of their commits.
        """
        state = self._state
        if state is None:
            return
        self._is_compared = True
        if state.head != head:
            yield Finding(
                head.position, "the ledger goes by another row than the journal has there: its cache is of another one"
            )
            return
        found: list[str] = []
        try:
            for difference in self._all_differences(state, books, versions, keys):
                found.append(difference)
        except (LookupError, ValueError, ArithmeticError, LedgerError) as error:
            found.append(f"books that can be read ({error!r}), and those")
        for difference in found:
            yield Finding(head.position, f"the ledger does not have {difference} that the journal says; remove its cache")

    def _all_differences(
        self, state: FrozenState, books: Books, versions: Mapping[str, int], keys: Mapping[str, int]
    ) -> Iterator[str]:
        yield from _differences(state, books, versions)
        with contextlib.suppress(DamagedRun):  # what is damaged is not believed anyway
            yield from self._in_indexes(keys)
        yield from self._in_contracts(state, books)

    def close(self) -> None:
        """Gives up what was derived."""
        for index in (self.ids, self._derived_references):
            index.close()

    def finish(self, head: Head, *, has_stopped: bool) -> Iterator[Finding]:
        """What is left where the journal ends with `head`, if it was not read up to where the ledger stands."""
        if has_stopped:
            return
        if self._failure:
            yield Finding(head.position, f"the ledger cannot be read: {self._failure}")
        elif not self._is_compared and self._state is not None:
            yield Finding(head.position, f"the journal ends there, and the ledger has read up to {self._state.head.position}")

    def _in_indexes(self, keys: Mapping[str, int]) -> Iterator[str]:
        if self._keys is not None and not self._keys.are(keys, _differ):
            yield "the idempotency keys"
        if self._ids is not None:
            derived = self.ids.freeze()
            if derived.largest != self._ids.largest or _differ(self._ids.pairs(), derived.pairs()):
                yield "the ids of transfers"
        if self._references is not None and _differ(self._references.pairs(), self._derived_references.freeze().pairs()):
            yield "the references"

    def _in_contracts(self, state: FrozenState, books: Books) -> Iterator[str]:
        in_memory = {contract.id for contract in self._contracts}
        shelf = ContractShelf(
            self._journal, lambda id: Anchor(state.head.position, state.head.digest, state.versions.get(id, 0))
        )
        for contract in self._contracts:
            if contract.id not in books.contracts.registered or not _same(contract, books):
                yield f"the figures of contract {contract.id}"
        for id in shelf.kept(books.contracts.registered):
            if id not in in_memory and not _same(shelf.load(id, books.contracts.registered[id]).freeze(), books):
                yield f"the figures of contract {id}"


def _same(kept: FrozenContract, books: Books) -> bool:
    return kept.is_like(books.contracts.get(kept.id).freeze())


def _differences(state: FrozenState, books: Books, versions: Mapping[str, int]) -> Iterator[str]:
    kept, derived = state.books, books.freeze()
    registered = [registration_of(token.token) for token, _ in derived.tokens]
    if [registration_of(token.token) for token, _ in kept.tokens] != registered:
        yield "the tokens"
    else:
        for mine, theirs in zip(kept.tokens, derived.tokens, strict=True):
            yield from token_differences(mine, theirs)
    for what, one, other in (
        ("the names of apps and contracts", kept.special, derived.special),
        ("the contracts", kept.contracts, derived.contracts),
        ("the open holds", sorted(kept.holds, key=_place), sorted(derived.holds, key=_place)),
        ("the reversals", [*kept.reversals], [*derived.reversals]),
        ("the frozen accounts", kept.freezes, derived.freezes),
        ("the versions of streams", {**state.versions}, {**versions}),
    ):
        if one != other:
            yield what


def _place(hold: Any) -> int:
    return cast(int, hold.position)


def _differ(kept: Iterable[Pairs], derived: Iterable[Pairs]) -> bool:
    """Whether these are other pairs. Raises `DamagedRun`."""
    numbers = [np.uint64(secrets.randbits(64) | 1) for _ in range(3)]
    return _digest(kept, numbers) != _digest(derived, numbers)


def _digest(parts: Iterable[Pairs], numbers: Sequence[Any]) -> tuple[int, int]:
    """How many pairs there are, and a sum of their hashes."""
    count, total = 0, 0
    first, second, third = numbers
    for keys, values in parts:
        words = keys * first + values * second + third
        for shift in (30, 27, 31):
            words ^= words >> np.uint64(shift)
            words *= first
            words += second
        count += len(keys)
        total += int(words.sum(dtype=np.uint64))
    return count, total % 2**64
