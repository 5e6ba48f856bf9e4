"""The ledger's group: transactions that are executed one after another, and made durable together as one row of the journal.

Each is executed on its own, so one that is refused changes nothing and the others go on. Nobody is told anything before the
row is durable: a refusal too may rest on what a member before it did.
"""

from collections.abc import Sequence
from time import monotonic

from tallystick.domain.errors import CommitTooLarge, Conflict, LedgerError, StorageUnavailable
from tallystick.domain.events import DomainEvent, Moved
from tallystick.domain.refusals import ask_holds
from tallystick.domain.value_object.runs import all_in_format_1
from tallystick.domain.values.reversal import Reversal
from tallystick.infrastructure.commit.bookkeeper import Bookkeeper
from tallystick.infrastructure.commit.member import Committed, TransactionMember
from tallystick.infrastructure.commit.pace import GROUP_SECONDS, MEMBERS_EVERY
from tallystick.infrastructure.commit.row_details import RowDetails, bytes_of_details
from tallystick.infrastructure.commit.saved_events import SavedStreams
from tallystick.infrastructure.group_commit.group import Group, TryAgain
from tallystick.infrastructure.group_commit.queue import CommitQueue
from tallystick.infrastructure.indexes.runs.checked_words import DamagedRun
from tallystick.infrastructure.journal.details import needs_details
from tallystick.infrastructure.journal.format import Head, JournalRow, Key, encode_events, join_bodies, make_row
from tallystick.infrastructure.journal.limits import COMMIT_BYTES_MAX, GROUP_BYTES
from tallystick.infrastructure.journal.port import Overtaken, StreamEntry

ATTEMPTS_MAX = 8
PLAIN_MEMO_MAX, PLAIN_BYTES = 1024, 128
"""A movement with a memo of at most so many characters is encoded together with others, and about so large beside its memo."""


