"""The queue of those who want to commit: whoever comes first leads, and takes along all who wait at that moment.

A leader commits group after group until its own member is done, and then appoints the next one who waits, so a lone caller
commits on its own thread, with nobody to hand over to, and nobody leads for long. Members that no thread waits for are led
by a thread of the queue's own.

A leader may be interrupted wherever it is. Python looks at signals after calls and where loops and functions begin, so steps
that belong together have no call between them, and whatever was begun is ended by whoever leads next.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Generic, TypeVar

from tallystick.domain.errors import LedgerClosed, OutcomeUnknown, StorageUnavailable, TransactionClosed
from tallystick.infrastructure.group_commit.member import Member

MemberType = TypeVar("MemberType", bound=Member)

TAKEN_MAX = 2**15
"""So many members one group has at most."""


class CommitQueue(Generic[MemberType]):
    """Members in the order in which they came. `commit_group` takes some, and has them told or put back."""

    def __init__(self, commit_group: Callable[["CommitQueue[MemberType]"], None]) -> None:
        self._commit_group = commit_group
        self._mutex = threading.Lock()
        self._is_idle = threading.Condition(self._mutex)
        self._waiting: deque[MemberType] = deque()
        self._taken: Sequence[MemberType] = ()
        self._told: Sequence[MemberType] = ()
        self._leader: Member | None = None
        self._own = Member()
        self._inside: set[int] = set()
        self._threads: ThreadPoolExecutor | None = None
        self._closed = False
        self.listeners: list[Callable[[], None]] = []
        """Called when members are done, once for all who are at one moment."""

    @property
    def leader(self) -> Member | None:
        """The member whose thread commits; None where that is the queue's own thread."""
        return None if self._leader is self._own else self._leader

    @property
    def waiting(self) -> int:
        """How many were neither told what became of them nor withdrawn."""
        return len(self._waiting) + len(self._taken)

    @property
    def taken(self) -> Sequence[MemberType]:
        """Those who were taken, and neither told what became of them nor put back."""
        return self._taken

    def run(self, member: MemberType) -> None:
        """Returns when the member is done. Interrupted before it was taken, it is withdrawn.

        Raises `TransactionClosed` on a thread that is in here already, and `LedgerClosed`.
        """
        thread = threading.get_ident()
        if thread in self._inside:
            raise _is_inside()
        try:
            self._inside.add(thread)
            self._run(member)
        finally:
            self._inside.discard(thread)

    def submit(self, members: list[MemberType]) -> None:
        """Takes members out of the list, which will be delivered when they are done; nothing withdraws them.

        Raises `LedgerClosed`; then they are in the list still.
        """
        with self._mutex:
            self._check_open()
            self._waiting += members  # no call between this and the next
            del members[:]

    def start(self) -> None:
        """Has the members led that were submitted."""
        with self._mutex:
            if self._leader is None:
                self._appoint()

    def take(self) -> Sequence[MemberType]:
        """All who wait, or the first `TAKEN_MAX` of them, for the leader to commit, tell or put back."""
        with self._mutex:
            if self._taken:
                self._tell_what_is_known()
            if len(self._waiting) > TAKEN_MAX:
                first, others = tuple(islice(self._waiting, TAKEN_MAX)), deque(islice(self._waiting, TAKEN_MAX, None))
                self._taken = first  # no call between this and the next
                self._waiting = others
            else:
                self._taken = tuple(self._waiting)
                self._waiting.clear()
        return self._taken

    def put_back(self, members: Sequence[MemberType]) -> None:
        """These were not done after all, and are first in the queue again."""
        with self._mutex:
            back = set(members)
            others = tuple(member for member in self._taken if member not in back)
            first = list(reversed(members))
            self._taken = others
            self._waiting.extendleft(first)

    def tell(self, members: Sequence[MemberType]) -> None:
        """These are done, and it is known what became of them."""
        self._told = members
        self._finish(members)
        self._taken = () if len(members) == len(self._taken) else [each for each in self._taken if not each.is_done]
        self._told = ()

    def close(self) -> None:
        """Lets nobody in any more, and returns when all are done who were."""
        if threading.get_ident() in self._inside:
            raise _is_inside()
        with self._mutex:
            self._closed = True
            if self._leader is None:
                self._appoint()
            while self._waiting or self._leader is not None:
                self._is_idle.wait()
        if self._threads is not None:
            self._threads.shutdown()

    def _check_open(self) -> None:
        if self._closed:
            raise LedgerClosed("the ledger was closed")

    def _run(self, member: MemberType) -> None:
        try:
            with self._mutex:
                if self._closed:
                    self._check_open()
                self._waiting.append(member)
                if self._leader is None:
                    self._leader = member
                else:
                    member.turn = threading.Lock()
                    member.turn.acquire()
            while not member.is_done:
                if self._leader is member:
                    self._commit_group(self)
                elif member.turn is not None:
                    member.turn.acquire()  # until it is done, or leads
        finally:
            interruption: BaseException | None = None
            while True:
                try:
                    with self._mutex:
                        self._leave(member, interruption is not None)
                    break
                except BaseException as error:  # those who wait need a leader all the same
                    if interruption is not None:
                        raise
                    interruption = error
            if interruption is not None:
                raise interruption

    def _leave(self, member: MemberType, again: bool) -> None:
        """The member's thread goes. Where it was interrupted in this, the new leader may not have been woken yet."""
        if not member.is_done and member in self._waiting:
            self._waiting.remove(member)
        if self._leader is member:
            self._leader = None
        if self._leader is not None:
            if again:
                self._wake(self._leader)
        elif self._waiting or self._taken or self._told or self._closed:
            self._appoint()

    def _appoint(self) -> None:
        """Somebody who waits leads from here on, if anybody does."""
        if self._told or self._taken:
            self._tell_what_is_known()
        if self._waiting:
            first = self._waiting[0]
            self._leader = leader = self._own if first.turn is None else first
            self._wake(leader)
        elif self._closed:
            self._is_idle.notify_all()

    def _tell_what_is_known(self) -> None:
        """To those whom an interrupted leader did not tell any more."""
        self._finish(self._told)
        unknown = [member for member in self._taken if not member.is_done]
        for member in unknown:
            member.fail(OutcomeUnknown("the thread that was committing it was interrupted"))
        self._finish(unknown)
        self._told = self._taken = ()

    def _finish(self, members: Sequence[MemberType]) -> None:
        """These are done; again, if that was interrupted before."""
        for member in members:
            member.finish()
        for tell in self.listeners:
            tell()

    def _wake(self, leader: Member) -> None:
        if leader is not self._own:
            leader.wake()
            return
        try:
            if self._threads is None:
                self._threads = ThreadPoolExecutor(1, "commits")
            self._threads.submit(self._lead)
        except RuntimeError as error:  # no thread is to be had
            self._turn_away(error)
            self._leader = None
            self._appoint()

    def _turn_away(self, error: BaseException) -> None:
        """Those that no thread waits for are told that they cannot be committed."""
        away = [member for member in self._waiting if member.turn is None]
        self._waiting = deque(member for member in self._waiting if member.turn is not None)
        for member in away:
            member.fail(StorageUnavailable(f"nothing was recorded: {error!r}"))
        self._finish(away)

    def _lead(self) -> None:
        """Commits until nobody is first who has no thread of its own."""
        thread = threading.get_ident()
        self._inside.add(thread)
        try:
            while self._is_led_here():
                self._commit_group(self)
        except BaseException as error:
            with self._mutex:
                self._turn_away(error)  # or it would be met again and again, with nobody to see it
        finally:
            self._inside.discard(thread)  # another thread, of a forked child too, may get its number
            with self._mutex:
                self._leader = None
                self._appoint()

    def _is_led_here(self) -> bool:
        with self._mutex:
            return self._leader is self._own and bool(self._waiting) and self._waiting[0].turn is None


def _is_inside() -> TransactionClosed:
    """What is asked for in the midst of a commit, by a clock or a signal's handler, would wait for itself."""
    return TransactionClosed("this thread is committing, and cannot wait for another commit or for the end meanwhile")
