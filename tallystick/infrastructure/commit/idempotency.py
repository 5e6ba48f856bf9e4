"""Idempotency keys: what makes a transaction the same one when it is sent again, and which were used.

The store says which where it keeps an index of them, and else one of our own does. An index says where a key may have been
used; whether it was, only the commit there can say.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from tallystick.domain.entry.kinds import IsApp
from tallystick.domain.errors import CorruptJournal, DuplicateIdempotencyKey, IdempotencyMismatch, InvalidRequest
from tallystick.infrastructure.commit.receipt import Receipt, receipt_from
from tallystick.infrastructure.commit.request_digest import digest_of
from tallystick.infrastructure.indexes.keys import KeyIndex
from tallystick.infrastructure.journal.format import JournalRow, Key, decode_keys
from tallystick.infrastructure.journal.limits import KEY_LENGTH_MAX
from tallystick.infrastructure.journal.port import Journal

MANY = 16
"""So many keys or more are looked up together in an index of our own: with fewer, preparing costs more than is saved."""


class Request(msgspec.Struct, frozen=True, gc=False):
    """An idempotency key and the SHA-256, in hex, of the request that goes with it, if one does."""

    key: str
    digest: str | None


def make_request(key: str | None, request: Any) -> Request | None:
    """The idempotency key and its request's digest; `InvalidRequest` where they cannot be that."""
    if key is None:
        if request is not None:
            raise InvalidRequest("a request is compared under an idempotency key, and none was given")
        return None
    check_key(key)
    return Request(key, None if request is None else digest_of(request))


def check_key(key: object) -> str:
    """The idempotency key itself; `InvalidRequest` where it cannot be one."""
    if type(key) is not str or not 1 <= len(key) <= KEY_LENGTH_MAX or not key.isprintable():
        raise InvalidRequest(f"an idempotency key is a str of 1 to {KEY_LENGTH_MAX} printable characters, not {key!r}")
    return key


class UsedKeys:
    """The keys of one journal. All is called under its owner's lock."""

    def __init__(self, journal: Journal, is_app: IsApp, index: KeyIndex | None = None) -> None:
        self._journal = journal
        self._is_app = is_app
        self.index = index
        """The index of our own, None where the store has one."""
        if index is None and not journal.keeps_keys:
            self.index = KeyIndex(journal.cache_folder)
        self.asks_from = 1 if self.index is None else MANY
        """With so many keys or more, `ask` prepares something."""
        self.answers: Mapping[str, Sequence[int]] = {}
        """What `ask` found: where each key may have been used, nowhere if nothing is there."""

    def ask(self, keys: Collection[str], *, overtaken: bool) -> None:
        """Asks about many keys at once, which costs less each; the answers are used until `forget_answers`, before an append
        makes them old. Raises `DamagedRun`.

        A store that keeps keys refuses a row that uses one again, as if the row was `overtaken`. So it is asked about them
        when that has happened, and not before: each caller asked when it began, and nearly all are still unused.
        """
        if self.index is None:
            found: Mapping[str, int] = self._journal.key_positions(keys) if overtaken else {}
            self.answers = {key: (found[key],) if key in found else () for key in keys}
        else:
            asked = list(keys)
            answers: dict[str, Sequence[int]] = dict.fromkeys(asked, ())
            answers.update((asked[row], positions) for row, positions in self.index.find_many(asked).items())
            self.answers = answers

    def forget_answers(self) -> None:
        """What `ask` found is not used any more."""
        self.answers = {}

    def check_unused(self, request: Request) -> None:
        """Raises `DuplicateIdempotencyKey` or `IdempotencyMismatch` where the key was used; `DamagedRun`; and
        `CorruptJournal` where the store's index has it of a row that did not use it.
        """
        found = self._use_of(request.key)
        if found is not None:
            used, receipt = found.used, receipt_from(found.row, found.used.index, self._is_app)
            is_known = request.digest is not None and used.request is not None
            if is_known and request.digest != used.request:
                raise IdempotencyMismatch(key=request.key, receipt=receipt)
            raise DuplicateIdempotencyKey(key=request.key, receipt=receipt, same=True if is_known else None)

    def receipt_of(self, key: str) -> Receipt | None:
        """The receipt of the transaction that used the key; None where none did. Raises `DamagedRun`, `CorruptJournal`."""
        found = self._use_of(key)
        return None if found is None else receipt_from(found.row, found.used.index, self._is_app)

    def _use_of(self, key: str) -> "_Use | None":
        candidates = self._candidates(key)
        for position in candidates:
            row = self._journal.row_at(position)
            for used in decode_keys(row) if row is not None else ():
                if row is not None and used.key == key:
                    return _Use(row, used)
        if candidates and self.index is None:  # one of our own knows keys by their hashes alone
            reason = f"the table of keys has {key!r} of position {candidates[0]}, and no commit there used it"
            raise CorruptJournal(reason, position=max(candidates[0], 0))
        return None

    def close(self) -> None:
        """Gives up what lies on disk."""
        if self.index is not None:
            self.index.close()

    def _candidates(self, key: str) -> Sequence[int]:
        candidates = self.answers.get(key)
        if candidates is not None:
            return candidates
        if self.index is not None:
            return self.index.find(key)
        return tuple(self._journal.key_positions([key]).values())


class _Use(NamedTuple):
    """Where a key was used."""

    row: JournalRow
    used: Key
