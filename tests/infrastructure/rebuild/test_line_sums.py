"""Lines are added up exactly from the texts of their amounts, and each account's last line is the last that was added."""

from collections import defaultdict
from random import Random

import pyarrow as pa
import pytest

from tallystick import Ledger, Token
from tallystick.infrastructure.rebuild import gathering
from tallystick.infrastructure.rebuild.gathering import limbs_of, number_of
from tallystick.infrastructure.rebuild.line_sums import LineSums
from tallystick.infrastructure.rebuild.sums import Sums, Told

EDGES = [
    *(sign * (10**digits + off) for sign in (1, -1) for digits in (17, 18, 19, 20, 38) for off in (-1, 0, 1)),
    *(sign * (2**bits + off) for sign in (1, -1) for bits in (31, 61, 62, 63, 64, 93, 255) for off in (-1, 0, 1)),
]


@pytest.mark.parametrize("round_rows", [0, 8, 262_144])
@pytest.mark.parametrize("amounts", [[3, -2], [10**17, -7], EDGES])
def test_sums_are_exact(amounts: list[int], round_rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathering, "ROUND_ROWS", round_rows)
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
    for cell, (change, reserved_change) in changes.items():
        assert found.of(*cell) == ((change, reserved_change), lasts[cell])
    assert found.of("A", "nobody") == ((0, 0), None)
    for told, expected in ((found.changes(), changes), (found.lasts(), lasts)):
        (table,) = told
        cells = zip(table.tokens.to_pylist(), table.accounts.to_pylist(), strict=True)
        numbers = [map(number_of, zip(*(limb.to_pylist() for limb in limbs), strict=True)) for limbs in table[2:]]
        assert dict(zip(cells, zip(*numbers, strict=True), strict=True)) == {
            cell: tuple(map(int, numbers)) for cell, numbers in expected.items()
        }


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


def test_what_is_told_otherwise() -> None:
    """The first account of which too much, too little, or nothing is told, in the order of tokens and accounts."""
    with Ledger.open("memory:") as ledger:
        ledger.register_token(Token("USD", max_supply=2**256 - 1))
        ledger.mint("USD", "bob", 2**200)
        ledger.mint("USD", "alice", 5)
        ledger.reserve("USD", "bob", "court", 2**70)
        movements = Sums()
        for batch in ledger.movements():
            movements.add(batch)
    right = {"alice": (5, 0), "bob": (2**200 - 2**70, 0), "court": (0, 2**70)}
    assert movements.minted() == {"USD": 2**200 + 5}
    assert [movements.of("USD", account) for account in right] == list(right.values())
    assert movements.of("USD", "dave") == (0, 0)
    cases: list[tuple[dict[str, tuple[int, int]], str | None]] = [
        ({}, None),
        ({"dave": (0, 0)}, None),
        ({"bob": (2**200, 0)}, "bob"),
        ({"court": (2**70, 0)}, "court"),
        ({"bob": (2**200 - 2**70, 1), "alice": (4, 0)}, "alice"),
        ({"aaron": (0, 1)}, "aaron"),
        ({"court": (0, 0)}, "court"),
    ]
    for wrong, verdict in cases:
        rows = [(account, *(pa.array([str(each)]) for each in both)) for account, both in {**right, **wrong}.items()]
        told = [Told(pa.array(["USD"]), pa.array([account]), limbs_of(has), limbs_of(held)) for account, has, held in rows]
        assert movements.differing(told) == (verdict and ("USD", verdict)), wrong
    assert Sums().differing([]) is None
    assert Sums().minted() == {}
