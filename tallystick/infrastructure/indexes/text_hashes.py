"""Hashes of texts, by which indexes find them: 64 bits, the same in every process."""

from collections.abc import Callable, Iterable
from hashlib import blake2b
from struct import Struct
from typing import cast

import numpy as np

from tallystick.domain.batch.transfer_ids import Words

_HASH_BYTES = 8
_word = cast(Callable[[bytes], tuple[int]], Struct("=Q").unpack)
_new_hash = blake2b(digest_size=_HASH_BYTES).copy  # costs half of making one


def hash_of(text: str) -> int:
    """The text's hash. Nobody can choose texts that have one hash without work."""
    return _word(_digest(text))[0]


def hashes_of(texts: Iterable[str]) -> Words:
    """The hashes of many texts."""
    return np.frombuffer(b"".join(map(_digest, texts)), dtype=np.uint64)


def _digest(text: str) -> bytes:
    hash = _new_hash()
    hash.update(text.encode())
    return hash.digest()
