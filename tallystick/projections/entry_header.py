"""The header of an entry: what is known of one atomic block beside the events that it recorded."""

from datetime import datetime

from tallystick.domain.values.result import Result


class EntryHeader(Result, frozen=True):
    """What a projection is told of an entry before its events.

    Its `id` is the `position` of its first event, `last_position` that of its last. It was recorded at `recorded_at` and
    happened at `occurred_at`. `key` is the idempotency key that it used and `reference` the caller's text, None where there is
    none. `has_metadata`: metadata was given with it, which may have been erased since. `reverses` are the ids of the movements
    that it takes back.
    """

    id: int
    position: int
    last_position: int
    recorded_at: datetime
    occurred_at: datetime
    key: str | None = None
    reference: str | None = None
    has_metadata: bool = False
    reverses: tuple[int, ...] = ()
