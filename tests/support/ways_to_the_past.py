"""What is asked of the past is asked twice: of books that are replayed, and of the index, in buckets that are soon full."""

from collections.abc import Iterator

import pytest

from tallystick.infrastructure.indexes.past import sizes
from tallystick.infrastructure.indexes.past.past_index import NoIndex
from tallystick.infrastructure.ledger.reading.lines.cell_past import CellPast


@pytest.fixture(autouse=True, params=["replayed", "indexed"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Which way the past is found out. That the index is not what the journal says may not happen, though nobody notices."""
    disagreed: list[int] = []

    def disagrees(past: CellPast, position: int) -> NoIndex:
        disagreed.append(position)
        return NoIndex("it disagrees")

    monkeypatch.setattr(CellPast, "disagrees", disagrees)
    if request.param == "indexed":
        monkeypatch.setattr(sizes, "WORTH_POSITIONS", 0)
        monkeypatch.setattr(sizes, "BUCKET", 24)
        monkeypatch.setattr(sizes, "DENSE_FACTOR", 1)
    yield request.param
    assert not disagreed
