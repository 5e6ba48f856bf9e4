"""Which idempotency keys were used: the store says so where it keeps an index of them, and else one of our own does.

An index says where a key may have been used; whether it was, only the commit there can say.
"""

from collections.abc import Iterable, Mapping, Sequence

from tallystick.domain.errors import DuplicateIdempotencyKey, IdempotencyMismatch
from tallystick.infrastructure.codec import Key, decode_keys
from tallystick.infrastructure.journal import Journal
from tallystick.infrastructure.keys import KeyIndex
from tallystick.infrastructure.receipt import receipt_from
from tallystick.infrastructure.request import Request


class UsedKeys:
    """The keys of one journal. All is called under its owner's lock."""

    def __init__(self, journal: Journal, index: KeyIndex | None = None) -> None:
        self._journal = journal
        self.index = index
        """The index of our own, None where the store has one."""
        if index is None and not journal.keeps_keys:
            self.index = KeyIndex(journal.cache_folder)
        self._asked: Mapping[str, int | None] = {}

    def add(self, keys: Sequence[Key], first_position: int) -> None:
        """Notes the keys of a commit."""
        if self.index is not None and keys:
            self.index.add(keys, first_position)

    def ask(self, keys: Iterable[str]) -> None:
        """Asks the store about many keys at once; its answers are used until `forget_answers`, or an append makes them old."""
        if self.index is None:
            asked = list(keys)
            self._asked = {**dict.fromkeys(asked), **self._journal.key_positions(asked)} if asked else {}

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
        if self.index is not None:
            return self.index.find(key)
        position = self._asked[key] if key in self._asked else self._journal.key_positions([key]).get(key)
        return () if position is None else (position,)
