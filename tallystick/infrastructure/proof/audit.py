"""Proving a journal: that its bytes are those written, and that what they say can have happened.

`verify` reads every row, checks the chain of digests and that nothing is missing, of the metadata nothing that was
not erased. `audit` does that and derives everything again from the first event: the invariants of money, fragments and
contracts, what details say, the streams' versions, the keys that a store keeps, and that the books and the projections, which
get to their sums on different ways, agree. Both report what they find with its first position, and stop reading where a row
cannot be read.
"""

from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import Any

from tallystick.domain.batch.batch import numbered, positions_of
from tallystick.domain.batch.transfer_ids import TransferIds
from tallystick.domain.books.books import Books
from tallystick.domain.errors import CorruptJournal
from tallystick.domain.events import BATCHES, NOTED_BATCHES, BatchEvent, DomainEvent
from tallystick.domain.values.result import Result
from tallystick.infrastructure.indexes.transfer_ids import TransferIdIndex
from tallystick.infrastructure.journal.chain import rows_after
from tallystick.infrastructure.journal.details import read_details
from tallystick.infrastructure.journal.format import (
    EMPTY,
    Foreign,
    JournalEvent,
    JournalRow,
    decode_counts,
    decode_events,
    decode_keys,
    stream_of,
)
from tallystick.infrastructure.journal.port import Journal, StreamEntry
from tallystick.infrastructure.proof.details_check import FINDINGS_MAX, DetailsCheck, MetadataCheck
from tallystick.projections.balances import Balances
from tallystick.projections.fragments import Fragments
from tallystick.projections.invariants.invariants import Finding, Invariants
from tallystick.projections.invariants.notes import impossible_notes
from tallystick.projections.projection import Commit, Replay
from tallystick.projections.supply import SupplyReserves


class AuditReport(Result, frozen=True):
    """`ok` where nothing was found; else the `findings`. `position` and `digest` (hex) are of the last row that was read.

    A journal cannot prove that nothing was cut off its end: keep the position and digest elsewhere and compare.
    """

    ok: bool
    findings: tuple[Finding, ...]
    position: int
    digest: str


