"""Columns of times and of texts are read as they were written, whatever they hold."""

import random
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.domain.batch.texts import TextColumn
from tallystick.domain.batch.times import pack_times, times_of, unpack_times
from tallystick.domain.events import RowNotes
from tallystick.domain.values.instant import INSTANT_MAX

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)
FIRST, LAST = NEW_YEAR.replace(1970, 1, 2, tzinfo=None), NEW_YEAR.replace(9999, 12, 30, tzinfo=None)


@settings(deadline=None)
@given(st.lists(st.integers(0, INSTANT_MAX), min_size=1, max_size=20), st.sampled_from([1, 1_000, 10**6, 86_400 * 10**6]))
def test_times_are_read_as_they_were(times: list[int], unit: int) -> None:
    column = np.array([time // unit * unit for time in times], dtype=np.int64)
    read = unpack_times(RowNotes(*pack_times(column)), len(column))
    assert read is not None
    assert read.tolist() == column.tolist()


@settings(deadline=None)
@given(
    st.lists(st.datetimes(FIRST, LAST), min_size=1),
    st.integers(-23, 23),
)
def test_datetimes_are_exact(given: list[datetime], hours: int) -> None:
    zone = timezone(timedelta(hours=hours))
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    aware = [time.replace(tzinfo=zone) for time in given]
    assert times_of(aware).tolist() == [(time - epoch) // timedelta(microseconds=1) for time in aware]
    assert times_of(np.array(given, dtype="M8[us]")).tolist() == times_of([time.replace(tzinfo=UTC) for time in given]).tolist()


@given(st.lists(st.one_of(st.none(), st.sampled_from(["a", "b"]), st.text(max_size=3)), min_size=1), st.randoms())
def test_texts_are_read_as_they_were(texts: list[str | None], chance: random.Random) -> None:
    column = TextColumn.of_rows(texts)
    read = TextColumn.of_bytes(column.texts, column.numbers_to_bytes(), len(texts))
    assert read is not None
    assert list(read) == list(column) == [read[row] for row in range(len(texts))] == texts
    rows = [row for row in range(len(texts)) if chance.random() < 0.5]
    assert list(column.select(np.array(rows, dtype=np.int64))) == [texts[row] for row in rows]
    for text in {text for text in texts if text is not None} | {"z"}:
        assert column.rows_of(text) == [row for row, each in enumerate(texts) if each == text]
