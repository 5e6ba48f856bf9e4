"""What rows of a batch say beside what they move: memos, times, references and ids of text, as one value or as columns."""

import asyncio
import random
from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from tallystick import AsyncLedger, CommitTooLarge, InvalidRequest, Ledger, Token
from tallystick.domain.batch.batch import Batch
from tallystick.domain.events import NOTED_BATCHES
from tallystick.infrastructure.commit import group
from tallystick.infrastructure.journal.format import decode_events
from tallystick.infrastructure.journal.stores.sqlite.journal import SQLiteJournal
from tests.support.books.batch_book import CODES, RowNotes, open_funded

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)
DAYS = [NEW_YEAR + timedelta(days=day) for day in range(4)]
MICROSECONDS = [1_767_225_600_000_000 + day * 86_400_000_000 for day in range(4)]
PEOPLE = ("alice", "bob", "carol")


@pytest.fixture
def funded(url: str | Path) -> Iterator[Ledger]:
    with open_funded(url, PEOPLE) as ledger:
        yield ledger


def said(ledger: Ledger) -> list[tuple[Any, ...]]:
    """Memo, time, reference and id of text of all rows of batches, in order."""
    return list(ledger.replay(RowNotes()).state.values())


def transfer(ledger: Ledger, rows: int, **notes: Any) -> Any:
    return ledger.transfer_many("PLN", ["alice"] * rows, ["bob"] * rows, list(range(1, rows + 1)), **notes)


# What is said is what is read.


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("operation", ["transfer", "mint", "burn"])
def test_every_row_has_its_own(funded: Ledger, operation: str, code: str) -> None:
    """Also on fragmented and wide tokens, with every hundredth row or so refused."""
    chance = random.Random(f"{operation} {code}")
    expected: list[tuple[Any, ...]] = []
    for number in range(6):
        count = chance.randint(1, 40)
        accounts = [[chance.choice(PEOPLE) for _ in range(count)] for _ in range(2 if operation == "transfer" else 1)]
        amounts = [chance.choice([1, 7, 400, 30_000]) for _ in range(count)]
        few, own = [chance.choice(["rent", "food", ""]) for _ in range(count)], [f"{number}-{row} ø" for row in range(count)]
        memo = chance.choice([few, own, "one"])
        times = [NEW_YEAR + timedelta(seconds=chance.randint(-(10**8), 10**7)) for _ in range(count)]
        references = [chance.choice([None, "order 1", f"order {row}"]) for row in range(count)]
        ids = [f"{code} {number} {chance.randint(0, count * 3)}" for _ in range(count)]
        receipt = getattr(funded, f"{operation}_many")(
            *(code, *accounts, amounts, memo, ids), on_refusal="skip", occurred_at=times, references=references
        )
        refused = {row.index for row in receipt.refused}
        assert receipt.accepted == count - len(refused)
        for row in set(range(count)) - refused:
            micros = round(times[row].timestamp() * 10**6)
            expected.append((memo if memo == "one" else memo[row], micros, references[row], ids[row]))
    assert said(funded) == expected
    assert [t.memo for t in funded.history(code, "bob")]
    assert funded.audit().ok


