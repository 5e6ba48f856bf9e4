"""How a plain-text journal is written: movement after movement as they are read, and behind them what must come out.

Each movement is a transaction of two postings, dated by when it occurred, in UTC. What the accounts have in the end is not
added up from what was written: it is what projections of the journal say, so the program that checks it checks those too.
"""

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from tallystick.domain.values.token import Token
from tallystick.infrastructure.analytics.tables import MOVEMENTS, streams
from tallystick.infrastructure.rebuild.columns import pyarrow
from tallystick.infrastructure.rebuild.progress import Progress
from tallystick.infrastructure.rebuild.source import Source

_COLUMNS = (
    *("position", "entry_id", "day", "kind", "token", "sender", "receiver", "sender_held", "receiver_held"),
    *("amount", "memo", "reference", "hold"),
)


class Movement(NamedTuple):
    """A movement, as `Ledger.movements` has it; the amount as text of digits, and of when it occurred the day, in UTC."""

    position: int
    entry_id: int
    day: str
    kind: str
    token: str
    sender: str | None
    receiver: str | None
    sender_held: bool
    receiver_held: bool
    amount: str
    memo: str
    reference: str | None
    hold: str | None


class Cell(NamedTuple):
    """What an account, None for the supply reserve, has of a token in the end, and whether it is what it holds for others."""

    account: str | None
    held: bool
    token: str
    amount: int


class Style(Protocol):
    """How a program's journal looks."""

    def head(self, position: int, digest: str, tokens: list[Token]) -> str:
        """What stands before all movements."""
        ...

    def movement(self, movement: Movement) -> str:
        """A movement. Raises `InvalidRequest` where the program cannot count it."""
        ...

    def end(self, cells: Iterator[Cell], last: date) -> Iterator[str]:
        """What must come out after the last day, and what accounts there are."""
        ...


def write_journal(
    style: Style, path: Path, source: Source, head: tuple[int, str], tokens: list[Token], progress: Progress | None = None
) -> int:
    """Writes the file, and gives how many movements it has."""
    rows, last = 0, ""
    found = streams(source, (MOVEMENTS, "balances", "supply"), head[0], progress)
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write(style.head(*head, tokens))
        for batch in next(found).batches:
            days = pyarrow("compute").strftime(batch.column("occurred_at"), format="%Y-%m-%d")
            given = batch.append_column("day", days)
            columns = [given.column(name).to_pylist() for name in _COLUMNS]
            file.writelines(style.movement(Movement(*row)) for row in zip(*columns, strict=True))
            last = max(last, *columns[_COLUMNS.index("day")])
            rows += batch.num_rows
        if rows:
            file.writelines(style.end(_cells(found), date.fromisoformat(last)))
    return rows


def _cells(found: Iterator[Any]) -> Iterator[Cell]:
    for batch in next(found).batches:
        for row in batch.to_pylist():
            for name, held in (("available", False), ("reserved", True)):
                yield Cell(row["account"], held, row["token"], int(row[name]))
    for batch in next(found).batches:
        for row in batch.to_pylist():
            yield Cell(None, False, row["token"], -int(row["circulating"]))
