"""What a harness found: something lost, something half there, something stale, or anything else that is wrong."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

Kind = Literal["lost", "partial", "stale", "wrong"]
"""Lost: it was acknowledged and is not there. Partial: an entry of which a part is there, or money that does not add up.
Stale: a read of what was so once and could not be so any more. Wrong: an audit, a chain or a model that disagrees, or an error
that should not be.
"""


class Finding(NamedTuple):
    """One thing that was found, in the try with this number."""

    kind: Kind
    number: int
    text: str


@dataclass
class Report:
    """A harness's name, its seed, and what came of its tries."""

    harness: str
    seed: int
    tries: int = 0
    seconds: float = 0.0
    notes: str = ""
    found: list[Finding] = field(default_factory=list)

    def find(self, kind: Kind, text: str) -> None:
        """Enters what the try that runs has found."""
        self.found.append(Finding(kind, self.tries, text))

    def count(self, kind: Kind) -> int:
        """How many of a kind."""
        return sum(finding.kind == kind for finding in self.found)

    @contextmanager
    def trying(self) -> Iterator[None]:
        """One try more. An error that leaves it is a finding, but for an interruption."""
        try:
            yield
        except Exception as error:
            self.find("wrong", f"{type(error).__name__}: {error}")
        self.tries += 1

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Adds the seconds that it takes."""
        begun = time.monotonic()
        try:
            yield
        finally:
            self.seconds += time.monotonic() - begun


COLUMNS = ("harness", "tries", "lost", "partial", "stale", "wrong", "seconds", "seed")


def table(reports: list[Report]) -> str:
    """The reports as lines in columns."""
    rows = [COLUMNS]
    for report in reports:
        counts = (report.tries, *(report.count(kind) for kind in ("lost", "partial", "stale", "wrong")))
        rows.append((report.harness, *map(str, counts), f"{report.seconds:.0f}", str(report.seed)))
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    return "\n".join(
        "  ".join([row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))])
        for row in rows
    )
