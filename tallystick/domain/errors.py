"""Every error that a caller's request can meet, as one tree.

    LedgerError
      InvalidRequest (ValueError)     the request is wrong whatever the books say
        InvalidAmount  InvalidAccount  InvalidToken  InvalidCurve  InvalidPosition  InvalidURL  MalformedRow
        MalformedEvent  MeaninglessCell  UnslicedMoney  UnconsumedSlice  TransactionClosed  LedgerClosed
        LedgerReadOnly
      NotFound (LookupError)          it names something the books do not know
        TokenNotFound  ContractNotFound  HoldNotFound  FragmentNotFound  EntryNotFound  TransactionNotFound
      Refused                         the books as they stand do not allow it
        InsufficientFunds  SupplyExhausted  TokenAlreadyRegistered  NameInUse  DuplicateIdempotencyKey
        IdempotencyMismatch  DuplicateTransferId  InvalidAuthority  HoldExpired  NotAnApp  TokenNotAccepted  NoHolders
        UnknownCurve  ContractAlreadyRegistered  ContractIsBacked  ContractIsNotBacked
        AccountAlreadyAllocated  AccountNotAllocated  AllocationNotZero  AllocationBelowZero
        AllocationsSumBelowZero  AllocationsExceedBalance  NothingAllocated  BalanceBelowZero  BalanceBelowAllocations
        IllegalTransition  AccountIsFrozen  AlreadyReversed  NotReversible  CellNotEmpty
        CommitTooLarge  PlanTooLarge  PositionTaken  TooManyGaps
      Conflict                        a value told to the transaction has changed since; run it again
      StorageError                    the disk, the database or the machine's clock failed
        StorageFull  StorageUnavailable  OutcomeUnknown  NotALedger  SchemaTooNew  SchemaTooOld  NotAnEventStore
        ClockLeap
      IntegrityError                  what is stored is not what was written
        CorruptJournal  ImportDiffers

A class has a stable `code`, typed fields, and a `rule` that becomes the message. Amounts among the fields are in smallest units
where nothing else is said, and times are aware datetimes; the message has amounts in the token's decimals, where those are
known. An error of a row of a batch has the row's number in `row`, from 0, whatever its class. Every error has an `explanation`:
the general rule, the figures, and for a lack of funds the holds in the way; it is worked out when it is asked for. A refused
call changes nothing. Checks run in the order in which the call's documentation lists them, and that order is part of the
contract.
"""

import re
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast

from tallystick.domain.decimal_point import written

if TYPE_CHECKING:
    from tallystick.domain.refusals import Held, RefusalExplanation

AMOUNT_FIELDS = frozenset(("allocs_sum", "amount", "available", "balance", "left", "remainder", "required", "reserve"))
"""The fields of errors that are amounts of a token."""

_WRITTEN = AMOUNT_FIELDS | {"told", "now"}


class LedgerError(Exception):
    """The base of all errors of this package. `code` is stable; the message names the ids and the rule.

    `fields` has by name what the class declares and was given, and it is an attribute of its own too. `decimals` are those of
    the token that its amounts are counted in, 0 where they are not known: the message has amounts in them, `fields` never.
    """

    code: ClassVar[str] = "ledger_error"
    rule: ClassVar[str] = "{reason}"

    if TYPE_CHECKING:

        @property
        def explanation(self) -> "RefusalExplanation": ...

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls.code = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", cls.__name__).lower()

    def __init__(self, reason: str = "", *, decimals: int = 0, **fields: Any) -> None:
        self.fields: dict[str, Any] = {"reason": reason, **fields} if reason else fields
        self.decimals = decimals
        for name, value in fields.items():
            setattr(self, name, value)
        message = self.message(reason, _for_people(fields, decimals) if decimals else fields)
        of_batch = "row" in fields and "{row}" not in self.rule
        super().__init__(f"row {fields['row']}: {message}" if of_batch else message)

    def message(self, reason: str, fields: dict[str, Any]) -> str:
        """The rule with its fields filled in."""
        return self.rule.format(reason=reason, **fields)

    def at_row(self, row: int) -> Self:
        """The same error, of this row of a batch, counted from 0; its message begins with the row."""
        fields: dict[str, Any] = {**self.fields, "row": row}
        return type(self)(decimals=self.decimals, **fields)

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.fields, self.decimals)


