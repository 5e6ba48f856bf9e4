"""The ledger: the front door to the books of one journal.

Reads answer from the newest durable state. Changes are planned in a block, `with ledger.atomic() as tx`, and executed when it
ends, as one commit or not at all. A ledger may be used from several threads, and several processes may open the same file.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from tallystick.domain.arithmetic.columns import Column
from tallystick.domain.contract.contract import Allocation
from tallystick.domain.contract.contracts import CONTRACTS_IN_MEMORY
from tallystick.domain.errors import Conflict, InvalidRequest
from tallystick.domain.token.token_state import Balance, Supply
from tallystick.domain.value_object.value_object import ValueObject
from tallystick.domain.values.curve import CurveMaker
from tallystick.domain.values.freeze import FrozenAccount
from tallystick.domain.values.hold import Hold
from tallystick.domain.values.token import Token
from tallystick.infrastructure.commit.idempotency import make_request
from tallystick.infrastructure.ledger.batch_receipt import BatchReceipt
from tallystick.infrastructure.ledger.batches import Batches, OnRefusal
from tallystick.infrastructure.ledger.contract_view import ContractView
from tallystick.infrastructure.ledger.core import LedgerCore, open_core
from tallystick.infrastructure.ledger.history import History
from tallystick.infrastructure.ledger.reads import Reads
from tallystick.infrastructure.ledger.registrations import Registrations
from tallystick.infrastructure.ledger.state_view import StateView
from tallystick.infrastructure.ledger.transaction import OpenBlocks, TransactionContext
from tallystick.infrastructure.proof.audit import AuditReport
from tallystick.projections.projection import ProjectionType
from tallystick.projections.shadow_spaces import Allocations
from tallystick.projections.transactions import Transaction

Result = TypeVar("Result")


class Ledger:
    """The books of one journal. Use it as a context manager, or call `close`."""

    def __init__(self, core: LedgerCore) -> None:
        self._core = core
        self._blocks = OpenBlocks()
        self._registrations = Registrations(core)
        self._batches = Batches(core)
        self._reads = Reads(core)
        self._history = History(core, self._reads)

    @classmethod
    def open(
        cls,
        url: str | Path,
        *,
        create: bool = True,
        curves: Mapping[str, CurveMaker] | None = None,
        contracts_in_memory: int = CONTRACTS_IN_MEMORY,
        clock: Callable[[], datetime] | None = None,
        ids: Callable[[], str] | None = None,
    ) -> Self:
        """The ledger at `url`: "sqlite:///books.db", a `Path`, or "memory:". A missing file is made if `create`.

        `curves` makes curves of your own again, by name from the integers that the journal keeps. Up to
        `contracts_in_memory` contracts stay loaded. `clock` gives the time as an aware datetime, `ids` an id for
        each new hold. Raises `InvalidURL`, `NotALedger`, `SchemaTooNew`, `StorageUnavailable`, `StorageFull`. A corrupt
        journal opens, so that `verify` and `audit` can say what is wrong with it; all else then raises `CorruptJournal`.
        """
        return cls(open_core(url, create, curves, contracts_in_memory, clock, ids))

    def close(self) -> None:
        """Closes the journal once all who commit are done; every later call is `LedgerClosed`. Interrupted, close it again.

        `TransactionClosed` in the midst of a commit of this very thread, as by a signal's handler.
        """
        self._core.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()

    # Changing.

    def register_token(self, token: Token) -> None:
        """Registers a token; one that is identical already is left as it is.

        Raises `TokenAlreadyRegistered` where its code stands for another, `NameInUse`, and the errors of a commit.
        """
        self._registrations.register_token(token)

    def update_app(self, code: str, accepts: Sequence[str] | None = None, owner: str | None = None) -> None:
        """Changes which tokens an app accepts beside the settlement token and its own, and whose it is; None leaves it.

        Raises `TokenNotFound`, `NotAnApp`, `InvalidAccount`, and the errors of a commit.
        """
        self._registrations.update_app(code, accepts, owner)

    def take_over(
        self, tokens: Sequence[Token], cells: Sequence[tuple[str, str, int]], idempotency_key: str | None = None
    ) -> None:
        """Registers `tokens` and moves amounts out of supply reserves into cells (first, second, amount), as one commit.

        This is for taking over an older book: unlike minting it reaches special cells and apps' tokens. Raises what
        `register_token` does; `MeaninglessCell`, `InvalidAccount`, `InvalidAmount` and `SupplyExhausted`, which name the
        cell; and the errors of a commit.
        """
        self._registrations.take_over(tokens, cells, idempotency_key)

    def atomic(self, idempotency_key: str | None = None, request: Any = None) -> TransactionContext:
        """The block of one transaction, executed as a whole when it ends without an exception.

        Under an `idempotency_key` it is executed once: again, entering the block raises `DuplicateIdempotencyKey` with
        the first receipt, or `IdempotencyMismatch` if `request` (anything that JSON can write) is not the first one's.
        """
        core = self._core
        if core.is_closed:
            core.check_open()
        return TransactionContext(core, self._blocks, make_request(idempotency_key, request))

    def run(
        self, function: Callable[[TransactionContext], Result], idempotency_key: str | None = None, attempts: int = 8
    ) -> Result:
        """Calls `function(tx)` in a block, and again after a `Conflict`, up to `attempts` times; gives its result."""
        check_attempts(attempts)
        while True:
            attempts -= 1
            try:
                with self.atomic(idempotency_key) as tx:
                    return function(tx)
            except Conflict:
                if not attempts:
                    raise

    # Batches.

    def accounts(self, token: str, names: Any) -> Column:
        """The handles of accounts in a token: numbers that batches of it take instead of names, as long as this ledger is open.

        Raises `TokenNotFound`, and `InvalidAccount` or `MeaninglessCell`, which name the row.
        """
        return self._batches.accounts(token, names)

    def transfer_many(
        self,
        token: str,
        senders: Any,
        receivers: Any,
        amounts: Any,
        memo: str = "",
        ids: Any = None,
        idempotency_key: str | None = None,
        on_refusal: OnRefusal = "abort",
    ) -> BatchReceipt:
        """Transfers `amounts[row]` from `senders[row]` to `receivers[row]`, row after row, in one commit.

        Accounts are names or handles; columns are sequences, numpy arrays or Arrow arrays. `ids` are numbers of 128 bits,
        each used once in a journal. What is wrong with a row (`InvalidAmount`, `InvalidAccount`) refuses the whole batch.
        What the books refuse (`DuplicateTransferId`, `AccountIsFrozen`, `InsufficientFunds`) refuses it too, or with
        `on_refusal` "skip" that row alone. Raises also `TokenNotFound`, `InvalidRequest` and the errors of a commit; then
        nothing is changed.
        """
        columns = {"senders": senders, "receivers": receivers, "amounts": amounts}
        return self._batches.commit(token, columns, "senders", "receivers", memo, ids, idempotency_key, on_refusal)

    def mint_many(
        self,
        token: str,
        accounts: Any,
        amounts: Any,
        memo: str = "",
        ids: Any = None,
        idempotency_key: str | None = None,
        on_refusal: OnRefusal = "abort",
    ) -> BatchReceipt:
        """Mints `amounts[row]` to `accounts[row]`; as `transfer_many`, but rows are refused for `SupplyExhausted`."""
        columns = {"accounts": accounts, "amounts": amounts}
        return self._batches.commit(token, columns, None, "accounts", memo, ids, idempotency_key, on_refusal)

    def burn_many(
        self,
        token: str,
        accounts: Any,
        amounts: Any,
        memo: str = "",
        ids: Any = None,
        idempotency_key: str | None = None,
        on_refusal: OnRefusal = "abort",
    ) -> BatchReceipt:
        """Burns `amounts[row]` of `accounts[row]`; as `transfer_many`."""
        columns = {"accounts": accounts, "amounts": amounts}
        return self._batches.commit(token, columns, "accounts", None, memo, ids, idempotency_key, on_refusal)

    # Reading the books. Amounts are in the token's smallest unit.

    def token(self, code: str) -> Token:
        """The token registered under `code`; else `TokenNotFound`."""
        return self._reads.token(code)

    def tokens(self) -> list[Token]:
        """All tokens, in the order of their registration."""
        return self._reads.tokens()

    def balance(self, token: str, account: str) -> Balance:
        """What `account` has; zeros where it was never heard of."""
        return self._reads.balance(token, account)

    def balances(self, token: str) -> dict[str, Balance]:
        """Every account that has something of the token."""
        return self._reads.balances(token)

    @property
    def state(self) -> StateView:
        """The double map: `state[first][second]` is the cell of that pair; `MeaninglessCell` where it has no meaning."""
        return StateView(self._reads)

    def supply(self, token: str) -> Supply:
        """What is in circulation and what is left in the reserve."""
        return self._reads.supply(token)

    def fragments(self, token: str, account: str) -> list[ValueObject]:
        """The value objects of the account's cell, smallest first: its live ones, and those that it holds for others."""
        return self._reads.fragments(token, account)

    def hold(self, id: str) -> Hold:
        """The open hold of this id; else `HoldNotFound`."""
        return self._reads.hold(id)

    def holds(self, token: str, authority: str) -> list[Hold]:
        """The open holds that `authority` keeps in a token, oldest first."""
        return self._reads.holds(token, authority)

    def frozen(self) -> list[FrozenAccount]:
        """The accounts that are frozen, one freeze after another, the oldest first; see `tx.freeze`."""
        return self._reads.frozen()

    def contract(self, id: str) -> ContractView:
        """The contract's balance, what is allocated of it, and to how many; else `ContractNotFound`."""
        return self._reads.contract(id)

    def contracts(self) -> Mapping[str, ContractView]:
        """All contracts by id, in the order of their registration; each is loaded when it is asked for."""
        return self._reads.contracts()

    def is_contract(self, id: object) -> bool:
        """Whether a contract is registered under `id`."""
        return self._reads.is_contract(id)

    def contract_ids(self) -> list[str]:
        """The ids of all contracts, in the order of their registration."""
        return self._reads.contract_ids()

    def allocation(self, contract: str, account: str) -> Allocation | None:
        """What the account is allocated in a contract; None where it has no allocation."""
        return self._reads.allocation(contract, account)

    def allocations(self, contract: str) -> dict[str, Allocation]:
        """What every account is allocated in a contract."""
        return self._reads.allocations(contract)

    # Reading the journal.

    def allocations_of(self, account: str) -> Allocations:
        """What the account is allocated, by contract, and in all. The first call reads the journal, later ones what is new."""
        return self._history.allocations_of(account)

    def transaction(self, id: int) -> Transaction:
        """The recorded transaction of this id; else `TransactionNotFound`."""
        return self._history.transaction(id)

    def history(self, token: str, account: str, after: int = 0, limit: int | None = None) -> list[Transaction]:
        """The account's transactions in a token, oldest first: up to `limit`, those above position `after`."""
        return self._history.history(token, account, after, limit)

    def replay(self, projection: ProjectionType, upto: int | None = None) -> ProjectionType:
        """Applies every event from the first, up to position `upto`, to `projection`, and gives it back.

        Raises `InvalidPosition` where `upto` is beyond the journal's head, and `CorruptJournal`.
        """
        return self._history.replay(projection, upto)

    def verify(self) -> AuditReport:
        """Checks every stored byte against the chain of digests, and positions and times for gaps."""
        return self._history.verify()

    def audit(self) -> AuditReport:
        """Derives everything again from the first event and reports whatever does not agree, with its first position."""
        return self._history.audit()

    def snapshot(self) -> None:
        """Takes a snapshot of the newest state, so that opening does not read the journal from its beginning.

        Snapshots are taken in the background as the journal grows; this one is there when the call returns. Deleting them costs
        time and nothing else. A ledger in memory has none. Raises `CorruptJournal`, `StorageFull`, `StorageUnavailable`.
        """
        self._core.check_open()
        self._core.keeper.snapshot()


def check_attempts(attempts: object) -> None:
    """Raises `InvalidRequest` where it is no number of attempts."""
    if type(attempts) is not int or attempts < 1:
        raise InvalidRequest(f"a function is run in 1 attempt or more, not {attempts!r}")
