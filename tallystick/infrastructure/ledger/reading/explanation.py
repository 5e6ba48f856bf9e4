"""Why an account has what it has: the movements since it last had nothing, which sum to its balance."""

from collections.abc import Callable, Iterator

from tallystick.domain.errors import InvalidRequest
from tallystick.domain.integers import as_int
from tallystick.domain.token.token_state import Balance
from tallystick.domain.values.result import Result
from tallystick.projections.lines import Line, Page

LINES_MAX = 1000
"""So many movements are read at most, where the caller does not say how many."""
PAGE_LINES = 100


class Explanation(Result, frozen=True):
    """The `balance` of an account in a token, and the lines of the `transactions` that sum to it, the oldest first.

    `complete`: they are all since the account last had nothing of the token, so their changes sum to the balance. Where it is
    false there were more, and these are the newest.
    """

    token: str
    account: str
    balance: Balance
    transactions: tuple[Line, ...]
    complete: bool


def explain(history: Callable[..., Page], now: Balance, token: str, account: str, limit: int) -> Explanation:
    """Reads back from the newest line to where the account had nothing, and no more than `limit` lines."""
    count = as_int(limit)
    if count is None or count < 1:
        raise InvalidRequest(f"a limit is an int, 1 or more, not {limit!r}")
    lines: list[Line] = []
    if now.total == 0:
        return Explanation(token, account, now, (), True)
    complete = False
    for line in _newest_first(history, count):
        lines.append(line)
        complete = line.available == line.change and line.reserved == line.reserved_change
        if complete or len(lines) == count:
            break
    newest = lines[0]  # which may be newer than the balance that was asked for before
    balance = Balance(newest.available, newest.reserved, newest.available + newest.reserved)
    return Explanation(token, account, balance, tuple(reversed(lines)), complete)


def _newest_first(history: Callable[..., Page], limit: int) -> Iterator[Line]:
    page = history(limit=min(limit, PAGE_LINES), newest_first=True)
    yield from page
    while page.next is not None:
        page = history(before=page.next, limit=PAGE_LINES, newest_first=True)
        yield from page
