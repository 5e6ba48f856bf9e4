"""A plan: what a block of code asks the ledger to do, checked call by call and executed when the block ends.

Each call is decided against a draft of the newest books, so a mistake shows where it is made, and is recorded as an operation:
data, which the ledger executes once, later, on whatever the newest state is by then. What a call tells the block about the
books (a balance, a count) is recorded too, and if it no longer holds at execution the plan is in conflict.
"""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from tallystick.domain.app.handle import PlannedApp
from tallystick.domain.app.operations import Buy, Sell
from tallystick.domain.app.seats_handle import PlannedSeats
from tallystick.domain.cells import check_receiver_of_mint
from tallystick.domain.checks import app_of
from tallystick.domain.contract.decisions import check_contract_id
from tallystick.domain.contract.handle import PlannedContract, told_of
from tallystick.domain.contract.operations import ObserveAllocation, ObserveContract, RegisterContract
from tallystick.domain.errors import Conflict, InvalidRequest, NotFound, TransactionClosed, UnconsumedSlice, UnslicedMoney
from tallystick.domain.events import DomainEvent, Minted, Moved
from tallystick.domain.operation import Operation
from tallystick.domain.plan.money import Money, Purse
from tallystick.domain.plan.movement import movement
from tallystick.domain.plan.recording import Recording
from tallystick.domain.token.operations import Burn, Expire, Mint, Observe, Release, Reserve, Settle, Transfer
from tallystick.domain.token.token_state import Balance
from tallystick.domain.values.amount import check_amount
from tallystick.domain.values.instant import to_microseconds
from tallystick.domain.values.memo import check_memo


