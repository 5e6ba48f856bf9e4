"""The rows of a batch that a freeze refuses: whose giver's debits are frozen, or else whose taker's credits.

Marks on the handles say which rows those are, a column at a time; what is said of them is put together once an account.
"""

from typing import Any, Protocol

from tallystick.domain.arithmetic.columns import Column, listed
from tallystick.domain.checks import closed_by
from tallystick.domain.token.special_handles import CREDITS, DEBITS, Marked
from tallystick.domain.token.token_state import TokenState
from tallystick.domain.values.freeze import Direction
from tallystick.domain.view import View

FrozenRows = dict[int, dict[str, Any]]
"""By row, what an `AccountIsFrozen` says."""

_MARKS: dict[Direction, int] = {"debits": DEBITS, "credits": CREDITS}


class Books(View, Protocol):
    """The books, as it is asked of them what a handle stands for."""

    def token_state(self, code: str) -> TokenState: ...


def frozen_rows(books: Books, token: str, handles: Column, marked: Marked, direction: Direction) -> FrozenRows:
    """The rows whose account is frozen in this direction."""
    rows = marked.having(_MARKS[direction])
    if not len(rows):
        return {}
    names = books.token_state(token).names
    accounts = listed(handles[rows])
    said: dict[int, dict[str, Any]] = {}
    for account in set(accounts):
        freeze = closed_by(books, token, names[account], direction)
        if freeze is not None:
            said[account] = {"account": freeze.account, "token": freeze.token, "direction": direction, "reason": freeze.reason}
    return {row: said[account] for row, account in zip(listed(rows), accounts, strict=True)}
