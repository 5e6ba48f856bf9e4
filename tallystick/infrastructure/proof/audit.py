"""Proving a journal: that its bytes are those written, and that what they say can have happened.

`verify` reads every row, checks the chain of digests and that nothing is missing, of the metadata nothing that was
not erased. `audit` does that and derives everything again from the first event: the invariants of money, fragments and
contracts, what details say, the streams' versions, the keys that a store keeps, and that the books and the projections, which
get to their sums on different ways, agree. Both report what they find with its first position, and stop reading where a row
cannot be read.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice

from tallystick.domain.batch.batch import numbered, positions_of
from tallystick.domain.errors import CorruptJournal
from tallystick.domain.events import NOTED_BATCHES
from tallystick.domain.review.forms import SHOWN, could_be_printed
from tallystick.domain.review.review import RecordedCommit, Review
from tallystick.domain.values.curve import CURVES, CurveMaker
from tallystick.domain.values.result import Result
from tallystick.infrastructure.journal.chain import rows_after
from tallystick.infrastructure.journal.details import read_details
from tallystick.infrastructure.journal.format import (
    EMPTY,
    Foreign,
    Head,
    JournalEvent,
    JournalRow,
    decode_counts,
    decode_events,
    decode_keys,
    may_hold_batches,
    may_hold_foreign,
    stream_of,
)
from tallystick.infrastructure.journal.limits import KEY_LENGTH_MAX
from tallystick.infrastructure.journal.port import Journal, StreamEntry
from tallystick.infrastructure.proof.anchors import Anchors
from tallystick.infrastructure.proof.derived import Derived
from tallystick.infrastructure.proof.details_check import FINDINGS_MAX, MetadataCheck, impossible_details
from tallystick.infrastructure.proof.kept_state import Kept, KeptState
from tallystick.infrastructure.proof.reversal_check import ReversalCheck
from tallystick.projections.invariants.invariants import Finding, FindingsList
from tallystick.projections.invariants.notes import impossible_notes
from tallystick.projections.projection import Commit, Replay


class AuditReport(Result, frozen=True):
    """`ok` where nothing was found; else the `findings`. `position` and `digest` (hex) are of the last row that was read.

    A journal cannot prove that nothing was cut off its end, nor that not all of it was written anew: keep the position and
    digest elsewhere, and `verify(expect=...)` compares.
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


def verify(journal: Journal, expected: Iterable[tuple[int, str]] = ()) -> AuditReport:
    """Checks every byte of the journal against its digests, and that positions and times go on without gaps.

    Besides, that the journal has what is `expected`: pairs of a position and the digest, in hex, of the commit in which that
    lies. Raises `InvalidRequest` where that is something else.
    """
    anchors = Anchors(expected)
    reader = _Reader(journal)
    findings = [*anchors.start()]
    for row, _ in reader.rows():
        findings += anchors.add(row)
    findings += anchors.finish(reader.head)
    return _report(reader, findings)


def audit(journal: Journal, curves: Mapping[str, CurveMaker] = CURVES, kept: Callable[[], Kept] | None = None) -> AuditReport:
    """Derives everything from the first event, and reports whatever cannot be, was not allowed or does not agree.

    Trades on a curve that none of `curves` makes are not decided again. `kept` gives what a ledger goes by.
    """
    reader = _Reader(journal)
    rederived = _Rederived(curves, KeptState(journal, kept))
    reversals = ReversalCheck(journal, rederived.books)
    findings: list[Finding] = []
    for row, events in reader.rows():
        rederived.add(row, events)
        findings += impossible_details(row, events)
        findings += reversals.add(row, events)
        rederived.compare_kept(row.head())
    findings += rederived.finish(None if reader.has_stopped else journal, reader.head)
    return _report(reader, findings)


def _report(reader: _Reader, findings: list[Finding]) -> AuditReport:
    everything = sorted((*reader.findings, *findings), key=lambda finding: finding.position)
    return AuditReport(not everything, tuple(everything), reader.head.position, reader.head.digest.hex())


