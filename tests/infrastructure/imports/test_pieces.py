"""Importing piece by piece: what earlier code took is known again, and what is there is passed over, whoever put it there."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tallystick import DuplicateIdempotencyKey, Ledger, StorageUnavailable, Token
from tallystick.infrastructure.imports.allocations import import_allocations
from tallystick.infrastructure.imports.erc20 import import_erc20
from tallystick.infrastructure.imports.pieces import import_pieces, keyed, survey_pieces
from tallystick.infrastructure.imports.report import ImportReport
from tallystick.infrastructure.imports.tea_state import import_tea_state
from tallystick.infrastructure.imports.transfers.transfers import import_transfers
from tests.support.books.begun_imports import (
    allocations_input,
    csv_transfers,
    erc20_input,
    long_transfers,
    mixed_transfers,
    parquet_transfers,
    tea_state_input,
)

# What earlier code took. Keys and positions are of ledgers that the importers wrote before they had an engine in common.

Run = Callable[[Ledger, Path], ImportReport]

TAKEN: dict[str, dict[str, int]] = {
    "erc20": {
        "import:erc20:0:82f4a27eda27e5cf3ad19529ac79f2a2949cdcfb03c83989debce8f19fd43f33": 421,
        "import:erc20:1:a996d71269bc8106a6951c3892dc882470aef28c3dd60ee42cb80431b4af970f": 839,
        "import:erc20:2:aad1e115c83416fdd0be8d5957e0b6235d1d8ace901d6a5e807cdc7109a7ee3f": 938,
    },
    "allocations": {
        "import:allocations:0:b7d3e7d82b6c3b98e1147ea6372e1662adbcda08a4a69982338d725d368b55cf": 251,
        "import:allocations:1:b10c111dbebb76a262820e41285d68c9b26fafe976c4594fb4dfab75fb5b989c": 501,
        "import:allocations:2:68277e3e983da214fd60a23a09e6e82a3bff35343c4bc84e3622be28f16e7a42": 584,
    },
    "tea-state": {
        "import:tea-state:4d1b27da54e15f2537ca376668b7be89cd5b42121ba4b8664d69a41eb6d65f99": 7,
    },
    "long transfers": {
        "import:transfers:0:4d51e6dc963f0b32d6ebd6bb172e542aa0f2bc5d36931b2a885aa7cf2705612a": 16_381,
        "import:transfers:1:c1ee928d8b419526f77ae61a596aabb7bdc8b9701a9658a08a3e43a3cb3d1287": 32_761,
        "import:transfers:2:0565ae8d8edd5aac38193304b770adc67161504e16397d1579a5437b217c6157": 33_001,
    },
    "mixed transfers": {  # number 2 is not there: all its rows were refused
        "import:transfers:0:fc143516bbfd6cad38dc7754a3542e6f7ac45e1a0628835f1b0e6d939e536d9a": 4,
        "import:transfers:1:99fce9eb443c4e3d0d2c35385efe6c2580b20bc0ceb066cc43c0824f24a415f8": 5,
        "import:transfers:3:e321fc90b057ac4c22fdb4528518a77c4632b84ef34b3471f56528ec006a6135": 7,
        "import:transfers:4:0765f89ef760a544b43b04752e1b80fb9e250cae660ff624f88170225403ff5f": 8,
        "import:transfers:5:2978794c55178fc1ff125b94f316817e9e9e96b30d0cf69a37aa91d524e902a6": 9,
        "import:transfers:6:01398b0952c2bd10e1e1a553eaecbc7bc9e935fd16eec6460940be295d33292f": 11,
    },
}


def transfers(ledger: Ledger, path: Path) -> ImportReport:
    return import_transfers(ledger, path, max_supply=2**256 - 1, on_refused=lambda refused: None)


def behind(keys: list[str]) -> int:
    """How many pieces there are up to the last of the keys."""
    if not keys or keys[-1].startswith("import:tea-state:"):
        return len(keys)
    return int(keys[-1].split(":")[2]) + 1


CASES: list[tuple[str, Callable[[Path], Path], Run]] = [
    ("erc20", erc20_input, import_erc20),
    ("allocations", allocations_input, lambda ledger, path: import_allocations(ledger, path, "SAFE", 10**6)),
    ("tea-state", tea_state_input, import_tea_state),
    ("long transfers", lambda path: csv_transfers(path, long_transfers()), transfers),
    ("long transfers", lambda path: parquet_transfers(path, long_transfers()), transfers),
    ("mixed transfers", lambda path: csv_transfers(path, mixed_transfers()), transfers),
    ("mixed transfers", lambda path: parquet_transfers(path, mixed_transfers()), transfers),
]


def positions(ledger: Ledger, keys: list[str]) -> list[int]:
    """Where the keys were used."""
    found: list[int] = []
    for key in keys:
        with pytest.raises(DuplicateIdempotencyKey) as caught, ledger.atomic(key):
            pass
        found.append(caught.value.fields["receipt"].position)
    return found


@pytest.mark.parametrize(("case", "write", "run"), CASES)
def test_pieces_are_cut_and_keyed_as_they_ever_were(tmp_path: Path, case: str, write: Callable[[Path], Path], run: Run) -> None:
    with Ledger.open("memory:") as ledger:
        report = run(ledger, write(tmp_path / "input"))
        assert positions(ledger, list(TAKEN[case])) == list(TAKEN[case].values())
        assert ledger.verify().position == max(TAKEN[case].values())
        assert (report.batches_before, report.batches) == (0, behind(list(TAKEN[case])))


@pytest.mark.parametrize(("case", "write", "run"), CASES)
def test_what_earlier_code_took_whole_or_in_part_is_known_again(
    tmp_path: Path, case: str, write: Callable[[Path], Path], run: Run
) -> None:
    path, keys = write(tmp_path / "input"), list(TAKEN[case])
    for taken in range(len(keys) + 1):
        with Ledger.open("memory:") as ledger:
            ledger.register_token(Token("mark"))
            for key in keys[:taken]:  # its content matters as little as that of what a key stands for
                with ledger.atomic(key) as tx:
                    tx.mint("mark", "somebody", 1)
            marks = positions(ledger, keys[:taken])
            report = run(ledger, path)
            assert (report.batches_before, report.batches) == (behind(keys[:taken]), behind(keys))
            assert positions(ledger, keys[:taken]) == marks
            imported = [token.code for token in ledger.tokens() if token.code != "mark" and ledger.balances(token.code)]
            assert taken < len(keys) or not imported


# The engine.

PARTS = ["a", "bb", "refused", "ccc", "refused", "dddd", "refused"]
PLACES = range(1, len(PARTS) + 1)


class Book:
    """A ledger and an import of texts into it: of each as many letters, but for what the books refuse."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.tried: list[str] = []
        self.counted: list[tuple[str, int]] = []
        self.stops_at = 0
        ledger.register_token(Token("X"))

    def record(self, key: str, rows: str) -> int:
        self.tried.append(rows)
        if len(self.tried) == self.stops_at:
            raise StorageUnavailable("the disk is gone")
        if rows == "refused":
            return 0
        with self.ledger.atomic(key) as tx:
            for letter in rows:
                tx.mint("X", letter, 1)
        return len(rows)

    def count(self, rows: str, transactions: int) -> None:
        self.counted.append((rows, transactions))

    def run(self, progress: Callable[[int], None] | None = None) -> ImportReport:
        self.tried, self.counted = [], []
        report = ImportReport()
        survey = survey_pieces(self.ledger, keyed("texts", PARTS))
        pieces = keyed("texts", PARTS)
        last = import_pieces(self.ledger, pieces, self.record, report, progress, self.count, survey.before)
        assert last == survey.last_key
        return report


