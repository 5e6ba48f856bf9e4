"""Every error that a caller's request can meet, as one tree.

    LedgerError
      InvalidRequest (ValueError)     the request is wrong whatever the books say
        InvalidAmount  InvalidAccount  InvalidToken  InvalidPosition  InvalidURL  MalformedRow  MeaninglessCell
        UnslicedMoney  UnconsumedSlice  TransactionClosed  LedgerClosed
      NotFound (LookupError)          it names something the books do not know
        TokenNotFound  HoldNotFound  TransactionNotFound
      Refused                         the books as they stand do not allow it
        InsufficientFunds  SupplyExhausted  TokenAlreadyRegistered  NameInUse  DuplicateIdempotencyKey
        IdempotencyMismatch  InvalidAuthority  HoldExpired  CommitTooLarge
      Conflict                        a value told to the transaction has changed since; run it again
      StorageError                    the disk or the database failed
        StorageFull  StorageUnavailable  OutcomeUnknown  NotALedger  SchemaTooNew
      IntegrityError                  what is stored is not what was written
        CorruptJournal

A class has a stable `code`, typed fields, and a `rule` that becomes the message. A refused call changes nothing. Checks
run in the order in which the call's documentation lists them, and that order is part of the contract.
"""

import re
from typing import Any, ClassVar


class LedgerError(Exception):
    """The base of all errors of this package. `code` is stable; the message names the ids and the rule."""

    code: ClassVar[str] = "ledger_error"
    rule: ClassVar[str] = "{reason}"

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls.code = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", cls.__name__).lower()

    def __init__(self, reason: str = "", **fields: Any) -> None:
        self.fields: dict[str, Any] = {"reason": reason, **fields} if reason else fields
        for name, value in fields.items():
            setattr(self, name, value)
        super().__init__(self.rule.format(reason=reason, **fields))

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.fields)


def _rebuild(kind: type[LedgerError], fields: dict[str, Any]) -> LedgerError:
    return kind(**fields)


class InvalidRequest(LedgerError, ValueError):
    """The request is wrong whatever the books say."""


class NotFound(LedgerError, LookupError):
    """The request names something that the books do not know."""

    def __str__(self) -> str:
        return self.args[0]


class Refused(LedgerError):
    """The books as they stand do not allow it; nothing was changed."""


class Conflict(LedgerError):
    """A value that this transaction was told has changed since; nothing was recorded, run it again."""

    token: str
    subject: str
    rule = "{subject} was told to this transaction as {told} and is now {now}: run it again"


class StorageError(LedgerError):
    """The disk or the database failed."""


class IntegrityError(LedgerError):
    """What is stored is not what was written."""


class InvalidAmount(InvalidRequest):
    """An amount is a positive `int` in the token's smallest unit, at most 2**256 - 1."""


class InvalidAccount(InvalidRequest):
    """An account is a `str` of 1 to 128 printable characters without white space, in its one normal form."""


class InvalidToken(InvalidRequest):
    """A token's definition breaks a rule of `Token`."""


class InvalidPosition(InvalidRequest):
    """A position is an `int`, 0 or more, that the journal has reached."""


class InvalidURL(InvalidRequest):
    """The ledger's address is not of a form that `Ledger.open` knows."""


class MalformedRow(InvalidRequest):
    """A row of an imported file cannot be read; `row` counts from 1."""

    row: int
    rule = "row {row}: {reason}"


class MeaninglessCell(InvalidRequest):
    """`state[first][second]` is not counted in anything."""

    first: str
    second: str
    rule = "state[{first}][{second}] has no meaning: {reason}"


class UnslicedMoney(InvalidRequest):
    """Money was taken with `tx.money` and not used up; `remainder` is what is left, in the token's unit."""

    token: str
    owner: str
    remainder: int
    rule = "{remainder} {token} of the money taken from {owner} was never sliced or sent"


class UnconsumedSlice(InvalidRequest):
    """A slice of money was neither sent, burned nor reserved."""

    token: str
    owner: str
    remainder: int
    rule = "a slice of {remainder} {token} of {owner} was not consumed"


class TransactionClosed(InvalidRequest):
    """The transaction, or the money used, is of a block that has ended or was rolled back."""


class LedgerClosed(InvalidRequest):
    """The ledger was closed."""


class TokenNotFound(NotFound):
    """No token is registered under this code."""

    token: str
    rule = "token {token!r} is not registered{reason}"


class HoldNotFound(NotFound):
    """No hold of this id is open: it is unknown, or was settled, released or expired in full."""

    hold: str
    rule = "hold {hold!r} is not open: it is unknown, or was settled, released or expired in full"


class TransactionNotFound(NotFound):
    """No transaction is recorded under this id."""

    id: int
    rule = "transaction {id} is not recorded"


class InsufficientFunds(Refused):
    """An account has less than is asked of it."""

    token: str
    account: str
    required: int
    available: int
    rule = "{account} has {available} {token} to give of the {required} required"


class SupplyExhausted(Refused):
    """Minting would exceed the token's `max_supply`."""

    token: str
    required: int
    reserve: int
    rule = "{required} {token} exceed the {reserve} left in the supply reserve"


class TokenAlreadyRegistered(Refused):
    """The code stands for another definition, or the book has its settlement token already."""

    token: str
    rule = "token {token!r} is already registered{reason}"


class NameInUse(Refused):
    """A settlement token's code would be the name of an account that holds something."""

    name: str
    rule = "{name!r} is an account that holds something: a settlement token cannot take its name"


class DuplicateIdempotencyKey(Refused):
    """The key was used; `receipt` is what the first use was given."""

    key: str
    receipt: Any
    rule = "idempotency key {key!r} was used at position {receipt.position}"


class IdempotencyMismatch(Refused):
    """The key was used for another request; `receipt` is what the first use was given."""

    key: str
    receipt: Any
    rule = "idempotency key {key!r} was used at position {receipt.position} with another request"


class InvalidAuthority(Refused):
    """The hold is another authority's or another token's."""

    hold: str
    token: str
    authority: str
    rule = "hold {hold!r} is not one of {authority} in {token}: it belongs to {reason}"


class HoldExpired(Refused):
    """The hold is due: it can be released, no more settled."""

    hold: str
    rule = "hold {hold!r} was due at {expires_at} and cannot be settled"


class CommitTooLarge(Refused):
    """One transaction would take more than the journal's largest commit."""

    bytes: int
    rule = "the transaction takes {bytes} bytes of the {limit} that one commit may have"


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


class CorruptJournal(IntegrityError):
    """The journal differs from what was written, at `position` or in the commit that begins there."""

    position: int
    rule = "the journal is corrupt at position {position}: {reason}"