FORMS: list[tuple[dict[str, Any], int, list[Any]]] = [
    ({"memo": ["a", "b", "a", "a"]}, 0, ["a", "b", "a", "a"]),
    ({"memo": ("a", "b", "c", "d")}, 0, ["a", "b", "c", "d"]),
    ({"memo": np.array(["a", "b", "a", ""])}, 0, ["a", "b", "a", ""]),
    ({"memo": np.array(["a", "b", "a", "ø"], dtype=object)}, 0, ["a", "b", "a", "ø"]),
    ({"memo": pa.array(["a", "b", "a", "d"])}, 0, ["a", "b", "a", "d"]),
    ({"memo": pa.array(["a", "b", "a", "d"]).dictionary_encode()}, 0, ["a", "b", "a", "d"]),
    ({"memo": pa.chunked_array([["a", "b"], ["a", "d"]])}, 0, ["a", "b", "a", "d"]),
    ({"memo": ["same"] * 4}, 0, ["same"] * 4),
    ({"occurred_at": DAYS}, 1, MICROSECONDS),
    ({"occurred_at": tuple(day.astimezone(timezone(timedelta(hours=-5))) for day in DAYS)}, 1, MICROSECONDS),
    ({"occurred_at": np.array(DAYS, dtype=object)}, 1, MICROSECONDS),
    *(
        ({"occurred_at": np.array([day.replace(tzinfo=None) for day in DAYS], dtype=f"M8[{unit}]")}, 1, MICROSECONDS)
        for unit in ("D", "h", "s", "ms", "us", "ns")
    ),
    ({"occurred_at": np.array(["1970", "2026"] * 2, dtype="M8[Y]")}, 1, [0, MICROSECONDS[0]] * 2),
    ({"occurred_at": pa.array(DAYS, pa.timestamp("ns", "Europe/Paris"))}, 1, MICROSECONDS),
    ({"occurred_at": pa.array(DAYS, pa.date32())}, 1, MICROSECONDS),
    ({"occurred_at": [np.datetime64(day.replace(tzinfo=None)) for day in DAYS]}, 1, MICROSECONDS),
    ({"occurred_at": [NEW_YEAR] * 4}, 1, MICROSECONDS[:1] * 4),
    ({"references": ["r", None, "r", "s"]}, 2, ["r", None, "r", "s"]),
    ({"references": pa.array(["r", None, None, "s"])}, 2, ["r", None, None, "s"]),
    ({"references": np.array(["r", "s", "t", "u"])}, 2, ["r", "s", "t", "u"]),
    ({"references": ["r"] * 4}, 2, ["r"] * 4),
    ({"references": [None] * 4}, 2, [None] * 4),
    ({"ids": ["r", "s", "t", "x" * 256]}, 3, ["r", "s", "t", "x" * 256]),
    ({"ids": np.array(["r", "s", "t", "ø"])}, 3, ["r", "s", "t", "ø"]),
    ({"ids": pa.array(["r", "s", "t", " "])}, 3, ["r", "s", "t", " "]),
    ({"ids": [1, 2, 3, 4]}, 3, [None] * 4),
]


@pytest.fixture
def one() -> Iterator[Ledger]:
    with open_funded("memory:", PEOPLE) as ledger:
        yield ledger


@pytest.mark.parametrize(("notes", "place", "verdict"), FORMS)
def test_forms(one: Ledger, notes: dict[str, Any], place: int, verdict: list[Any]) -> None:
    assert transfer(one, 4, **notes).accepted == 4
    assert [row[place] for row in said(one)] == verdict


BEYOND = datetime(9999, 12, 31, 23, tzinfo=timezone(timedelta(hours=-2)))
WRONG: list[tuple[dict[str, Any], int | None]] = [
    ({"memo": ["a", "b", None, "d"]}, 2),
    ({"memo": ["a", "b", "c", 5]}, 3),
    ({"memo": ["a", [], "c", "d"]}, 1),
    ({"memo": ["a", "x" * 65_537, "c", "d"]}, 1),
    ({"memo": ["a", "\ud800", "\udc00", "d"]}, 1),
    ({"memo": ["a", "b", "c"]}, None),
    ({"occurred_at": DAYS[:3]}, None),
    ({"occurred_at": [*DAYS[:3], DAYS[0].replace(tzinfo=None)]}, 3),
    ({"occurred_at": [*DAYS[:2], None, DAYS[0]]}, 2),
    ({"occurred_at": MICROSECONDS}, 0),
    ({"occurred_at": np.array(MICROSECONDS)}, 0),
    ({"occurred_at": ["2026-01-01"] * 4}, 0),
    ({"occurred_at": "2026-01-01"}, None),
    ({"occurred_at": [DAYS[0], datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC), *DAYS[:2]]}, 1),
    ({"occurred_at": [*DAYS[:3], BEYOND]}, 3),
    ({"occurred_at": BEYOND}, None),
    ({"occurred_at": np.array(["2026-01-01", "NaT", "2026-01-01", "2026-01-01"], dtype="M8[ns]")}, 1),
    ({"occurred_at": np.array(["2026", "2026", "10000", "2026"], dtype="M8[Y]")}, 2),
    ({"occurred_at": np.array([0, 0, 2**62, 0], dtype="M8[D]")}, 2),
    ({"occurred_at": np.datetime64("NaT")}, None),
    ({"occurred_at": pa.array([DAYS[0], None, None, None])}, 1),
    ({"references": ["a", "b", "", "d"]}, 2),
    ({"references": ["a", "b", "c", "x" * 257]}, 3),
    ({"references": ["a", 5, "c", "d"]}, 1),
    ({"references": 5}, None),
    ({"references": "x" * 257}, None),
    ({"ids": ["a", "b", "", "d"]}, 2),
    ({"ids": ["x" * 257, "b", "c", "d"]}, 0),
    ({"ids": ["a", "b", "c", 4]}, 3),
    ({"ids": [1, 2, "3", 4]}, 2),
    ({"ids": ["a", "b", None, "d"]}, 2),
    ({"ids": ["a", "\ud800", "c", "d"]}, 1),
    ({"metadata": {1: 2}}, None),
]


