"""A plan: what a block of code asks the ledger to do, checked call by call and executed when the block ends.

Each call is decided against a draft of the newest books, so a mistake shows where it is made, and is recorded as an operation:
data, which the ledger executes once, later, on whatever the newest state is by then. What a call tells the block about the
books (a balance, a count) is recorded too, and if it no longer holds at execution the plan is in conflict.
"""

from datetime import datetime, timedelta

from tallystick.domain.app.handle import PlannedApp
from tallystick.domain.app.seats_handle import PlannedSeats
from tallystick.domain.checks import app_of
from tallystick.domain.contract.decisions import check_contract_id
from tallystick.domain.contract.handle import PlannedContract
from tallystick.domain.contract.operations import RegisterContract
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


class Plan:
    """The calls of a block. Every amount is an `int` in the token's smallest unit.

    Each raises `TransactionClosed` behind the block's end, `InvalidAmount`, `InvalidAccount` or `InvalidRequest` where an
    argument is none, `TokenNotFound`, `MeaninglessCell` where the account cannot hold the token, and what it says itself.
    What would move a frozen account's money is `AccountIsFrozen`, before it is asked whether that money is there.
    """

    def __init__(self, recording: Recording) -> None:
        self._recording = recording

    # Money in, out and about.

    def mint(self, token: str, account: str, amount: int, *, memo: str = "") -> None:
        """Moves `amount` out of the supply reserve to `account`; `SupplyExhausted` where it holds less."""
        recording = self._recording
        recording.propose(mint_of(recording, token, account, amount, memo))

    topup = mint

    def burn(self, token: str, account: str, amount: int, *, memo: str = "") -> None:
        """Moves `amount` of `account`'s into the supply reserve; `InsufficientFunds` where it has less."""
        recording = self._recording
        recording.propose(burn_of(recording, token, account, amount, memo))

    withdraw = burn

    def transfer(self, token: str, sender: str, receiver: str, amount: int, *, memo: str = "") -> None:
        """Moves `amount` from `sender` to `receiver`; `InsufficientFunds` where the sender has less."""
        recording = self._recording
        recording.propose(transfer_of(recording, token, sender, receiver, amount, memo))

    def money(self, token: str, owner: str, amount: int) -> Money:
        """Takes `amount` of `owner`'s in hand, to be sliced and sent in this plan; `AccountIsFrozen`, or `InsufficientFunds`
        where there is less.
        """
        recording = self._recording
        state = recording.token_state(token)
        state.check_holder(owner)
        check_amount(amount)
        if state.available_of(owner) < amount or owner in recording.draft.watched:
            recording.require(token, owner, amount)
        purse = recording.open_purse(state.token, owner, is_slice=False)
        recording.set_remaining(purse, amount)
        return Money(recording, purse)

    def balance(self, token: str, account: str) -> Balance:
        """What `account` would have after this plan so far; should that change before execution, the plan is in `Conflict`.

        Of what trades with `at_least` bring it, it is what the block may count on.
        """
        recording, surroundings = self._recording, self._recording.surroundings
        recording.token_state(token).check_holder(account)
        with surroundings.locked():
            pending = surroundings.reach_head_or_pending()
            state = recording.token_state(token)
            balance = state.balance_of(account)
            if pending is not None:
                balance = pending.balance_before(token, account, balance)
            if balance.available < 0:  # it gives what is not durable yet, or what something before would not bring any more
                surroundings.reach_head()
                state = recording.token_state(token)
                balance = state.balance_of(account)
            claimed = state.claimed.get(account, 0)
        if balance.available < 0:
            raise Conflict(subject="what was planned before", told="possible", now="not")
        surplus = recording.surplus_of(token, account) if claimed else 0
        observe = ObserveCounted if surplus else Observe
        recording.note_told(observe(token, account, balance.available + claimed - surplus, balance.reserved))
        return balance

    def require(self, token: str, account: str, at_least: int) -> None:
        """Requires that `account` has `at_least` so much to give after this plan so far; `InsufficientFunds` where it has less.

        The plan is in `Conflict` where that no longer holds when it is executed; other changes of the balance do not matter.
        """
        recording = self._recording
        recording.token_state(token).check_holder(account)
        recording.propose(Require(token, account, check_amount(at_least, "at_least"), False))
        claimed = recording.token_state(token).claimed.get(account, 0) - recording.surplus_of(token, account)
        recording.put_told(Require(token, account, at_least + claimed, True))

    # Escrow.

    def reserve(
        self,
        token: str,
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
        self, token: str, authority: str, receiver: str, amount: int, hold: str | None = None, *, memo: str = ""
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
        check_amount(limit, "a limit")
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
        self, account: str, token: str | None = None, *, debits: bool = True, credits: bool = False, reason: str = ""
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

    def unfreeze(self, account: str, token: str | None = None) -> None:
        """Ends the account's freeze in `token`, or that in all tokens; one in a single token is ended by naming that token.

        Where there is no such freeze nothing is recorded. `TokenNotFound`, `InvalidAccount`.
        """
        self._recording.check_open()
        recording = self._recording
        recording.vary(recording.propose(unfreeze_of(recording, account, token)))

    # The double map.

    def move(self, source: tuple[str, str], target: tuple[str, str], amount: int, *, memo: str = "") -> None:
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

    def app(self, code: str) -> PlannedApp:
        """The app whose token this is; `TokenNotFound` or `NotAnApp`."""
        recording = self._recording
        with recording.surroundings.locked():
            recording.token_state(code)
            app_of(recording.draft, code)
        return PlannedApp(recording, code)

    @property
    def seats(self) -> PlannedSeats:
        """The seats: taxes, pools and public services."""
        self._recording.check_open()
        return PlannedSeats(self._recording)

    # Contracts.

    def register_contract(self, id: str, backed_by: str | None = None) -> PlannedContract:
        """Registers a contract with a balance of 0 and an empty shadow space, and gives it.

        With `backed_by`, a token's code, its balance is that token's and lies in the contract's own account.
        `ContractAlreadyRegistered`, `TokenNotFound`, `NameInUse` where an account of that name has money or may
        get some back, or a token has the name.
        """
        recording = self._recording
        recording.check_open()
        recording.propose_locked(RegisterContract(check_contract_id(id), backed_by))
        return PlannedContract(recording, id)

    def _planned_contract(self, id: str) -> PlannedContract:
        """The contract, to change its balance and its shadow space; `ContractNotFound`."""
        recording, surroundings = self._recording, self._recording.surroundings
        recording.check_open()
        try:
            with surroundings.locked():
                recording.draft.contract(id)
        except NotFound:
            with surroundings.locked():
                surroundings.reach_head()
                recording.draft.contract(id)
        return PlannedContract(recording, id)

    # Undoing.

    def savepoint(self) -> Savepoint:
        """A block that, when it raises, undoes all that was planned in it, and raises on."""
        return Savepoint(self._recording)

    def rollback(self) -> None:
        """Empties the plan; money taken in it so far is void."""
        self._recording.rollback()