def _for_people(fields: dict[str, Any], decimals: int) -> dict[str, Any]:
    """The fields, amounts among them in decimals."""
    return {name: _in_decimals(value, decimals) if name in _WRITTEN else value for name, value in fields.items()}


def _in_decimals(value: Any, decimals: int) -> Any:
    if isinstance(value, tuple):
        return f"({', '.join(_in_decimals(each, decimals) for each in cast(tuple[Any, ...], value))})"
    return written(value, decimals) if isinstance(value, int) else value


def _rebuild(kind: type[LedgerError], fields: dict[str, Any], decimals: int = 0) -> LedgerError:
    return kind(decimals=decimals, **fields)


def _rebuild_duplicate(fields: dict[str, Any], first_row: int | None, found: tuple[int | None, bool]) -> "DuplicateTransferId":
    error = DuplicateTransferId(**fields)
    error.first_row = first_row
    error.found_by(lambda: found)
    return error


class InvalidRequest(LedgerError, ValueError):
    """The request is wrong whatever the books say."""


class NotFound(LedgerError, LookupError):
    """The request names something that the books do not know."""

    def __str__(self) -> str:
        return self.args[0]


class Refused(LedgerError):
    """The books as they stand do not allow it; nothing was changed."""


class Conflict(LedgerError):
    """A value that this transaction was told has changed since; nothing was recorded, run it again.

    `subject` says of what, `told` what the transaction was told, and `now` what it is: numbers, amounts in smallest units
    among them, or texts. `cause` is the refusal that is met because of that, if one is, and `__cause__` too. `attempts` is how
    often `run` called its function.
    """

    subject: str
    told: Any
    now: Any
    cause: LedgerError | None = None
    attempts: int | None = None
    rule = "{subject} was told to this transaction as {told} and is now {now}: run it again"


class StorageError(LedgerError):
    """The disk, the database or the machine's clock failed."""


class IntegrityError(LedgerError):
    """What is stored is not what was written."""


class InvalidAmount(InvalidRequest):
    """An amount is a positive `int` in the token's smallest unit, at most 2**256 - 1."""


class InvalidAccount(InvalidRequest):
    """An account is a `str` of 1 to 128 printable characters without white space, in its one normal form."""


class InvalidToken(InvalidRequest):
    """A token's definition breaks a rule of `Token`."""


class InvalidCurve(InvalidRequest):
    """A bonding curve's parameters break a rule, or a curve answers what no curve can."""


class InvalidPosition(InvalidRequest):
    """A position is an `int`, 0 or more, that the journal has reached."""


class InvalidURL(InvalidRequest):
    """The ledger's address is not of a form that `Ledger.open` knows."""


class MalformedRow(InvalidRequest):
    """A row of an imported file cannot be read; `row` counts from 1."""

    row: int
    rule = "row {row}: {reason}"


class MalformedEvent(InvalidRequest):
    """An event, a snapshot or a tracked position of an imported event store cannot be kept; `stream` is its id there."""

    stream: str
    version: int
    rule = "version {version} of {stream!r}: {reason}"


class MeaninglessCell(InvalidRequest):
    """`state[first][second]` is not counted in anything."""

    first: str
    second: str
    rule = "state[{first}][{second}] has no meaning: {reason}"


class UnslicedMoney(InvalidRequest):
    """Money was taken with `tx.money` and not used up; `remainder` is what is left, in the token's smallest unit."""

    token: str
    owner: str
    remainder: int
    rule = "{remainder} {token} of the money taken from {owner} was never sliced or sent"


class UnconsumedSlice(InvalidRequest):
    """A slice of money was neither sent, burned nor reserved; `remainder` is what is left of it."""

    token: str
    owner: str
    remainder: int
    rule = "a slice of {remainder} {token} of {owner} was not consumed"


class TransactionClosed(InvalidRequest):
    """The transaction, or the money used, is of a block that has ended or was rolled back."""


class LedgerClosed(InvalidRequest):
    """The ledger was closed."""


class LedgerReadOnly(InvalidRequest):
    """The ledger was opened for reading alone, with `read_only=True`; nothing was recorded."""


class TokenNotFound(NotFound):
    """No token is registered under this code."""

    token: str
    rule = "token {token!r} is not registered{reason}"


class ContractNotFound(NotFound):
    """No contract is registered under this id."""

    contract: str
    rule = "contract {contract!r} is not registered"


class FragmentNotFound(NotFound):
    """No fragment of this id was ever minted."""

    fragment: int
    rule = "no fragment {fragment!r} was ever minted"


