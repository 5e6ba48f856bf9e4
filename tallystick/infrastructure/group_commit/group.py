"""A group: the members that one row makes durable, as whoever commits it sees them.

What members are, how they become a row, and what is kept in memory beside the journal is the business of those who keep books
or an event log. When something is known to stand, not to stand, or not to be known, is the leader's.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Generic, TypeVar

from tallystick.infrastructure.group_commit.member import Member
from tallystick.infrastructure.group_commit.queue import CommitQueue
from tallystick.infrastructure.journal.format import Head, JournalRow
from tallystick.infrastructure.journal.port import NO_METADATA, MetadataChange, Overtaken, StreamEntry

MemberType = TypeVar("MemberType", bound=Member)


class TryAgain(Exception):
    """Nothing was recorded, and when all is done once more it may be; `told` is for those with whom it was tried too often."""

    def __init__(self, told: Exception) -> None:
        super().__init__(told)
        self.told = told


class Group(ABC, Generic[MemberType]):
    """The members executed so far: `row` is to be appended with its `entries` and its change of the `metadata`, and `sent` is
    that once the store may have it.

    Once it is known what became of them, `decided` are those to be told.
    """

    attempts_max: ClassVar[int]
    """So often a member is executed while others append without waiting for their turn."""

    members: Sequence[MemberType] = ()
    row: JournalRow | None = None
    entries: Sequence[StreamEntry] = ()
    metadata: MetadataChange = NO_METADATA
    sent: JournalRow | None = None
    decided: Sequence[MemberType] | None = None

    @abstractmethod
    def execute(self, queue: CommitQueue[MemberType], head: Head) -> Sequence[MemberType]:
        """Takes all who wait, whom it gives, and executes as many of the first as go together; makes the row if they record
        anything.

        Raises `TryAgain`, and what fails the newest of `members`, or all who were taken where there is none yet.
        """

    @abstractmethod
    def succeed(self, row: JournalRow) -> None:
        """The row stands: what is kept in memory goes on from it, and it is noted as recorded."""

    @abstractmethod
    def take_back(self) -> None:
        """Nothing was recorded: what the members did in memory is undone."""

    @abstractmethod
    def drop(self) -> None:
        """What is kept in memory is not trusted any more."""

    @abstractmethod
    def note_recorded(self) -> None:
        """The row stands, if there is one: whoever recorded something will be told so, and the others what they were refused
        for.
        """

    @abstractmethod
    def given_up(self, overtaken: Overtaken) -> Exception:
        """What those are told who were overtaken too often."""

    def fail(self, error: BaseException) -> None:
        """Nothing of the group stands, or nobody knows: all are told so, for what each was told rests on the others."""
        for member in self.members:
            member.fail(error)
        self.decided = self.members
