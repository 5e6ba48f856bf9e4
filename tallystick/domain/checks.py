"""What decisions of every kind require of the books."""

from tallystick.domain.cells import SPECIAL_ACCOUNTS, check_holder, check_ordinary, deposit_cell
from tallystick.domain.errors import AccountIsFrozen, InsufficientFunds, InvalidAccount, InvalidToken, NotAnApp, TokenNotFound
from tallystick.domain.values.freeze import Direction, Freeze
from tallystick.domain.values.token import Token
from tallystick.domain.view import View


def check_is_no_app(view: View, token: str) -> None:
    """`InvalidToken` where the token is an app's, which is neither minted nor burned."""
    if view.token_state(token).token.role == "app":
        raise InvalidToken(f"{token} is an app's token: it enters and leaves circulation by trades and distributions alone")


def check_owner(view: View, owner: str) -> None:
    """`InvalidAccount` where money cannot come to the account for itself."""
    if owner in SPECIAL_ACCOUNTS:
        raise InvalidAccount(f"{owner} can own no app: {SPECIAL_ACCOUNTS[owner]}")
    check_ordinary(view, "income", owner)


def app_of(view: View, code: str) -> Token:
    """The app's token; `TokenNotFound` or `NotAnApp`."""
    token = view.token_state(code).token
    if token.role != "app":
        raise NotAnApp(token=code)
    return token


def settlement_of(view: View) -> Token:
    """The settlement token; `TokenNotFound` where the book has none."""
    settlement = view.settlement()
    if settlement is None:
        raise TokenNotFound(": the book has no settlement token", token="settlement")
    return settlement


def check_party(view: View, token: Token, account: str) -> None:
    """`InvalidAccount` where the account is not one that gives and gets for itself."""
    check_holder(token, account)
    check_ordinary(view, token.code, account)


def has_deposit(view: View, name: str) -> bool:
    """Whether something is deposited to an app under this name."""
    settlement = view.settlement()
    if settlement is None:
        return False
    state = view.token_state(settlement.code)
    return any(app.role == "app" and state.available_of(deposit_cell(name, app.code)) for app in view.tokens())


def require(view: View, token: str, cell: str, amount: int) -> None:
    """`InsufficientFunds` where less than `amount` can be taken out of an account, or another cell, of the token."""
    state = view.token_state(token)
    available = state.available_of(cell)
    if available < amount:
        decimals = state.token.decimals
        raise InsufficientFunds(decimals=decimals, token=token, account=cell, required=amount, available=max(available, 0))


def check_debits(view: View, token: str | None, account: str) -> None:
    """`AccountIsFrozen` where none of the token, or nothing where it is None, leaves what the account can spend."""
    if account in view.watched:
        _check_open(view, token, account, "debits")


def check_credits(view: View, token: str | None, account: str) -> None:
    """`AccountIsFrozen` where none of the token comes to what the account can spend."""
    if account in view.watched:
        _check_open(view, token, account, "credits")


def closed_by(view: View, token: str | None, account: str, direction: Direction) -> Freeze | None:
    """The freeze because of which nothing goes in this direction, that in all tokens first."""
    for where in (None,) if token is None else (None, token):
        freeze = view.freeze_of(account, where)
        if freeze is not None and freeze.closes(direction):
            return freeze
    return None


def _check_open(view: View, token: str | None, account: str, direction: Direction) -> None:
    freeze = closed_by(view, token, account, direction)
    if freeze is not None:
        raise AccountIsFrozen(freeze.reason, account=account, token=freeze.token, direction=direction)
