"""Replays: the calls of a ledger that go through the journal from its beginning, or on from where one was."""

from collections.abc import Iterator
from typing import Any

from tallystick.infrastructure.ledger.core import LedgerCore
from tallystick.infrastructure.ledger.reading.replaying import commit_of
from tallystick.infrastructure.ledger.reading.replays.beginning import beginning_after, check_reached
from tallystick.infrastructure.ledger.reading.replays.headers import headers_of
from tallystick.infrastructure.ledger.reading.replays.movements import BATCH_ROWS, movements_of
from tallystick.infrastructure.ledger.reading.replays.rows import rows_between
from tallystick.projections.projection import ProjectionType, Replay


def replayed(core: LedgerCore, projection: ProjectionType, upto: int | None = None, after: int = 0) -> ProjectionType:
    """Applies the events behind position `after`, up to position `upto`, to `projection`, and gives it back.

    Raises `InvalidPosition` where one is beyond the journal's head, and `CorruptJournal`.
    """
    core.check_open()
    beginning = beginning_after(core, after)
    upto = None if upto is None else check_reached(core.journal, upto)
    replay = Replay(projection, beginning.names_of)
    for row in rows_between(core.journal, beginning.head, upto):
        commit = commit_of(row)
        if replay.wants_entries:
            commit = commit._replace(entries=headers_of(row))
        replay.add(commit, upto, after)
    return projection


class Replays:
    """Those calls."""

    def __init__(self, core: LedgerCore) -> None:
        self._core = core

    def replay(self, projection: ProjectionType, upto: int | None = None, *, after: int = 0) -> ProjectionType:
        """Applies every event from the first, up to position `upto`, to `projection`, and gives it back; see `Projection`.

        With `after` it is given only what is behind that position: for one that was kept, and has all up to there. A projection
        that has `apply_entry` is given whole entries: one that ends behind `upto` is left out, and comes with the next call
        `after` it. Raises `InvalidPosition` where `upto` or `after` is beyond the journal's head, and `CorruptJournal`.
        """
        return replayed(self._core, projection, upto, after)

    def movements(self, after: int = 0, batch_rows: int = BATCH_ROWS) -> Iterator[Any]:
        """Every movement behind position `after`, in order: `pyarrow.RecordBatch`es of `batch_rows` rows, and one of the rest.

        A row has `position`, `entry_id`, `transaction_id`, `recorded_at`, `occurred_at`, `kind` and `token`; `sender` and
        `receiver`, null for the supply reserve; `sender_held` and `receiver_held`, whether it left or came to what is held for
        others; the `amount` in smallest units as text, `amount_int` as a decimal of 38 digits where it fits, and `amount_0` to
        `amount_8`, 31 bits each, the lowest first; `memo`, `reference` and `hold`. A distribution is a row a share, all at its
        position and without a transaction. So what a cell received less what it sent, from the first position on, is what it
        has. A settlement token's deposits and what curves hold are cells with both names, a space between.

        They go up to where the journal ends when this is called. Who goes on later gives a position behind which he has all:
        the shares of one distribution may be in two record batches. Raises `InvalidPosition`, `InvalidRequest` where
        `batch_rows` is no number, or pyarrow is not installed, and `CorruptJournal`.
        """
        return movements_of(self._core, after, batch_rows)
