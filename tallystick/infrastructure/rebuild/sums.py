"""Movements added up: what every account has by them alone, for comparison with what a table says.

Nothing here knows what events are.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from tallystick.domain.arithmetic.columns import Column
from tallystick.infrastructure.rebuild.columns import pyarrow
from tallystick.infrastructure.rebuild.exact_sums import LIMBS, ExactColumn, Gathered, Numbered, limbs_of

_RESERVE = ""
"""What the supply reserve is called here."""


class Held(NamedTuple):
    """What accounts have, by their numbers: `available`, and `held` for others."""

    available: ExactColumn
    held: ExactColumn

    @classmethod
    def none(cls) -> "Held":
        """Nothing, of nobody."""
        return cls(ExactColumn(), ExactColumn())

    def of(self, number: int | None) -> tuple[int, int]:
        """What one has."""
        return self.available.of(number), self.held.of(number)


class Sums:
    """What every account has received less what it gave, of every token, by the movements that were added.

    Whoever compares has accounts by the same `accounts`.
    """

    def __init__(self, accounts: Numbered) -> None:
        self.accounts = accounts
        self._added = Held.none()
        self._rows = Gathered(accounts, self._added)

    def add(self, movements: Any) -> None:
        """Adds a record batch of movements."""
        limbs = [movements.column(f"amount_{limb}").to_numpy() for limb in range(LIMBS)]
        limbs = limbs[: max((place for place, limb in enumerate(limbs) if limb.any()), default=0) + 1]
        for side, amounts in (("receiver", limbs), ("sender", [-limb for limb in limbs])):
            accounts = pyarrow("compute").fill_null(movements.column(side), _RESERVE)
            is_held = movements.column(f"{side}_held").to_numpy(zero_copy_only=False)
            if is_held.any():
                both = [np.where(is_held, 0, limb) for limb in amounts], [np.where(is_held, limb, 0) for limb in amounts]
            else:
                both = amounts, list[Column]()
            self._rows.add(movements.column("token"), accounts, both)

    @property
    def _has(self) -> Held:
        self._rows.settle()
        return self._added

    def of(self, token: str, account: str) -> tuple[int, int]:
        """What one account has available, and holds for others."""
        has = self._has
        return has.of(self.accounts.number(token, account))

    def minted(self, token: str) -> int:
        """What came out of the supply reserve of a token, less what went back."""
        return -self.of(token, _RESERVE)[0]

    def differing(self, told: Held) -> tuple[str, str] | None:
        """The first token and account, in their order, of which something else is told; one that is not told has nothing."""
        both = zip(self._has, told, strict=True)
        count = len(self.accounts)
        differing = np.flatnonzero(np.logical_or.reduce([ours.differing(theirs, count) for ours, theirs in both]))
        cells = self.accounts.named(differing) if len(differing) else ()
        return next((cell for cell in cells if cell[1] != _RESERVE), None)

    def tokens(self) -> set[str]:
        """The tokens of which something moved out of the supply reserve or into it."""
        self._rows.settle()
        return self.accounts.tokens_of(_RESERVE)


def told_by(accounts: Numbered, batches: Iterable[Any]) -> Held:
    """What a table of balances says."""
    told = Held.none()
    rows = Gathered(accounts, told)
    for batch in batches:
        amounts = [limbs_of(batch.column(name)) for name in ("available", "reserved")]
        rows.add(batch.column("token"), batch.column("account"), amounts)
    rows.settle()
    return told
