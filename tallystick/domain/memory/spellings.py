"""The names that are written as they are written now no more, and are in a journal all the same.

Earlier versions took an address in any case, and characters that nobody sees. Whoever writes such a name just so means the one
that is there; every other name is in its one spelling. They are noted when the events are applied that name them, and a journal
that this version began has none.
"""

from collections.abc import Iterable
from typing import Any

from tallystick.domain.errors import InvalidAccount
from tallystick.domain.values.account import check_account
from tallystick.domain.values.spelling import is_plain, lowered


class Spellings:
    """How the names of one book are written. `former` are those that only journals of before have."""

    def __init__(self) -> None:
        self.former: set[str] = set()

    def of(self, name: object) -> str:
        """The name as the books write it; `InvalidAccount` where it can be none."""
        if self.former and type(name) is str and name in self.former:
            return name
        return check_account(name)

    def of_perhaps(self, given: Any) -> Any:
        """What is given, but a name that the books write in another way as they write it; it need be none."""
        return given if type(given) is not str or given in self.former else lowered(given)

    def note(self, *names: str) -> None:
        """Notes those names of a journal that are not in their one spelling; a cell's may be two with a space between."""
        for name in names:
            if not is_plain(name):
                self.former.update(part for part in name.split(" ") if not _is_in_its_one_spelling(part))

    def restore(self, former: Iterable[str]) -> None:
        """Takes over what was noted before."""
        self.former.update(former)


def _is_in_its_one_spelling(name: str) -> bool:
    try:
        return check_account(name) == name
    except InvalidAccount:
        return False
