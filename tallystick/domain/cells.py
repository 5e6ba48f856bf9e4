"""What `state[first][second]` is counted in, and which operations may touch it.

The double map has one cell for a pair of names, and the pair decides the token. Most pairs are a token and a holder. Some
cells belong to operations and not to holders: the supply reserve to mint and burn, the pools to the seats, the bonding
account to trades. Money, escrow and moves leave those alone.
"""

from collections.abc import Callable

from tallystick.domain.account import (
    DAO_RESERVED_ACCOUNT,
    HIDDEN_BONDING_CURVE_ACCOUNT,
    SEAT_COLLECTION_POOL,
    SEAT_DISTRIBUTION_POOL,
    TOTAL_SUPPLY_RESERVE,
    check_account,
)
from tallystick.domain.errors import InvalidAccount, MeaninglessCell
from tallystick.domain.token import Token

SPECIAL_ACCOUNTS = {
    TOTAL_SUPPLY_RESERVE: "the supply reserve is touched by mint and burn alone",
    HIDDEN_BONDING_CURVE_ACCOUNT: "the bonding account is touched by trades alone",
    SEAT_COLLECTION_POOL: "the collection pool is touched by the seats alone",
    SEAT_DISTRIBUTION_POOL: "the distribution pool is touched by the seats alone",
    DAO_RESERVED_ACCOUNT: "the DAO's reserve is filled by minting and spent on public services alone",
}
_SETTLEMENT_ONLY = (SEAT_COLLECTION_POOL, SEAT_DISTRIBUTION_POOL, DAO_RESERVED_ACCOUNT)


def check_holder(token: Token, account: object) -> str:
    """The account itself, where money and escrow may touch its cell; else `InvalidAccount` or `MeaninglessCell`."""
    holder = check_account(account)
    if holder in SPECIAL_ACCOUNTS:
        check_cell(token, holder)
        raise InvalidAccount(f"{holder} holds no {token.code} of its own: {SPECIAL_ACCOUNTS[holder]}")
    return holder


def check_receiver_of_mint(token: Token, account: object) -> str:
    """As `check_holder`, and the DAO's reserve of the settlement token too."""
    if account == DAO_RESERVED_ACCOUNT:
        check_cell(token, DAO_RESERVED_ACCOUNT)
        return DAO_RESERVED_ACCOUNT
    return check_holder(token, account)


def check_cell(token: Token, account: str) -> None:
    """`MeaninglessCell` where nothing is counted in `token` under this account."""
    if account == HIDDEN_BONDING_CURVE_ACCOUNT:
        raise MeaninglessCell("a token without a curve has no bonding account", first=token.code, second=account)
    if account in _SETTLEMENT_ONLY and token.role != "settlement":
        raise MeaninglessCell("only the settlement token has pools and a DAO reserve", first=token.code, second=account)


def counted_in(first: str, second: str, token_of: Callable[[str], Token | None]) -> Token:
    """The token that `state[first][second]` is counted in; else `MeaninglessCell` or `InvalidAccount`."""
    check_account(first)
    check_account(second)
    token = token_of(first)
    if token is not None:
        check_cell(token, second)
        return token
    if second == TOTAL_SUPPLY_RESERVE:
        raise MeaninglessCell(f"{first!r} is no token, and only a token has a supply reserve", first=first, second=second)
    reason = f"{first!r} is no token, and {second!r} is no app that takes deposits"
    if token_of(second) is not None:
        reason += "; arguments swapped?"
    raise MeaninglessCell(reason, first=first, second=second)
