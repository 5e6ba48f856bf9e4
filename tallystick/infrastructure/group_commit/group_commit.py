"""Committing a group: take the journal's lock, execute the members on the newest state, append one row, and have them told.

What fails is taken back, or dropped and read again from the journal. While it is not known whether a row stands nobody is told
or shown anything.
"""

from collections.abc import Callable, Sequence
from typing import Generic

from tallystick.domain.errors import OutcomeUnknown, StorageUnavailable
from tallystick.infrastructure.group_commit.group import Group, MemberType, TryAgain
from tallystick.infrastructure.group_commit.queue import CommitQueue
from tallystick.infrastructure.journal.appending import append, find_out
from tallystick.infrastructure.journal.format import Head, JournalRow
from tallystick.infrastructure.journal.port import Journal, Overtaken


class GroupCommit(Generic[MemberType]):
    """Commits the members at the front of a queue, on whatever thread leads it."""

    def __init__(self, journal: Journal, new_group: Callable[[], Group[MemberType]]) -> None:
        self._journal = journal
        self._new_group = new_group

    def __call__(self, queue: CommitQueue[MemberType]) -> None:
        """Commits those who wait, or as many of them as fit one group; the others are put back.

        Raises nothing but what interrupts a member's thread, and then too all in the group will be told what became of it.
        """
        group = self._new_group()
        is_writing = False
        try:
            with self._journal.writing() as head:
                is_writing = True
                try:
                    self._commit(group, queue, head)
                except BaseException as error:
                    self._recover(group, queue, error)
                    if _is_interruption(error, queue):
                        raise
        except BaseException as error:
            if _is_interruption(error, queue):
                raise
            if not is_writing:  # else it is the end of writing that failed, after all was decided
                _fail(group, queue.take(), error)
        finally:
            if group.decided is not None:
                queue.tell(group.decided)

    def _commit(self, group: Group[MemberType], queue: CommitQueue[MemberType], head: Head) -> None:
        taken = group.execute(queue, head)
        if len(taken) > len(group.members):
            queue.put_back(taken[len(group.members) :])
        row = group.row
        if row is None:
            group.decided = group.members
            return
        group.sent = row
        try:
            append(self._journal, row, group.entries, group.metadata)
        except Overtaken as error:
            group.take_back()
            _try_again(group, queue, group.members, group.given_up(error))
        except OutcomeUnknown as error:
            group.drop()
            group.fail(error)
        except Exception as error:
            group.take_back()
            group.fail(error)
        else:
            group.succeed(row)

    def _recover(self, group: Group[MemberType], queue: CommitQueue[MemberType], error: BaseException) -> None:
        """Something was raised that nobody foresaw, or this thread was interrupted."""
        if group.decided is not None:
            return
        if group.sent is not None:
            self._find_out(group, group.sent, queue, error)
            return
        if group.members:
            group.drop()
        if _is_interruption(error, queue):
            _put_back_others(queue)
        elif isinstance(error, TryAgain):
            _try_again(group, queue, queue.taken, error.told)
        elif group.members:
            newest = group.members[-1]
            queue.put_back([member for member in queue.taken if member is not newest])
            _fail(group, [newest], error)
        else:  # each would meet the same
            _fail(group, queue.taken, error)

    def _find_out(
        self, group: Group[MemberType], row: JournalRow, queue: CommitQueue[MemberType], error: BaseException
    ) -> None:
        """Has the store say whether the group stands. Where it does not, the interruption is nothing to the others."""
        try:
            told = find_out(self._journal, row, group.entries, error, group.metadata)
        finally:  # before anything is decided, and where this is interrupted too
            group.drop()
        if told is None:
            group.note_recorded()
        elif _is_interruption(error, queue) and not isinstance(told, OutcomeUnknown):
            _put_back_others(queue)
        else:
            group.fail(told)


def _put_back_others(queue: CommitQueue[MemberType]) -> None:
    queue.put_back([member for member in queue.taken if member is not queue.leader])


def _try_again(
    group: Group[MemberType], queue: CommitQueue[MemberType], members: Sequence[MemberType], error: Exception
) -> None:
    """Puts the members back, but for those who get this error after too many attempts."""
    given_up: list[MemberType] = []
    again: list[MemberType] = []
    for member in members:
        member.attempts += 1
        (again if member.attempts < group.attempts_max else given_up).append(member)
    group.members = given_up  # before the others are anybody's again, should this be interrupted
    queue.put_back(again)
    group.fail(error)


def _fail(group: Group[MemberType], members: Sequence[MemberType], error: BaseException) -> None:
    group.members = members
    group.fail(error if isinstance(error, Exception) else StorageUnavailable(f"nothing was recorded: {error!r}"))


def _is_interruption(error: BaseException, queue: CommitQueue[MemberType]) -> bool:
    """Whether it is meant for a member's thread, and not for those whose transactions it commits."""
    return queue.leader is not None and not isinstance(error, Exception)