@pytest.mark.parametrize(("notes", "row"), WRONG)
def test_what_rows_cannot_say(one: Ledger, notes: dict[str, Any], row: int | None) -> None:
    position = one.verify().position
    for on_refusal in ("abort", "skip"):
        with pytest.raises(InvalidRequest) as caught:
            transfer(one, 4, on_refusal=on_refusal, **notes)
        assert caught.value.fields.get("row") == row
    assert one.verify().position == position


def test_a_time_is_at_most_a_day_ahead(tmp_path: Path) -> None:
    now = NEW_YEAR
    with Ledger.open("memory:", clock=lambda: now) as ledger:
        ledger.register_token(Token("PLN"))
        at_most = [NEW_YEAR, NEW_YEAR + timedelta(days=1)]
        assert ledger.mint_many("PLN", ["alice"] * 2, [1, 1], occurred_at=at_most).accepted == 2
        beyond = [NEW_YEAR, NEW_YEAR + timedelta(days=1, microseconds=1)]
        for notes in ({"occurred_at": beyond}, {"occurred_at": np.array([day.replace(tzinfo=None) for day in beyond], "M8")}):
            with pytest.raises(InvalidRequest, match=r"row 1: .* more than a day later"):
                ledger.mint_many("PLN", ["alice"] * 2, [1, 1], on_refusal="skip", **notes)
        with pytest.raises(InvalidRequest, match="more than a day later"):
            ledger.mint_many("PLN", ["alice"], [1], occurred_at=beyond[1])
        assert ledger.supply("PLN").circulating == 2
        now = NEW_YEAR + timedelta(microseconds=1)
        ledger.mint_many("PLN", ["alice"] * 2, [1, 1], occurred_at=beyond)


def test_empty_batches(one: Ledger) -> None:
    for name in ("memo", "occurred_at", "references", "ids"):
        assert one.transfer_many("PLN", [], [], [], **{name: []}).accepted == 0
    assert one.transfer_many("PLN", [], [], [], occurred_at=np.array([], "M8[us]")).accepted == 0


# In the journal.


def test_a_batch_that_says_nothing_is_as_it_always_was(tmp_path: Path) -> None:
    path = tmp_path / "books.db"
    with open_funded(path, PEOPLE) as ledger:
        transfer(ledger, 1)  # which gives the accounts their numbers
        first = ledger.verify().position
        transfer(ledger, 3, memo="why", ids=[1, 2, 3])
        transfer(ledger, 3, memo=["why"] * 3, references=[None] * 3, ids=[4, 5, 6])
        transfer(ledger, 3, memo=["why", "what", "why"])
        transfer(ledger, 3, occurred_at=NEW_YEAR, references="order 7")
    journal = SQLiteJournal(path)
    rows = list(journal.rows(after=first))
    journal.close()
    assert [row.details for row in rows[:3]] == [None, None, b"[]"]
    assert [isinstance(decode_events(row)[0], NOTED_BATCHES) for row in rows] == [False, False, True, False]
    assert rows[0].body.startswith(b'[["MovedMany","PLN",3,')
    assert rows[1].body == rows[0].body.replace(as_base64(1, 2, 3), as_base64(4, 5, 6))


