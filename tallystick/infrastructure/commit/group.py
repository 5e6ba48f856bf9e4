"""A group: transactions that are executed one after another, and made durable together as one row of the journal.

Each is executed on its own, so one that is refused changes nothing and the others go on. Nobody is told anything before the
row is durable: a refusal too may rest on what a member before it did.
"""

from collections.abc import Sequence

from tallystick.domain.errors import CommitTooLarge, LedgerError
from tallystick.domain.events import DomainEvent
from tallystick.infrastructure.commit.bookkeeper import Bookkeeper
from tallystick.infrastructure.commit.member import Committed, Member
from tallystick.infrastructure.journal.format import JournalRow, Key, encode_events, join_bodies, make_row
from tallystick.infrastructure.journal.limits import COMMIT_BYTES_MAX, GROUP_BYTES
from tallystick.infrastructure.journal.port import StreamEntry


class Group:
    """The members executed so far. The books are changed by them and must be at the journal's head when it begins.

    Once it is known what became of them, `decided` are those to be told.
    """

    def __init__(self, keeper: Bookkeeper) -> None:
        self._keeper = keeper
        self._bytes = 0
        self._bodies: list[bytes] = []
        self._counts: list[int] = []
        self._is_closed = False
        self.keys: list[Key] = []
        self._key_names: set[str] = set()
        self.members: Sequence[Member] = ()
        self._recorded: list[tuple[Member, int, Sequence[DomainEvent]]] = []
        self.events: list[DomainEvent] = []
        self.row: JournalRow | None = None
        self.entries: Sequence[StreamEntry] = ()
        self.sent: JournalRow | None = None
        """The row, once the store may have it."""
        self.decided: Sequence[Member] | None = None

    def begin(self) -> None:
        """The books stand at the journal's head."""
        head = self._keeper.head
        self._digest = head.digest
        self._first_position = self._position = head.position + 1
        self._now = self._keeper.now()

    def execute(self, members: Sequence[Member]) -> None:
        """Executes as many of these as can be one group, and makes the row, where they record anything."""
        admitted: list[Member] = []
        self.members = admitted
        for member in members:
            if not self._admits(member):
                break
            admitted.append(member)
            self._add(member)
        if self.events:
            body = join_bodies(self._bodies)
            row = make_row(self._digest, self._first_position, self._now, self.keys, self._counts, body)
            self.entries = self._keeper.entries(self.events, row)
            self.row = row

    def _admits(self, member: Member) -> bool:
        """Whether the member can be one of the group; else it must wait for the next."""
        if self._is_closed or (member.is_alone and self.members):
            return False
        return member.request is None or member.request.key not in self._key_names

    def _add(self, member: Member) -> None:
        """Executes the member, or notes what it is refused for."""
        member.error = member.committed = None  # of an attempt before
        self._is_closed = member.is_alone
        try:
            if member.request is not None:
                self._keeper.keys.check_unused(member.request)
            events = member.execute(self._keeper.books, self._keeper.transfer_ids, self._position, self._now)
        except LedgerError as error:
            member.fail(error)
            return
        if events:
            self._record(member, events)

    def _record(self, member: Member, events: Sequence[DomainEvent]) -> None:
        body = encode_events(events)
        if len(body) > COMMIT_BYTES_MAX:
            self._keeper.books.revert(events)
            member.fail(CommitTooLarge(bytes=len(body), limit=COMMIT_BYTES_MAX))
            return
        if member.request is not None:
            self.keys.append(Key(member.request.key, member.request.digest, len(self._counts)))
            self._key_names.add(member.request.key)
        self.events += events
        count = member.count(events)
        self._recorded.append((member, self._position, events))
        self._bodies.append(body)
        self._counts.append(count)
        self._position += count
        self._bytes += len(body)
        self._is_closed |= self._bytes >= GROUP_BYTES

    def revert(self) -> None:
        """Takes back what the members did to the books."""
        self._keeper.books.abandon(self.events)

    def note_recorded(self) -> None:
        """The row stands: whoever recorded something will be told so, and the others what they were refused for."""
        if self.row is not None:
            for member, position, events in self._recorded:
                member.committed = Committed(self.row, position, events)
        self.decided = self.members

    def fail(self, error: BaseException) -> None:
        """Nothing of the group stands, or nobody knows: all are told so, for what each was told rests on the others."""
        for member in self.members:
            member.committed = None
            member.fail(error)
        self.decided = self.members
