"""Shares: what the distributions of a token gave to one account, and took from it.

A distribution is one event, and who got how much of it follows from what everybody had. So a share is worked out by reading
the token's events from the first on, no further than the distribution that is asked for, and every share on the way is kept.
"""

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager

from tallystick.domain.batch.batch import numbered, read_batch
from tallystick.domain.errors import CorruptJournal
from tallystick.domain.events import BATCHES, Distributed, FragmentsMintedMany
from tallystick.infrastructure.journal.format import Body, JournalEvent, decode_events
from tallystick.infrastructure.journal.port import PAGE_ROWS, VERSION_MAX, Journal
from tallystick.projections.balances import Balances


class Shares:
    """The shares of one account of a token; `names` are the token's accounts by the numbers that batches gave them."""

    def __init__(self, journal: Journal, token: str, account: str, names: Sequence[str]) -> None:
        self._journal = journal
        self._token = token
        self._account = account
        self._names = names
        self._balances = Balances()
        self._found: dict[int, int] = {}
        self._events = self._read()

    def change_at(self, position: int) -> int:
        """What the distribution at `position` added to what the account has; below zero where it gave. `CorruptJournal`."""
        while position not in self._found:
            try:
                at, event = next(self._events)
            except StopIteration:
                raise CorruptJournal("no entry of its token leads to this distribution", position=position) from None
            self._apply(at, event)
        return self._found[position]

    def _read(self) -> Iterator[tuple[int, JournalEvent]]:
        """The token's events with their positions, commit by commit."""
        version = -1
        while parts := self._journal.stream_parts(self._token, version, VERSION_MAX, PAGE_ROWS):
            for part in parts:
                row = self._journal.row_at(part.first_position) if part.body is None else None
                body = part.body if row is None else row.body
                if body is None:
                    raise CorruptJournal("no row holds it", position=part.first_position)
                for position, event in numbered(
                    decode_events(Body(part.first_position, part.last_position, body)), part.first_position
                ):
                    if getattr(event, "token", None) == self._token:
                        yield position, event
            version = parts[-1].last_version

    def _apply(self, position: int, event: JournalEvent) -> None:
        with _readable(position):
            if isinstance(event, BATCHES):
                self._balances.apply_columns(position, 0, read_batch(event, self._names))
            elif isinstance(event, Distributed):
                before = self._available()
                self._balances.apply(position, 0, event)
                self._found[position] = self._available() - before
            elif not isinstance(event, FragmentsMintedMany):
                self._balances.apply(position, 0, event)

    def _available(self) -> int:
        return self._balances.state[self._token]["available"].get(self._account, 0)


@contextmanager
def _readable(position: int) -> Generator[None]:
    try:
        yield
    except (ValueError, ArithmeticError, KeyError) as error:
        raise CorruptJournal(f"it cannot be read: {error}", position=position) from error
