"""What is asked of the past is asked twice: of books that are replayed, and of the index, in buckets that are soon full."""

import pytest

from tallystick.infrastructure.indexes.past import past_index


@pytest.fixture(autouse=True, params=["replayed", "indexed"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Which way the past is found out."""
    if request.param == "indexed":
        monkeypatch.setattr(past_index, "WORTH_POSITIONS", 0)
        monkeypatch.setattr(past_index, "BUCKET", 24)
        monkeypatch.setattr(past_index, "DENSE_FACTOR", 1)
    return request.param
