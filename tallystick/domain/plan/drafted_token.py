"""One token's cells as a plan would leave them: differences to the books, and not copies of them."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tallystick.domain.arithmetic.columns import MACHINE_MAX, Column
from tallystick.domain.events import Distributed
from tallystick.domain.rounding import check_rounding, sharing_of
from tallystick.domain.token.token_state import Balance, TokenState
from tallystick.domain.values.token import Token


class _Shares(NamedTuple):
    """What a distribution gave: to accounts that the books knew, by handle, and to others by name."""

    by_handle: Column | list[int]
    others: dict[str, int]


class DraftedToken:
    """One token's cells as drafted."""

    __slots__ = ("_distributed", "_token_state", "available", "claimed", "code", "held", "holders", "minted")

    def __init__(self, state: TokenState) -> None:
        self._token_state = state
        self.code = state.code
        self.holders = state.holders
        """As in the books: an account among them needs no `holder`."""
        self.minted = 0
        self.available: dict[str, int] = {}
        self.held: dict[str, int] = {}
        self.claimed: dict[str, int] = {}
        self._distributed: tuple[_Shares, ...] = ()

    def rebase(self, state: TokenState) -> None:
        """The books' cells are these from here on."""
        self._token_state = state
        self.holders = state.holders

    @property
    def token(self) -> Token:
        """The token."""
        return self._token_state.token

    def holder(self, account: str) -> str:
        """As that of the books."""
        return self._token_state.holder(account)

    @property
    def reserve(self) -> int:
        """What could still be minted."""
        return self._token_state.reserve - self.minted

    @property
    def distributions(self) -> int:
        """How often the token was distributed."""
        return self._token_state.distributions + len(self._distributed)

    def add(self, account: str, amount: int) -> None:
        """`amount` more, or less, for the account to spend."""
        self.available[account] = self.available.get(account, 0) + amount

    def claim(self, account: str, amount: int) -> None:
        """`amount` more, or less, of the account's that is taken in hand."""
        self.claimed[account] = self.claimed.get(account, 0) + amount

    def available_of(self, account: str) -> int:
        """What the account could still spend in this plan."""
        available = self._token_state.available_of(account) + self.available.get(account, 0)
        if self._distributed:
            available += self._shares_of(account)
        return available - self.claimed[account] if account in self.claimed else available

    def held_of(self, account: str) -> int:
        """What the account would hold for others."""
        return self._token_state.held_of(account) + self.held.get(account, 0)

    def balance_of(self, account: str) -> Balance:
        """Both, and their sum."""
        available, held = self.available_of(account), self.held_of(account)
        return Balance(available, held, available + held)

    def has_holders(self, excluded: Sequence[str]) -> bool:
        """Whether anybody not `excluded` could spend some of it."""
        amounts, others = self._amounts(excluded)
        return any(amount > 0 for amount in others.values()) or bool(np.any(np.asarray(amounts) > 0))

    def distribute(self, event: Distributed, sign: int) -> None:
        """Shares an amount among the holders as drafted, or takes the newest such back."""
        check_rounding(event)
        if event.source is None:
            self.minted += sign * event.amount
        else:
            self.add(event.source, -sign * event.amount)
        if sign < 0:
            self._distributed = self._distributed[:-1]
        else:
            self._distributed += (self._share(event),)

    def _share(self, event: Distributed) -> _Shares:
        amounts, others = self._amounts(event.excluded)
        names, weights = self._token_state.names, list(others.values())
        new = list(others)
        everyone: Column | list[int]
        if isinstance(amounts, np.ndarray):
            holders = np.flatnonzero(amounts > 0)
            everyone = np.concatenate([amounts[holders], np.array(weights, dtype=np.int64)])
        else:
            holders = np.array([handle for handle, amount in enumerate(amounts) if amount > 0], dtype=np.int64)
            everyone = [*(amount for amount in amounts if amount > 0), *weights]
        count = len(holders)
        if not len(everyone):
            return _Shares([], {})
        share = sharing_of(event)
        shares = share(
            event.amount,
            everyone,
            lambda k: names[int(holders[k])] if k < count else new[k - count],
            event.turn,
            None if new else lambda: self._token_state.places_in_order(holders),
        )
        if isinstance(shares, np.ndarray):
            by_handle: Column | list[int] = np.zeros(len(amounts), dtype=np.int64)
            by_handle[holders] = shares[:count]
        else:
            by_handle = [0] * len(amounts)
            for handle, share in zip(holders, shares, strict=False):
                by_handle[handle] = share
        return _Shares(by_handle, {name: int(share) for name, share in zip(new, shares[count:], strict=True)})

    def _amounts(self, excluded: Sequence[str]) -> tuple[Column | list[int], dict[str, int]]:
        """What all but those excluded could spend: by handle where the books know them, else by name."""
        circulating = self.token.max_supply - self.reserve
        column = self._token_state.column() if circulating <= MACHINE_MAX and not self._distributed else None
        amounts: Column | list[int] = self._token_state.amounts() if column is None else column
        others: dict[str, int] = {}
        for account in {*self.available, *(name for shares in self._distributed for name in shares.others)}:
            handle = self._token_state.handle_of(account)
            if handle is None or handle >= len(amounts):
                amount = self.available.get(account, 0) + self._shares_of(account)
                if amount > 0 and account not in excluded:
                    others[account] = amount
            else:
                new = sum(shares.others.get(account, 0) for shares in self._distributed)
                amounts[handle] += self.available.get(account, 0) + new
        for shares in self._distributed:
            for handle, share in enumerate(shares.by_handle):
                amounts[handle] += int(share)
        for account in excluded:
            handle = self._token_state.handle_of(account)
            if handle is not None and handle < len(amounts):
                amounts[handle] = 0
        return amounts, others

    def _shares_of(self, account: str) -> int:
        handle = self._token_state.handle_of(account)
        total = 0
        for shares in self._distributed:
            if handle is not None and handle < len(shares.by_handle):
                total += int(shares.by_handle[handle])
            total += shares.others.get(account, 0)
        return total
