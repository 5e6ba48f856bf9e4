"""What the rows of a batch cannot say: an id that is not that of its text, or a time more than a day after it was recorded."""

from collections.abc import Iterator

from tallystick.domain.batch.notes import Notes
from tallystick.domain.batch.text_ids import hashed
from tallystick.domain.errors import InvalidRequest
from tallystick.domain.events import NotedBatchEvent


def impossible_notes(event: NotedBatchEvent, recorded_at: int) -> Iterator[str]:
    """What is wrong with the notes of a batch that can be read and was recorded then, in microseconds in UTC."""
    if event.notes.id_texts and hashed(event.notes.id_texts).to_bytes() != event.ids:
        yield "an id of its rows is not that of its text"
    try:
        Notes.read(event).check(recorded_at)
    except InvalidRequest as error:
        yield f"a time of its rows cannot be: {error}"
