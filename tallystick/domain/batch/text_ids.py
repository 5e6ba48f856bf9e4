"""Ids of rows that are text: an order's number, or whatever else the caller calls a row.

Such an id stands among the others as 128 bits of its SHA-256, and beside them as the text it is. A column has texts in all of
its rows or in none, for a "2" among numbers is more likely a mistake than an id of its own.
"""

from collections.abc import Sequence
from hashlib import sha256
from typing import Any, cast

import numpy as np

from tallystick.domain.batch.texts import TEXT_IDS, TextColumn, texts_of
from tallystick.domain.batch.transfer_ids import ID_BYTES, TransferIds, ids_of
from tallystick.domain.errors import InvalidRequest

_PREFIX = "tallystick-id:"


def ids_and_texts_of(given: Any) -> tuple[TransferIds, TextColumn | None]:
    """The ids of a column, and the texts that they are, None where they are numbers. `InvalidRequest` names the first wrong
    row.
    """
    try:
        return ids_of(given), None
    except InvalidRequest:
        ids = cast(Sequence[Any], given.tolist() if isinstance(given, np.ndarray) else given)
        if not isinstance(ids[0], str):
            raise
    texts = texts_of(ids, TEXT_IDS)
    distinct = hashed(cast(Sequence[str], texts.texts))
    return (distinct if len(distinct) == len(texts) else distinct.select(texts.numbers_of_rows())), texts


def hashed(texts: Sequence[str]) -> TransferIds:
    """The ids that texts stand as: the first 16 bytes of SHA-256 of "tallystick-id:" and the text, the highest first."""
    digests = b"".join([sha256((_PREFIX + text).encode()).digest()[:ID_BYTES] for text in texts])
    return TransferIds(np.frombuffer(digests, dtype=">u8").reshape(-1, 2)[:, ::-1].astype(np.uint64))
