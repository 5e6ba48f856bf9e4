"""Lines are added up exactly from the texts of their amounts, and each account's last line is the last that was added."""

from collections import defaultdict
from random import Random

import pyarrow as pa
import pytest

from tallystick.infrastructure.rebuild import line_sums, sums
from tallystick.infrastructure.rebuild.line_sums import LineSums

EDGES = [
    *(sign * (10**digits + off) for sign in (1, -1) for digits in (17, 18, 19, 20, 38) for off in (-1, 0, 1)),
    *(sign * (2**bits + off) for sign in (1, -1) for bits in (31, 61, 62, 63, 64, 93, 255) for off in (-1, 0, 1)),
]


@pytest.mark.parametrize("round_rows", [0, 8, 262_144])
@pytest.mark.parametrize("amounts", [[3, -2], [10**17, -7], EDGES])
def test_sums_are_exact(amounts: list[int], round_rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (sums, line_sums):
        monkeypatch.setattr(module, "ROUND_ROWS", round_rows)
    monkeypatch.setattr(sums, "READ_ROWS", 5)
    chance, found = Random(3), LineSums()
    changes: defaultdict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
    lasts: dict[tuple[str, str], tuple[str, str]] = {}
    for _ in range(30):
        rows = [
            (chance.choice("AB"), chance.choice(("x", "y", "é", "z z")), *(chance.choice([0, *amounts]) for _ in range(4)))
            for _ in range(chance.randrange(1, 30))
        ]
        for token, account, change, reserved_change, available, reserved in rows:
            changes[token, account][0] += change
            changes[token, account][1] += reserved_change
            lasts[token, account] = (str(available), str(reserved))
        names = ("token", "account", "change", "reserved_change", "available", "reserved")
        found.add(pa.record_batch([pa.array(list(map(str, column))) for column in zip(*rows, strict=True)], names=names))
    told = {(each.token, each.account): [each.available, each.held] for each in found.changes}
    assert {cell: each for cell, each in told.items() if any(each)} == {k: v for k, v in changes.items() if any(v)}
    assert {tuple(each[:2]): tuple(each[2:]) for each in found.lasts()} == lasts
    assert [each[:2] for each in found.lasts()] == sorted(lasts)


def test_a_line_without_an_amount_is_no_line() -> None:
    columns = {
        "token": ["A"],
        "account": ["x"],
        "change": [None],
        "reserved_change": ["0"],
        "available": ["1"],
        "reserved": ["0"],
    }
    with pytest.raises(ValueError, match="an amount is missing"):
        LineSums().add(pa.record_batch({name: pa.array(values, pa.string()) for name, values in columns.items()}))
