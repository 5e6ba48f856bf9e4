"""The calls without a block, of a ledger and of an app: each means exactly a block with that one call in it.

They take what the calls of a block take, and a block's keywords. Nothing is planned: the arguments are checked, and the
operation is decided once, when it is executed, on the newest state; so a call is done or refused, and never in conflict.

How a call is executed is `_call`; so whoever adds one writes it once. Of what is awaited, `_call` gives a coroutine, and a line
of its own makes the call a coroutine function.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Unpack

from tallystick.domain.app.requests import buy_exactly_of, buy_of, deposit_of, pay_of, refund_of, sell_of
from tallystick.domain.operation import Operation
from tallystick.domain.plan.requests import (
    Tokens,
    burn_of,
    expire_of,
    freeze_of,
    mint_of,
    release_of,
    reserve_of,
    settle_of,
    transfer_of,
    unfreeze_of,
)
from tallystick.domain.reversal.operations import Reverse
from tallystick.domain.values.token import AnyToken
from tallystick.infrastructure.commit.receipt import Receipt
from tallystick.infrastructure.ledger.calls.options import CallOptions, direct_call
from tallystick.infrastructure.ledger.calls.reversing import reverse_of
from tallystick.infrastructure.ledger.core import LedgerCore

Make = Callable[..., Operation | list[Reverse]]
"""Makes the operation, or those of a reversal, of the books and of the call's arguments, which it checks."""


def without_books(books: Tokens, make: Make, *arguments: Any) -> Operation | list[Reverse]:
    """Makes an operation whose arguments are checked without asking the books."""
    return make(*arguments)


class LedgerCalls:
    """The calls of a ledger. Amounts are in the token's smallest unit.

    Each is one transaction, and gives its `Receipt` when it is durable. Under an `idempotency_key` it is executed once: again
    it raises `DuplicateIdempotencyKey`, or with `on_repeat="receipt"` gives the first receipt; `IdempotencyMismatch` where
    `request` (anything that JSON can write) is not the first one's. Raises what the same call in a block raises,
    `TransactionClosed` in an open block of the same thread or task, and the errors of a commit; then nothing is changed.
    """

    _core: LedgerCore

    def _call(self, options: CallOptions, make: Make, *arguments: Any) -> Any:
        raise NotImplementedError

    @direct_call
    def mint(self, token: AnyToken, account: str, amount: int, *, memo: str = "", **options: Unpack[CallOptions]) -> Receipt:
        """Moves `amount` out of the supply reserve to `account`; `SupplyExhausted` where it holds less."""
        return self._call(options, mint_of, token, account, amount, memo)

    @direct_call
    def burn(self, token: AnyToken, account: str, amount: int, *, memo: str = "", **options: Unpack[CallOptions]) -> Receipt:
        """Moves `amount` of `account`'s into the supply reserve; `InsufficientFunds` where it has less."""
        return self._call(options, burn_of, token, account, amount, memo)

    @direct_call
    def transfer(
        self, token: AnyToken, sender: str, receiver: str, amount: int, *, memo: str = "", **options: Unpack[CallOptions]
    ) -> Receipt:
        """Moves `amount` from `sender` to `receiver`; `InsufficientFunds` where the sender has less."""
        return self._call(options, transfer_of, token, sender, receiver, amount, memo)

    @direct_call
    def reserve(
        self,
        token: AnyToken,
        payer: str,
        authority: str,
        amount: int,
        expires_at: datetime | None = None,
        *,
        expires_in: timedelta | None = None,
        memo: str = "",
        **options: Unpack[CallOptions],
    ) -> Receipt:
        """Puts `amount` of `payer`'s into `authority`'s keeping: the receipt's `hold_id`. It falls due at `expires_at`, an
        aware datetime, or `expires_in`, a timedelta, after the ledger's time, or never. `InsufficientFunds`; `InvalidRequest`
        where both are given, or what is given is not ahead of the ledger's time.
        """
        due = (expires_at, expires_in)
        return self._call(options, reserve_of, self._core.keeper, token, payer, authority, amount, due, memo)

    @direct_call
    def settle(
        self,
        token: AnyToken,
        authority: str,
        receiver: str,
        amount: int,
        hold: str | None = None,
        *,
        memo: str = "",
        **options: Unpack[CallOptions],
    ) -> Receipt:
        """Sends `amount` of what `authority` keeps to `receiver`: of `hold`, or of its oldest holds that are not due.

        Raises, in this order, `HoldNotFound`, `InvalidAuthority`, `HoldExpired`, `InsufficientFunds`.
        """
        return self._call(options, settle_of, token, authority, receiver, amount, hold, memo)

    @direct_call
    def release(self, hold: str, amount: int | None = None, *, memo: str = "", **options: Unpack[CallOptions]) -> Receipt:
        """Gives `amount` of a hold, or all that is left in it, back to its payer; also when it is due.

        `HoldNotFound` where it is not open, `InsufficientFunds` where less is left in it.
        """
        return self._call(options, without_books, release_of, hold, amount, memo)

    @direct_call
    def expire(self, limit: int = 1000, **options: Unpack[CallOptions]) -> Receipt | None:
        """Releases up to `limit` holds that are due, the longest due first; gives None where none is.

        The receipt has a transaction for each hold.
        """
        return self._call(options, without_books, expire_of, limit)

    @direct_call
    def reverse(
        self,
        id: None = None,
        *,
        entry: int | None = None,
        transaction: int | None = None,
        amount: int | None = None,
        memo: str = "",
        **options: Unpack[CallOptions],
    ) -> Receipt:
        """Takes back all that is left of each movement of an `entry`, or of one `transaction`, or `amount` of that.

        `EntryNotFound`, `TransactionNotFound`, `NotReversible`, `AlreadyReversed`, and what the movement back is refused for.
        """
        return self._call(options, reverse_of, self._core, id, entry, transaction, amount, memo)

    @direct_call
    def freeze(
        self,
        account: str,
        token: AnyToken | None = None,
        *,
        debits: bool = True,
        credits: bool = False,
        reason: str = "",
        **options: Unpack[CallOptions],
    ) -> Receipt | None:
        """Closes an account in `token`, or in all: what leaves it, what comes to it, or both; None where it is so already.

        As `tx.freeze`; `InvalidRequest` where nothing would be closed, `TokenNotFound`, `InvalidAccount`.
        """
        return self._call(options, freeze_of, account, token, debits, credits, reason)

    @direct_call
    def unfreeze(self, account: str, token: AnyToken | None = None, **options: Unpack[CallOptions]) -> Receipt | None:
        """Ends the account's freeze in `token`, or that in all; None where there is none. `TokenNotFound`, `InvalidAccount`."""
        return self._call(options, unfreeze_of, account, token)