class _Rederived:
    """The books, the projections and the invariants, side by side."""

    def __init__(self, curves: Mapping[str, CurveMaker], kept: KeptState) -> None:
        self.kept = kept
        self.found = FindingsList()
        self.allowed = FindingsList()
        self.review = Review(self.allowed.add, kept.ids, curves)
        self.books = self.review.books
        self.derived = Derived(self.found.add)
        self.replay = Replay(self.derived)
        self.versions: Counter[str] = Counter()
        self.others: set[str] = set()
        """Somebody else's streams of which a ledger keeps nothing."""
        self.entries: set[StreamEntry] = set()
        self.keys: dict[str, int] = {}
        self.end = 0
        self.is_kept_here = False

    def add(self, row: JournalRow, events: list[JournalEvent]) -> None:
        self.is_kept_here = self.kept.add(row, events)
        for key in decode_keys(row):
            if key.key in self.keys:
                self.found.add(row.first_position, f"idempotency key {key.key!r} was used before")
            elif not (1 <= len(key.key) <= KEY_LENGTH_MAX and could_be_printed(key.key)):
                self.found.add(row.first_position, f"{key.key[:SHOWN]!r} is no idempotency key")
            self.keys[key.key] = row.first_position
        self._count(row, events)
        may_hold = may_hold_batches(row.body)
        self.review.add(
            RecordedCommit(row.first_position, row.recorded_at, events, decode_counts(row), may_hold, row.details is not None)
        )
        self.derived.is_broken = self.derived.is_broken or self.review.is_lost
        for commit in _own_commits(row, events, may_hold):
            self._derive(commit)
        self.end = row.last_position

    def _derive(self, commit: Commit) -> None:
        try:
            self.replay.add(commit)
        except CorruptJournal as error:
            self.found.add(error.position, str(error))
            return
        if commit.may_hold_batches:
            for position, event in numbered(commit.events, commit.first_position):
                if isinstance(event, NOTED_BATCHES):
                    for reason in impossible_notes(event, commit.recorded_at):
                        self.found.add(position, reason)

    def _count(self, row: JournalRow, events: list[JournalEvent]) -> None:
        first: dict[str, int] = {}
        for event in events:
            stream = stream_of(event)
            if isinstance(event, Foreign) and " " in stream:
                self.others.add(stream)
            version = event.version if isinstance(event, Foreign) else self.versions[stream] + 1
            if version <= self.versions.get(stream, -1):
                self.found.add(row.first_position, f"stream {stream!r} has version {version} again")
            self.versions[stream] = version + positions_of(event) - 1
            first.setdefault(stream, version)
        for stream, version in first.items():
            self.entries.add(StreamEntry(stream, version, self.versions[stream], row.first_position))

    def compare_kept(self, head: Head) -> None:
        """Holds what is kept against the books, which stand at this head."""
        if self.is_kept_here and not self.review.is_lost:
            versions = {stream: version for stream, version in self.versions.items() if stream not in self.others}
            for finding in self.kept.compare(head, self.books, versions, self.keys):
                self.allowed.add(finding.position, finding.reason)

    def finish(self, journal: Journal | None, head: Head) -> list[Finding]:
        findings = [*self.found.findings, *self.derived.invariants.finish(), *self.allowed.findings]
        findings += self.kept.finish(head, has_stopped=journal is None or self.review.is_lost)
        self.kept.close()
        if journal is not None:
            findings += self._compare_streams(journal)
            if journal.keeps_keys:
                findings += islice(self._compare_keys(journal), FINDINGS_MAX)
        if not findings and not self.derived.is_broken:
            findings += self._compare_sums()
        return findings

    def _compare_streams(self, journal: Journal) -> Iterator[Finding]:
        try:
            stored: set[StreamEntry] = set(journal.streams())
        except CorruptJournal as error:
            yield Finding(error.position, f"the entries of streams cannot be read: {error}")
            return
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
            if self.derived.reserves.state[token.code] != token_state.reserve:
                yield Finding(end, f"the supply reserve of {token.code} differs between books and projection")
            state = self.derived.balances.state[token.code]
            for account in {*state["available"], *state["reserved"], *cells}:
                balance = token_state.balance_of(account)
                if (balance.available, balance.reserved) != (
                    state["available"].get(account, 0),
                    state["reserved"].get(account, 0),
                ):
                    yield Finding(end, f"the {token.code} of {account} differ between books and projection")


def _own_commits(row: JournalRow, events: list[JournalEvent], may_hold: bool) -> Iterator[Commit]:
    """The events of a row without those that are somebody else's, in runs that stand next to each other."""
    if not may_hold_foreign(row.body):
        yield Commit(row.first_position, row.recorded_at, events, may_hold)
        return
    run: list[JournalEvent] = []
    first = row.first_position
    for position, event in numbered(events, row.first_position):
        if not isinstance(event, Foreign):
            first = first if run else position
            run.append(event)
        elif run:
            yield Commit(first, row.recorded_at, run, may_hold)
            run = []
    if run:
        yield Commit(first, row.recorded_at, run, may_hold)
