"""Values that are scaled together: every one by the same fraction and rounded as if alone, at the price of one.

A step takes a sum from `old` to `new`, and with it every value a by floor(a * |new - old| / old), up or down. The step is
only noted. A value is kept with the number of steps that it has seen; when it is asked for or changed it goes through those
that it missed, one after another, so it is rounded as often as if it had never waited. When more steps have gathered than
there are values, each further step pays for bringing a few values up to date, and steps that all have seen are forgotten.
"""

from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple, Self

from tallystick.domain.arithmetic.scaling_together import Step, advance, advance_together

STEPS_KEPT = 1024
"""So many steps may gather whatever the number of values."""

SWEEP_PACE = 2
"""How many times a step's own share of the work is paid for with it: above 1, so that a sweep gets done."""

SWEPT_TOGETHER = 1024
SWEEP_WORK = 4_000_000
"""So many values, and steps of values, are brought up to date at a time."""

_STEP_BITS = 48
_STEP_MASK = 2**_STEP_BITS - 1


class ScaledColumns(NamedTuple):
    """Scaled values as columns: each name's value, and how many of the newest `steps` (old, new) it has yet to go through."""

    names: list[str]
    values: list[int]
    missed: list[int]
    steps: list[tuple[int, int]]


class ScaledValues:
    """Integers by name. A value and the number of steps it has seen are packed into one integer, to save memory."""

    def __init__(self) -> None:
        self._packed: dict[str, int] = {}
        self._steps: list[Step] = []
        self._first = 0
        self._count = 0
        self._final = 0
        self._caught_up: list[tuple[str, int, int]] = []
        self._round = 0
        self._unswept: list[str] = []
        self._paid = 0

    def __len__(self) -> int:
        return len(self._packed)

    @classmethod
    def from_columns(cls, columns: ScaledColumns) -> Self:
        """What `columns` gave."""
        scaled = cls()
        for old, new in columns.steps:
            scaled.scale(old, new)
        scaled._final = count = len(columns.steps)
        for name, value, missed in zip(columns.names, columns.values, columns.missed, strict=True):
            scaled._packed[name] = value << _STEP_BITS | (count - missed)
        return scaled

    def columns(self) -> ScaledColumns:
        """Everything, to be kept elsewhere. Others may meanwhile read here, but not add, remove or scale."""
        packed = list(self._packed.values())
        return ScaledColumns(
            list(self._packed),
            [entry >> _STEP_BITS for entry in packed],
            [self._count - (entry & _STEP_MASK) for entry in packed],
            [(old, new) for new, _, old in self._steps],
        )

    @property
    def steps_kept(self) -> int:
        """How many steps are remembered because some value may not have seen them."""
        return len(self._steps)

    def get(self, name: str) -> int | None:
        """The value, exact; None where there is none of that name."""
        packed = self._find(name)
        if packed is None:
            return None
        if packed & _STEP_MASK != self._count:
            packed = self._catch_up(name, packed)
        return packed >> _STEP_BITS

    def items(self) -> Iterator[tuple[str, int]]:
        """Every name and its value; while it is read nothing may be added or removed."""
        if self._count == self._final:
            names = list(self._packed)
            for start in range(0, len(names), SWEPT_TOGETHER):
                self._bring(names[start : start + SWEPT_TOGETHER], self._count)
        for name in self._packed:
            yield name, self.get(name) or 0

    def add(self, name: str, value: int = 0) -> None:
        """A new value."""
        self._packed[name] = value << _STEP_BITS | self._count

    def change(self, name: str, amount: int) -> None:
        """Adds `amount`, which may be negative, to a value."""
        packed = self._find(name) or 0
        if packed & _STEP_MASK != self._count:
            packed = self._catch_up(name, packed)
        self._packed[name] = packed + (amount << _STEP_BITS)

    def remove(self, name: str) -> None:
        """The value is no more."""
        self.get(name)  # so that what it was is known, should this be taken back
        self._packed.pop(name, None)

    def scale(self, old: int, new: int) -> None:
        """Every value a grows or shrinks by floor(a * |new - old| / old)."""
        rounding = old - 1 if new < old else 0  # a less a floor is a ceiling
        self._steps.append((new, rounding, old) if old > 0 else (1, 0, 1))
        self._count += 1

    def unscale(self) -> None:
        """Takes the newest step back, which must be newer than the last `forget_steps`."""
        self._steps.pop()
        self._count -= 1
        while self._caught_up and self._caught_up[-1][2] > self._count:
            name, packed, _ = self._caught_up.pop()
            self._packed[name] = packed

    def forget_steps(self) -> None:
        """No step so far will be taken back. Where too many have gathered, this is when they are worked off."""
        fresh, self._final = self._count - self._final, self._count
        self._caught_up.clear()
        if fresh and len(self._steps) > self._steps_max():
            self._sweep(SWEEP_PACE * fresh * (len(self._packed) + 1))

    def _steps_max(self) -> int:
        return max(STEPS_KEPT, len(self._packed))

    def _find(self, name: str) -> int | None:
        return self._packed.get(name)

    def _catch_up(self, name: str, packed: int) -> int:
        if self._count > self._final:
            self._caught_up.append((name, packed, self._count))
        packed = self._packed[name] = self._advanced(packed, self._count)
        return packed

    def _advanced(self, packed: int, step: int) -> int:
        value, seen = packed >> _STEP_BITS, packed & _STEP_MASK
        return advance(value, self._steps[seen - self._first : step - self._first]) << _STEP_BITS | step

    def _sweep(self, work: int) -> None:
        """Brings values to the step at which this round began, many together once enough work is paid for; then begins anew."""
        self._paid += work
        while True:
            if not self._unswept:
                del self._steps[: self._round - self._first]
                self._first = self._round
                if len(self._steps) <= self._steps_max():
                    self._paid = 0
                    return
                self._round = self._count
                self._unswept = list(self._packed)
            missed = max(1, self._round - self._first)
            count = max(1, min(SWEPT_TOGETHER, SWEEP_WORK // missed, len(self._unswept)))
            if self._paid < count * missed:
                return
            self._paid -= count * missed
            self._bring(self._unswept[-count:], self._round)
            del self._unswept[-count:]

    def _bring(self, names: list[str], step: int) -> None:
        """Brings these values to a step that will not be taken back, those that stand at the same one together."""
        behind: defaultdict[int, list[str]] = defaultdict(list)
        for name in names:
            packed = self._packed.get(name)
            if packed is not None and packed & _STEP_MASK < step:
                behind[packed & _STEP_MASK].append(name)
        for seen, alike in behind.items():
            steps = self._steps[seen - self._first : step - self._first]
            values = list({self._packed[name] >> _STEP_BITS for name in alike})
            brought = dict(zip(values, advance_together(values, steps), strict=True))
            for name in alike:
                self._packed[name] = brought[self._packed[name] >> _STEP_BITS] << _STEP_BITS | step


class DraftedValues(ScaledValues):
    """The same on top of other values, which stay as they are; void once those change."""

    def __init__(self, base: ScaledValues) -> None:
        super().__init__()
        self._base = base
        self._removed: set[str] = set()
        self._growth = 0

    def __len__(self) -> int:
        return len(self._base) + self._growth

    def add(self, name: str, value: int = 0) -> None:
        super().add(name, value)
        self._growth += 1

    def remove(self, name: str) -> None:
        super().remove(name)
        self._removed.add(name)
        self._growth -= 1

    def _find(self, name: str) -> int | None:
        packed = self._packed.get(name)
        if packed is None and name not in self._removed:
            value = self._base.get(name)
            return None if value is None else value << _STEP_BITS
        return packed
