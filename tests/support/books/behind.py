"""What stands behind a ledger, for tests that see or hold what its users do not; and ledgers on a journal of a test."""

from collections.abc import Callable

from tallystick import AsyncLedger, Ledger
from tallystick.domain.contract.contracts import CONTRACTS_IN_MEMORY
from tallystick.domain.events import DomainEvent
from tallystick.domain.plan.draft import Draft
from tallystick.domain.plan.plan import Plan
from tallystick.infrastructure.commit.bookkeeper import Bookkeeper
from tallystick.infrastructure.commit.member import TransactionMember
from tallystick.infrastructure.group_commit.queue import CommitQueue
from tallystick.infrastructure.journal.port import Journal
from tallystick.infrastructure.ledger.core import LedgerCore
from tallystick.infrastructure.ledger.expiry import Expiry


def core_on(
    journal: Journal,
    clock: Callable[[], int] = lambda: 1,
    new_hold_id: Callable[[], str] = lambda: "hold",
    contracts_in_memory: int = CONTRACTS_IN_MEMORY,
) -> LedgerCore:
    """The core of a ledger on `journal`, beside which others may go by the machine's clock."""
    journal.max_clock_leap = None
    return LedgerCore(journal, clock, new_hold_id, contracts_in_memory)


def ledger_on(
    journal: Journal,
    clock: Callable[[], int] = lambda: 1,
    new_hold_id: Callable[[], str] = lambda: "hold",
    contracts_in_memory: int = CONTRACTS_IN_MEMORY,
) -> Ledger:
    """A ledger on `journal`."""
    return Ledger(core_on(journal, clock, new_hold_id, contracts_in_memory))


def core_of(ledger: Ledger | AsyncLedger) -> LedgerCore:
    """Its journal, the keeper of its books, its queue."""
    return ledger._core


def keeper_of(ledger: Ledger | AsyncLedger) -> Bookkeeper:
    """What has its books stand at the journal's head."""
    return core_of(ledger).keeper


def queue_of(ledger: Ledger | AsyncLedger) -> CommitQueue[TransactionMember]:
    """Where those wait who commit."""
    return core_of(ledger).queue


def expiry_of(ledger: Ledger | AsyncLedger) -> Expiry:
    """What gives back holds that are due without being asked."""
    return core_of(ledger).expiry


def draft_of(tx: Plan) -> Draft:
    """What the books would be after the block so far."""
    return tx._recording.draft


def journal_of(ledger: Ledger | AsyncLedger) -> Journal:
    """Where it commits."""
    return core_of(ledger).journal


def drafted(tx: Plan) -> list[DomainEvent]:
    """The events of what a block was asked for so far, as its draft has them."""
    return [entry for entry in tx._recording._log if not isinstance(entry, tuple)]