class HoldNotFound(NotFound):
    """No hold of this id was ever recorded; or, where money is to be drawn, none is open: it may have been used up."""

    hold: str
    rule = "hold {hold!r} is not {reason}"

    def message(self, reason: str, fields: dict[str, Any]) -> str:
        """The rule, of a hold that is not open where no other reason is given."""
        return super().message(reason or "open: it is unknown, or was settled, released or expired in full", fields)


class EntryNotFound(NotFound):
    """No entry begins at this position, which is the `id` of none; the message says within which it is."""

    id: int
    rule = "no entry begins at position {id}{reason}"


class TransactionNotFound(NotFound):
    """No transaction is recorded under this id."""

    id: int
    rule = "transaction {id} is not recorded"


class InsufficientFunds(Refused):
    """An account, or the cell that is named as one, has less than is asked of it: `available` of the `required`."""

    token: str
    account: str
    required: int
    available: int
    rule = "{account} has {available} {token} to give of the {required} required"
    _ask: Callable[[str, str], "Held | None"] | None = None
    _held: "Held | None" = None

    def ask_holds(self, ask: Callable[[str, str], "Held | None"]) -> None:
        """Has `explanation` ask here for the holds in a token into which an account paid, where nobody else is to be asked."""
        if self._ask is None:
            self._ask = ask

    def held(self) -> "Held | None":
        """The open holds into which the account paid, as they are when this is first asked; None where nobody can tell."""
        if self._held is None and self._ask is not None:
            try:
                self._held = self._ask(self.token, self.account)
            except LedgerError:  # the ledger was closed, or cannot be read
                return None
        return self._held

    def at_row(self, row: int) -> Self:
        return super().at_row(row)._asking_as(self)

    def __copy__(self) -> Self:
        return type(self)(decimals=self.decimals, **self.fields)._asking_as(self)

    def _asking_as(self, other: "InsufficientFunds") -> Self:
        self._ask, self._held = other._ask, other._held
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return (*super().__reduce__(), {"_held": self._held})  # what is sent elsewhere no longer asks


class SupplyExhausted(Refused):
    """Minting would exceed the token's `max_supply`: `required` is what was asked for, `reserve` what is left to be minted."""

    token: str
    required: int
    reserve: int
    rule = "{required} {token} exceed the {reserve} left in the supply reserve{reason}"


class TokenAlreadyRegistered(Refused):
    """The code stands for another definition, or the book has its settlement token already."""

    token: str
    rule = "token {token!r} is already registered{reason}"


class NameInUse(Refused):
    """A settlement token or a contract would have the name of an account, a contract or a token that is there already."""

    name: str
    rule = "{name!r} is in use: {reason}"


class DuplicateIdempotencyKey(Refused):
    """The key was used; `receipt` is what the first use was given. `same`: with the same request; None where one had none."""

    key: str
    receipt: Any
    same: bool | None
    rule = "idempotency key {key!r} was used by entry {receipt.entry_id}, at position {receipt.position}"

    def message(self, reason: str, fields: dict[str, Any]) -> str:
        return super().message(reason, fields) + (", with the same request" if fields["same"] else "")


class IdempotencyMismatch(Refused):
    """The key was used for another request; `receipt` is what the first use was given. Nothing was recorded again."""

    key: str
    receipt: Any
    rule = "idempotency key {key!r} was used by entry {receipt.entry_id}, at position {receipt.position}, with another request"


class DuplicateTransferId(Refused):
    """The caller's id of a row was used for another, in this journal or earlier in this batch.

    `first_row` is the row of this batch that it stands in, None where it is the journal that holds it. `position` is where it
    stands in the journal, the id of that transaction, None where that was not recorded either; `same` is whether both say the
    same: token, accounts, amount, memo, time and reference. The journal is read for these two when one of them is first asked
    for, from its beginning and once for all rows of a batch. That raises `CorruptJournal`, `LedgerClosed` and errors of
    storage.
    """

    id: int | str
    rule = "the id {id!r} was used before"
    first_row: int | None = None
    _find: Callable[[], tuple[int | None, bool]] = staticmethod(lambda: (None, False))

    def found_by(self, find: Callable[[], tuple[int | None, bool]]) -> None:
        """Has `find` tell `position` and `same`."""
        self._find = find

    @property
    def position(self) -> int | None:
        return self._find()[0]

    @property
    def same(self) -> bool:
        return self._find()[1]

    def __reduce__(self) -> tuple[Any, ...]:
        try:
            found = self._find()
        except LedgerError:  # what is sent elsewhere no longer tells
            found = None, False
        return _rebuild_duplicate, (self.fields, self.first_row, found)


