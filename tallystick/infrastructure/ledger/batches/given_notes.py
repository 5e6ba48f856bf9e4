"""What a caller gives with the rows of a batch: ids, memos, times and references, each as one value for all or as a column."""

from collections.abc import Mapping
from typing import Any, NamedTuple, cast

import msgspec

from tallystick.domain.batch.notes import Notes
from tallystick.domain.batch.text_ids import ids_and_texts_of
from tallystick.domain.batch.texts import MEMOS, REFERENCES, TextColumn, texts_of
from tallystick.domain.batch.times import time_of, times_of
from tallystick.domain.batch.transfer_ids import TransferIds
from tallystick.domain.values.entry_details import EntryDetails, details_of
from tallystick.domain.values.memo import check_memo
from tallystick.infrastructure.ledger.batches.arrow_columns import prepared_texts, prepared_times


class GivenNotes(NamedTuple):
    """The arguments of a batch's call that go by these names."""

    memo: Any
    ids: Any
    occurred_at: Any
    references: Any
    metadata: Any = None

    def columns(self) -> dict[str, Any]:
        """Those that are columns, prepared; `InvalidRequest` where one cannot be one."""
        columns: dict[str, Any] = {}
        if _is_column(self.memo):
            columns["memo"] = prepared_texts(self.memo)
        if self.ids is not None:
            columns["ids"] = prepared_texts(self.ids)
        if _is_column(self.occurred_at):
            columns["occurred_at"] = prepared_times(self.occurred_at)
        if _is_column(self.references):
            columns["references"] = prepared_texts(self.references)
        return columns

    def details(self) -> EntryDetails | None:
        """What is one value for all rows, and so the batch's own as an entry."""
        occurred_at = None if self.occurred_at is None or _is_column(self.occurred_at) else time_of(self.occurred_at)
        details = details_of(None, None if _is_column(self.references) else self.references, self.metadata)
        if occurred_at is None:
            return details
        return EntryDetails(occurred_at) if details is None else msgspec.structs.replace(details, occurred_at=occurred_at)


def _is_column(given: Any) -> bool:
    return hasattr(given, "__len__") and not isinstance(given, (str, bytes))


def memos_of(given: Any, columns: Mapping[str, Any]) -> tuple[str, TextColumn | None]:
    """The memo of all rows, or "" and the memos of each."""
    if "memo" not in columns:
        return check_memo(given), None
    memos = texts_of(columns["memo"], MEMOS)
    if len(memos.texts) == 1:
        return cast(str, memos.texts[0]), None
    return "", memos if len(memos) else None


def ids_and_notes(columns: Mapping[str, Any], memos: TextColumn | None, skip: bool) -> tuple[TransferIds | None, bool, Notes]:
    """The last of a request: the ids of its rows, whether refused ones are passed over, and its notes."""
    ids, id_texts = ids_and_texts_of(columns["ids"]) if "ids" in columns else (None, None)
    times = times_of(columns["occurred_at"]) if "occurred_at" in columns else None
    references = texts_of(columns["references"], REFERENCES) if "references" in columns else None
    if references is not None and list(references.texts) in ([], [None]):
        references = None
    return ids, skip, Notes(times, memos, references, id_texts)
