"""A plan: what a block of code asks the ledger to do, checked call by call and executed when the block ends.

Each call is decided against a draft of the newest books, so a mistake shows where it is made, and is recorded as an operation:
data, which the ledger executes once, later, on whatever the newest state is by then. What a call tells the block about the
books (a balance, a count) is recorded too, and if it no longer holds at execution the plan is in conflict.
"""

from datetime import datetime, timedelta

import msgspec

from tallystick.domain.app.handle import PlannedApp
from tallystick.domain.app.seats_handle import PlannedSeats
from tallystick.domain.checks import app_of
from tallystick.domain.contract.decisions import check_contract_id
from tallystick.domain.contract.handle import PlannedContract
from tallystick.domain.contract.operations import RegisterContract
from tallystick.domain.contract.sweeping import Sweep, sweep_asked
from tallystick.domain.errors import Conflict, NotFound
from tallystick.domain.plan.money import Money
from tallystick.domain.plan.movement import movement
from tallystick.domain.plan.recording import Recording
from tallystick.domain.plan.requests import (
    burn_of,
    freeze_of,
    mint_of,
    release_of,
    reserve_of,
    settle_of,
    transfer_of,
    unfreeze_of,
)
from tallystick.domain.plan.savepoint import Savepoint
from tallystick.domain.reversal.original import Original
from tallystick.domain.reversal.requests import originals_asked, reversals_of
from tallystick.domain.token.operations import Expire, Observe, ObserveCounted, Require
from tallystick.domain.token.token_state import Balance
from tallystick.domain.values.amount import check_amount
from tallystick.domain.values.memo import check_memo
from tallystick.domain.values.token import AnyToken, code_of