class AppCalls:
    """The calls of an app, as those of a ledger. Amounts and payments are in smallest units."""

    code: str

    def _call(self, options: CallOptions, make: Make, *arguments: Any) -> Any:
        raise NotImplementedError

    @direct_call
    def buy(
        self, account: str, payment: int, at_least: int | None = None, *, memo: str = "", **options: Unpack[CallOptions]
    ) -> Receipt:
        """Pays `payment` settlement units in full for as much of the app's token as that buys when it is executed.

        `InvalidAccount`, `InsufficientFunds`, `UnknownCurve`, `SupplyExhausted`; `InvalidAmount` where it buys nothing, or
        less than `at_least`; `InvalidCurve`.
        """
        return self._call(options, buy_of, self.code, account, payment, at_least, memo)

    @direct_call
    def buy_exactly(
        self, account: str, amount: int, at_most: int, *, memo: str = "", **options: Unpack[CallOptions]
    ) -> Receipt:
        """Buys `amount` units of the app's token for what they cost when it is executed, a settlement unit at least.

        `InvalidAccount`, `SupplyExhausted`, `UnknownCurve`; `InvalidAmount` where it costs more than `at_most`;
        `InsufficientFunds`, `InvalidCurve`. The receipt's `trades` say what was paid.
        """
        return self._call(options, buy_exactly_of, self.code, account, amount, at_most, memo)

    @direct_call
    def sell(
        self, account: str, amount: int, at_least: int | None = None, *, memo: str = "", **options: Unpack[CallOptions]
    ) -> Receipt:
        """Gives up `amount` units of the app's token for the settlement units that they bring. Refusals as `buy`."""
        return self._call(options, sell_of, self.code, account, amount, at_least, memo)

    @direct_call
    def pay(
        self, account: str, amount: int, token: AnyToken | None = None, *, memo: str = "", **options: Unpack[CallOptions]
    ) -> Receipt:
        """Makes some of the account's `token`, the settlement token if it is not given, the app's income.

        `TokenNotFound`, `TokenNotAccepted`, `InvalidAccount`, `InsufficientFunds`.
        """
        return self._call(options, pay_of, self.code, account, amount, token, memo)

    @direct_call
    def deposit(self, account: str, amount: int, *, memo: str = "", **options: Unpack[CallOptions]) -> Receipt:
        """Moves settlement tokens into the account's deposit: `MeaninglessCell`, `InvalidAccount`, `InsufficientFunds`."""
        return self._call(options, deposit_of, self.code, account, amount, memo)

    @direct_call
    def refund(self, account: str, amount: int, *, memo: str = "", **options: Unpack[CallOptions]) -> Receipt:
        """Moves some of the account's deposit back to it; `InsufficientFunds` where less is deposited."""
        return self._call(options, refund_of, self.code, account, amount, memo)