class LedgerGroup(Group[TransactionMember]):
    """The transactions executed so far, and the books that they change."""

    attempts_max = ATTEMPTS_MAX

    _saved: SavedStreams | None = None
    """To what its members save beside their money, where one does."""

    _is_again = False
    """Whether the store has refused a row of the first member's before: not even its tables are taken at their word then."""

    _details: RowDetails | None = None
    """What its row says beside events, where it has anything of format 2."""

    def __init__(self, keeper: Bookkeeper) -> None:
        self._keeper = keeper
        self._bytes = 0
        self._has_asked = False
        self._bodies: list[bytes] = []
        self._plain: list[Moved] = []
        self._counts: list[int] = []
        self._is_closed = False
        self._keys: list[Key] = []
        self._key_names: set[str] = set()
        self._recorded: list[tuple[TransactionMember, int, Sequence[DomainEvent]]] = []
        self._events: list[DomainEvent] = []
        self._own_entries: Sequence[StreamEntry] = ()

    def execute(self, queue: CommitQueue[TransactionMember], head: Head) -> Sequence[TransactionMember]:
        keeper = self._keeper
        with keeper.lock:
            try:
                members = queue.take()
                keeper.reach(head)
                self._now = keeper.time_of_commit()
                if len(members) >= keeper.state.keys.asks_from:
                    self._ask(members)
                self._begin()
                self._execute(members)
                if self.row is not None:
                    keeper.pending = self._events
                return members
            except DamagedRun as error:
                keeper.distrust_cache()
                reason = f"nothing was recorded, for the cache beside the journal is damaged: {error}"
                raise TryAgain(StorageUnavailable(reason)) from error
            except BaseException:
                if self.members:
                    keeper.drop()  # who knows what was left half done
                raise
            finally:
                if self._has_asked:
                    keeper.state.keys.forget_answers()

    def _ask(self, members: Sequence[TransactionMember]) -> None:
        """Asks about the keys of all at once, where that is worth it."""
        asked = [member.request.key for member in members if member.request is not None]
        keys = self._keeper.state.keys
        if len(asked) >= keys.asks_from:
            self._has_asked = True
            keys.ask(asked, overtaken=any(member.attempts for member in members))

    def _begin(self) -> None:
        """The books stand at the journal's head."""
        head = self._keeper.state.head
        self._digest = head.digest
        self._first_position = self._position = head.position + 1
        self._answers = self._keeper.state.keys.answers

    def _execute(self, members: Sequence[TransactionMember]) -> None:
        self._is_again = members[0].attempts > 0 if members else False
        admitted: list[TransactionMember] = []
        end = monotonic() + GROUP_SECONDS if len(members) > MEMBERS_EVERY else 0.0
        self._taken = members
        self.members = admitted
        for member in members:
            if self._is_closed or (member.is_alone and admitted):
                break
            if member.request is not None and member.request.key in self._key_names:
                break  # it must wait for the next, and whoever came after it
            if end and len(admitted) % MEMBERS_EVERY == 0 and admitted and monotonic() > end:
                break
            admitted.append(member)
            self._add(member)
        self._encode_plain()
        if self._counts:
            body = join_bodies(self._bodies)
            details = None if self._details is None else self._details.encoded()
            row = make_row(self._digest, self._first_position, self._now, self._keys, self._counts, body, details)
            self.entries = self._own_entries = self._keeper.state.versions.entries(self._events, row)
            if self._saved is not None:
                self.entries = [*self._own_entries, *self._saved.entries(self._first_position)]
            if self._details is not None:
                self.metadata = self._details.metadata()
            self.row = row

    def _add(self, member: TransactionMember) -> None:
        """Executes the member, or notes what it is refused for."""
        member.error = member.committed = None  # of an attempt before
        self._is_closed = member.is_alone
        books, request, details, saved = self._keeper.books, member.request, member.details, member.saved
        reversals = books.reversals.recent
        before = len(reversals)
        try:
            if request is not None and self._answers.get(request.key, True):  # it asked about most, which were never used
                self._keeper.state.keys.check_unused(request)
            if saved is not None:
                self._streams_saved().check(saved)
            events, count = member.execute(books, self._keeper.state.transfer_ids, self._position, self._now)
        except LedgerError as error:
            ask_holds(error, self._keeper, books.holds_paid)
            member.fail(error)
            return
        if len(events) == 1 and details is None and saved is None and len(reversals) == before and not self._is_again:
            event = events[0]
            if type(event) is Moved and len(event.memo) <= PLAIN_MEMO_MAX:
                self._plain.append(event)
                self._note(member, events, 1, PLAIN_BYTES + len(event.memo))
                return
        if events or saved is not None:
            try:
                self._record(member, events, count, reversals[before:] if len(reversals) > before else ())
            except LedgerError as error:
                books.revert(events)
                books.reversals.go_back(before)
                member.fail(error)

    def _streams_saved(self) -> SavedStreams:
        """What is known of the streams to which members save; of all of them, at the first who does."""
        if self._saved is None:
            self._saved = SavedStreams(self._keeper, [each.saved for each in self._taken if each.saved is not None])
        return self._saved

    def _record(
        self, member: TransactionMember, events: Sequence[DomainEvent], count: int, reversals: Sequence[Reversal]
    ) -> None:
        """Adds what the member did to the row.

        `PlanTooLarge`, `CommitTooLarge`, `CorruptJournal`, `InvalidRequest` or `SchemaTooOld` where it cannot be.
        """
        if self._is_again:
            self._keeper.check_streams(events)
        written, is_of_format_2 = events, needs_details(events)
        if is_of_format_2 and self._keeper.writes_format_1:
            written = all_in_format_1(events)
            is_of_format_2 = needs_details(written)
        body = encode_events(written)
        saved = member.saved
        if saved is not None:
            body = saved.body_after(events, body)
            saved.first_position = self._position + count
            count += saved.count
        size = len(body)
        if member.details is not None:
            member.details.check(self._now)
        if member.details is not None or reversals:
            size += bytes_of_details(member.details, reversals)
        if size > COMMIT_BYTES_MAX:
            raise CommitTooLarge(bytes=size, limit=COMMIT_BYTES_MAX)
        if is_of_format_2 or member.details is not None or reversals:
            self._keeper.check_takes_details()
            if self._details is None:
                self._details = RowDetails()
            self._details.add(len(self._counts), self._position, member.details, events, reversals)
        if saved is not None:
            self._streams_saved().add(saved)
        self._encode_plain()
        self._bodies.append(body)
        self._note(member, events, count, size)

    def _note(self, member: TransactionMember, events: Sequence[DomainEvent], count: int, size: int) -> None:
        """The row has so many positions of the member's, in about so many bytes."""
        request = member.request
        if request is not None:
            self._keys.append(Key(request.key, request.digest, len(self._counts)))
            self._key_names.add(request.key)
        self._events += events
        self._recorded.append((member, self._position, events))
        self._counts.append(count)
        self._position += count
        self._bytes += size
        if self._bytes >= GROUP_BYTES:
            self._is_closed = True

    def _encode_plain(self) -> None:
        """Encodes the movements that were left to be encoded together, which costs less each."""
        if not self._plain:
            return
        try:
            self._bodies.append(encode_events(self._plain))
        except Exception:
            self._end_with_culprit()
            raise
        self._plain = []

    def _end_with_culprit(self) -> None:
        """Somebody's events cannot be encoded, which nobody foresaw: who is told so is the newest of `members`."""
        for member, _, events in self._recorded:
            try:
                encode_events(events)
            except Exception:
                self.members = self.members[: self.members.index(member) + 1]
                return

    def succeed(self, row: JournalRow) -> None:
        keeper = self._keeper
        with keeper.lock:
            keeper.record(row, self._events, self._keys, self._own_entries)
            if self._saved is not None:
                self._saved.note()
            self.note_recorded()
            keeper.snapshot_if_due()  # last: whatever comes of it, the members are told that they stand

    def take_back(self) -> None:
        with self._keeper.lock:
            self._keeper.books.abandon(self._events)
            self._keeper.end_pending()

    def drop(self) -> None:
        self._keeper.drop()

    def note_recorded(self) -> None:
        if self.row is not None:
            is_app = self._keeper.books.is_app
            for member, position, events in self._recorded:
                member.committed = Committed(self.row, position, events, member.details, is_app)
        self.decided = self.members

    def given_up(self, overtaken: Overtaken) -> Exception:
        return Conflict(subject="the journal's end", told="the last", now=f"another, {ATTEMPTS_MAX} times")