class AlreadyReversed(Refused):
    """More of a movement would be taken back than is left of it: `amount` of the transaction `id`, of which there is `left`.

    Both are in the token's smallest unit. `amount` is all of it where no part was named.
    """

    id: int
    amount: int
    left: int
    rule = "{amount} of transaction {id} cannot be taken back: {left} is left to be"


class NotReversible(Refused):
    """What the entry or the transaction with this `id` did cannot be taken back; the message says why."""

    id: int
    rule = "{id} cannot be reversed: {reason}"


class InvalidAuthority(Refused):
    """The hold is another authority's or another token's."""

    hold: str
    token: str
    authority: str
    rule = "hold {hold!r} is not one of {authority} in {token}: it belongs to {reason}"


class HoldExpired(Refused):
    """The hold is due: it can be released, no more settled. `now` is the ledger's time; both are aware datetimes."""

    hold: str
    expires_at: datetime
    now: datetime
    rule = "hold {hold!r} was due at {expires_at} and cannot be settled: it is {now} by the ledger's time"


class NotAnApp(Refused):
    """The token is no app's: it takes no deposits, has no curve and no income."""

    token: str
    rule = "{token!r} is not an app's token"


class TokenNotAccepted(Refused):
    """The app takes the settlement token, its own, and those that its definition accepts."""

    app: str
    token: str
    rule = "app {app!r} does not accept {token!r}: it takes {reason}"


class NoHolders(Refused):
    """There is nobody to share among: no ordinary account has any of the token."""

    token: str
    rule = "nobody holds any {token!r} to share in proportion to"


class UnknownCurve(Refused):
    """No curve is known under this name: give it with `Ledger.open(curves=...)`."""

    name: str
    rule = "the curve {name!r} is not known here: give it with Ledger.open(curves=...)"


class ContractAlreadyRegistered(Refused):
    """The id stands for a contract."""

    contract: str
    rule = "contract {contract!r} is already registered"


class ContractIsBacked(Refused):
    """The contract's balance is made of a token: it changes with `fund` and `defund` alone."""

    contract: str
    token: str
    rule = "contract {contract!r} is backed by {token}: its balance changes with fund and defund alone"


class ContractIsNotBacked(Refused):
    """The contract's balance is not made of a token: there is nothing to fund it with."""

    contract: str
    rule = "contract {contract!r} is not backed by a token: its balance changes with balance_up and balance_down"


class AccountAlreadyAllocated(Refused):
    """The account has an allocation in the contract."""

    contract: str
    account: str
    rule = "{account} has an allocation in contract {contract!r} already"


class AccountNotAllocated(Refused):
    """The account has no allocation in the contract."""

    contract: str
    account: str
    rule = "{account} has no allocation in contract {contract!r}"


class AllocationNotZero(Refused):
    """The allocation to be ended is not 0; `sati` is what is left, in sati-satoshis."""

    contract: str
    account: str
    sati: int
    rule = "the allocation of {account} in contract {contract!r} is not zero but {sati} sati-satoshis"


class AllocationBelowZero(Refused):
    """More satoshis would leave an allocation, or all of them where `account` is None, than are in it."""

    contract: str
    account: str | None
    amount: int
    rule = "{amount} cannot leave the shadow space of contract {contract!r}: {reason}"


class AllocationsSumBelowZero(Refused):
    """More satoshis would leave an allocation than the sum of the allocations holds."""

    contract: str
    amount: int
    allocs_sum: int
    rule = "{amount} exceeds the {allocs_sum} to which the allocations of contract {contract!r} sum"


class AllocationsExceedBalance(Refused):
    """The allocations would sum to more satoshis than the contract's balance."""

    contract: str
    amount: int
    allocs_sum: int
    balance: int
    rule = "{amount} more than the {allocs_sum} allocated exceed the balance of {balance} of contract {contract!r}"


class NothingAllocated(Refused):
    """Where the allocations sum to 0, nothing can be in proportion to them."""

    contract: str
    rule = "the allocations of contract {contract!r} sum to zero"


class BalanceBelowZero(Refused):
    """More satoshis would leave the balance than are in it."""

    contract: str
    amount: int
    balance: int
    rule = "{amount} exceeds the balance of {balance} of contract {contract!r}"


