"""The ledger that a command reads: as it is, or as it stood at a moment, which is said on standard error.

It is opened for reading alone, so a command that asks something changes nothing, and makes no file.
"""

from collections.abc import Generator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, NamedTuple, cast

from tallystick.domain.errors import InvalidRequest
from tallystick.domain.values.account import HIDDEN_BONDING_CURVE_ACCOUNT
from tallystick.domain.values.token import Token
from tallystick.infrastructure.cli.options import open_ledger
from tallystick.infrastructure.cli.printing.streams import say
from tallystick.infrastructure.cli.reading.moments import Given, moment_given
from tallystick.infrastructure.cli.records import decimals_of
from tallystick.infrastructure.ledger.ledger import Ledger
from tallystick.infrastructure.ledger.travel.occurred_view import OccurredView
from tallystick.infrastructure.ledger.travel.view import View


class Book(NamedTuple):
    """The ledger as it is `now`, and the `reads` that are asked: its own, or those of how it stood."""

    now: Ledger
    reads: Ledger | View

    def tokens(self, code: str | None = None) -> list[Token]:
        """All tokens that there are in it, or the one; by occurred time all that are registered now."""
        known = self.now if isinstance(cast(object, self.reads), OccurredView) else self.reads
        return known.tokens() if code is None else [known.token(code)]

    def decimals(self) -> dict[str, int]:
        """The decimals of each token."""
        return decimals_of(self.now.tokens())

    def decimals_of_cell(self, token: str, account: str) -> int:
        """The decimals of what a cell is counted in: a deposit, and what a curve holds, in the settlement token."""
        tokens = {each.code: each for each in self.now.tokens()}
        if token in tokens and account != HIDDEN_BONDING_CURVE_ACCOUNT:
            return tokens[token].decimals
        return next(each.decimals for each in tokens.values() if each.role == "settlement")


@contextmanager
def opened(url: str | None, read: str, at: str | None, tz: str, by: str = "recorded_at") -> Generator[Book]:
    """The ledger, to ask one `read` of it, as its calls are named: now, or `at` a moment, which is said when all went well.

    Raises `InvalidURL`, `InvalidPosition` where that moment has not come, or nothing had been recorded by then, and
    `InvalidRequest`, also where the read is not known by the time at which things occurred.
    """
    with open_ledger(url, read_only=True) as ledger:
        if at is not None:
            reads, said = _as_of(ledger, read, moment_given(at, tz), by)
            yield Book(ledger, reads)
            say(said)
        elif by != "recorded_at":
            raise InvalidRequest(f"--by says what is meant by --at, and no --at is given: --by {by} --at 2026-11-26")
        else:
            yield Book(ledger, ledger)


def _as_of(ledger: Ledger, read: str, given: Given, by: str) -> tuple[View, str]:
    """What is asked, and in words what that is."""
    if by == "recorded_at":
        view = ledger.as_of(given.moment)
        return view, f"as of {given.text}: {where(view)}"
    asked: Any = (given.moment, by)
    occurred = cast(OccurredView, ledger.as_of(*asked))
    getattr(occurred, read)
    return cast(View, occurred), f"what had occurred by {given.text}, as far as it is known at position {occurred.position}"


def where(view: View) -> str:
    """In words, the commit that a view ends with."""
    return f"the newest commit by then ends at position {view.position}, recorded at {view.recorded_at.isoformat()}"


def said_span(since: datetime | None, until: datetime | None, by: str) -> str:
    """A span of time in words."""
    begin = [] if since is None else [f"from {since.isoformat()} on"]
    end = [] if until is None else [f"before {until.isoformat()}"]
    return ", ".join([f"by {by}", *begin, *end])
