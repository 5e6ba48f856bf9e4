"""What replay scripts print, as records: a difference of states a row, its values as JSON, cut where they are long."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from tallystick.infrastructure.cli.printing.formats import Record
from tallystick.infrastructure.ledger.comparing.bisecting import Bisection
from tallystick.infrastructure.ledger.comparing.checking import ReplayCheck
from tallystick.infrastructure.ledger.comparing.scripts import ReplayDifference
from tallystick.infrastructure.ledger.comparing.states import StateDifference
from tallystick.infrastructure.ledger.reading.entry import Entry

SHOWN = 200
"""So many characters of a value are printed."""


def check_record(found: ReplayCheck) -> Record:
    """What a projection was compared with, and what came of it."""
    return {
        "projection": found.projection,
        "position": found.position,
        "digest": found.digest,
        "differences": len(found.differences) or int(not found.ok),
        "against": found.against,
        "journals_part_at": found.journals_part_at,
        "reason": found.reason,
        "differing": difference_records(found.differences, "replayed", "stands"),
    }


def check_rows(record: Record) -> list[Record]:
    """The same as rows, one a difference."""
    figures = {name: _blank(record[name]) for name in ("projection", "position", "digest", "differences", "against")}
    return _rows(figures, record["differing"], ("path", "replayed", "stands"))


def diff_record(old: str, new: str, upto: int, found: ReplayDifference | None) -> Record:
    """Where two projections part, and how; `parts_at` is None where they do not."""
    entry = None if found is None else found.entry
    return {
        "old": old,
        "new": new,
        "upto": upto,
        "parts_at": None if found is None else found.position,
        "event": None if found is None else found.event,
        "recorded_at": None if found is None or found.recorded_at is None else found.recorded_at.isoformat(),
        "entry": None if entry is None else entry_record(entry),
        "differing": [] if found is None else difference_records(found.differences, "old_value", "new_value"),
    }


def diff_rows(record: Record) -> list[Record]:
    """The same as rows, one a difference."""
    entry: Record = record["entry"] or {"entry_id": None, "key": None, "kinds": ()}
    figures = {"old": record["old"], "new": record["new"], "upto": record["upto"], "parts_at": _blank(record["parts_at"])}
    figures |= {"event": _blank(record["event"]), "entry_id": _blank(entry["entry_id"]), "key": _blank(entry["key"])}
    return _rows({**figures, "kinds": ",".join(entry["kinds"])}, record["differing"], ("path", "old_value", "new_value"))


def bisect_record(predicate: str, found: Bisection) -> Record:
    """The first commit as of which a predicate is true."""
    return {
        "predicate": predicate,
        "position": found.position,
        "recorded_at": found.recorded_at.isoformat(),
        "calls": found.calls,
        "entries": [entry_record(entry) for entry in found.entries],
    }


def bisect_rows(record: Record) -> list[Record]:
    """The same as rows, one an entry of the commit."""
    figures = {name: record[name] for name in ("predicate", "position", "recorded_at", "calls")}
    return [
        {
            **figures,
            "entry_id": entry["entry_id"],
            "key": _blank(entry["key"]),
            "reference": _blank(entry["reference"]),
            "kinds": ",".join(entry["kinds"]),
        }
        for entry in record["entries"]
    ]


def entry_record(entry: Entry) -> Record:
    """An entry, and which kinds of movements it has."""
    kinds = dict.fromkeys(each.kind for each in entry.transactions)
    return {"entry_id": entry.id, "key": entry.key, "reference": entry.reference, "kinds": list(kinds)}


def difference_records(found: Iterable[StateDifference], first: str, second: str) -> list[Record]:
    """Differences, with the values of the first and of the second under these names; None where there is none."""
    return [
        {
            "path": each.path,
            first: _written(each.first) if each.in_first else None,
            second: _written(each.second) if each.in_second else None,
        }
        for each in found
    ]


def _rows(figures: Record, differing: Sequence[Record], columns: Sequence[str]) -> list[Record]:
    return [{**figures, **{name: _blank(each.get(name)) for name in columns}} for each in differing or [{}]]


def _blank(value: Any) -> Any:
    return "" if value is None else value


def _written(value: Any) -> str:
    """A value as JSON where it has that, else as Python writes it."""
    try:
        text = msgspec.json.encode(value, order="deterministic").decode()
    except (TypeError, ValueError, msgspec.MsgspecError):
        text = repr(value)
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 3]}..."