def as_base64(*ids: int) -> bytes:
    return b64encode(b"".join([id.to_bytes(16, "little") for id in ids]))


def test_what_is_one_value_is_the_entrys(funded: Ledger) -> None:
    receipt = transfer(funded, 3, occurred_at=NEW_YEAR, references="order 7", metadata={"source": "bank"})
    entry = funded.entry(receipt.transaction_ids[0])
    assert (entry.occurred_at, entry.reference, entry.metadata) == (NEW_YEAR, "order 7", {"source": "bank"})
    assert [found.id for found in funded.find("order 7")] == [entry.id]
    assert np.datetime64(NEW_YEAR.replace(tzinfo=None)).item() == NEW_YEAR.replace(tzinfo=None)
    receipt = transfer(funded, 3, occurred_at=np.datetime64("2026-01-01"))
    assert funded.entry(receipt.transaction_ids[0]).occurred_at == NEW_YEAR


@pytest.mark.parametrize("rows", [3, 2_000])
def test_rows_are_found_by_their_references(shared_url: str | Path, rows: int) -> None:
    with open_funded(shared_url) as ledger:
        everywhere = ["everywhere", None, *(f"order {row}" for row in range(2, rows))]
        minted = [
            ledger.mint_many("PLN", ["alice"] * rows, [1] * rows, references=everywhere).transaction_ids[0] for _ in range(2)
        ]
    with Ledger.open(shared_url) as ledger:
        for reference in ("everywhere", f"order {rows - 1}"):
            assert [entry.id for entry in ledger.find(reference)] == minted[::-1]
        assert ledger.find("order 0") == []


class Found:
    """A projection: the rows of batches with a reference, by their positions."""

    name = "found"
    version = 1

    def __init__(self) -> None:
        self.state: list[int] = []

    def apply(self, position: int, recorded_at: int, event: Any, /) -> None:
        pass

    def apply_columns(self, position: int, recorded_at: int, batch: Batch, /) -> None:
        self.state += [position + row for row in batch.rows_with_reference("r")]


@pytest.mark.parametrize(
    ("references", "verdict"),
    [(["r", "s", "r", None], [0, 2]), (["s", "r", "t", "u"], [1]), (["r"] * 4, [0, 1, 2, 3]), (["s"] * 4, []), (None, [])],
)
def test_rows_with_a_reference(one: Ledger, references: list[str | None] | None, verdict: list[int]) -> None:
    first = transfer(one, 4, references=references).transaction_ids[0]
    assert one.replay(Found()).state == [first + row for row in verdict]


def test_a_commit_is_too_large_with_all_its_columns(one: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group, "COMMIT_BYTES_MAX", 500)
    transfer(one, 4)
    for notes in (
        {"memo": ["a" * 400, "b", "c", "d"]},
        {"references": ["a" * 200, "b" * 200, "c", "d"]},
        {"ids": ["a" * 200, "b" * 200, "c", "d"]},
    ):
        with pytest.raises(CommitTooLarge):
            transfer(one, 4, **notes)
    assert one.balance("PLN", "bob").total == 25_000 + 10
    assert transfer(one, 4, ids=["a" * 20, "b", "c", "d"]).accepted == 4


def test_handles_and_asyncio(shared_url: str | Path) -> None:
    async def main() -> None:
        async with AsyncLedger.open(shared_url) as ledger:
            alice, bob = await ledger.handles("PLN", ["alice", "bob"])
            await ledger.transfer_many(
                "PLN", np.array([alice] * 2), np.array([bob] * 2), [1, 2], ["a", "b"], occurred_at=DAYS[:2]
            )

    with open_funded(shared_url, PEOPLE) as ledger:
        asyncio.run(main())
        assert said(ledger) == [("a", MICROSECONDS[0], None, None), ("b", MICROSECONDS[1], None, None)]
