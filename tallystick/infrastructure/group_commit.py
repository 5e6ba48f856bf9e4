"""Committing a group: take the journal's lock, catch up, execute each member on the newest state, append one row.

What fails before the row is durable is taken back. Where the store cannot say whether the row stands, the books are dropped
and read again from the journal, and the store is asked to find out.
"""

from collections.abc import Sequence

from tallystick.domain.errors import Conflict, LedgerError, OutcomeUnknown, StorageError, StorageUnavailable
from tallystick.infrastructure.bookkeeper import Bookkeeper
from tallystick.infrastructure.checked_words import DamagedRun
from tallystick.infrastructure.group import Group
from tallystick.infrastructure.journal import Head, Journal, Overtaken, UnclearOutcome
from tallystick.infrastructure.member import Member, MemberQueue

ATTEMPTS_MAX = 8
"""So often a group is executed while others append without waiting for their turn."""


class GroupCommit:
    """Commits the members at the front of a queue, on whatever thread leads it."""

    def __init__(self, journal: Journal, keeper: Bookkeeper) -> None:
        self._journal = journal
        self._keeper = keeper

    def __call__(self, queue: MemberQueue) -> None:
        """Commits those who wait, or as many of them as fit one group; the others are put back."""
        members: Sequence[Member] | None = None
        try:
            with self._journal.writing() as head:
                members = queue.take()
                group = self._execute(queue, members, head)
                done = group.members if group.row is None else self._append(group, queue)
        except LedgerError as error:  # before anything was executed
            done = queue.take() if members is None else members
            for member in done:
                member.fail(error)
        except DamagedRun as error:
            self._keeper.reset()  # the journal knows what the damaged cache should
            done = self._after_damage(members or (), queue, error)
        for member in done:
            member.finish()

    def _execute(self, queue: MemberQueue, members: Sequence[Member], head: Head) -> Group:
        keeper = self._keeper
        group: Group | None = None
        with keeper.lock:
            try:
                keeper.stand_at(head)
                used = (member.request.key for member in members if member.request is not None)
                keeper.keys.ask(used, overtaken=any(member.attempts for member in members))
                group = Group(keeper)
                for member in members:
                    if not group.admits(member):
                        break
                    group.add(member)
                group.close()
            except (LedgerError, DamagedRun):
                raise
            except BaseException as error:  # not a refusal, and who knows what it left half done
                keeper.reset()
                if group is None or not isinstance(error, Exception):  # this thread was interrupted
                    queue.put_back([member for member in members if member is not queue.leader])
                    raise
                queue.put_back([member for member in members if member is not group.members[-1]])
                group.blame(error)
                return group
            finally:
                keeper.keys.forget_answers()
            if group.row is not None:
                keeper.await_answer(group.events)
        queue.put_back(members[len(group.members) :])
        return group

    def _append(self, group: Group, queue: MemberQueue) -> Sequence[Member]:
        """Makes a group durable, and gives the members that are done."""
        assert group.row is not None
        try:
            self._journal.append(group.row, group.entries)
        except Overtaken:
            self._take_back(group)
            return self._try_again(group, queue)
        except LedgerError as error:
            self._take_back(group)
            group.fail(error)
        except UnclearOutcome as error:
            self._find_out(group, error)
        except BaseException as error:  # this thread was interrupted, and others wait to hear what became of them
            self._find_out(group, error)
            for member in group.members:
                member.finish()
            raise
        else:
            with self._keeper.lock:
                self._keeper.advance(group.row, group.events, group.keys, group.entries)
                self._keeper.settle()
            group.note_standing()
        return group.members

    def _take_back(self, group: Group) -> None:
        with self._keeper.lock:
            group.revert()
            self._keeper.settle()

    def _try_again(self, group: Group, queue: MemberQueue) -> Sequence[Member]:
        """Puts the members back; after too many attempts they are in conflict."""
        group.forget_refusals()
        if group.members[0].attempts < ATTEMPTS_MAX:
            queue.put_back(group.members)
            return ()
        group.fail(Conflict(subject="the journal's end", told="the last", now=f"another, {ATTEMPTS_MAX} times"))
        return group.members

    def _after_damage(self, members: Sequence[Member], queue: MemberQueue, error: DamagedRun) -> Sequence[Member]:
        """Puts the members back, but for those that have met damage too often."""
        for member in members:
            member.attempts += 1
            member.error = None
            if member.attempts >= ATTEMPTS_MAX:
                member.fail(StorageUnavailable(f"nothing was recorded, for the cache beside the journal is damaged: {error}"))
        queue.put_back([member for member in members if member.error is None])
        return [member for member in members if member.error is not None]

    def _find_out(self, group: Group, error: BaseException) -> None:
        """Has the store say whether the group stands. The books are read again by whoever looks at them next."""
        assert group.row is not None
        self._keeper.reset()
        position = group.row.first_position
        try:
            stands = self._journal.has_recorded(group.row, group.entries)
        except StorageError as unreachable:
            cause = f"{error!r}, and then: {unreachable}"
            group.fail(OutcomeUnknown(f"the commit at position {position} may or may not stand: {cause}"))
            return
        if stands:
            group.note_standing()
        else:
            group.fail(StorageUnavailable(f"nothing was recorded: {error}"))
