"""An event-sourced ledger on an append-only journal."""

from tallystick import events
from tallystick.domain.app.handle import PlannedApp
from tallystick.domain.app.seats_handle import PlannedSeats
from tallystick.domain.batch.decisions import RefusedRow
from tallystick.domain.contract.contract import Allocation
from tallystick.domain.contract.handle import PlannedContract
from tallystick.domain.entry.trades import Trade
from tallystick.domain.errors import (
    AccountAlreadyAllocated,
    AccountIsFrozen,
    AccountNotAllocated,
    AllocationBelowZero,
    AllocationNotZero,
    AllocationsExceedBalance,
    AllocationsSumBelowZero,
    AlreadyReversed,
    BalanceBelowAllocations,
    BalanceBelowZero,
    CellNotEmpty,
    ClockLeap,
    CommitTooLarge,
    Conflict,
    ContractAlreadyRegistered,
    ContractIsBacked,
    ContractIsNotBacked,
    ContractNotFound,
    CorruptJournal,
    DuplicateIdempotencyKey,
    DuplicateTransferId,
    EntryNotFound,
    FragmentNotFound,
    HoldExpired,
    HoldNotFound,
    IdempotencyMismatch,
    IllegalTransition,
    ImportDiffers,
    InsufficientFunds,
    IntegrityError,
    InvalidAccount,
    InvalidAmount,
    InvalidAuthority,
    InvalidCurve,
    InvalidPosition,
    InvalidRequest,
    InvalidToken,
    InvalidURL,
    LedgerClosed,
    LedgerError,
    LedgerReadOnly,
    MalformedEvent,
    MalformedRow,
    MeaninglessCell,
    NameInUse,
    NoHolders,
    NotALedger,
    NotAnApp,
    NotAnEventStore,
    NotFound,
    NothingAllocated,
    NotReversible,
    OutcomeUnknown,
    PlanTooLarge,
    PositionTaken,
    RebuildDiffers,
    Refused,
    SchemaTooNew,
    SchemaTooOld,
    StorageError,
    StorageFull,
    StorageUnavailable,
    SupplyExhausted,
    TokenAlreadyRegistered,
    TokenNotAccepted,
    TokenNotFound,
    TooManyGaps,
    TransactionClosed,
    TransactionNotFound,
    UnconsumedSlice,
    UnknownCurve,
    UnslicedMoney,
)
from tallystick.domain.plan.money import Money, MoneySlice
from tallystick.domain.refusals import HoldInTheWay, RefusalExplanation
from tallystick.domain.token.token_state import Balance, Supply
from tallystick.domain.value_object.recorded_fragment import RecordedFragment
from tallystick.domain.value_object.value_object import FragmentState, ValueObject
from tallystick.domain.values.account import (
    DAO_RESERVED_ACCOUNT,
    HIDDEN_BONDING_CURVE_ACCOUNT,
    SEAT_COLLECTION_POOL,
    SEAT_DISTRIBUTION_POOL,
    TOTAL_SUPPLY_RESERVE,
    address,
)
from tallystick.domain.values.curve import Curve
from tallystick.domain.values.freeze import FrozenAccount
from tallystick.domain.values.pool_curves import FixedPriceCurve, LinearCurve, SquareRootCurve
from tallystick.domain.values.token import Token
from tallystick.infrastructure.analytics.export.exported import Exported, ExportedTable
from tallystick.infrastructure.commit.receipt import Receipt
from tallystick.infrastructure.ledger.asyncio.ledger import AsyncLedger
from tallystick.infrastructure.ledger.asyncio.transaction import AsyncTransactionContext
from tallystick.infrastructure.ledger.batches.batch_receipt import BatchReceipt
from tallystick.infrastructure.ledger.calls.app_state import AppState
from tallystick.infrastructure.ledger.comparing.bisecting import Bisection
from tallystick.infrastructure.ledger.comparing.checking import ReplayCheck
from tallystick.infrastructure.ledger.comparing.scripts import ReplayDifference
from tallystick.infrastructure.ledger.comparing.states import StateDifference
from tallystick.infrastructure.ledger.ledger import Ledger
from tallystick.infrastructure.ledger.reading.contract_view import ContractView
from tallystick.infrastructure.ledger.reading.entry import Entry
from tallystick.infrastructure.ledger.reading.status import Status
from tallystick.infrastructure.ledger.transaction import TransactionContext
from tallystick.infrastructure.proof.audit import AuditReport
from tallystick.infrastructure.proof.backup import Backup
from tallystick.infrastructure.rebuild.following.follower import Followed
from tallystick.infrastructure.rebuild.rebuild import Rebuilt, RebuiltTable
from tallystick.infrastructure.rebuild.sinks.parquet import parquet_files
from tallystick.projections.all_holds import Holds
from tallystick.projections.balance_column import BalanceColumn
from tallystick.projections.balances import Balances
from tallystick.projections.entry_header import EntryHeader
from tallystick.projections.fragments import Fragments
from tallystick.projections.holds import Hold, Leg
from tallystick.projections.lineages import FragmentOrigin, Lineage
from tallystick.projections.lines import Line, NextPage, Page
from tallystick.projections.projection import Projection
from tallystick.projections.shadow_spaces import Allocations, ShadowSpaces
from tallystick.projections.supply import SupplyReserves
from tallystick.projections.tables import Changes, Kind, Table
from tallystick.projections.transactions import Transaction, Transactions

