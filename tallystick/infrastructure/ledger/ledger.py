"""The ledger: the front door to the books of one journal.

Reads answer from the newest durable state. Changes are planned in a block, `with ledger.atomic() as tx`, and executed when it
ends, as one commit or not at all. A ledger may be used from several threads, and several processes may open the same file.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from threading import Thread
from types import TracebackType
from typing import Any, Self, TypeVar

from tallystick.domain.arithmetic.columns import Column
from tallystick.domain.contract.contract import Allocation
from tallystick.domain.contract.contracts import CONTRACTS_IN_MEMORY
from tallystick.domain.errors import Conflict, DuplicateIdempotencyKey, InvalidRequest
from tallystick.domain.token.token_state import Balance, Supply
from tallystick.domain.value_object.value_object import ValueObject
from tallystick.domain.values.curve import CurveMaker
from tallystick.domain.values.entry_details import details_of
from tallystick.domain.values.freeze import FrozenAccount
from tallystick.domain.values.token import Token
from tallystick.infrastructure.commit.idempotency import check_key, make_request
from tallystick.infrastructure.commit.receipt import Receipt
from tallystick.infrastructure.journal.port import MAX_CLOCK_LEAP
from tallystick.infrastructure.ledger.batch_receipt import BatchReceipt
from tallystick.infrastructure.ledger.batches import Batches, OnRefusal
from tallystick.infrastructure.ledger.calls.app_state import AppReads, AppState
from tallystick.infrastructure.ledger.calls.direct_calls import LedgerCalls, Make
from tallystick.infrastructure.ledger.calls.execution import call
from tallystick.infrastructure.ledger.calls.options import CallOptions
from tallystick.infrastructure.ledger.contract_view import ContractView
from tallystick.infrastructure.ledger.core import LedgerCore, open_core
from tallystick.infrastructure.ledger.entries import Entries
from tallystick.infrastructure.ledger.entry import Entry
from tallystick.infrastructure.ledger.expiry import check_seconds
from tallystick.infrastructure.ledger.history import History
from tallystick.infrastructure.ledger.hold_reads import HoldReads
from tallystick.infrastructure.ledger.lines.request import By, lines_request
from tallystick.infrastructure.ledger.reads import Reads
from tallystick.infrastructure.ledger.registrations import Registrations
from tallystick.infrastructure.ledger.rows.given_notes import GivenNotes
from tallystick.infrastructure.ledger.state_view import StateView
from tallystick.infrastructure.ledger.status import Status, status_of
from tallystick.infrastructure.ledger.transaction import OpenBlocks, TransactionContext
from tallystick.infrastructure.proof.audit import AuditReport
from tallystick.projections.holds import Hold
from tallystick.projections.lines import NextPage, Page
from tallystick.projections.projection import ProjectionType
from tallystick.projections.shadow_spaces import Allocations
from tallystick.projections.transactions import Transaction

Result = TypeVar("Result")


class Ledger(LedgerCalls):
    """The books of one journal. Use it as a context manager, or call `close`."""

    def __init__(self, core: LedgerCore) -> None:
        self._core = core
        self._blocks = OpenBlocks()
        self._registrations = Registrations(core)
        self._batches = Batches(core)
        self._reads = Reads(core)
        self._entries = Entries(core)
        self._hold_reads = HoldReads(core)
        self._history = History(core)
        self._apps = AppReads(core)

    @classmethod
    def open(
        cls,
        url: str | Path,
        *,
        create: bool = True,
        read_only: bool = False,
        curves: Mapping[str, CurveMaker] | None = None,
        contracts_in_memory: int = CONTRACTS_IN_MEMORY,
        clock: Callable[[], datetime] | None = None,
        ids: Callable[[], str] | None = None,
        max_clock_leap: timedelta | None = MAX_CLOCK_LEAP,
    ) -> Self:
        """The ledger at `url`: a path, "memory:", "postgresql://user@host/db". A missing one is made if `create`.

        `read_only`: it is opened for reading alone. No file is made, here or beside it, commits of others are seen, and what
        would change it is `LedgerReadOnly`. Of a missing file that is `StorageUnavailable`.

        `curves` makes curves of your own again, by name from the integers that the journal keeps. Up to
        `contracts_in_memory` contracts stay loaded. `clock` gives the time as an aware datetime, `ids` an id for
        each new hold. A commit whose clock stands more than `max_clock_leap` after the newest one is `ClockLeap`; None
        believes every clock. Raises `InvalidURL`, `NotALedger`, `SchemaTooNew`, `StorageUnavailable`, `StorageFull`. A corrupt
        journal opens, so that `verify` and `audit` can say what is wrong with it; all else then raises `CorruptJournal`.
        """
        return cls(open_core(url, create, read_only, curves, contracts_in_memory, clock, ids, max_clock_leap))

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

    def atomic(
        self,
        idempotency_key: str | None = None,
        request: Any = None,
        *,
        occurred_at: datetime | None = None,
        reference: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> TransactionContext:
        """The block of one transaction, executed as a whole when it ends without an exception: an entry.

        Under an `idempotency_key` it is executed once: again, entering the block raises `DuplicateIdempotencyKey` with
        the first receipt, or `IdempotencyMismatch` if `request` (anything that JSON can write) is not the first one's.
        `occurred_at`: when it happened (aware; 1970 to 9999, at most a day after it is recorded), which decides nothing.
        `reference`: a text of up to 256 characters, which `find` finds; `metadata`: a JSON object of up to 64 KiB, which can
        be erased. Raises `InvalidRequest`.
        """
        core = self._core
        if core.is_closed or core.read_only:
            core.check_writable()
        details = details_of(occurred_at, reference, metadata)
        return TransactionContext(core, self._blocks, make_request(idempotency_key, request), details)

    def run(
        self,
        function: Callable[[TransactionContext], Result],
        idempotency_key: str | None = None,
        attempts: int = 8,
        *,
        request: Any = None,
        occurred_at: datetime | None = None,
        reference: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> Result:
        """Calls `function(tx)` in a block, and again after a `Conflict`, up to `attempts` times; gives its result."""
        check_attempts(attempts)
        keywords: Any = {"occurred_at": occurred_at, "reference": reference, "metadata": metadata}
        while True:
            attempts -= 1
            try:
                with self.atomic(idempotency_key, request, **keywords) as tx:
                    return function(tx)
            except Conflict:
                if not attempts:
                    raise

    def once(
        self,
        function: Callable[[TransactionContext], object],
        idempotency_key: str,
        attempts: int = 8,
        *,
        request: Any = None,
        occurred_at: datetime | None = None,
        reference: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> Receipt | None:
        """Runs `function(tx)` as `run` does and gives the receipt; where the key was used, the first one, `repeated`.

        None where it recorded nothing, and so did not use the key. `IdempotencyMismatch` where `request` is not the first
        one's.
        """
        check_key(idempotency_key)

        def call(tx: TransactionContext) -> TransactionContext:
            function(tx)
            return tx

        keywords: Any = {"request": request, "occurred_at": occurred_at, "reference": reference, "metadata": metadata}
        try:
            return self.run(call, idempotency_key, attempts, **keywords).receipt
        except DuplicateIdempotencyKey as error:
            if error.key != idempotency_key:
                raise
            return error.receipt.again()

    def erase(self, entry: int, reason: str) -> None:
        """Erases the metadata of the entry for ever, and records that it was, with the `reason`.

        The digest stays, so the journal is whole. Raises `EntryNotFound`, `InvalidRequest` where it has no metadata, or has
        none any more, and the errors of a commit.
        """
        self._entries.erase(entry, reason)

    def expire_every(self, seconds: float | None) -> Thread | None:
        """Gives back what is due now and every so many seconds, on a daemon thread, until the ledger is closed.

        Again, it replaces the one before; None ends it. What fails is logged by "tallystick.expiry" and tried again the next
        time. `InvalidRequest` where it is no number above 0. A forked child's ledger has none.
        """
        self._core.check_open()
        if seconds is None:
            self._core.expiry.stop()
            return None
        check_seconds(seconds)
        return self._core.expiry.start(seconds)

    # Changing without a block: `LedgerCalls`, and those of an app.

    def _call(self, options: CallOptions, make: Make, *arguments: Any) -> Any:
        return call(self._core, self._blocks, options, make, arguments)

    def app(self, code: str) -> AppState:
        """The app whose token this is, to see how it stands and to deal with it; `TokenNotFound` or `NotAnApp`."""
        now = self._apps.figures(code)
        return AppState(now.code, now.owner, now.accepts, now.price, now.supply, now.reserve, self._apps, self._call)

    # Batches.

    def handles(self, token: str, names: Any) -> Column:
        """The handles of accounts in a token: numbers that batches of it take instead of names, as long as this ledger is open.

        Raises `TokenNotFound`, and `InvalidAccount` or `MeaninglessCell`, which name the row.
        """
        return self._batches.handles(token, names)

    def transfer_many(
        self,
        token: str,
        senders: Any,
        receivers: Any,
        amounts: Any,
        memo: Any = "",
        ids: Any = None,
        idempotency_key: str | None = None,
        on_refusal: OnRefusal = "abort",
        *,
        occurred_at: Any = None,
        references: Any = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> BatchReceipt:
        """Transfers `amounts[row]` from `senders[row]` to `receivers[row]`, row after row, in one commit.

        Accounts are names or handles; columns are sequences, numpy arrays or Arrow arrays. `memo`, `occurred_at` and
        `references` are one for all rows or a column: times are aware datetimes, or numpy's or Arrow's, taken as UTC, from
        1970 to 9999 and at most a day ahead; references are texts of up to 256 characters, or None in a row. `ids` are
        each used once in a journal: numbers of 128 bits, UUIDs, 16 bytes, or texts of up to 256 characters. `metadata` is
        that of the batch, as of any block.

        What is wrong with a row (`InvalidAmount`, `InvalidAccount`, `InvalidRequest`) refuses the whole batch. What the books
        refuse (`DuplicateTransferId`, `AccountIsFrozen`, `InsufficientFunds`) refuses it too, or with `on_refusal` "skip" that
        row alone. Raises also `TokenNotFound`, `InvalidRequest` and the errors of a commit; then nothing is changed.
        """
        notes = GivenNotes(memo, ids, occurred_at, references, metadata)
        columns = {"senders": senders, "receivers": receivers, "amounts": amounts}
        return self._batches.commit(token, columns, "senders", "receivers", notes, idempotency_key, on_refusal)

    def mint_many(
        self,
        token: str,
        accounts: Any,
        amounts: Any,
        memo: Any = "",
        ids: Any = None,
        idempotency_key: str | None = None,
        on_refusal: OnRefusal = "abort",
        *,
        occurred_at: Any = None,
        references: Any = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> BatchReceipt:
        """Mints `amounts[row]` to `accounts[row]`; as `transfer_many`, but rows are refused for `SupplyExhausted`."""
        notes = GivenNotes(memo, ids, occurred_at, references, metadata)
        columns = {"accounts": accounts, "amounts": amounts}
        return self._batches.commit(token, columns, None, "accounts", notes, idempotency_key, on_refusal)

    def burn_many(
        self,
        token: str,
        accounts: Any,
        amounts: Any,
        memo: Any = "",
        ids: Any = None,
        idempotency_key: str | None = None,
        on_refusal: OnRefusal = "abort",
        *,
        occurred_at: Any = None,
        references: Any = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> BatchReceipt:
        """Burns `amounts[row]` of `accounts[row]`; as `transfer_many`."""
        notes = GivenNotes(memo, ids, occurred_at, references, metadata)
        columns = {"accounts": accounts, "amounts": amounts}
        return self._batches.commit(token, columns, "accounts", None, notes, idempotency_key, on_refusal)

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
        """The hold of this id, open or closed, with what was reserved, what is left and how the rest left it.

        One that is closed is looked for in the whole journal. Raises `HoldNotFound` where none was recorded.
        """
        return self._hold_reads.hold(id)

    def holds(
        self,
        token: str | None = None,
        authority: str | None = None,
        payer: str | None = None,
        due_before: datetime | None = None,
    ) -> list[Hold]:
        """The open holds, oldest first: all, or those of a token, that `authority` keeps, that `payer` paid, and that fall due
        before `due_before`, an aware datetime.

        Raises `TokenNotFound`, `InvalidAccount`, and `InvalidRequest` where the time is no aware datetime.
        """
        return self._hold_reads.holds(token, authority, payer, due_before)

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

    def entry(self, id: int) -> Entry:
        """The entry of this id, which is the position of its first event; else `EntryNotFound`."""
        return self._entries.entry(id)

    def receipt(self, idempotency_key: str) -> Receipt | None:
        """The receipt of the entry that used the key; None where none did."""
        return self._entries.receipt(idempotency_key)

    def find(self, reference: str, limit: int | None = None) -> list[Entry]:
        """The entries with this reference, newest first: all of them, or the newest `limit`."""
        return self._entries.find(reference, limit)

    def transaction(self, id: int) -> Transaction:
        """The recorded transaction of this id; else `TransactionNotFound`."""
        return self._history.transaction(id)

    def history(
        self,
        token: str,
        account: str,
        after: int | NextPage = 0,
        before: int | NextPage | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        by: By = "recorded_at",
        limit: int | None = None,
        newest_first: bool = False,
    ) -> Page:
        """The account's lines in a token, in pages: what each movement changed, and what the account had after it.

        Lines are those above position `after` and below `before`, from the time `since` on and before `until` (aware), which
        `by` "occurred_at" is when they happened and else when they were recorded. A page has whole entries: it ends with
        the entry that brings it to `limit` lines, so it may have some more. `page.next`, None at the end, is where the next
        page begins: give it as `after`, of the newest first as `before`, with all else as before.

        It is the history of the cell `state[token][account]`, so an app with the bonding account gives what the app's curve
        holds, and a user with an app the user's deposit, both in the settlement token. Raises `TokenNotFound`,
        `InvalidAccount`, `MeaninglessCell`, `InvalidPosition`, `InvalidRequest` and `CorruptJournal`.
        """
        request = lines_request(after, before, since, until, by, limit, newest_first)
        return self._history.history(token, account, request)

    def replay(self, projection: ProjectionType, upto: int | None = None) -> ProjectionType:
        """Applies every event from the first, up to position `upto`, to `projection`, and gives it back.

        Raises `InvalidPosition` where `upto` is beyond the journal's head, and `CorruptJournal`.
        """
        return self._history.replay(projection, upto)

    def status(self) -> Status:
        """Where the journal ends, how far the books are behind it, who waits, and what is kept beside it; it waits for nobody.

        Raises `StorageUnavailable`.
        """
        return status_of(self._core)

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
        self._core.check_writable()
        self._core.keeper.snapshot()


def check_attempts(attempts: object) -> None:
    """Raises `InvalidRequest` where it is no number of attempts."""
    if type(attempts) is not int or attempts < 1:
        raise InvalidRequest(f"a function is run in 1 attempt or more, not {attempts!r}")
