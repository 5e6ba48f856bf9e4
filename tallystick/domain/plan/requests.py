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
from tallystick.domain.values.account import DAO_RESERVED_ACCOUNT
from tallystick.domain.values.amount import AMOUNT_MAX, check_amount
from tallystick.domain.values.hold import check_hold_id
from tallystick.domain.values.memo import check_memo
from tallystick.domain.values.token import AnyToken, Token

NO_MEMO = ""
"""The very object that a call without a memo has, which needs no check."""


class Holders(Protocol):
    """One token's accounts: those among `holders` were found to be fit to hold it, and are what `holder` gives for them.
    `code`: as the books write the token's.
    """

    code: str

    @property
    def token(self) -> Token: ...
    @property
    def holders(self) -> set[str]: ...
    def holder(self, account: str) -> str: ...


class HoldSurroundings(Clock, Protocol):
    """What a new hold needs of the world."""

    def new_hold_id(self) -> str:
        """An id that no hold ever had."""
        ...


class Tokens(Protocol):
    """The tokens of the books, or of a draft of them, and how they write names.

    `token_state` raises `TokenNotFound` where none is registered under the code, `spelled` `InvalidAccount`.
    """

    def token_state(self, token: AnyToken, /) -> Holders: ...
    def spelled(self, name: object, /) -> str: ...


def mint_of(tokens: Tokens, token: AnyToken, account: str, amount: int, memo: str) -> Mint:
    """Minting `amount` to `account`."""
    state = tokens.token_state(token)
    if type(account) is not str or account not in state.holders:
        account = tokens.spelled(account)
        if account == DAO_RESERVED_ACCOUNT:
            check_receiver_of_mint(state.token, account)
        else:
            account = state.holder(account)
    return Mint(state.code, account, check_amount(amount), check_memo(memo))


def burn_of(tokens: Tokens, token: AnyToken, account: str, amount: int, memo: str) -> Burn:
    """Burning `amount` of the account's."""
    state = tokens.token_state(token)
    return Burn(state.code, state.holder(account), check_amount(amount), check_memo(memo))


def transfer_of(tokens: Tokens, token: AnyToken, sender: str, receiver: str, amount: int, memo: str) -> Transfer:
    """Transferring `amount`. Most calls are this one: nothing is called that has nothing to say."""
    state = tokens.token_state(token)
    holders = state.holders
    if type(sender) is not str or sender not in holders:
        sender = state.holder(sender)
    if type(receiver) is not str or receiver not in holders:
        receiver = state.holder(receiver)
    if type(amount) is not int or not 0 < amount <= AMOUNT_MAX:
        amount = check_amount(amount)
    return Transfer(state.code, sender, receiver, amount, memo if memo is NO_MEMO else check_memo(memo))


def reserve_of(
    tokens: Tokens,
    surroundings: HoldSurroundings,
    token: AnyToken,
    payer: str,
    authority: str,
    amount: int,
    due: tuple[datetime | None, timedelta | None],
    memo: str,
) -> Reserve:
    """Putting `amount` of the payer's into the authority's keeping, under a new hold, due at a date or after a span."""
    state = tokens.token_state(token)
    payer, authority = state.holder(payer), state.holder(authority)
    due_at = due_date(surroundings, *due)
    hold = surroundings.new_hold_id()
    return Reserve(state.code, payer, authority, check_amount(amount), hold, due_at, check_memo(memo))


def settle_of(
    tokens: Tokens, token: AnyToken, authority: str, receiver: str, amount: int, hold: str | None, memo: str
) -> Settle:
    """Sending `amount` of what the authority keeps to `receiver`."""
    state = tokens.token_state(token)
    authority, receiver = state.holder(authority), state.holder(receiver)
    if hold is not None:
        check_hold_id(hold)
    return Settle(state.code, authority, receiver, check_amount(amount), hold, check_memo(memo))


def release_of(hold: str, amount: int | None, memo: str) -> Release:
    """Giving `amount` of a hold, or all that is left in it, back to its payer."""
    check_hold_id(hold)
    units = None if amount is None else check_amount(amount)
    return Release(hold, units, check_memo(memo))


def expire_of(limit: int) -> Expire:
    """Releasing up to `limit` holds that are due when it is executed."""
    return Expire(check_amount(limit, "a limit"), None, None)


def freeze_of(tokens: Tokens, account: str, token: AnyToken | None, debits: bool, credits: bool, reason: str) -> FreezeAccount:
    """Closing an account in a token, or in all, for what leaves it, what comes to it, or both."""
    if type(debits) is not bool or type(credits) is not bool or not (debits or credits):
        raise InvalidRequest(f"a freeze closes debits, credits or both, not {debits!r} and {credits!r}")
    name, said = tokens.spelled(account), check_memo(reason, "a reason")
    code = None if token is None else tokens.token_state(token).code
    return FreezeAccount(name, code, debits, credits, said)


def unfreeze_of(tokens: Tokens, account: str, token: AnyToken | None) -> UnfreezeAccount:
    """Ending the freeze of an account in a token, or that in all."""
    name = tokens.spelled(account)
    return UnfreezeAccount(name, None if token is None else tokens.token_state(token).code)
