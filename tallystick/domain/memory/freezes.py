"""Which accounts are frozen: by account, for nearly all have no freeze, and few have more than one.

What a change since the last `forget` replaced is remembered, so that a commit which fails can be taken back. Whoever keeps
something about frozen accounts, as batches do by handle, is told which accounts changed since it last asked.
"""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from tallystick.domain.events import AccountFrozen, AccountUnfrozen
from tallystick.domain.values.freeze import Freeze
from tallystick.domain.watched import WatchedNames

CHANGES_KEPT = 64
"""So many changes are told of, and two for each frozen account; whoever asks after more has to look at all accounts."""


class Freezes:
    """All freezes of a book. The names of accounts that have one are noted in `watched` too."""

    def __init__(self, watched: set[str]) -> None:
        self.by_account = WatchedNames[dict[str | None, Freeze]](watched)
        """The freezes of each account that has one, by token; None stands for all tokens."""
        self.replaced: list[tuple[str, str | None, Freeze | None]] = []
        """The changes since the last `forget`: of which account and token, and what was there before."""
        self._changed: list[str] = []
        self._dropped = 0

    def freeze(self) -> list[Freeze]:
        """All of them, the oldest first."""
        return sorted((each for found in self.by_account.values() for each in found.values()), key=lambda each: each.position)

    def restore(self, kept: Iterable[Freeze]) -> None:
        """Takes over what `freeze` gave; there is nothing yet."""
        for each in kept:
            self._put(each.account, each.token, each)
        self._tell_no_more()

    def get(self, account: str, token: str | None) -> Freeze | None:
        """The account's freeze in this token, or the one in all tokens for None."""
        found = self.by_account.get(account)
        return None if found is None else found.get(token)

    def of(self, account: str) -> Mapping[str | None, Freeze]:
        """The account's freezes by token."""
        return self.by_account.get(account, {})

    def apply(self, event: AccountFrozen | AccountUnfrozen, position: int) -> None:
        """Makes the change of an event that stands, or is to stand, at `position`."""
        account, token = event.account, event.token
        self.replaced.append((account, token, self.get(account, token)))
        self._put(account, token, freeze_of(event, position) if isinstance(event, AccountFrozen) else None)

    def revert(self, event: AccountFrozen | AccountUnfrozen) -> None:
        """Takes back the newest change."""
        self._put(*self.replaced.pop())

    def forget(self, recorded_at: int) -> None:
        """What was applied so far is durable since `recorded_at`, in microseconds in UTC, and will not be taken back."""
        for account, token, _ in self.replaced:
            freeze = self.get(account, token)
            if freeze is not None and not freeze.recorded_at:
                self.by_account[account][token] = msgspec.structs.replace(freeze, recorded_at=recorded_at)
        self.replaced.clear()

    @property
    def changes(self) -> int:
        """How often something changed."""
        return self._dropped + len(self._changed)

    def changed_since(self, changes: int) -> Sequence[str] | None:
        """The accounts that changed since there were so many `changes`; None where that is not known any more."""
        return None if changes < self._dropped else self._changed[changes - self._dropped :]

    def _put(self, account: str, token: str | None, freeze: Freeze | None) -> None:
        if len(self._changed) >= CHANGES_KEPT + 2 * len(self.by_account):
            self._tell_no_more()
        self._changed.append(account)
        found = self.by_account.get(account)
        if freeze is not None:
            if found is None:
                found = self.by_account[account] = {}
            found[token] = freeze
        elif found is not None:
            found.pop(token, None)
            if not found:
                del self.by_account[account]

    def _tell_no_more(self) -> None:
        self._dropped += len(self._changed)
        self._changed.clear()


def freeze_of(event: AccountFrozen, position: int) -> Freeze:
    """The freeze that began with the event."""
    return Freeze(event.account, event.token, event.debits, event.credits, event.reason, position)
