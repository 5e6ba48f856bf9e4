"""What a ledger answers: the calls that change nothing. Reads of the books give the newest durable state."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import partial
from pathlib import Path

from tallystick.domain.contract.contract import Allocation
from tallystick.domain.token.token_state import Balance, Supply
from tallystick.domain.value_object.recorded_fragment import RecordedFragment
from tallystick.domain.value_object.value_object import ValueObject
from tallystick.domain.values.freeze import FrozenAccount
from tallystick.domain.values.token import AnyToken, Token
from tallystick.infrastructure.commit.receipt import Receipt
from tallystick.infrastructure.ledger.core import LedgerCore
from tallystick.infrastructure.ledger.reading.allocation_lines import AllocationLine, allocation_lines
from tallystick.infrastructure.ledger.reading.contract_view import ContractView
from tallystick.infrastructure.ledger.reading.entries import Entries
from tallystick.infrastructure.ledger.reading.entry import Entry
from tallystick.infrastructure.ledger.reading.explanation import Explanation, explain
from tallystick.infrastructure.ledger.reading.fragments.fragment_reads import FragmentReads
from tallystick.infrastructure.ledger.reading.fragments.lineage_reads import ANCESTORS_MAX, LineageReads
from tallystick.infrastructure.ledger.reading.history import History
from tallystick.infrastructure.ledger.reading.hold_reads import HoldReads
from tallystick.infrastructure.ledger.reading.lines.request import By, lines_request
from tallystick.infrastructure.ledger.reading.reads import Reads
from tallystick.infrastructure.ledger.reading.replays.replays import Replays
from tallystick.infrastructure.ledger.reading.state_view import StateView
from tallystick.infrastructure.ledger.reading.statement import Statement, span_of, statement_of
from tallystick.infrastructure.ledger.reading.status import Status, status_of
from tallystick.infrastructure.proof.audit import AuditReport
from tallystick.infrastructure.proof.backup import Backup, back_up
from tallystick.projections.balance_column import BalanceColumn
from tallystick.projections.holds import Hold
from tallystick.projections.lineages import Lineage
from tallystick.projections.lines import NextPage, Page
from tallystick.projections.shadow_spaces import Allocations
from tallystick.projections.transactions import Transaction


class LedgerReads(Replays):
    """The answers of a ledger, each asked of the part that knows it. Amounts are in the token's smallest unit.

    All raise `LedgerClosed`, `CorruptJournal` where the journal is not what was written, and errors of storage; and those that
    name a token, an account or a contract `TokenNotFound`, `InvalidAccount` or `ContractNotFound`.
    """

    def __init__(self, core: LedgerCore) -> None:
        super().__init__(core)
        self._reads = Reads(core)
        self._hold_reads = HoldReads(core)
        self._fragment_reads = FragmentReads(core)
        self._lineage_reads = LineageReads(core)
        self._history = History(core)
        self._entries = Entries(core)

    # Reading the books. Amounts are in the token's smallest unit.

    def token(self, code: AnyToken) -> Token:
        """The token registered under `code`; else `TokenNotFound`."""
        return self._reads.token(code)

    def tokens(self) -> list[Token]:
        """All tokens, in the order of their registration."""
        return self._reads.tokens()

    def balance(self, token: AnyToken, account: str) -> Balance:
        """What `account` has; zeros where it was never heard of."""
        return self._reads.balance(token, account)

    def balances(self, token: AnyToken, prefix: str = "", limit: int | None = None, after: str = "") -> dict[str, Balance]:
        """Every account that has something of the token; or in the order of their names those whose name begins with `prefix`
        and comes `after` another, `limit` of them. `InvalidRequest` where these are no texts and no number.
        """
        return self._reads.balances(token, prefix, limit, after)

    def column(self, token: AnyToken) -> BalanceColumn:
        """Every account that has something of the token, as columns: for who counts many, and a dict takes long to make."""
        return self._reads.column(token)

    def balances_of(self, account: str) -> dict[str, Balance]:
        """What the account has, by token: of every token of which it has something."""
        return self._reads.balances_of(account)

    def total(self, token: AnyToken, prefix: str = "") -> Balance:
        """What all accounts have together of the token, or those whose name begins with `prefix`."""
        return self._reads.total(token, prefix)

    @property
    def state(self) -> StateView:
        """The double map: `state[first][second]` is the cell of that pair; `MeaninglessCell` where it has no meaning."""
        return StateView(self._reads)

    def supply(self, token: AnyToken) -> Supply:
        """What is in circulation and what is left in the reserve."""
        return self._reads.supply(token)

    def fragments(self, token: AnyToken, account: str) -> list[ValueObject]:
        """The value objects of the account's cell, smallest first: its live ones, and those that it holds for others."""
        return self._reads.fragments(token, account)

    def fragment(self, id: int) -> RecordedFragment:
        """The value object of this id, whatever its state, with the entries in which it was minted, held and ended.

        One that is held or has ended is looked for in the journal from where it was minted on. Raises `FragmentNotFound`, and
        `InvalidRequest` where the id is no integer.
        """
        return self._fragment_reads.fragment(id)

    def lineage(self, fragment_id: int, limit: int = ANCESTORS_MAX) -> Lineage:
        """What the value object of this id was made of: its parents, theirs, and so on to what was minted; all of them, or the
        newest `limit`.

        Each is looked up in the journal, in the row in which it began. Raises `FragmentNotFound`, and `InvalidRequest` where
        the id is no integer, or the limit none of 1 or more.
        """
        return self._lineage_reads.lineage(fragment_id, limit)

    def hold(self, id: str) -> Hold:
        """The hold of this id, open or closed, with what was reserved, what is left and how the rest left it.

        One that is closed is looked for in the whole journal. Raises `InvalidRequest`, and `HoldNotFound` where none was
        recorded.
        """
        return self._hold_reads.hold(id)

    def holds(
        self,
        token: AnyToken | None = None,
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

    def allocation_history(self, contract: str, account: str) -> list[AllocationLine]:
        """What each change of the contract did to the account's allocation, with what it was after it, the oldest first."""
        return allocation_lines(self._core, contract, account)

    def entry(self, id: int) -> Entry:
        """The entry of this id, which is the position of its first event; else `EntryNotFound`, or `InvalidRequest`."""
        return self._entries.entry(id)

    def receipt(self, idempotency_key: str) -> Receipt | None:
        """The receipt of the entry that used the key; None where none did. `InvalidRequest` where it can be no key."""
        return self._entries.receipt(idempotency_key)

    def find(self, reference: str, limit: int | None = None) -> list[Entry]:
        """The entries with this reference, or with rows of batches that have it, newest first: all, or the newest `limit`.

        `InvalidRequest` where it can be no reference, or the limit no number of entries.
        """
        return self._entries.find(reference, limit)

    def transaction(self, id: int) -> Transaction:
        """The recorded transaction of this id; else `TransactionNotFound`, or `InvalidRequest` where that is no integer."""
        return self._history.transaction(id)

    def history(
        self,
        token: AnyToken,
        account: AnyToken,
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

    def statement(
        self,
        token: AnyToken,
        account: AnyToken,
        since: datetime | None = None,
        until: datetime | None = None,
        by: By = "occurred_at",
        *,
        month: str | None = None,
        tz: str = "UTC",
    ) -> Statement:
        """The account's statement in a token from `since` on and before `until`, aware datetimes, or of a `month`, as
        "2026-11", in the time zone `tz`: what it had, its lines, and what it had then.

        `by` "occurred_at" it has what happened in that time, in the order in which it did, `by` "recorded_at" what was recorded
        in it. Raises what `history` does.
        """
        span = span_of(since, until, month, tz)
        first, second = self._reads.spelled_perhaps(token, account)
        history, had_before = self._cell_history(first, second, by), partial(self._history.had_occurred_before, first, second)
        return statement_of(history, had_before, self._history.balance(first, second), first, second, span, by)

    def _cell_history(self, token: str, account: str, by: By = "recorded_at") -> Callable[..., Page]:
        return partial(self.history, token, account, by=by)

    def _explained(self, token: AnyToken, account: AnyToken, limit: int) -> Explanation:
        first, second = self._reads.spelled_perhaps(token, account)
        return explain(self._cell_history(first, second), self._history.balance(first, second), first, second, limit)

    def status(self) -> Status:
        """Where the journal ends, how far the books are behind it, who waits, and what is kept beside it; it waits for nobody.

        Raises `StorageUnavailable` where the store cannot be asked.
        """
        return status_of(self._core)

    def digest_at(self, position: int) -> str:
        """The digest, as 64 hexadecimal digits, of the commit in which the position lies; zeros at position 0.

        Kept elsewhere, it is what `verify(expect=...)` compares. Raises `InvalidPosition` beyond the journal's head, and
        `CorruptJournal` where that commit is not what was written.
        """
        return self._history.digest_at(position)

    def verify(self, expect: Iterable[tuple[int, str]] = ()) -> AuditReport:
        """Checks every stored byte against the chain of digests, positions and times for gaps, and metadata.

        `expect`: pairs of a position and the digest that was noted there, which find out a journal that was cut or written
        anew. What is wrong is told in the report and not raised; `InvalidRequest` where `expect` is something else.
        """
        return self._history.verify(expect)

    def audit(self) -> AuditReport:
        """Derives everything again from the first event and reports whatever does not agree, with its first position.

        What is wrong is told in the report and not raised.
        """
        return self._history.audit()

    def backup(self, path: str | Path) -> Backup:
        """Copies the journal into a new SQLite file at `path`, from which it opens as a ledger, and gives where it ends.

        Others go on committing meanwhile. The file gets its name when all of it was checked and is durable; nothing is written
        over another one. Raises `InvalidRequest` where something lies there, `CorruptJournal`, `StorageFull` and
        `StorageUnavailable`.
        """
        self._core.check_open()
        return back_up(self._core.journal, path)