@pytest.fixture
def texts(url: str | Path) -> Iterator[Book]:
    with Ledger.open(url) as ledger:
        yield Book(ledger)


@pytest.mark.parametrize("stopped", PLACES)
def test_an_import_that_was_stopped_tries_what_is_not_behind_it(texts: Book, stopped: int) -> None:
    texts.stops_at = stopped
    with pytest.raises(StorageUnavailable):
        texts.run()
    texts.stops_at = 0
    done: list[int] = []
    report = texts.run(done.append)
    there = max((place for place in PLACES if place < stopped and PARTS[place - 1] != "refused"), default=0)
    assert (texts.tried, report.batches_before, report.batches) == (PARTS[there:], there, len(PARTS))
    assert texts.counted == [(rows, 0 if rows == "refused" else len(rows)) for rows in PARTS]
    assert done == [sum(map(len, PARTS[:place])) for place in PLACES]
    assert {letter: balance.total for letter, balance in texts.ledger.balances("X").items()} == dict(
        zip("abcd", (1, 2, 3, 4), strict=True)
    )
    assert texts.run().batches_before == 6  # what is refused behind all that is there may be tried again
    assert texts.tried == ["refused"]


def test_what_somebody_else_records_meanwhile_is_there(texts: Book) -> None:
    report, counted = ImportReport(), list[int]()

    def record(key: str, rows: str) -> int:
        texts.record(key, rows)
        return texts.record(key, rows) + 100

    pieces = keyed("texts", ["a", "bb"])
    import_pieces(texts.ledger, pieces, record, report, None, lambda rows, transactions: counted.append(transactions))
    assert (report.batches, report.batches_before, counted) == (2, 2, [1, 2])
    assert texts.ledger.balance("X", "b").total == 2


def test_an_input_of_nothing(texts: Book) -> None:
    report = ImportReport()
    assert survey_pieces(texts.ledger, keyed("texts", [""][:0])) == (0, "")
    assert import_pieces(texts.ledger, keyed("texts", [""][:0]), texts.record, report) == ""
    assert report == ImportReport()


def test_keys_are_of_the_kind_the_place_and_all_before() -> None:
    first, second, third = keyed("texts", ["a", "b", "b"])
    assert (first.rows, second.rows) == ("a", "b")
    assert second.key.startswith("import:texts:1:")
    digests = {key.rpartition(":")[2] for key in (first.key, second.key, third.key)}
    assert len(digests) == 3
    assert [piece.key for piece in keyed("texts", ["a", "b"])] == [first.key, second.key]
    assert next(keyed("words", ["a"])).key != first.key.replace("texts", "words")
    assert next(keyed("texts", ["A"], str.lower)) == (first.key, "A")
