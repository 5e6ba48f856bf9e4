"""The freezes that a plan changes, as its events would leave them: differences to those in the books."""

from tallystick.domain.books.books import Books
from tallystick.domain.events import AccountFrozen, AccountUnfrozen
from tallystick.domain.memory.freezes import freeze_of
from tallystick.domain.values.freeze import Freeze

_Place = tuple[str, str | None]
"""An account and a token, or None for all of them."""


class DraftedFreezes:
    """The freezes of one plan. Where it changed one, None stands for no freeze."""

    def __init__(self, books: Books) -> None:
        self._books = books
        self._drafted: dict[_Place, Freeze | None] = {}
        self._replaced: list[tuple[_Place, bool, Freeze | None]] = []

    def apply(self, event: AccountFrozen | AccountUnfrozen) -> None:
        """Adds an event of the plan."""
        place = event.account, event.token
        self._replaced.append((place, place in self._drafted, self._drafted.get(place)))
        self._drafted[place] = freeze_of(event, 0) if isinstance(event, AccountFrozen) else None

    def revert(self) -> None:
        """Takes back the plan's newest event."""
        place, was_drafted, before = self._replaced.pop()
        if was_drafted:
            self._drafted[place] = before
        else:
            del self._drafted[place]

    def get(self, account: str, token: str | None) -> Freeze | None:
        """The account's freeze in this token, or the one in all tokens for None."""
        place = account, token
        return self._drafted[place] if place in self._drafted else self._books.freeze_of(account, token)

    def is_frozen(self, account: str) -> bool:
        """Whether the account would have a freeze."""
        drafted = [token for name, token in self._drafted if name == account]
        return any(self.get(account, token) is not None for token in (*self._books.freezes_of(account), *drafted))
