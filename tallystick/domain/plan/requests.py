"""What is asked for of tokens and holds, made into operations: the checks of arguments, the same for whoever asks.

A block's calls and the calls without a block are judged by these functions alone, in the order in which the checks stand, so
a mistake is the same error wherever it is made. What only the books' newest state can say is decided later.
"""

from datetime import datetime, timedelta
from typing import Protocol

from tallystick.domain.cells import check_receiver_of_mint
from tallystick.domain.errors import InvalidRequest
from tallystick.domain.plan.due_date import Clock, due_date
from tallystick.domain.token.freezing import FreezeAccount, UnfreezeAccount
from tallystick.domain.token.operations import Burn, Expire, Mint, Release, Reserve, Settle, Transfer
from tallystick.domain.values.account import check_account
from tallystick.domain.values.amount import AMOUNT_MAX, check_amount
from tallystick.domain.values.memo import check_memo
from tallystick.domain.values.token import Token

NO_MEMO = ""
"""The very object that a call without a memo has, which needs no check."""


class Holders(Protocol):
    """One token's accounts: those among `holders` were found to be fit to hold it, and need no `check_holder`."""

    @property
    def token(self) -> Token: ...
    @property
    def holders(self) -> set[str]: ...
    def check_holder(self, account: str) -> None: ...


class HoldSurroundings(Clock, Protocol):
    """What a new hold needs of the world."""

    def new_hold_id(self) -> str:
        """An id that no hold ever had."""
        ...


class Tokens(Protocol):
    """The tokens of the books, or of a draft of them; `TokenNotFound` where none is registered under the code."""

    def token_state(self, token: str, /) -> Holders: ...


def mint_of(tokens: Tokens, token: str, account: str, amount: int, memo: str) -> Mint:
    """Minting `amount` to `account`."""
    check_receiver_of_mint(tokens.token_state(token).token, account)
    return Mint(token, account, check_amount(amount), check_memo(memo))


def burn_of(tokens: Tokens, token: str, account: str, amount: int, memo: str) -> Burn:
    """Burning `amount` of the account's."""
    tokens.token_state(token).check_holder(account)
    return Burn(token, account, check_amount(amount), check_memo(memo))


def transfer_of(tokens: Tokens, token: str, sender: str, receiver: str, amount: int, memo: str) -> Transfer:
    """Transferring `amount`. Most calls are this one: nothing is called that has nothing to say."""
    state = tokens.token_state(token)
    holders = state.holders
    if type(sender) is not str or sender not in holders:
        state.check_holder(sender)
    if type(receiver) is not str or receiver not in holders:
        state.check_holder(receiver)
    if type(amount) is not int or not 0 < amount <= AMOUNT_MAX:
        amount = check_amount(amount)
    return Transfer(token, sender, receiver, amount, memo if memo is NO_MEMO else check_memo(memo))


def reserve_of(
    tokens: Tokens,
    surroundings: HoldSurroundings,
    token: str,
    payer: str,
    authority: str,
    amount: int,
    due: tuple[datetime | None, timedelta | None],
    memo: str,
) -> Reserve:
    """Putting `amount` of the payer's into the authority's keeping, under a new hold, due at a date or after a span."""
    state = tokens.token_state(token)
    state.check_holder(payer)
    state.check_holder(authority)
    due_at = due_date(surroundings, *due)
    hold = surroundings.new_hold_id()
    return Reserve(token, payer, authority, check_amount(amount), hold, due_at, check_memo(memo))


def settle_of(tokens: Tokens, token: str, authority: str, receiver: str, amount: int, hold: str | None, memo: str) -> Settle:
    """Sending `amount` of what the authority keeps to `receiver`."""
    state = tokens.token_state(token)
    state.check_holder(authority)
    state.check_holder(receiver)
    if hold is not None:
        _check_hold_id(hold)
    return Settle(token, authority, receiver, check_amount(amount), hold, check_memo(memo))


def release_of(hold: str, amount: int | None, memo: str) -> Release:
    """Giving `amount` of a hold, or all that is left in it, back to its payer."""
    _check_hold_id(hold)
    if amount is not None:
        check_amount(amount)
    return Release(hold, amount, check_memo(memo))


def expire_of(limit: int) -> Expire:
    """Releasing up to `limit` holds that are due when it is executed."""
    return Expire(check_amount(limit, "a limit"), None, None)


def freeze_of(tokens: Tokens, account: str, token: str | None, debits: bool, credits: bool, reason: str) -> FreezeAccount:
    """Closing an account in a token, or in all, for what leaves it, what comes to it, or both."""
    if type(debits) is not bool or type(credits) is not bool or not (debits or credits):
        raise InvalidRequest(f"a freeze closes debits, credits or both, not {debits!r} and {credits!r}")
    operation = FreezeAccount(check_account(account), token, debits, credits, check_memo(reason, "a reason"))
    if token is not None:
        tokens.token_state(token)
    return operation


def unfreeze_of(tokens: Tokens, account: str, token: str | None) -> UnfreezeAccount:
    """Ending the freeze of an account in a token, or that in all."""
    operation = UnfreezeAccount(check_account(account), token)
    if token is not None:
        tokens.token_state(token)
    return operation


def _check_hold_id(hold: object) -> None:
    if type(hold) is not str:
        raise InvalidRequest(f"a hold's id is a str, not {hold!r}")
