"""Lines added up: what the changes of every account sum to, and what its last line says that it has.

Amounts are read from the text that stands there. They are added up as those of movements are; nothing here knows how lines are
made.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from tallystick.infrastructure.rebuild.columns import pyarrow
from tallystick.infrastructure.rebuild.sums import LIMB_BITS, LIMBS, READ_ROWS, ROUND_ROWS, Sums

_LAST = ("token", "account", "available", "reserved")
_MASK = (1 << LIMB_BITS) - 1
_DIGITS_SURE = 18
"""So many digits, with a sign among them or not, are two limbs."""


class LastLine(NamedTuple):
    """What an account has of a token after its last line, as it stands there."""

    token: str
    account: str
    available: str
    reserved: str


class LineSums:
    """The sums of lines, which are added in their order."""

    def __init__(self) -> None:
        self.changes = Sums()
        """Of every account what its lines add up to: what can be spent, and what is held for others."""
        self._lasts: list[Any] = []
        self._rows = 0
        self._kept = 0

    def add(self, batch: Any) -> None:
        """Adds lines. Raises `ValueError` where there is no amount, as Arrow does where it is no number."""
        arrow = pyarrow()
        for name, is_held in (("change", False), ("reserved_change", True)):
            amounts = batch.column(name)
            limbs = _limbs_of(amounts)
            if limbs:
                cells = batch.column("token"), batch.column("account"), arrow.repeat(is_held, len(amounts))
                self.changes.add_limbs(cells, limbs)
        self._lasts.append(_last_of(arrow.table([batch.column(name) for name in _LAST], names=list(_LAST))))
        self._rows += len(self._lasts[-1])
        if self._rows > ROUND_ROWS + 2 * self._kept:
            self._gather()

    def lasts(self) -> Iterator[LastLine]:
        """The last line of every account, ordered as sums are."""
        self._gather()
        for table in self._lasts:
            ordered = table.sort_by([("token", "ascending"), ("account", "ascending")])
            for batch in ordered.to_batches(READ_ROWS):
                yield from map(LastLine._make, zip(*(column.to_pylist() for column in batch.columns), strict=True))

    def _gather(self) -> None:
        if self._lasts:
            last = _last_of(pyarrow().concat_tables(self._lasts))
            self._lasts, self._rows, self._kept = [last], 0, len(last)


def _last_of(table: Any) -> Any:
    found = table.group_by(["token", "account"], use_threads=False).aggregate([("available", "last"), ("reserved", "last")])
    return found.select(["token", "account", "available_last", "reserved_last"]).rename_columns(list(_LAST))


def _limbs_of(texts: Any) -> list[Any]:
    """Amounts that may be below zero in limbs, each with the amount's sign; none where all are nothing."""
    arrow, compute = pyarrow(), pyarrow("compute")
    if texts.null_count:
        raise ValueError("an amount is missing")
    is_wide = compute.greater(compute.binary_length(texts), _DIGITS_SURE)
    numbers = compute.if_else(is_wide, "0", texts).cast(arrow.int64()).to_numpy()
    signs, sizes = np.sign(numbers), np.abs(numbers)
    limbs = [signs * ((sizes >> LIMB_BITS * limb) & _MASK) for limb in range(2 if sizes.any() else 0)]
    places = np.flatnonzero(is_wide.to_numpy(zero_copy_only=False))
    if len(places):
        limbs = [limbs[limb] if limb < len(limbs) else np.zeros_like(numbers) for limb in range(LIMBS)]
        wide = [int(text) for text in texts.take(arrow.array(places)).to_pylist()]
        for limb, column in enumerate(limbs):
            column[places] = [_limb(number, limb) for number in wide]
    return [arrow.array(limb) for limb in limbs]


def _limb(number: int, limb: int) -> int:
    found = (abs(number) >> LIMB_BITS * limb) & _MASK
    return -found if number < 0 else found
