"""Which idempotency keys were used: the store says so where it keeps an index of them, and else one of our own does.

An index says where a key may have been used; whether it was, only the commit there can say.
"""

from collections.abc import Iterable, Mapping, Sequence

from tallystick.domain.errors import DuplicateIdempotencyKey, IdempotencyMismatch
from tallystick.infrastructure.commit.receipt import receipt_from
from tallystick.infrastructure.commit.request import Request
from tallystick.infrastructure.indexes.keys import KeyIndex
from tallystick.infrastructure.journal.format import Key, decode_keys
from tallystick.infrastructure.journal.port import Journal

MANY = 16
"""So many keys or more are looked up together in an index of our own: with fewer, preparing costs more than is saved."""


class UsedKeys:
    """The keys of one journal. All is called under its owner's lock."""

    def __init__(self, journal: Journal, index: KeyIndex | None = None) -> None:
        self._journal = journal
        self.index = index
        """The index of our own, None where the store has one."""
        if index is None and not journal.keeps_keys:
            self.index = KeyIndex(journal.cache_folder)
        self._asked: Mapping[str, Sequence[int]] = {}

    def add(self, keys: Sequence[Key], first_position: int) -> None:
        """Notes the keys of a commit."""
        if self.index is not None and keys:
            self.index.add(keys, first_position)

    def ask(self, keys: Iterable[str], *, overtaken: bool) -> None:
        """Asks about many keys at once, which costs less each; the answers are used until `forget_answers`, before an append
        makes them old. Raises `DamagedRun`.

        A store that keeps keys refuses a row that uses one again, as if the row was `overtaken`. So it is asked about them
        when that has happened, and not before: each caller asked when it began, and nearly all are still unused.
        """
        asked = list(keys)
        if self.index is None:
            found: Mapping[str, int] = self._journal.key_positions(asked) if asked and overtaken else {}
            self._asked = {key: (found[key],) if key in found else () for key in asked}
        elif len(asked) >= MANY:
            candidates = self.index.find_many(asked)
            self._asked = {key: candidates.get(row, ()) for row, key in enumerate(asked)}

    def forget_answers(self) -> None:
        """What `ask` found is not used any more."""
        self._asked = {}

    def check_unused(self, request: Request) -> None:
        """Raises `DuplicateIdempotencyKey` or `IdempotencyMismatch` where the key was used; and `DamagedRun`."""
        for position in self._candidates(request.key):
            row = self._journal.row_at(position)
            for used in decode_keys(row) if row is not None else ():
                if row is not None and used.key == request.key:
                    differs = request.digest is not None and used.request is not None and request.digest != used.request
                    error = IdempotencyMismatch if differs else DuplicateIdempotencyKey
                    raise error(key=request.key, receipt=receipt_from(row, used.index))

    def close(self) -> None:
        """Gives up what lies on disk."""
        if self.index is not None:
            self.index.close()

    def _candidates(self, key: str) -> Sequence[int]:
        candidates = self._asked.get(key)
        if candidates is not None:
            return candidates
        if self.index is not None:
            return self.index.find(key)
        return tuple(self._journal.key_positions([key]).values())