class BalanceBelowAllocations(Refused):
    """The balance would be less than what is allocated of it."""

    contract: str
    amount: int
    balance: int
    allocs_sum: int
    rule = "{amount} off the balance of {balance} of contract {contract!r} would not leave the {allocs_sum} allocated"


class IllegalTransition(Refused):
    """A fragment's `state` does not allow the `change`."""

    token: str
    fragment: int
    state: str
    change: str
    rule = "fragment {fragment} of {token} is {state} and cannot be {change}"


class AccountIsFrozen(Refused):
    """The account is frozen in this `direction`, "debits" or "credits", in `token`, or in all tokens where that is None."""

    account: str
    token: str | None
    direction: str

    def message(self, reason: str, fields: dict[str, Any]) -> str:
        """What is closed, and why where a reason was given."""
        what = "nothing" if fields["token"] is None else f"no {fields['token']}"
        goes = "leaves it" if fields["direction"] == "debits" else "comes to it"
        return f"{fields['account']} is frozen: {what} {goes}" + (f" ({reason})" if reason else "")


class CommitTooLarge(Refused):
    """One transaction would take more than the journal's largest commit: `bytes` of the `limit`."""

    bytes: int
    limit: int
    rule = "the transaction takes {bytes} bytes of the {limit} that one commit may have: do it in several parts"


class PlanTooLarge(Refused):
    """One plan, batch or call would keep everybody else waiting for too long: it has `count` of `what`, more than the `limit`.

    The count goes as far as it was found to be too many. What it wants can be done in parts, each a commit of its own.
    """

    what: str
    count: int
    limit: int
    rule = "{count} {what} are too many for one commit, which has at most {limit}: do it in several parts{reason}"


class PositionTaken(Refused):
    """The journal holds something else where an event would be imported to, or events of the same application."""

    position: int
    rule = "position {position} is taken: {reason}"


class CellNotEmpty(Refused):
    """`state[first][second]` holds `amount` already, and an older book's balance is not added to what is there."""

    first: str
    second: str
    amount: int
    rule = "state[{first}][{second}] holds {amount} already: what is taken over is not added to it"


class TooManyGaps(Refused):
    """So many notification ids of an imported event store were never used that they are not filled."""

    missing: int
    events: int
    rule = "{missing} notification ids are missing among {events} events, too many to fill: import under new ids (renumber)"


class StorageFull(StorageError):
    """The disk is full; nothing was recorded, and the ledger goes on once there is space."""


class StorageUnavailable(StorageError):
    """The store cannot be reached, read or written; nothing was recorded."""


class OutcomeUnknown(StorageError):
    """The store failed while committing and cannot tell whether the commit stands; read again before repeating."""


class NotALedger(StorageError):
    """The file or database is there and is not a ledger."""


class SchemaTooNew(StorageError):
    """A newer version of this package wrote the ledger."""


class SchemaTooOld(StorageError):
    """A commit needs a newer schema, which the owner of the database has to make: run `tallystick upgrade`.

    Nothing was recorded. `ledger` says which one it is.
    """

    ledger: str
    rule = "{ledger} has schema 1 and this commit needs 2, so its owner has to run `tallystick upgrade`; nothing was recorded"


class NotAnEventStore(StorageError):
    """The file or database to import from is there, and the `eventsourcing` library's recorders keep no application in it."""


class ClockLeap(StorageError):
    """The clock stands so far from the newest commit, or from the server's, that it is not believed; nothing was recorded.

    `now`: what the clock says; `other`: the time of the newest commit, or the server's. Both are aware datetimes. Where the
    clock is right after all, as after years in which nothing was recorded, open the ledger with `max_clock_leap=None` once.
    """

    now: datetime
    other: datetime
    rule = "nothing was recorded: the clock says {now}, and {reason} {other}; if it is right, open with max_clock_leap=None"


class CorruptJournal(IntegrityError):
    """The journal differs from what was written, at `position` or in the commit that begins there; 0 where it is not known."""

    position: int
    rule = "the journal is corrupt at position {position}: {reason}"

    def message(self, reason: str, fields: dict[str, Any]) -> str:
        """The rule, without a position that is not known."""
        return super().message(reason, fields) if fields["position"] else f"the journal is corrupt: {reason}"


class ImportDiffers(IntegrityError):
    """Read back from the journal, what was imported is not what its source holds; `position` is the first that differs."""

    position: int
    rule = "what was imported differs from its source at position {position}: {reason}"
