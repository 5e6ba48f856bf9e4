"""What must be true of frozen accounts, checked apart from the code that decides.

A freeze closes what somebody chose to do, and an event does not always say whether somebody did. What comes from the seats'
collection pool is a share, and what is released or distributed comes whatever is frozen: those are passed over. So is what
comes in the settlement token to the owner of an app, which may be the spread of a trade. All else is told.
"""

from collections.abc import Callable
from typing import Any

from tallystick.domain.cells import SPECIAL_ACCOUNTS, is_crossing
from tallystick.domain.events import (
    AccountFrozen,
    AccountUnfrozen,
    AppUpdated,
    Burned,
    ContractRegistered,
    Deallocated,
    Minted,
    Moved,
    Reserved,
    Settled,
    ShadowLowered,
    TokenRegistered,
)
from tallystick.domain.values.account import SEAT_COLLECTION_POOL

DEBITS, CREDITS = 0, 1


class FreezeInvariants:
    """The freezes so far; `find` is told what is wrong, with its position."""

    def __init__(self, find: Callable[[int, str], None]) -> None:
        self._find = find
        self.frozen: dict[str, dict[str | None, tuple[bool, bool]]] = {}
        """By account and token, whether debits are frozen, and credits. While it is empty only registrations matter."""
        self._owners: dict[str, str | None] = {}
        self._settlement: str | None = None
        self._backing: dict[str, str | None] = {}
        self._rules: dict[type, Callable[[int, Any], None]] = {
            AccountFrozen: self._freeze,
            AccountUnfrozen: self._unfreeze,
            Minted: self._minted,
            Burned: self._burned,
            Moved: self._moved,
            Reserved: self._reserved,
            Settled: self._settled,
            Deallocated: self._lowered,
            ShadowLowered: self._lowered,
        }

    def register(self, position: int, event: TokenRegistered | AppUpdated | ContractRegistered) -> None:
        """Notes whose an app is and what a contract is made of, and that no frozen account has the name."""
        if isinstance(event, ContractRegistered):
            self._backing[event.contract] = event.backed_by
            self._check_name(position, event.contract)
            return
        if isinstance(event, AppUpdated) or event.role == "app":
            self._owners[event.token] = event.owner
        if isinstance(event, TokenRegistered) and event.role != "external":
            self._check_name(position, event.token)
            if event.role == "settlement":
                self._settlement = event.token

    def apply(self, position: int, event: Any) -> None:
        """Checks one event."""
        rule = self._rules.get(event.__class__)
        if rule is not None:
            rule(position, event)

    def _freeze(self, position: int, event: AccountFrozen) -> None:
        account = event.account
        if account in SPECIAL_ACCOUNTS or account in self._owners or account in self._backing or is_crossing(account):
            self._find(position, f"{account} is frozen and is no ordinary account")
        if not (event.debits or event.credits):
            self._find(position, f"{account} is frozen in no direction")
        self.frozen.setdefault(account, {})[event.token] = (event.debits, event.credits)

    def _unfreeze(self, position: int, event: AccountUnfrozen) -> None:
        found = self.frozen.get(event.account, {})
        if found.pop(event.token, None) is None:
            self._find(position, f"{event.account} is unfrozen in {event.token or 'all tokens'} and was not frozen")
        if not found:
            self.frozen.pop(event.account, None)

    def _minted(self, position: int, event: Minted) -> None:
        self._check(position, event.token, event.account, CREDITS)

    def _burned(self, position: int, event: Burned) -> None:
        self._check(position, event.token, event.account, DEBITS)

    def _moved(self, position: int, event: Moved) -> None:
        sender, receiver = event.sender, event.receiver
        self._check(position, event.token, sender, DEBITS)
        if is_crossing(sender):
            user, app = sender.split(" ", 1)
            if receiver == app:  # a deposit is consumed
                self._check(position, event.token, user, DEBITS)
        may_be_spread = event.token == self._settlement and receiver in self._owners.values()
        if sender != SEAT_COLLECTION_POOL and not may_be_spread:
            self._check(position, event.token, receiver, CREDITS)

    def _reserved(self, position: int, event: Reserved) -> None:
        self._check(position, event.token, event.payer, DEBITS)

    def _settled(self, position: int, event: Settled) -> None:
        self._check(position, event.token, event.authority, DEBITS)
        self._check(position, event.token, event.receiver, CREDITS)

    def _lowered(self, position: int, event: Deallocated | ShadowLowered) -> None:
        self._check(position, self._backing.get(event.contract), event.account, DEBITS)

    def _check(self, position: int, token: str | None, account: str, direction: int) -> None:
        found = self.frozen.get(account)
        if found is None:
            return
        if any(token_of in (None, token) and closed[direction] for token_of, closed in found.items()):
            goes = "leaves it" if direction == DEBITS else "comes to it"
            self._find(position, f"{account} is frozen, and {token or 'an allocation'} {goes}")

    def _check_name(self, position: int, name: str) -> None:
        if name in self.frozen:
            self._find(position, f"{name} is frozen, and is an account of its own from here on")
