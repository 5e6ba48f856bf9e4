"""Hashes of many texts at once: the same for each text alone, others for other texts, and by another seed."""

import pytest

from tallystick.infrastructure.indexes.seeded_hashes import SEED_BYTES, SeededHashes

LENGTH_MAX = 256
TEXTS = [
    *(f"order-{number}" for number in range(3000)),
    *(letter * length for letter in ("a", "é", "\U0001f600") for length in (1, 2, 255, 256)),
    *("ab", "ba", "a b", "b a", "A", " a"),
]


def test_a_text_has_one_hash_whatever_stands_beside_it() -> None:
    hashes = SeededHashes(LENGTH_MAX)
    assert hashes.hashes_of(TEXTS).tolist() == [hashes.hash_of(text) for text in TEXTS]
    assert SeededHashes(LENGTH_MAX, hashes.seed).hashes_of(TEXTS).tolist() == hashes.hashes_of(TEXTS).tolist()
    assert len(hashes.hashes_of([])) == 0


def test_other_texts_and_other_seeds_have_other_hashes() -> None:
    found = [SeededHashes(LENGTH_MAX, bytes([number] * SEED_BYTES)).hashes_of(TEXTS) for number in range(3)]
    assert len({hash for hashes in found for hash in hashes.tolist()}) == 3 * len(TEXTS)
    for hashes in found:  # either half alone too
        assert len({hash >> 32 for hash in hashes.tolist()}) > len(TEXTS) - 10
        assert len({hash & 0xFFFFFFFF for hash in hashes.tolist()}) > len(TEXTS) - 10


@pytest.mark.parametrize(
    ("text", "other", "same"),
    [
        ("a", "a\0", True),
        ("a" * 256 + "b", "a" * 256, True),
        ("a" * 255 + "b", "a" * 255, False),
        ("\0a", "a", False),
        ("", "a", False),
    ],
)
def test_what_lies_behind_the_last_character_does_not_count(text: str, other: str, same: bool) -> None:
    hashes = SeededHashes(LENGTH_MAX)
    assert (hashes.hash_of(text) == hashes.hash_of(other)) is same
