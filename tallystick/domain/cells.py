"""What `state[first][second]` is counted in, where it lies, and which operations may touch it.

The double map has one cell for a pair of names, and the pair decides the token. Most pairs are a token and a holder. Two
kinds cross over and are counted in the settlement token: what a user has deposited to an app, `state[user][app]`, and what
an app's bonding curve holds, `state[app][HIDDEN_BONDING_CURVE_ACCOUNT]`. They lie in the settlement token's aggregate under
both names with a space between, which no account has. Some cells belong to operations and not to holders: the supply
reserve, the pools, the bonding account, an app's own account and a contract's. Money, escrow and moves leave those alone.
"""

from typing import NamedTuple, Protocol

from tallystick.domain.errors import InvalidAccount, MeaninglessCell
from tallystick.domain.values.account import (
    DAO_RESERVED_ACCOUNT,
    HIDDEN_BONDING_CURVE_ACCOUNT,
    SEAT_COLLECTION_POOL,
    SEAT_DISTRIBUTION_POOL,
    TOTAL_SUPPLY_RESERVE,
)
from tallystick.domain.values.token import Token, code_of

SPECIAL_ACCOUNTS = {
    TOTAL_SUPPLY_RESERVE: "the supply reserve is touched by mint and burn alone",
    HIDDEN_BONDING_CURVE_ACCOUNT: "the bonding account is touched by trades alone",
    SEAT_COLLECTION_POOL: "the collection pool is touched by the seats alone",
    SEAT_DISTRIBUTION_POOL: "the distribution pool is touched by the seats alone",
    DAO_RESERVED_ACCOUNT: "the DAO's reserve is filled by minting and spent on public services alone",
}
_SETTLEMENT_ONLY = (SEAT_COLLECTION_POOL, SEAT_DISTRIBUTION_POOL, DAO_RESERVED_ACCOUNT)


class Names(Protocol):
    """What the names in the books stand for."""

    def token(self, code: str) -> Token | None: ...
    def settlement(self) -> Token | None: ...
    def is_special(self, name: str, /) -> bool: ...
    def spelled(self, name: object, /) -> str: ...


class Cell(NamedTuple):
    """Where a cell lies: the token that it is counted in, and its name among that token's cells."""

    token: Token
    name: str


def deposit_cell(user: str, app: str) -> str:
    """The name of the cell of what the user has deposited to the app."""
    return f"{user} {app}"


def bonding_cell(app: str) -> str:
    """The name of the cell of what the app's bonding curve holds."""
    return f"{app} {HIDDEN_BONDING_CURVE_ACCOUNT}"


def is_crossing(name: str) -> bool:
    """Whether a cell's name is a deposit's or a bonding curve's, and no account's."""
    return " " in name


def is_bonding(name: str) -> bool:
    """Whether a cell's name is that of what an app's bonding curve holds."""
    return name.endswith(f" {HIDDEN_BONDING_CURVE_ACCOUNT}")


def check_holder(token: Token, account: str) -> None:
    """`InvalidAccount` or `MeaninglessCell` where money and escrow may not touch the account's cell."""
    if account in SPECIAL_ACCOUNTS:
        check_cell(token, account)
        raise InvalidAccount(f"{account} holds no {token.code} of its own: {SPECIAL_ACCOUNTS[account]}")
    if is_crossing(account):
        raise InvalidAccount(f"{account!r} is the cell of a deposit or a curve, and no account")


def check_ordinary(names: Names, token: str, account: str) -> None:
    """`InvalidAccount` where the account is an app's or a contract's own, which their operations alone touch."""
    if names.is_special(account):
        owner = names.token(account)
        if owner is not None and owner.role == "app":
            raise InvalidAccount(f"{account} is an app: its {token} is moved by the app's operations alone")
        raise InvalidAccount(f"{account} is a contract: its {token} is moved by fund and defund alone")


def check_receiver_of_mint(token: Token, account: str) -> None:
    """As `check_holder`, but that the DAO's reserve of the settlement token may be minted to."""
    if account == DAO_RESERVED_ACCOUNT:
        check_cell(token, account)
    else:
        check_holder(token, account)


def check_cell(token: Token, account: str) -> None:
    """`MeaninglessCell` where nothing is counted in `token` under this account."""
    if account == HIDDEN_BONDING_CURVE_ACCOUNT and token.role != "app":
        raise MeaninglessCell("a token without a curve has no bonding account", first=token.code, second=account)
    if account in _SETTLEMENT_ONLY and token.role != "settlement":
        raise MeaninglessCell("only the settlement token has pools and a DAO reserve", first=token.code, second=account)


def locate(names: Names, first: object, second: object) -> Cell:
    """Where `state[first][second]` lies; `MeaninglessCell` where it is counted in nothing, or `InvalidAccount`."""
    return located(names, names.spelled(code_of(first)), names.spelled(code_of(second)))


def located(names: Names, first: str, second: str) -> Cell:
    """The same of two names as the books write them."""
    token = names.token(first)
    if token is not None:
        check_cell(token, second)
        if second == HIDDEN_BONDING_CURVE_ACCOUNT:
            return Cell(_settlement(names, first, second), bonding_cell(first))
        return Cell(token, second)
    if second == TOTAL_SUPPLY_RESERVE:
        raise MeaninglessCell(f"{first!r} is no token, and only a token has a supply reserve", first=first, second=second)
    app = names.token(second)
    if app is not None and app.role == "app" and first not in SPECIAL_ACCOUNTS:
        return Cell(_settlement(names, first, second), deposit_cell(first, second))
    reason = f"{first!r} is no token, and {second!r} is no app that takes deposits"
    if app is not None:
        reason += "; arguments swapped?"
    raise MeaninglessCell(reason, first=first, second=second)


def _settlement(names: Names, first: str, second: str) -> Token:
    settlement = names.settlement()
    if settlement is None:
        raise MeaninglessCell("the book has no settlement token to count it in", first=first, second=second)
    return settlement
