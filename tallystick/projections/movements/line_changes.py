"""What movements did to the cells that they touched, line by line in columns, and what each cell had after it.

A movement touches two cells and so has two lines, or one where it is within one cell or the other side is the supply reserve.
A share of a distribution has one, of who got it; behind the last share stands that of who gave them all.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from tallystick.domain.arithmetic.columns import Column, Rows, listed
from tallystick.projections.movements.cells import RESERVE_CELL
from tallystick.projections.movements.running import Pair, Running
from tallystick.projections.movements.schema import LIMB_BITS, LIMBS, pyarrow

GIVER, TAKER, ALL_SHARES = range(3)
"""Of which side of its movement a line is, or that it is of who gave all shares of a distribution."""

_TOO_WIDE = 2.0**64
_LINES_MOST = 3


class LineChanges(NamedTuple):
    """Lines: of each the row of its movement, the side, the cell; what was added to it, and what it has after it.

    `amounts` are texts of digits: what was added to what can be spent, to what is held for others, and what both are after it.
    """

    rows: Column
    sides: Column
    cells: Column
    amounts: Sequence[Any]


class LineChanger:
    """Takes movements in their order, and remembers what every cell has."""

    def __init__(self) -> None:
        self._running = Running()
        self._given = 0
        """By the distribution that was not taken to its end."""

    def take(self, movements: Any, next_position: int) -> LineChanges:
        """The lines of the next movements; behind them comes one at a position."""
        both = _Sides.of(movements, next_position)
        amounts = _Amounts.of(movements, self._running, self._given)
        given, self._given = _given(both, amounts, self._given)
        keys = np.flatnonzero(_has_line(both, given).ravel())
        rows, sides = np.divmod(keys, _LINES_MOST)
        cells = np.where(sides == TAKER, both.receivers[rows], both.senders[rows])
        changes = [column.ravel()[keys] for column in _changes(both, amounts, given)]
        after = [column.copy() for column in changes]
        self._running.add(cells, after[0], after[1], amounts.codes[rows], amounts.tokens)
        texts = [_texts(column) for column in (*changes, *after)]
        is_wide = amounts.is_wide[rows]
        if is_wide.any():
            lines = zip(rows[is_wide].tolist(), sides[is_wide].tolist(), strict=True)
            added = [_change(both, amounts, given, row, side) for row, side in lines]
            has = self._running.add_wide(cells[is_wide].tolist(), added)
            wide = [*zip(*added, strict=True), *zip(*has, strict=True)]
            texts = [_replaced(column, is_wide, values) for column, values in zip(texts, wide, strict=True)]
        return LineChanges(rows, sides, cells, texts)


class _Sides(NamedTuple):
    """Both sides of movements: their cells, and whether it is what these hold for others; which are shares, and which of these
    are the last of their distributions.
    """

    positions: Column
    senders: Column
    receivers: Column
    sender_held: Rows
    receiver_held: Rows
    is_share: Rows
    is_last_share: Rows

    @classmethod
    def of(cls, movements: Any, next_position: int) -> "_Sides":
        positions = movements.column("position").to_numpy()
        is_share = movements.column("transaction_id").is_null().to_numpy(zero_copy_only=False)
        return cls(
            positions,
            movements.column("sender_cell").to_numpy(),
            movements.column("receiver_cell").to_numpy(),
            movements.column("sender_held").to_numpy(zero_copy_only=False),
            movements.column("receiver_held").to_numpy(zero_copy_only=False),
            is_share,
            is_share & (positions != np.append(positions[1:], next_position)),
        )

    def first_row(self, row: int) -> int:
        """The first row that stands at the position of a row."""
        return int(np.searchsorted(self.positions, int(self.positions[row])))


class _Amounts(NamedTuple):
    """The amounts of movements as machine integers, and in `exact` as they are those by row whose token is too wide for that.

    `codes` are the places of their tokens among `tokens`.
    """

    narrow: Column
    is_wide: Rows
    exact: dict[int, int]
    codes: Column
    tokens: Sequence[str]

    @classmethod
    def of(cls, movements: Any, running: Running, given: int) -> "_Amounts":
        encoded = movements.column("token").dictionary_encode()
        codes, tokens = encoded.indices.to_numpy().astype(np.int64), encoded.dictionary.to_pylist()
        narrow, fits = _narrow(movements)
        moved = np.bincount(codes, weights=np.where(fits, narrow.astype(np.float64), _TOO_WIDE), minlength=len(tokens))
        moved = _LINES_MOST * moved
        moved[codes[0]] += given
        is_wide = np.array(running.wide_among(tokens, moved.tolist()), dtype=np.bool_)[codes]
        wide = np.flatnonzero(is_wide)
        exact = dict(
            zip(wide.tolist(), map(int, movements.column("amount").take(pyarrow().array(wide)).to_pylist()), strict=True)
        )
        return cls(np.where(is_wide, 0, narrow), is_wide, exact, codes, tokens)

    def total(self, begin: int, rows: Column) -> int:
        """The exact sum of those of rows, which are counted from `begin` on."""
        total = int(self.narrow[begin + rows].sum())
        return total + sum(self.exact[row] for row in (begin + rows).tolist()) if self.is_wide[begin] else total


def _narrow(movements: Any) -> tuple[Column, Rows]:
    """The amounts as machine integers, and which of them are right."""
    limbs = [movements.column(f"amount_{limb}").to_numpy() for limb in range(LIMBS)]
    fits = limbs[2] < 2
    for limb in limbs[3:]:
        if limb.any():
            fits &= limb == 0
    return np.where(fits, limbs[0] + (limbs[1] << LIMB_BITS) + ((limbs[2] & 1) << 2 * LIMB_BITS), 0), fits


def _given(both: _Sides, amounts: _Amounts, before: int) -> tuple[dict[int, int], int]:
    """What was given to others by each distribution that ends here, by the row of its last share; and by one that does not.

    The first of them may have begun earlier, and has given `before`.
    """
    given: dict[int, int] = {}
    is_open = bool(both.is_share[-1]) and not both.is_last_share[-1]
    lasts = listed(np.flatnonzero(both.is_last_share)) + ([len(both.positions) - 1] if is_open else [])
    left = 0
    for last in lasts:
        first = both.first_row(last)
        to_others = np.flatnonzero(both.receivers[first : last + 1] != both.senders[first : last + 1])
        total = amounts.total(first, to_others) + (0 if first else before)
        if both.is_last_share[last]:
            given[last] = total
        else:
            left = total
    return given, left


def _has_line(both: _Sides, given: dict[int, int]) -> Rows:
    """Which lines there are of each movement, in the order of the sides."""
    has_line = np.zeros((len(both.positions), _LINES_MOST), dtype=np.bool_)
    has_line[:, GIVER] = (both.senders != RESERVE_CELL) & ~both.is_share
    has_line[:, TAKER] = (both.receivers != RESERVE_CELL) & (both.receivers != both.senders)
    last = [row for row, total in given.items() if total]
    has_line[last, ALL_SHARES] = both.senders[last] != RESERVE_CELL
    return has_line


def _changes(both: _Sides, amounts: _Amounts, given: dict[int, int]) -> Iterator[Column]:
    """What is added by each line there may be to what can be spent, and then to what is held for others; 0 where it is wide."""
    narrow = amounts.narrow
    is_within = both.senders == both.receivers
    for held in (False, True):
        added = np.zeros((len(narrow), _LINES_MOST), dtype=np.int64)
        added[:, TAKER] = np.where(both.receiver_held == held, narrow, 0)
        added[:, GIVER] = np.where(both.sender_held == held, -narrow, 0) + np.where(is_within, added[:, TAKER], 0)
        if not held:
            for row, total in given.items():
                added[row, ALL_SHARES] = 0 if amounts.is_wide[row] else -total
        yield added


def _change(both: _Sides, amounts: _Amounts, given: dict[int, int], row: int, side: int) -> Pair:
    """The same of one line, exactly."""
    if side == ALL_SHARES:
        return -given[row], 0
    amount = amounts.exact[row]
    taken = (0, amount) if both.receiver_held[row] else (amount, 0)
    if side == TAKER:
        return taken
    spent = (0, -amount) if both.sender_held[row] else (-amount, 0)
    return (spent[0] + taken[0], spent[1] + taken[1]) if both.senders[row] == both.receivers[row] else spent


def _texts(column: Column) -> Any:
    arrow = pyarrow()
    return arrow.array(column).cast(arrow.string()) if column.any() else arrow.repeat(arrow.scalar("0"), len(column))


def _replaced(column: Any, where: Rows, values: Sequence[int]) -> Any:
    arrow = pyarrow()
    return pyarrow("compute").replace_with_mask(column, arrow.array(where), arrow.array(list(map(str, values)), arrow.string()))
