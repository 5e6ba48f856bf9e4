"""Histories made by hand, with what is wrong with them: the checker finds it, and nothing else."""

import msgspec
import pytest

from tests.torture.findings import Kind
from tests.torture.history.checker import check
from tests.torture.history.operations import FUNDS, History, Movement, Read, Row, Transfer

HOT, POOR = FUNDS["hot"], FUNDS["poor"]


def paid(key: str, begin: int, end: int, entry: int, amount: int = 1) -> Transfer:
    """The transfer of so much from "hot" to "poor", which stands in a row of its own."""
    ends = {"by": key, "begin": begin, "end": end, "entry": entry, "position": entry}
    return Transfer(key=key, sender="hot", receiver="poor", amount=amount, answer="done", **ends)


def read(begin: int, end: int, poor: int, **others: int) -> Read:
    """What "poor" had, as the gain since the beginning."""
    return Read(by="reader", begin=begin, end=end, balances={"poor": POOR + poor, **others})


def rows(*entries: tuple[int, int]) -> list[Row]:
    """A row for each entry and its amount."""
    return [Row(entry, [Movement(entry, "hot", "poor", amount)]) for entry, amount in entries]


A, B = paid("a", 10, 20, 5), paid("b", 30, 40, 6, 10)
BOTH = rows((5, 1), (6, 10))
REFUSED = Transfer(by="c", key="c", begin=32, end=33, sender="poor", receiver="hot", amount=POOR + 5, answer="refused")
UNKNOWN = msgspec.structs.replace(B, answer="unknown", end=31, entry=0, position=0)

CASES: dict[str, tuple[History, list[Row], list[Kind]]] = {
    "one after another": ([A, B], BOTH, []),
    "reads before, between and after": ([A, B, read(1, 2, 0), read(21, 29, 1), read(41, 42, 11)], BOTH, []),
    "a read beside a transfer sees it or does not": ([A, read(12, 13, 0), read(14, 15, 1)], rows((5, 1)), []),
    "but not both ways": ([A, read(12, 13, 1), read(14, 15, 0)], rows((5, 1)), ["stale"]),
    "two reads at once may differ": ([A, read(12, 15, 1), read(13, 15, 0)], rows((5, 1)), []),
    "a read after it was acknowledged does not see it": ([A, read(21, 22, 0)], rows((5, 1)), ["stale"]),
    "a read sees what begins later": ([A, B, read(21, 29, 11)], BOTH, ["stale"]),
    "a read of what never was": ([A, read(21, 22, 7)], rows((5, 1)), ["partial"]),
    "a read of one side alone": ([A, read(21, 22, 1, hot=HOT)], rows((5, 1)), ["partial"]),
    "an acknowledged one is not there": ([A, B], rows((5, 1)), ["lost"]),
    "one stands that nobody asked for": ([A], BOTH, ["wrong"]),
    "one stands with another amount": ([A], rows((5, 2)), ["partial"]),
    "the journal has them the other way round": ([A, B], [BOTH[1], BOTH[0]], ["stale"]),
    "an unknown one stands": ([A, UNKNOWN], BOTH, []),
    "an unknown one does not stand": ([A, UNKNOWN], rows((5, 1)), []),
    "one is refused that could be paid after both": ([A, B, REFUSED], BOTH, []),
    "one is refused that could be paid all the time": (
        [A, B, msgspec.structs.replace(REFUSED, begin=50, end=51)],
        BOTH,
        ["stale"],
    ),
    "one was told what there was": ([A, msgspec.structs.replace(B, told=HOT - 1)], BOTH, []),
    "one was told what there had been": ([A, msgspec.structs.replace(B, told=HOT)], BOTH, ["stale"]),
    "one was acknowledged inside its row": (
        [msgspec.structs.replace(A, position=4)],
        rows((5, 1)),
        ["wrong"],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_history(case: str) -> None:
    history, journal, verdict = CASES[case]
    standing = {movement.position for row in journal for movement in row.movements}
    wanted = {"a": 5, "b": 6}
    keys = [operation.key for operation in history if isinstance(operation, Transfer)]
    resolved = {key: wanted[key] if wanted.get(key) in standing else None for key in keys}
    found: list[Kind] = []
    check(history, journal, resolved, lambda kind, text: found.append(kind))
    assert found == verdict
