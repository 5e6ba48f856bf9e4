"""A freeze: an account out of which, or into which, nobody moves money, as a value.

A freeze is of one token or of all. Both directions are about what the account can spend: `debits` are what leaves it, `credits`
what comes to it. What nobody chose comes all the same: releases, what is due, distributions, and what follows from a rule.
"""

from datetime import datetime
from typing import Literal

import msgspec

from tallystick.domain.values.instant import from_microseconds
from tallystick.domain.values.result import Result

Direction = Literal["debits", "credits"]


class FrozenAccount(Result, frozen=True):
    """A freeze of `account` in `token`, or in all tokens where that is None: of its `debits`, its `credits` or both.

    `reason` is what was said when it was frozen. That was recorded at `position`, and when: `recorded_at`.
    """

    account: str
    token: str | None
    debits: bool
    credits: bool
    reason: str
    position: int
    recorded_at: datetime


class Freeze(msgspec.Struct, frozen=True):
    """A freeze of `account` in `token`, or in all tokens where that is None.

    `position`: where it was recorded, and `recorded_at` when, in microseconds in UTC, 0 until that is durable.
    """

    account: str
    token: str | None
    debits: bool
    credits: bool
    reason: str
    position: int
    recorded_at: int = 0

    def closes(self, direction: Direction) -> bool:
        """Whether nothing goes in this direction."""
        return self.debits if direction == "debits" else self.credits

    def shown(self) -> FrozenAccount:
        """The same as a ledger shows it, once it is durable."""
        recorded_at = from_microseconds(self.recorded_at)
        return FrozenAccount(self.account, self.token, self.debits, self.credits, self.reason, self.position, recorded_at)