__version__ = "0.1.0"

from tallystick.infrastructure.ledger.asyncio.past import AsyncOccurredView, AsyncView
from tallystick.infrastructure.ledger.reading.allocation_lines import AllocationLine
from tallystick.infrastructure.ledger.reading.explanation import Explanation
from tallystick.infrastructure.ledger.reading.statement import Statement
from tallystick.infrastructure.ledger.travel.difference import Difference
from tallystick.infrastructure.ledger.travel.occurred_view import OccurredView
from tallystick.infrastructure.ledger.travel.view import View

__all__ = [
    "DAO_RESERVED_ACCOUNT",
    "HIDDEN_BONDING_CURVE_ACCOUNT",
    "SEAT_COLLECTION_POOL",
    "SEAT_DISTRIBUTION_POOL",
    "TOTAL_SUPPLY_RESERVE",
    "AccountAlreadyAllocated",
    "AccountIsFrozen",
    "AccountNotAllocated",
    "Allocation",
    "AllocationBelowZero",
    "AllocationLine",
    "AllocationNotZero",
    "Allocations",
    "AllocationsExceedBalance",
    "AllocationsSumBelowZero",
    "AlreadyReversed",
    "AppState",
    "AsyncLedger",
    "AsyncOccurredView",
    "AsyncTransactionContext",
    "AsyncView",
    "AuditReport",
    "Backup",
    "Balance",
    "BalanceBelowAllocations",
    "BalanceBelowZero",
    "BalanceColumn",
    "Balances",
    "BatchReceipt",
    "Bisection",
    "CellNotEmpty",
    "Changes",
    "ClockLeap",
    "CommitTooLarge",
    "Conflict",
    "ContractAlreadyRegistered",
    "ContractIsBacked",
    "ContractIsNotBacked",
    "ContractNotFound",
    "ContractView",
    "CorruptJournal",
    "Curve",
    "Difference",
    "DuplicateIdempotencyKey",
    "DuplicateTransferId",
    "Entry",
    "EntryHeader",
    "EntryNotFound",
    "Explanation",
    "Exported",
    "ExportedTable",
    "FixedPriceCurve",
    "Followed",
    "FragmentNotFound",
    "FragmentOrigin",
    "FragmentState",
    "Fragments",
    "FrozenAccount",
    "Hold",
    "HoldExpired",
    "HoldInTheWay",
    "HoldNotFound",
    "Holds",
    "IdempotencyMismatch",
    "IllegalTransition",
    "ImportDiffers",
    "InsufficientFunds",
    "IntegrityError",
    "InvalidAccount",
    "InvalidAmount",
    "InvalidAuthority",
    "InvalidCurve",
    "InvalidPosition",
    "InvalidRequest",
    "InvalidToken",
    "InvalidURL",
    "Kind",
    "Ledger",
    "LedgerClosed",
    "LedgerError",
    "LedgerReadOnly",
    "Leg",
    "Line",
    "Lineage",
    "LinearCurve",
    "MalformedEvent",
    "MalformedRow",
    "MeaninglessCell",
    "Money",
    "MoneySlice",
    "NameInUse",
    "NextPage",
    "NoHolders",
    "NotALedger",
    "NotAnApp",
    "NotAnEventStore",
    "NotFound",
    "NotReversible",
    "NothingAllocated",
    "OccurredView",
    "OutcomeUnknown",
    "Page",
    "PlanTooLarge",
    "PlannedApp",
    "PlannedContract",
    "PlannedSeats",
    "PositionTaken",
    "Projection",
    "RebuildDiffers",
    "Rebuilt",
    "RebuiltTable",
    "Receipt",
    "RecordedFragment",
    "RefusalExplanation",
    "Refused",
    "RefusedRow",
    "ReplayCheck",
    "ReplayDifference",
    "SchemaTooNew",
    "SchemaTooOld",
    "ShadowSpaces",
    "SquareRootCurve",
    "StateDifference",
    "Statement",
    "Status",
    "StorageError",
    "StorageFull",
    "StorageUnavailable",
    "Supply",
    "SupplyExhausted",
    "SupplyReserves",
    "Table",
    "Token",
    "TokenAlreadyRegistered",
    "TokenNotAccepted",
    "TokenNotFound",
    "TooManyGaps",
    "Trade",
    "Transaction",
    "TransactionClosed",
    "TransactionContext",
    "TransactionNotFound",
    "Transactions",
    "UnconsumedSlice",
    "UnknownCurve",
    "UnslicedMoney",
    "ValueObject",
    "View",
    "address",
    "events",
    "parquet_files",
]