class Plan:
    """The calls of a block. Every amount is an `int` in the token's smallest unit.

    Each raises `TransactionClosed` behind the block's end, `InvalidAmount`, `InvalidAccount` or `InvalidRequest` where an
    argument is none, `TokenNotFound`, `MeaninglessCell` where the account cannot hold the token, and what it says itself.
    What would move a frozen account's money is `AccountIsFrozen`, before it is asked whether that money is there.
    """

    def __init__(self, recording: Recording) -> None:
        self._recording = recording

    # Money in, out and about.

    def mint(self, token: AnyToken, account: str, amount: int, *, memo: str = "") -> None:
        """Moves `amount` out of the supply reserve to `account`; `SupplyExhausted` where it holds less."""
        recording = self._recording
        recording.propose(mint_of(recording, token, account, amount, memo))

    topup = mint

    def burn(self, token: AnyToken, account: str, amount: int, *, memo: str = "") -> None:
        """Moves `amount` of `account`'s into the supply reserve; `InsufficientFunds` where it has less."""
        recording = self._recording
        recording.propose(burn_of(recording, token, account, amount, memo))

    withdraw = burn

    def transfer(self, token: AnyToken, sender: str, receiver: str, amount: int, *, memo: str = "") -> None:
        """Moves `amount` from `sender` to `receiver`; `InsufficientFunds` where the sender has less."""
        recording = self._recording
        recording.propose(transfer_of(recording, token, sender, receiver, amount, memo))

    def money(self, token: AnyToken, owner: str, amount: int) -> Money:
        """Takes `amount` of `owner`'s in hand, to be sliced and sent in this plan; `AccountIsFrozen`, or `InsufficientFunds`
        where there is less.
        """
        recording = self._recording
        state = recording.token_state(token)
        owner, amount = state.holder(owner), check_amount(amount)
        if state.available_of(owner) < amount or owner in recording.draft.watched:
            recording.require(state.code, owner, amount)
        purse = recording.open_purse(state.token, owner, is_slice=False)
        recording.set_remaining(purse, amount)
        return Money(recording, purse)

    def balance(self, token: AnyToken, account: str) -> Balance:
        """What `account` would have after this plan so far; should that change before execution, the plan is in `Conflict`.

        Of what trades with `at_least` bring it, it is what the block may count on.
        """
        recording, surroundings = self._recording, self._recording.surroundings
        state = recording.token_state(token)
        code, account = state.code, state.holder(account)
        with surroundings.locked():
            pending = surroundings.reach_head_or_pending()
            state = recording.token_state(code)
            balance = state.balance_of(account)
            if pending is not None:
                balance = pending.balance_before(code, account, balance)
            if balance.available < 0:  # it gives what is not durable yet, or what something before would not bring any more
                surroundings.reach_head()
                state = recording.token_state(code)
                balance = state.balance_of(account)
            claimed = state.claimed.get(account, 0)
        if balance.available < 0:
            raise Conflict(subject="what was planned before", told="possible", now="not")
        surplus = recording.surplus_of(code, account) if claimed else 0
        observe = ObserveCounted if surplus else Observe
        recording.note_told(observe(code, account, balance.available + claimed - surplus, balance.reserved))
        return balance

    def require(self, token: AnyToken, account: str, at_least: int) -> None:
        """Requires that `account` has `at_least` so much to give after this plan so far; `InsufficientFunds` where it has less.

        The plan is in `Conflict` where that no longer holds when it is executed; other changes of the balance do not matter.
        """
        recording = self._recording
        state = recording.token_state(token)
        code, account, least = state.code, state.holder(account), check_amount(at_least, "at_least")
        recording.propose(Require(code, account, least, False))
        claimed = recording.token_state(code).claimed.get(account, 0) - recording.surplus_of(code, account)
        recording.put_told(Require(code, account, least + claimed, True))

    # Escrow.

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
    ) -> str:
        """Puts `amount` of `payer`'s into `authority`'s keeping, and gives the hold's id; `InsufficientFunds`.

        It falls due at `expires_at`, an aware datetime ahead of the ledger's time, or `expires_in`, a timedelta, after it; with
        neither, never. From then on it can only be released. `InvalidRequest` where both are given.
        """
        recording = self._recording
        span = (expires_at, expires_in)
        operation = reserve_of(recording, recording.surroundings, token, payer, authority, amount, span, memo)
        recording.propose(operation)
        return operation.hold

    def settle(
        self, token: AnyToken, authority: str, receiver: str, amount: int, hold: str | None = None, *, memo: str = ""
    ) -> None:
        """Sends `amount` of what `authority` keeps to `receiver`: of `hold`, or of its oldest holds that are not due.

        Raises, in this order, `HoldNotFound`, `InvalidAuthority`, `HoldExpired`, `InsufficientFunds`.
        """
        recording = self._recording
        events = recording.propose_now(settle_of(recording, token, authority, receiver, amount, hold, memo))
        if hold is None:
            recording.vary(events)

    def release(self, hold: str, amount: int | None = None, *, memo: str = "") -> None:
        """Gives `amount` of a hold, or all that is left in it, back to its payer; also when it is due.

        `HoldNotFound` where it is not open, `InsufficientFunds` where less is left in it.
        """
        self._recording.check_open()
        self._recording.vary(self._recording.propose_now(release_of(hold, amount, memo)))

    def expire(self, limit: int = 1000) -> int:
        """Releases up to `limit` holds that are due, the longest due first, and says how many."""
        recording, surroundings = self._recording, self._recording.surroundings
        recording.check_open()
        limit = check_amount(limit, "a limit")
        with surroundings.locked():
            surroundings.reach_head()
            due_at = surroundings.now()
            events = recording.vary(recording.propose_now(Expire(limit, due_at, None)))
        recording.put_told(Expire(limit, due_at, len(events)))
        return len(events)

    # Taking back.

    def _originals(self, id: object, entry: object, transaction: object, amount: object) -> list[Original]:
        """What `reverse` is to take back, newest first, read from the journal."""
        self._recording.check_open()
        return originals_asked(self._recording.surroundings, id, entry, transaction, amount)

    def _reverse(self, originals: list[Original], amount: int | None, memo: str) -> None:
        """Takes back all that is left of the originals, or this amount of the only one."""
        recording, surroundings = self._recording, self._recording.surroundings
        recording.check_open()
        with surroundings.locked():
            surroundings.reach_head()
            operations = reversals_of(recording.draft, originals, amount, memo)
            with Savepoint(recording):
                for operation in operations:
                    recording.propose_reversal(operation)

    # Closing accounts.

    def freeze(
        self, account: str, token: AnyToken | None = None, *, debits: bool = True, credits: bool = False, reason: str = ""
    ) -> None:
        """Closes an account in `token`, or in all of them: with `debits` nothing leaves what it can spend, with `credits`
        nothing comes to it, and who asks for that is refused as `AccountIsFrozen`.

        What nobody chose comes all the same: releases and expired holds, distributions, the spread of a trade, the seats'
        shares, proportional changes of allocations. What the account keeps for others it cannot pay out while its debits are
        frozen. A freeze takes the place of the account's freeze in the same token; the very same again records nothing.
        `InvalidRequest` where nothing would be closed, `TokenNotFound`, `InvalidAccount`, `MeaninglessCell`.
        """
        self._recording.check_open()
        recording = self._recording
        recording.vary(recording.propose(freeze_of(recording, account, token, debits, credits, reason)))

    def unfreeze(self, account: str, token: AnyToken | None = None) -> None:
        """Ends the account's freeze in `token`, or that in all tokens; one in a single token is ended by naming that token.

        Where there is no such freeze nothing is recorded. `TokenNotFound`, `InvalidAccount`.
        """
        self._recording.check_open()
        recording = self._recording
        recording.vary(recording.propose(unfreeze_of(recording, account, token)))

    # The double map.

    def move(
        self, source: tuple[AnyToken, AnyToken], target: tuple[AnyToken, AnyToken], amount: int, *, memo: str = ""
    ) -> None:
        """Moves `amount` from the cell `state[source[0]][source[1]]` to the cell of `target`.

        Between accounts of a token that is a transfer, from a user's account into their deposit to an app a deposit, and
        back a refund. `MeaninglessCell` for a pair that is none or is counted in another token, `InvalidAccount` for cells
        that belong to other operations, `InsufficientFunds`.
        """
        recording, surroundings = self._recording, self._recording.surroundings
        recording.check_open()
        check_memo(memo)
        units = check_amount(amount)
        with surroundings.locked():
            surroundings.reach_head_or_pending()
            recording.propose(movement(recording.draft, source, target, units, memo))

    def app(self, code: AnyToken) -> PlannedApp:
        """The app whose token this is; `TokenNotFound` or `NotAnApp`."""
        recording = self._recording
        with recording.surroundings.locked():
            app = app_of(recording.draft, recording.token_state(code).code)
        return PlannedApp(recording, app.code)

    @property
    def seats(self) -> PlannedSeats:
        """The seats: taxes, pools and public services."""
        self._recording.check_open()
        return PlannedSeats(self._recording)

    # Contracts.

    def _register_contract(self, id: str, backed_by: AnyToken | None, sweep: Sweep | None = None) -> PlannedContract:
        recording = self._recording
        recording.check_open()
        name = check_contract_id(recording.spelled(id))
        recording.propose_locked(RegisterContract(name, None if backed_by is None else code_of(backed_by), sweep))
        return PlannedContract(recording, name)

    def _sweep(self, id: str, sweep_to: object, at_most: object) -> Sweep:
        """What is asked to be swept, and whose it is by the journal, which is read when it is known what lies there."""
        recording, surroundings = self._recording, self._recording.surroundings
        recording.check_open()
        with surroundings.locked():
            surroundings.reach_head()
            name = check_contract_id(recording.spelled(id))
            sweep = sweep_asked(recording.draft, name, sweep_to, at_most)
        return msgspec.structs.replace(sweep, is_somebodys=bool(sweep.seen) and surroundings.is_somebodys(name))

    def _planned_contract(self, id: str) -> PlannedContract:
        """The contract, to change its balance and its shadow space; `ContractNotFound`."""
        recording, surroundings = self._recording, self._recording.surroundings
        recording.check_open()
        try:
            with surroundings.locked():
                found = recording.draft.contract(id)
        except NotFound:
            with surroundings.locked():
                surroundings.reach_head()
                found = recording.draft.contract(id)
        return PlannedContract(recording, found.id)

    # Undoing.

    def savepoint(self) -> Savepoint:
        """A block that, when it raises, undoes all that was planned in it, and raises on."""
        return Savepoint(self._recording)

    def rollback(self) -> None:
        """Empties the plan; money taken in it so far is void."""
        self._recording.rollback()
