"""Committing a group: take the journal's lock, catch up, execute each member on the newest state, append one row.

What fails is taken back, or dropped and read again from the journal. While it is not known whether a row stands nobody is told
or shown anything.
"""

from collections.abc import Sequence

from tallystick.domain.errors import Conflict, LedgerError, OutcomeUnknown, StorageUnavailable
from tallystick.infrastructure.commit.bookkeeper import Bookkeeper
from tallystick.infrastructure.commit.group import Group
from tallystick.infrastructure.commit.member import Member, MemberQueue
from tallystick.infrastructure.indexes.runs.checked_words import DamagedRun
from tallystick.infrastructure.journal.appending import append, find_out
from tallystick.infrastructure.journal.format import JournalRow
from tallystick.infrastructure.journal.port import Head, Journal, Overtaken

ATTEMPTS_MAX = 8
"""So often a member is executed while others append without waiting for their turn."""


class GroupCommit:
    """Commits the members at the front of a queue, on whatever thread leads it."""

    def __init__(self, journal: Journal, keeper: Bookkeeper) -> None:
        self._journal = journal
        self._keeper = keeper

    def __call__(self, queue: MemberQueue) -> None:
        """Commits those who wait, or as many of them as fit one group; the others are put back.

        Raises nothing but what interrupts a member's thread, and then too all in the group will be told what became of it.
        """
        group = Group(self._keeper)
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
                self._fail(group, queue.take(), error)
        finally:
            if group.decided is not None:
                queue.tell(group.decided)

    def _commit(self, group: Group, queue: MemberQueue, head: Head) -> None:
        members = self._execute(group, queue, head)
        queue.put_back(members[len(group.members) :])
        if group.row is None:
            group.decided = group.members
        else:
            self._append(group, group.row, queue)

    def _execute(self, group: Group, queue: MemberQueue, head: Head) -> Sequence[Member]:
        """Changes the books, and gives all who were taken."""
        keeper = self._keeper
        with keeper.lock:
            try:
                members = queue.take()
                keeper.reach(head)
                used = (member.request.key for member in members if member.request is not None)
                keeper.keys.ask(used, overtaken=any(member.attempts for member in members))
                group.begin()
                group.execute(members)
                if group.row is not None:
                    keeper.await_answer(group.events)
            except BaseException:
                if group.members:
                    keeper.drop()  # who knows what was left half done
                raise
            finally:
                keeper.keys.forget_answers()
        return members

    def _append(self, group: Group, row: JournalRow, queue: MemberQueue) -> None:
        """Makes a group durable."""
        group.sent = row
        try:
            append(self._journal, row, group.entries)
        except Overtaken:
            self._take_back(group)
            error = Conflict(subject="the journal's end", told="the last", now=f"another, {ATTEMPTS_MAX} times")
            self._try_again(group, queue, group.members, error)
        except OutcomeUnknown as error:
            self._keeper.drop()
            group.fail(error)
        except Exception as error:
            self._take_back(group)
            group.fail(error)
        else:
            with self._keeper.lock:
                self._keeper.advance(row, group.events, group.keys, group.entries)
                self._keeper.end_pending()
                group.note_recorded()
                self._keeper.snapshot_if_due()

    def _take_back(self, group: Group) -> None:
        with self._keeper.lock:
            group.revert()
            self._keeper.end_pending()

    def _try_again(self, group: Group, queue: MemberQueue, members: Sequence[Member], error: LedgerError) -> None:
        """Puts the members back, but for those who get this error after too many attempts."""
        given_up: list[Member] = []
        again: list[Member] = []
        for member in members:
            member.attempts += 1
            (again if member.attempts < ATTEMPTS_MAX else given_up).append(member)
        group.members = given_up  # before the others are anybody's again, should this be interrupted
        queue.put_back(again)
        group.fail(error)

    def _find_out(self, group: Group, row: JournalRow, error: BaseException) -> None:
        """Has the store say whether the group stands. The books are read again by whoever looks at them next."""
        told = find_out(self._journal, row, group.entries, error)
        self._keeper.drop()  # before anything is decided, for who is interrupted here begins again
        if told is None:
            group.note_recorded()
        else:
            group.fail(told)

    def _recover(self, group: Group, queue: MemberQueue, error: BaseException) -> None:
        """Something was raised that nobody foresaw, or this thread was interrupted."""
        if group.decided is not None:
            return
        if group.sent is not None:
            self._find_out(group, group.sent, error)
            return
        if group.members:
            self._keeper.drop()
        if _is_interruption(error, queue):
            queue.put_back([member for member in queue.taken if member is not queue.leader])
        elif isinstance(error, DamagedRun):
            self._keeper.distrust_cache()
            damaged = StorageUnavailable(f"nothing was recorded, for the cache beside the journal is damaged: {error}")
            self._try_again(group, queue, queue.taken, damaged)
        elif group.members:
            newest = group.members[-1]
            queue.put_back([member for member in queue.taken if member is not newest])
            self._fail(group, [newest], error)
        else:  # each would meet the same
            self._fail(group, queue.taken, error)

    def _fail(self, group: Group, members: Sequence[Member], error: BaseException) -> None:
        group.members = members
        group.fail(error if isinstance(error, Exception) else StorageUnavailable(f"nothing was recorded: {error!r}"))


def _is_interruption(error: BaseException, queue: MemberQueue) -> bool:
    """Whether it is meant for a member's thread, and not for those whose transactions it commits."""
    return queue.leader is not None and not isinstance(error, Exception)