class Plan(Recording):
    """The operations asked for so far. Every amount is an `int` in the token's smallest unit."""

    # Money in, out and about.

    def mint(self, token: str, account: str, amount: int, *, memo: str = "") -> None:
        """Moves `amount` out of the supply reserve to `account`; `SupplyExhausted` where it holds less."""
        check_receiver_of_mint(self._token_state(token).token, account)
        self._propose(Mint(token, account, check_amount(amount), check_memo(memo)))

    topup = mint

    def burn(self, token: str, account: str, amount: int, *, memo: str = "") -> None:
        """Moves `amount` of `account`'s into the supply reserve; `InsufficientFunds` where it has less."""
        self._token_state(token).check_holder(account)
        self._propose(Burn(token, account, check_amount(amount), check_memo(memo)))

    withdraw = burn

    def transfer(self, token: str, sender: str, receiver: str, amount: int, *, memo: str = "") -> None:
        """Moves `amount` from `sender` to `receiver`; `InsufficientFunds` where the sender has less."""
        state = self._token_state(token)
        holders = state.holders
        if type(sender) is not str or sender not in holders:
            state.check_holder(sender)
        if type(receiver) is not str or receiver not in holders:
            state.check_holder(receiver)
        self._propose(Transfer(token, sender, receiver, check_amount(amount), check_memo(memo)))

    def money(self, token: str, owner: str, amount: int) -> Money:
        """Takes `amount` of `owner`'s in hand, to be sliced and sent in this plan; `InsufficientFunds` where there is less."""
        state = self._token_state(token)
        state.check_holder(owner)
        check_amount(amount)
        if state.available_of(owner) < amount:
            with self._surroundings.locked():
                self._surroundings.reach_head()
                self._require(token, owner, amount)
        money = Money(self, state.token, owner)
        self.set_remaining(money, amount)
        return money

    def balance(self, token: str, account: str) -> Balance:
        """What `account` would have after this plan so far; should that change before execution, the plan is in `Conflict`."""
        state = self._token_state(token)
        state.check_holder(account)
        with self._surroundings.locked():
            pending = self._surroundings.reach_head_or_pending()
            state = self._token_state(token)
            balance = state.balance_of(account)
            if pending is not None:
                balance = pending.balance_before(token, account, balance)
            if balance.available < 0:  # it gives what is not durable yet, or what something before would not bring any more
                self._surroundings.reach_head()
                state = self._token_state(token)
                balance = state.balance_of(account)
            claimed = state.claimed.get(account, 0)
        if balance.available < 0:
            raise Conflict(subject="what was planned before", told="possible", now="not")
        self._operations.append(Observe(token, account, balance.available + claimed, balance.reserved))
        return balance

    # Escrow.

    def reserve(
        self,
        token: str,
        owner: str,
        authority: str,
        amount: int,
        expires_at: datetime | None = None,
        *,
        memo: str = "",
    ) -> str:
        """Puts `amount` of `owner`'s into `authority`'s keeping, due at `expires_at` (aware), and gives the hold's id."""
        state = self._token_state(token)
        state.check_holder(owner)
        state.check_holder(authority)
        due = None if expires_at is None else to_microseconds(expires_at)
        hold = self._surroundings.new_hold_id()
        self._propose(Reserve(token, owner, authority, check_amount(amount), hold, due, check_memo(memo)))
        return hold

    def settle(
        self, token: str, authority: str, receiver: str, amount: int, hold: str | None = None, *, memo: str = ""
    ) -> None:
        """Sends `amount` of what `authority` keeps to `receiver`: of `hold`, or of its oldest holds that are not due.

        Raises, in this order, `HoldNotFound`, `InvalidAuthority`, `HoldExpired`, `InsufficientFunds`.
        """
        state = self._token_state(token)
        state.check_holder(authority)
        state.check_holder(receiver)
        if hold is not None:
            _check_hold_id(hold)
        self._propose_now(Settle(token, authority, receiver, check_amount(amount), hold, check_memo(memo)))

    def release(self, hold: str, amount: int | None = None, *, memo: str = "") -> None:
        """Gives `amount` of a hold, or all that is left in it, back to its payer; also when it is due."""
        self._check_open()
        _check_hold_id(hold)
        if amount is not None:
            check_amount(amount)
        self._propose_now(Release(hold, amount, check_memo(memo)))

    def expire(self, limit: int = 1000) -> int:
        """Releases up to `limit` holds that are due, the longest due first, and says how many."""
        self._check_open()
        check_amount(limit, "a limit")
        with self._surroundings.locked():
            self._surroundings.reach_head()
            due_at = self._surroundings.now()
            events = self._propose_now(Expire(limit, due_at, None))
        self._operations[-1] = Expire(limit, due_at, len(events))
        return len(events)

    # The double map.

    def move(self, source: tuple[str, str], target: tuple[str, str], amount: int, *, memo: str = "") -> None:
        """Moves `amount` from the cell `state[source[0]][source[1]]` to the cell of `target`.

        Between accounts of a token that is a transfer, from a user's account into their deposit to an app a deposit, and
        back a refund. `MeaninglessCell` for a pair that is none or is counted in another token, `InvalidAccount` for cells
        that belong to other operations, `InsufficientFunds`.
        """
        self._check_open()
        check_memo(memo)
        units = check_amount(amount)
        with self._surroundings.locked():
            self._surroundings.reach_head_or_pending()
            self._propose(movement(self._draft, source, target, units, memo))

    def app(self, code: str) -> PlannedApp:
        """The app whose token this is; `TokenNotFound` or `NotAnApp`."""
        with self._surroundings.locked():
            self._token_state(code)
            app_of(self._draft, code)
        return PlannedApp(self, code)

    @property
    def seats(self) -> PlannedSeats:
        """The seats: taxes, pools and public services."""
        self._check_open()
        return PlannedSeats(self)

    # Contracts.

    def register_contract(self, id: str, backed_by: str | None = None) -> PlannedContract:
        """Registers a contract with a balance of 0 and an empty shadow space, and gives it.

        With `backed_by`, a token's code, its balance is that token's and lies in the contract's own account.
        `ContractAlreadyRegistered`, `TokenNotFound`, `NameInUse` where an account of that name has money or may
        get some back, or a token has the name.
        """
        self._check_open()
        self.propose_locked(RegisterContract(check_contract_id(id), backed_by))
        return PlannedContract(self, id)

    def _planned_contract(self, id: str) -> PlannedContract:
        """The contract, to change its balance and its shadow space; `ContractNotFound`."""
        self._check_open()
        try:
            with self._surroundings.locked():
                self._draft.contract(id)
        except NotFound:
            with self._surroundings.locked():
                self._surroundings.reach_head()
                self._draft.contract(id)
        return PlannedContract(self, id)

    # The plan itself.

    def check_finished(self) -> None:
        """Raises `UnslicedMoney` or `UnconsumedSlice` where money that was taken has not been used up."""
        if not self._purses:
            return
        for purse in sorted(self._purses, key=lambda purse: not isinstance(purse, Money)):
            if purse.remaining:
                error = UnslicedMoney if isinstance(purse, Money) else UnconsumedSlice
                raise error(token=purse.token, owner=purse.owner, remainder=purse.remaining)

    # What planned contracts and apps ask for.

    def propose_locked(self, operation: Operation) -> Sequence[DomainEvent]:
        """Records an operation for whose decision the books must stand still."""
        self._check_open()
        with self._surroundings.locked():
            return self._propose(operation)

    def propose_newest(self, operation: Operation) -> Sequence[DomainEvent]:
        """The same for what is worked out from the books as a whole, which are brought to the journal's head first."""
        self._check_open()
        with self._surroundings.locked():
            self._surroundings.reach_head()
            return self._propose(operation)

    def propose_trade(self, operation: Buy | Sell) -> int:
        """Records a trade, and gives what the block is told: how much it mints, or pays."""
        events = self.propose_newest(operation)
        newest = events[-1]
        assert isinstance(newest, Minted | Moved)
        told = newest.amount
        self._operations[-1] = msgspec.structs.replace(operation, told=told)
        return told

    def tell_of_contract(self, id: str) -> ObserveContract:
        """What the block is told of a contract."""
        self._check_open()
        with self._surroundings.locked():
            self._surroundings.reach_head()
            told = told_of(self._draft.contract(id))
        self._operations.append(told)
        return told

    def tell_of_allocation(self, id: str, account: str) -> ObserveAllocation:
        """What the block is told of an account's allocation."""
        self._check_open()
        with self._surroundings.locked():
            self._surroundings.reach_head()
            told = ObserveAllocation(id, account, self._draft.contract(id).sati_of(account))
        self._operations.append(told)
        return told

    # What purses ask for.

    def open_purse(self, purse: Purse) -> None:
        """Notes a new purse, with nothing in it yet."""
        self._purses.append(purse)
        self._log.append((purse, None))

    def set_remaining(self, purse: Purse, amount: int) -> None:
        """Changes what a purse has, and with it what the plan claims of the owner's money."""
        self._log.append((purse, purse.remaining))
        self._claim(purse, amount)

    def check_usable(self, purse: Purse) -> None:
        """`TransactionClosed` where the block has ended or the purse was undone."""
        self._check_open()
        if purse.void:
            raise TransactionClosed(f"this money of {purse.owner} was rolled back")

    def spend_transfer(self, purse: Purse, receiver: str, amount: int, memo: str) -> None:
        """Sends `amount` out of a purse."""
        self.check_usable(purse)
        self._token_state(purse.token).check_holder(receiver)
        self._spend(purse, amount, Transfer(purse.token, purse.owner, receiver, amount, check_memo(memo)))

    def spend_burn(self, purse: Purse, amount: int, memo: str) -> None:
        """Burns `amount` out of a purse."""
        self.check_usable(purse)
        self._spend(purse, amount, Burn(purse.token, purse.owner, amount, check_memo(memo)))

    def spend_reserve(self, purse: Purse, authority: str, amount: int, expires_at: datetime | None, memo: str) -> str:
        """Puts `amount` out of a purse into `authority`'s keeping, and gives the hold's id."""
        self.check_usable(purse)
        self._token_state(purse.token).check_holder(authority)
        due = None if expires_at is None else to_microseconds(expires_at)
        hold = self._surroundings.new_hold_id()
        operation = Reserve(purse.token, purse.owner, authority, amount, hold, due, check_memo(memo))
        self._spend(purse, amount, operation)
        return hold

    def _spend(self, purse: Purse, amount: int, operation: Operation) -> None:
        if not amount:
            return
        mark = len(self._log)
        self.set_remaining(purse, purse.remaining - amount)
        try:
            self._propose(operation)
        except BaseException:
            self._undo(len(self._operations), mark, len(self._purses))
            raise


def _check_hold_id(hold: object) -> None:
    if type(hold) is not str:
        raise InvalidRequest(f"a hold's id is a str, not {hold!r}")
