"""Which operations of the seats the next movements of an entry came of.

When income is shared, each maintainer leaves movements of one share: what is paid out, what of it is taxed, and what a tax
exceeds it by. Maintainers whose tax is just their share are not named, and where the share is 0 those without a tax are not
seen at all; somebody whom nothing forbids stands for them.
"""

from collections.abc import Iterator
from typing import Any

from tallystick.domain.app.operations import PayPublicService, ShareIncome
from tallystick.domain.books.books import Books
from tallystick.domain.events import Moved
from tallystick.domain.review.ahead import Ahead
from tallystick.domain.values.account import DAO_RESERVED_ACCOUNT, SEAT_COLLECTION_POOL, SEAT_DISTRIBUTION_POOL

UNSEEN_MAX = 100_000
"""So many maintainers without a share and a tax are believed in."""
_POOLS = (SEAT_COLLECTION_POOL, SEAT_DISTRIBUTION_POOL, DAO_RESERVED_ACCOUNT)


def public_service(ahead: Ahead) -> Iterator[tuple[PayPublicService, int]]:
    """Paying a public service, out of pool and reserve or one of them; and how many movements that takes."""
    first, second = ahead.at(0), ahead.at(1)
    if second == Moved(first.token, DAO_RESERVED_ACCOUNT, first.receiver, getattr(second, "amount", 0), first.memo):
        yield PayPublicService(first.receiver, first.amount + second.amount, first.memo), 2
    yield PayPublicService(first.receiver, first.amount, first.memo), 1


def shared_income(books: Books, ahead: Ahead) -> Iterator[tuple[ShareIncome, int]]:
    """Sharing the collection pool, and how many movements that takes; nothing where they are no shares of what is in it."""
    first = ahead.at(0)
    pool = books.token_state(first.token).available_of(SEAT_COLLECTION_POOL)
    unseen = "maintainer"
    while books.is_special(unseen):
        unseen += "-"
    for share in _possible_shares(ahead):
        taxes, count = _taxes(ahead, share, pool, unseen)
        if count:
            yield ShareIncome(tuple(taxes), first.memo), count


def _possible_shares(ahead: Ahead) -> Iterator[int]:
    first, second = ahead.at(0), ahead.at(1)
    if first.sender != SEAT_COLLECTION_POOL:
        yield 0
        return
    if first.receiver != SEAT_DISTRIBUTION_POOL and _taxes_share(second, first):
        yield first.amount + second.amount
    yield first.amount


def _taxes(ahead: Ahead, share: int, pool: int, unseen: str) -> tuple[list[tuple[str, int]], int]:
    """The taxes of as many maintainers as the movements can be of, each with this share, and how many movements they are."""
    taxes: list[tuple[str, int]] = []
    best = (0, 0)
    count = 0
    while (found := _maintainer(ahead, count, share, unseen)) is not None:
        tax, taken = found
        taxes.append(tax)
        count += taken
        if share and pool // len(taxes) == share:
            best = (len(taxes), count)
    if not share and pool < UNSEEN_MAX:
        taxes += [(unseen, 0)] * (pool + 1 - len(taxes))
        best = (len(taxes), count)
    return taxes[: best[0]], best[1]


def _maintainer(ahead: Ahead, number: int, share: int, unseen: str) -> tuple[tuple[str, int], int] | None:
    """Who comes next and the tax, and how many movements that is; None where nobody with this share does."""
    first, after = ahead.at(number), ahead.at(number + 1)
    if type(first) is not Moved or (first.token, first.memo) != (ahead.at(0).token, ahead.at(0).memo):
        return None
    if not share:
        return ((first.sender, first.amount), 1) if _is_excess(first, first) else None
    if first.sender != SEAT_COLLECTION_POOL:
        return None
    if first.receiver != SEAT_DISTRIBUTION_POOL:
        if first.amount == share:
            return (first.receiver, 0), 1
        is_whole = _taxes_share(after, first) and first.amount + after.amount == share
        return ((first.receiver, after.amount), 2) if is_whole else None
    if first.amount != share:
        return None
    return ((after.sender, share + after.amount), 2) if _is_excess(after, first) else ((unseen, share), 1)


def _taxes_share(event: Any, first: Moved) -> bool:
    """Whether the tax on a share goes from pool to pool here."""
    goes = type(event) is Moved and (event.token, event.memo) == (first.token, first.memo)
    return goes and (event.sender, event.receiver) == (SEAT_COLLECTION_POOL, SEAT_DISTRIBUTION_POOL)


def _is_excess(event: Any, first: Moved) -> bool:
    """Whether a maintainer pays here what the tax exceeds the share by."""
    goes = type(event) is Moved and (event.token, event.memo) == (first.token, first.memo)
    return goes and event.receiver == SEAT_DISTRIBUTION_POOL and event.sender not in _POOLS
