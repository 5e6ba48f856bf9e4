"""What the events of one commit do to open holds and to fragments, as changes of the cells in which these are.

What leaves a cell is named by its id alone, so the books are asked for it before they apply the event. A hold may be closed by
an event before the one that says what becomes of its fragments; so what was known of holds is remembered for the commit.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from tallystick.domain.batch.batch import fragments_of
from tallystick.domain.books.books import Books
from tallystick.domain.events import (
    FRAGMENT_EVENTS,
    DomainEvent,
    FragmentsBurned,
    FragmentsMinted,
    FragmentsMintedMany,
    FragmentsReleased,
    FragmentsReserved,
    Released,
    Reserved,
    RunsMintedMany,
    Settled,
)
from tallystick.domain.memory.holding import Piece
from tallystick.domain.value_object.runs import equal_amounts, runs_of
from tallystick.infrastructure.indexes.past.buckets.changes import Change, FragmentChange, HoldChange
from tallystick.infrastructure.indexes.past.cells import AVAILABLE, HELD, Cells

FOLLOWED = frozenset((*FRAGMENT_EVENTS, Reserved, Settled, Released))
"""Events that change holds or fragments."""

CellsOf = Callable[[str, int], Cells]
"""The cells of a part of a token."""


class _Kept(NamedTuple):
    """Who keeps a hold, and where it was opened."""

    authority: str
    opened: int


class Carried:
    """The changes of one commit."""

    def __init__(self, books: Books, cells_of: CellsOf) -> None:
        self._books = books
        self._cells_of = cells_of
        self._holds: dict[str, _Kept] = {}

    def apply(self, event: DomainEvent, position: int) -> Iterator[tuple[str, int, Change]]:
        """Applies an event, and gives the changes: of which kind, and of which cell. Raises what the books raise."""
        if isinstance(event, Reserved):
            self._holds[event.hold] = _Kept(event.authority, position)
            self._books.apply(event, position)
            yield "holds", self._held(event.token, event.authority), HoldChange(position, event.amount)
        elif isinstance(event, Settled | Released):
            kept = self._kept(event.hold)
            self._books.apply(event, position)
            yield "holds", self._held(event.token, kept.authority), HoldChange(kept.opened, -event.amount)
        elif isinstance(event, FragmentsMinted | RunsMintedMany | FragmentsMintedMany):
            self._books.apply(event, position)
            yield from self._minted(event)
        elif type(event) in FOLLOWED:
            yield from self._left_and_came(event, position)
        else:
            self._books.apply(event, position)

    def _minted(self, event: FragmentsMinted | RunsMintedMany | FragmentsMintedMany) -> Iterator[tuple[str, int, Change]]:
        if isinstance(event, FragmentsMintedMany):
            for minted in fragments_of(event, self._books.names_of(event.token)):
                yield from self._minted(minted)
            return
        runs = (event.amounts, event.counts) if isinstance(event, RunsMintedMany) else equal_amounts(event.amounts)
        state = self._books.token_state(event.token)
        cell = self._cells_of(event.token, AVAILABLE).cell(state.handles[event.owner])
        first = event.first_id
        for amount, count in zip(*runs, strict=True):
            yield "fragments", cell, FragmentChange(first, count, amount, 0, 0)
            first += count

    def _left_and_came(self, event: Any, position: int) -> Iterator[tuple[str, int, Change]]:
        is_named = isinstance(event, FragmentsBurned | FragmentsReserved | FragmentsReleased)
        firsts, counts = runs_of(event.ids) if is_named else (event.first_ids, event.counts)
        before = list(self._books.pieces(event.token, firsts, counts))
        self._books.apply(event, position)
        for piece in before:
            yield self._change(event.token, piece, -1)
        hold = getattr(event, "hold", None)
        for piece in before if hold is not None else ():
            yield self._change(event.token, piece._replace(hold=hold if piece.hold is None else None), 1)

    def _change(self, token: str, piece: Piece, sign: int) -> tuple[str, int, Change]:
        if piece.hold is None:
            cell = self._cells_of(token, AVAILABLE).cell(piece.owner)
            return "fragments", cell, FragmentChange(piece.first, sign * piece.size, piece.amount, 0, 0)
        kept = self._kept(piece.hold)
        change = FragmentChange(piece.first, sign * piece.size, piece.amount, piece.owner, kept.opened)
        return "fragments", self._held(token, kept.authority), change

    def _held(self, token: str, authority: str) -> int:
        return self._cells_of(token, HELD).cell(self._books.token_state(token).handles[authority])

    def _kept(self, hold: str) -> _Kept:
        kept = self._holds.get(hold)
        if kept is None:
            found = self._books.hold(hold)
            if found is None:
                raise LookupError(f"no hold {hold!r} is open")
            kept = self._holds[hold] = _Kept(found.authority, found.position)
        return kept
