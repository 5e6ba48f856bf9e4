"""Lines and movements are added up exactly, and the first account is named of which a table says something else."""

from collections import defaultdict
from random import Random

import numpy as np
import pyarrow as pa
import pytest

from tallystick import Ledger, Token
from tallystick.infrastructure.rebuild import exact_sums
from tallystick.infrastructure.rebuild.exact_sums import ExactColumn, Numbered, limbs_of
from tallystick.infrastructure.rebuild.line_sums import LineSums
from tallystick.infrastructure.rebuild.sums import Held, Sums, told_by

EDGES = [
    *(sign * (10**digits + off) for sign in (1, -1) for digits in (17, 18, 19, 20, 38) for off in (-1, 0, 1)),
    *(sign * (2**bits + off) for sign in (1, -1) for bits in (31, 61, 62, 63, 64, 93, 255) for off in (-1, 0, 1)),
]


@pytest.mark.parametrize("round_rows", [0, 8, 262_144])
@pytest.mark.parametrize("carried", [0, 50, 2**30])
@pytest.mark.parametrize("amounts", [[3, -2], [10**17, -7], EDGES])
def test_sums_are_exact(amounts: list[int], carried: int, round_rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exact_sums, "CARRIED_ROWS", carried)
    monkeypatch.setattr(exact_sums, "ROUND_ROWS", round_rows)
    chance, found = Random(3), LineSums()
    changes: defaultdict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
    lasts: dict[tuple[str, str], tuple[int, int]] = {}
    for round in range(30):
        drawn = [0, *amounts[: 1 + round]]  # wider ones come later
        rows = [
            (chance.choice("AB"), chance.choice(("x", "y", "é", "z z")), *(chance.choice(drawn) for _ in range(4)))
            for _ in range(chance.randrange(1, 30))
        ]
        for token, account, change, reserved_change, *last in rows:
            changes[token, account][0] += change
            changes[token, account][1] += reserved_change
            lasts[token, account] = (last[0], last[1])
        names = ("token", "account", "change", "reserved_change", "available", "reserved")
        found.add(pa.record_batch([pa.array(list(map(str, column))) for column in zip(*rows, strict=True)], names=names))
    assert found.changes() is not found.last()
    assert len(found.accounts) == len(changes)
    for cell, summed in changes.items():
        assert found.changes().of(found.accounts.number(*cell)) == tuple(summed)
        assert found.last().of(found.accounts.number(*cell)) == lasts[cell]
    assert found.accounts.number("A", "nobody") is None
    assert found.changes().of(None) == (0, 0)


def test_columns_are_told_apart_however_wide_they_are() -> None:
    narrow, wide = ExactColumn(), ExactColumn()
    at, none, four = (np.array([place]) for place in (3, 0, 4))
    narrow.add(at, [np.array([5])])
    wide.add(at, limbs_of(pa.array([str(2**200)])))
    assert narrow.differing(wide, 4).tolist() == wide.differing(narrow, 4).tolist() == [False, False, False, True]
    wide.add(at, limbs_of(pa.array([str(5 - 2**200)])))
    assert not narrow.differing(wide, 9).any()
    for column in (narrow, wide):
        column.add(none, limbs_of(pa.array(["-7"])))
    assert narrow.of(0) == wide.of(0) == -7
    assert not wide.differing(narrow, 2).any()
    wide.put(four, limbs_of(pa.array([str(-(2**100))])))
    assert (wide.of(4), narrow.of(4)) == (-(2**100), 0)
    assert narrow.differing(wide, 5).tolist() == [False] * 4 + [True]


@pytest.mark.parametrize(
    ("column", "verdict"), [("change", "an amount is missing"), ("account", "a token or an account is missing")]
)
def test_a_line_of_which_something_is_missing_is_none(column: str, verdict: str) -> None:
    line = {
        "token": "A",
        "account": "x",
        "change": "1",
        "reserved_change": "0",
        "available": "1",
        "reserved": "0",
        column: None,
    }
    with pytest.raises(ValueError, match=verdict):
        LineSums().add(pa.record_batch({name: pa.array([value], pa.string()) for name, value in line.items()}))


def test_what_is_told_otherwise() -> None:
    """The first account of which too much, too little, or nothing is told, in the order of tokens and accounts."""
    with Ledger.open("memory:") as ledger:
        ledger.register_token(Token("USD", max_supply=2**256 - 1))
        ledger.mint("USD", "bob", 2**200)
        ledger.mint("USD", "alice", 5)
        ledger.reserve("USD", "bob", "court", 2**70)
        accounts = Numbered()
        movements = Sums(accounts)
        for batch in ledger.movements():
            movements.add(batch)
    right = {"alice": (5, 0), "bob": (2**200 - 2**70, 0), "court": (0, 2**70)}
    assert (movements.tokens(), movements.minted("USD"), movements.minted("EUR")) == ({"USD"}, 2**200 + 5, 0)
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
        told = {**right, **wrong}
        columns = zip(*((account, str(has), str(held)) for account, (has, held) in told.items()), strict=True)
        named = zip(("account", "available", "reserved"), map(pa.array, columns), strict=True)
        batch = pa.record_batch({"token": pa.array(["USD"] * len(told)), **dict(named)})
        assert movements.differing(told_by(accounts, [batch])) == (verdict and ("USD", verdict)), wrong
    assert Sums(Numbered()).differing(Held.none()) is None
    assert movements.differing(Held.none()) == ("USD", "alice")
