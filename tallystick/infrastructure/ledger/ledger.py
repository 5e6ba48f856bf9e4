"""The ledger: the front door to the books of one journal.

Reads answer from the newest durable state. Changes are planned in a block, `with ledger.atomic() as tx`, and executed when it
ends, as one commit or not at all. A ledger may be used from several threads, and several processes may open the same file.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from threading import Thread
from types import TracebackType
from typing import Any, Literal, Self, TypeVar, overload

from tallystick.domain.contract.contracts import CONTRACTS_IN_MEMORY
from tallystick.domain.errors import DuplicateIdempotencyKey, InvalidRequest
from tallystick.domain.values.curve import CurveMaker
from tallystick.domain.values.entry_details import details_of
from tallystick.domain.values.token import AnyToken, Token
from tallystick.infrastructure.commit.idempotency import check_key, make_request
from tallystick.infrastructure.commit.receipt import Receipt, repeated
from tallystick.infrastructure.journal.port import MAX_CLOCK_LEAP
from tallystick.infrastructure.ledger.analytics import Analytics
from tallystick.infrastructure.ledger.batches.batches import Batches
from tallystick.infrastructure.ledger.batches.ledger_batches import LedgerBatches
from tallystick.infrastructure.ledger.calls.app_state import AppReads, AppState
from tallystick.infrastructure.ledger.calls.direct_calls import LedgerCalls, Make
from tallystick.infrastructure.ledger.calls.execution import call
from tallystick.infrastructure.ledger.calls.options import CallOptions
from tallystick.infrastructure.ledger.comparing.scripts import ReplayScripts
from tallystick.infrastructure.ledger.core import LedgerCore, open_core
from tallystick.infrastructure.ledger.expiry import check_seconds
from tallystick.infrastructure.ledger.reading.explanation import LINES_MAX, Explanation
from tallystick.infrastructure.ledger.reading.ledger_reads import LedgerReads
from tallystick.infrastructure.ledger.reading.lines.request import By
from tallystick.infrastructure.ledger.registrations import Registrations
from tallystick.infrastructure.ledger.running.running import run
from tallystick.infrastructure.ledger.running.tries import TIMEOUT, check_limits
from tallystick.infrastructure.ledger.transaction import OpenBlocks, TransactionContext
from tallystick.infrastructure.ledger.travel.difference import Difference, differences
from tallystick.infrastructure.ledger.travel.forked_core import forked
from tallystick.infrastructure.ledger.travel.moment import Moment, head_at, instant_of
from tallystick.infrastructure.ledger.travel.occurred_view import OccurredView, occurred_view
from tallystick.infrastructure.ledger.travel.view import View

Result = TypeVar("Result")


class Ledger(LedgerCalls, LedgerBatches, LedgerReads, ReplayScripts, Analytics):
    """The books of one journal. Use it as a context manager, or call `close`."""

    def __init__(self, core: LedgerCore) -> None:
        super().__init__(core)
        self._blocks = OpenBlocks()
        self._registrations = Registrations(core)
        self._batches = Batches(core)
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

        A curve comes to follow the decimals of the app's token and of the settlement token; with and without them it is the
        same. Raises `TokenAlreadyRegistered` where its code stands for another, `NameInUse`, of an app with a curve
        `TokenNotFound` where there is no settlement token yet, `InvalidCurve` where it was made for other decimals or one of
        your own has the name of another, and the errors of a commit.
        """
        self._registrations.register_token(token)

    def update_app(self, code: AnyToken, accepts: Iterable[AnyToken] | None = None, owner: str | None = None) -> None:
        """Changes which tokens an app accepts beside the settlement token and its own, and whose it is; None leaves it.

        Raises `TokenNotFound`, `NotAnApp`, `InvalidAccount`, and the errors of a commit.
        """
        self._registrations.update_app(code, accepts, owner)

    def take_over(
        self,
        tokens: Iterable[Token],
        cells: Iterable[tuple[AnyToken, AnyToken, int]],
        idempotency_key: str | None = None,
        *,
        only_empty: bool = False,
    ) -> None:
        """Registers `tokens` and moves amounts out of supply reserves into cells (first, second, amount), as one commit.

        This is for taking over an older book: unlike minting it reaches special cells and apps' tokens, and a curve without
        decimals stays so, for the reserve came about by it. Raises what
        `register_token` does; `MeaninglessCell`, `InvalidAccount`, `InvalidAmount` and `SupplyExhausted`, which name the
        cell, and with `only_empty` `CellNotEmpty` where there is something in it; and the errors of a commit.
        """
        self._registrations.take_over(tokens, cells, idempotency_key, only_empty)

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
        asked, details = make_request(idempotency_key, request), details_of(occurred_at, reference, metadata)
        return TransactionContext(core, self._blocks, asked, details)

    def run(
        self,
        function: Callable[[TransactionContext], Result],
        idempotency_key: str | None = None,
        *,
        request: Any = None,
        occurred_at: datetime | None = None,
        reference: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        timeout: float = TIMEOUT,
        attempts: int | None = None,
    ) -> Result:
        """Calls `function(tx)` in a block, and again after a `Conflict`; gives its result.

        Whoever met a `Conflict` has a turn among those who call `run` on this ledger, so that all are served: for up to 100 ms
        they let it plan alone. Nothing else waits for that: no block, no call without one, and nothing that `function` commits.

        Where `timeout` seconds are over after a call, or it was the last of so many `attempts`, its `Conflict` is raised with
        `attempts`, how often `function` was called. The other keywords are those of `atomic`; a key is looked up before each
        call. Raises what the block raises, and `InvalidRequest`.
        """
        timeout, attempts = check_limits(timeout, attempts)
        keywords: Any = {"occurred_at": occurred_at, "reference": reference, "metadata": metadata}

        def call() -> Result:
            with self.atomic(idempotency_key, request, **keywords) as tx:
                return function(tx)

        return run(self._core.turns, timeout, attempts, call)

    def once(
        self,
        function: Callable[[TransactionContext], object],
        idempotency_key: str,
        *,
        request: Any = None,
        occurred_at: datetime | None = None,
        reference: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        timeout: float = TIMEOUT,
        attempts: int | None = None,
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
            return self.run(call, idempotency_key, timeout=timeout, attempts=attempts, **keywords).receipt
        except DuplicateIdempotencyKey as error:
            if error.key != idempotency_key:
                raise
            return repeated(error.receipt)

    def erase(self, entry: int, reason: str) -> None:
        """Erases the metadata of the entry for ever, and records that it was, with the `reason`.

        The digest stays, so the journal is whole. Raises `EntryNotFound`, `InvalidRequest` where it has no metadata, or has
        none any more, and the errors of a commit.
        """
        self._entries.erase(entry, reason)

    def expire_every(self, seconds: float | None) -> Thread | None:
        """Gives back what is due now and every so many seconds, on a daemon thread, until the ledger is closed.

        Again, it replaces the one before; None ends it. What fails is logged by "tallystick.expiry" and tried again the next
        time. `InvalidRequest` where it is no number above 0, `LedgerReadOnly`. A forked child's ledger has none.
        """
        self._core.check_open()
        if seconds is None:
            self._core.expiry.stop()
            return None
        self._core.check_writable()
        return self._core.expiry.start(check_seconds(seconds))

    # Changing without a block: `LedgerCalls`, and those of an app.

    def _call(self, options: CallOptions, make: Make, *arguments: Any) -> Any:
        return call(self._core, self._blocks, options, make, arguments)

    def app(self, code: AnyToken) -> AppState:
        """The app whose token this is, to see how it stands and to deal with it; `TokenNotFound` or `NotAnApp`."""
        now = self._apps.figures(code)
        return AppState(now.code, now.owner, now.accepts, now.price, now.supply, now.reserve, self._apps, self._call)

    # Going back in time.

    @overload
    def as_of(self, at: Moment, *, known_at: Moment | None = None) -> View: ...
    @overload
    def as_of(self, at: Moment, by: Literal["recorded_at"], *, known_at: Moment | None = None) -> View: ...
    @overload
    def as_of(self, at: Moment, by: Literal["occurred_at"], *, known_at: Moment | None = None) -> OccurredView: ...
    def as_of(self, at: Moment, by: By = "recorded_at", *, known_at: Moment | None = None) -> View | OccurredView:
        """The ledger as it stood at the end of the last commit that is not after a position, or an aware datetime.

        `by` "occurred_at", of a time: what had occurred by then, as far as it is known now, or was `known_at` an earlier
        moment. Raises `InvalidPosition` beyond what was recorded, and before the first commit; and `InvalidRequest`.
        """
        core = self._core
        core.check_open()
        now = core.keeper.now()
        if by == "recorded_at":
            if known_at is not None:
                raise InvalidRequest('what was known at a moment is asked for by "occurred_at"')
            return View(core, head_at(core.journal, at, now))
        if by != "occurred_at" or not isinstance(at, datetime):
            raise InvalidRequest(
                f'a moment is by "recorded_at", or of an aware datetime by "occurred_at", not {at!r} by {by!r}'
            )
        known = core.journal.head() if known_at is None else head_at(core.journal, known_at, now)
        return occurred_view(core, instant_of(core.journal, at, now), known)

    def fork(self, at: Moment | None = None) -> "Ledger":
        """A scratch ledger that goes on from this one as it is, or as it stood at a moment, as `as_of` takes it.

        What is committed there lies in memory and ends with it; of this ledger it changes nothing, and sees nothing that is
        committed later. Idempotency keys and ids of transfers that were used after the moment are free in it. It is of use
        as long as this ledger is open. Raises `InvalidPosition`.
        """
        return Ledger(forked(self._core, at))

    def diff(self, a: Moment | None = None, b: Moment | None = None, token: AnyToken | None = None) -> list[Difference]:
        """The accounts whose balance at `b` is not what it was at `a`, of one token or of all, with both balances.

        Each is a moment as `as_of` takes it; `b` None is now, and `a` None is where this ledger was forked, which it is for a
        fork alone. Raises `InvalidPosition`, `InvalidRequest`, `TokenNotFound`.
        """
        first = self._core.forked_at if a is None else a
        if first is None:
            raise InvalidRequest("a diff compares two moments, and only of a fork the first is known: diff(a, b)")
        begins_empty = a is None and first == 0
        before = None if begins_empty else self.as_of(first)
        after = self if b is None else self.as_of(b)
        codes = [each.code for each in after.tokens()] if token is None else [after.token(token).code]
        return list(differences(before, after, codes))

    def explain(self, token: AnyToken, account: AnyToken, at: Moment | None = None, limit: int = LINES_MAX) -> Explanation:
        """The newest of the account's lines in a token that sum to its balance, now or at a moment: those since it last had
        nothing, or the newest `limit`. Raises what `history` and `as_of` do.
        """
        return self._explained(token, account, limit) if at is None else self.as_of(at).explain(token, account, limit)

    def index_past(self, progress: Callable[[int, int], object] | None = None) -> int:
        """Has the index of the past reach the journal's end, so that nobody who asks what there was waits for it; gives up to
        which position it reaches.

        Who asks builds it too, and it is extended in the background from then on. `progress` is told now and then which
        position was reached, and where the journal ends. The index lies beside the journal, about 20 bytes a position, and may
        be deleted at any time. Raises `LedgerReadOnly`, `CorruptJournal`, and `StorageUnavailable` where it cannot be built.
        """
        self._core.check_writable()
        return self._core.index_past(progress)

    def snapshot(self) -> None:
        """Takes a snapshot of the newest state, so that opening does not read the journal from its beginning.

        Snapshots are taken in the background as the journal grows; this one is there when the call returns. Deleting them costs
        time and nothing else. A ledger in memory has none. Raises `CorruptJournal`, `StorageFull`, `StorageUnavailable`.
        """
        self._core.check_writable()
        self._core.keeper.snapshot()