class _Reader:
    """Reads rows in order, and notes the first thing that is wrong with the chain, where it stops."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._metadata = MetadataCheck(journal)
        self.head = EMPTY
        self.findings: list[Finding] = []
        self.has_stopped = False

    def rows(self) -> Iterator[tuple[JournalRow, list[JournalEvent]]]:
        try:
            for row in rows_after(self._journal, self.head):
                events = _decoded(row)
                self.findings += self._metadata.add(row, events)
                yield row, events
                self.head = row.head()
            self.findings += self._metadata.finish()
        except CorruptJournal as error:
            self.has_stopped = True
            self.findings.append(Finding(error.position, str(error)))


def _decoded(row: JournalRow) -> list[JournalEvent]:
    """The events of a row all of whose columns can be read; else `CorruptJournal`."""
    events = decode_events(row)
    counts = decode_counts(row)
    if any(not 0 <= key.index < len(counts) for key in decode_keys(row)):
        raise CorruptJournal("a key is of a transaction that it does not have", position=row.first_position)
    read_details(row)
    return events


def verify(journal: Journal) -> AuditReport:
    """Checks every byte of the journal against its digests, and that positions and times go on without gaps."""
    reader = _Reader(journal)
    for _ in reader.rows():
        pass
    return _report(reader, [])


def audit(journal: Journal) -> AuditReport:
    """Derives everything from the first event, and reports whatever cannot be or does not agree."""
    reader = _Reader(journal)
    rederived = _Rederived()
    details = DetailsCheck(journal)
    findings: list[Finding] = []
    for row, events in reader.rows():
        rederived.add(row, events)
        findings += details.add(row, events)
    findings += rederived.finish(None if reader.has_stopped else journal)
    return _report(reader, findings)


def _report(reader: _Reader, findings: list[Finding]) -> AuditReport:
    everything = sorted((*reader.findings, *findings), key=lambda finding: finding.position)
    return AuditReport(not everything, tuple(everything), reader.head.position, reader.head.digest.hex())


class _Rederived:
    """The books, the projections and the invariants, side by side."""

    def __init__(self) -> None:
        self.books = Books()
        self.balances = Balances()
        self.reserves = SupplyReserves()
        self.fragments = Fragments()
        self.replays = [Replay[Any](projection) for projection in (self.balances, self.reserves, self.fragments)]
        self.invariants = Invariants()
        self.checks = Replay(self.invariants)
        self.ids = TransferIdIndex()
        self.versions: Counter[str] = Counter()
        self.entries: set[StreamEntry] = set()
        self.keys: dict[str, int] = {}
        self.findings: list[Finding] = []
        self.broken = False
        self.end = 0

    def add(self, row: JournalRow, events: list[JournalEvent]) -> None:
        for key in decode_keys(row):
            if key.key in self.keys:
                self.findings.append(Finding(row.first_position, f"idempotency key {key.key!r} was used before"))
            self.keys[key.key] = row.first_position
        self._count(row, events)
        for position, event in numbered(events, row.first_position):
            if isinstance(event, Foreign):
                continue
            commit = Commit(position, row.recorded_at, (event,))
            self._check(commit)
            if not self.broken:
                self._derive(commit, event)
        self.books.forget()
        self.end = row.last_position

    def _check(self, commit: Commit) -> None:
        (event,) = commit.events
        try:
            self.checks.add(commit)
        except CorruptJournal as error:
            self.findings.append(Finding(commit.first_position, str(error)))
        else:
            if isinstance(event, BATCHES):
                self._check_ids(commit.first_position, event)
            if isinstance(event, NOTED_BATCHES):
                notes = impossible_notes(event, commit.recorded_at)
                self.findings += [Finding(commit.first_position, found) for found in notes]

    def _check_ids(self, position: int, event: BatchEvent) -> None:
        if event.ids:
            ids = TransferIds.of_bytes(event.ids)
            if self.ids.used(ids).any() or ids.repeated().any():
                self.findings.append(Finding(position, "an id of its rows was used before"))
            self.ids.add(ids)

    def _derive(self, commit: Commit, event: DomainEvent) -> None:
        try:
            for replaying in self.replays:
                replaying.add(commit)
            self.books.apply(event, commit.first_position)
        except (LookupError, ArithmeticError, ValueError, CorruptJournal) as error:
            self.broken = True
            self.findings.append(Finding(commit.first_position, f"this event cannot be applied: {error!r}"))

    def _count(self, row: JournalRow, events: list[JournalEvent]) -> None:
        first: dict[str, int] = {}
        for event in events:
            stream = stream_of(event)
            version = event.version if isinstance(event, Foreign) else self.versions[stream] + 1
            if version <= self.versions.get(stream, -1):
                self.findings.append(Finding(row.first_position, f"stream {stream!r} has version {version} again"))
            self.versions[stream] = version + positions_of(event) - 1
            first.setdefault(stream, version)
        for stream, version in first.items():
            self.entries.add(StreamEntry(stream, version, self.versions[stream], row.first_position))

    def finish(self, journal: Journal | None) -> list[Finding]:
        findings = [*self.findings, *self.invariants.finish()]
        if journal is not None:
            findings += self._compare_streams(journal)
            if journal.keeps_keys:
                findings += islice(self._compare_keys(journal), FINDINGS_MAX)
        if not findings and not self.broken:
            findings += self._compare_sums()
        return findings

    def _compare_streams(self, journal: Journal) -> Iterator[Finding]:
        stored: set[StreamEntry] = set(journal.streams())
        for entry in stored ^ self.entries:
            if entry in stored and self._is_newer(journal, entry.first_position):
                continue
            where = "stands and should not" if entry in stored else "is missing"
            yield Finding(entry.first_position, f"the entry of stream {entry.stream!r} {where}: {tuple(entry)}")

    def _compare_keys(self, journal: Journal) -> Iterator[Finding]:
        """What the store's table of keys says that rows do not, and what it does not say."""
        missing = dict(self.keys)
        for key, position in journal.used_keys():
            used_at = missing.pop(key, None)
            if used_at is None and self._is_newer(journal, position):
                continue
            if used_at != position:
                yield Finding(position, f"the table of keys has {key!r} of this commit, which did not use it")
                if used_at is not None:
                    missing[key] = used_at
        for key, position in missing.items():
            yield Finding(position, f"the table of keys has not {key!r}, which this commit used")

    def _is_newer(self, journal: Journal, position: int) -> bool:
        """Whether it is of a commit that came while the journal was read."""
        return position > self.end and journal.row_at(position) is not None

    def _compare_sums(self) -> Iterator[Finding]:
        end = self.end
        for token in self.books.tokens():
            token_state = self.books.token_state(token.code)
            cells = dict(token_state.balances())
            if sum(balance.total for balance in cells.values()) + token_state.reserve != token.max_supply:
                yield Finding(end, f"the cells of {token.code} do not sum to its max_supply")
            if self.reserves.state[token.code] != token_state.reserve:
                yield Finding(end, f"the supply reserve of {token.code} differs between books and projection")
            state = self.balances.state[token.code]
            for account in {*state["available"], *state["reserved"], *cells}:
                balance = token_state.balance_of(account)
                if (balance.available, balance.reserved) != (
                    state["available"].get(account, 0),
                    state["reserved"].get(account, 0),
                ):
                    yield Finding(end, f"the {token.code} of {account} differ between books and projection")
