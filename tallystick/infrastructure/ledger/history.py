"""Reads the journal: what a ledger answers about what happened, from its rows and not from the state it stands at."""

from collections.abc import Iterator

from tallystick.domain.batch.batch import numbered, positions_of, read_batch
from tallystick.domain.errors import CorruptJournal, InvalidPosition, TransactionNotFound
from tallystick.domain.events import BATCHES
from tallystick.domain.values.account import check_account
from tallystick.infrastructure.journal.chain import rows_after
from tallystick.infrastructure.journal.format import EMPTY, JournalEvent, JournalRow, decode_events, may_hold_batches
from tallystick.infrastructure.ledger.core import LedgerCore
from tallystick.infrastructure.ledger.reads import Reads
from tallystick.infrastructure.ledger.replaying import Follower, commit_of
from tallystick.infrastructure.proof import audit
from tallystick.infrastructure.proof.audit import AuditReport
from tallystick.projections.projection import Commit, ProjectionType
from tallystick.projections.projection import replay as replay_projection
from tallystick.projections.shadow_spaces import Allocations, ShadowSpaces
from tallystick.projections.transactions import Transaction, transaction_of


class History:
    """The answers."""

    def __init__(self, core: LedgerCore, reads: Reads) -> None:
        self._core = core
        self._journal = core.journal
        self._books = core.books
        self._reads = reads
        self._shadow_spaces = Follower(core.journal, ShadowSpaces)

    def allocations_of(self, account: str) -> Allocations:
        """What the account is allocated, by contract, and in all. The first call reads the journal, later ones what is new."""
        with self._core.locked():
            self._core.reach_head()
            return self._shadow_spaces.catch_up().allocations_of(check_account(account))

    def transaction(self, id: int) -> Transaction:
        """The recorded transaction of this id; else `TransactionNotFound`."""
        self._core.check_open()
        row = self._journal.row_at(id) if type(id) is int and 0 < id < 2**63 else None
        transaction = None if row is None else transaction_of(id, row.recorded_at, self._event_at(row, id))
        if transaction is None:
            raise TransactionNotFound(id=id)
        return transaction

    def history(self, token: str, account: str, after: int = 0, limit: int | None = None) -> list[Transaction]:
        """The account's transactions in a token, oldest first: up to `limit`, those above position `after`."""
        self._reads.balance(token, account)
        _check_position(after)
        found: list[Transaction] = []
        for commit in self._commits(after):
            for position, event in self._touching(commit, token, account):
                transaction = transaction_of(position, commit.recorded_at, event) if position > after else None
                if transaction is None or account not in (transaction.sender, transaction.receiver):
                    continue
                if limit is not None and len(found) >= limit:
                    return found
                found.append(transaction)
        return found

    def replay(self, projection: ProjectionType, upto: int | None = None) -> ProjectionType:
        """Applies every event from the first, up to position `upto`, to `projection`, and gives it back.

        Raises `InvalidPosition` where `upto` is beyond the journal's head, and `CorruptJournal`.
        """
        self._core.check_open()
        if upto is not None:
            _check_position(upto)
            head = self._journal.head().position
            if upto > head:
                raise InvalidPosition(f"the journal has reached position {head}, not {upto}")
        return replay_projection(projection, self._commits(0, upto), upto)

    def verify(self) -> AuditReport:
        """Checks every stored byte against the chain of digests, and positions and times for gaps."""
        self._core.check_open()
        return audit.verify(self._journal)

    def audit(self) -> AuditReport:
        """Derives everything again from the first event and reports whatever does not agree, with its first position."""
        self._core.check_open()
        return audit.audit(self._journal)

    def _commits(self, after: int, upto: int | None = None) -> Iterator[Commit]:
        """The commits from the one in which `after` lies, and those behind it, each held against the one before."""
        head = EMPTY
        if after:
            if after >= self._journal.head().position:
                return
            first = self._journal.row_at(after)
            if first is None:
                raise CorruptJournal("no row holds it, and the journal goes on behind it", position=after)
            yield commit_of(first)
            head = first.head()
        for row in rows_after(self._journal, head):
            if upto is not None and row.first_position > upto:
                return
            yield commit_of(row)

    def _event_at(self, row: JournalRow, position: int) -> JournalEvent:
        """What stands at a position of the row; of a batch, what its row says."""
        events = decode_events(row)
        if not may_hold_batches(row.body):
            return events[position - row.first_position]
        first, event = next(
            (first, event) for first, event in numbered(events, row.first_position) if position < first + positions_of(event)
        )
        if not isinstance(event, BATCHES):
            return event
        with self._core.locked():
            self._core.reach_head()
            return read_batch(event, self._books.names_of(event.token)).event(position - first)

    def _touching(self, commit: Commit, token: str, account: str) -> Iterator[tuple[int, JournalEvent]]:
        """The events of a token, and of its batches those of the rows that name the account, with their positions."""
        for position, event in numbered(commit.events, commit.first_position):
            if getattr(event, "token", None) != token:
                continue
            if not isinstance(event, BATCHES):
                yield position, event
                continue
            with self._core.locked():
                self._core.reach_head()
                batch, number = read_batch(event, self._books.names_of(token)), self._books.number_of(token, account)
            for row in batch.rows_of(number):
                yield position + row, batch.event(row)


def _check_position(position: object) -> None:
    if type(position) is not int or position < 0:
        raise InvalidPosition(f"a position is an int, 0 or more, not {position!r}")
