"""The queue of those who want to commit: whoever comes first leads, and takes along all who wait at that moment.

A leader commits group after group until its own member is done, and then appoints the next one who waits, so a lone caller
commits on its own thread, with nobody to hand over to, and nobody leads for long. Members that no thread waits for are led
by a thread of the queue's own.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from tallystick.domain.errors import LedgerClosed, OutcomeUnknown
from tallystick.infrastructure.member import Member, MemberQueue


class CommitQueue:
    """Members in the order in which they came. `commit_group` takes some, and has them finished or put back."""

    def __init__(self, commit_group: Callable[[MemberQueue], None]) -> None:
        self._commit_group = commit_group
        self._mutex = threading.Lock()
        self._is_idle = threading.Condition(self._mutex)
        self._waiting: deque[Member] = deque()
        self._taken: Sequence[Member] = ()
        self._leader: Member | None = None
        self._thread_leads = False
        self._thread: ThreadPoolExecutor | None = None
        self._closed = False

    @property
    def leader(self) -> Member | None:
        """The member whose thread commits, if one does."""
        return self._leader

    def run(self, member: Member) -> None:
        """Returns when the member is done. Interrupted before it was taken, it is withdrawn."""
        try:
            with self._mutex:
                self._add(member)
                if self._leader is None and not self._thread_leads:
                    self._leader = member
                else:
                    member.turn = threading.Lock()
                    member.turn.acquire()
            if member.turn is not None:
                member.turn.acquire()  # until it is done, or leads
            while not member.is_done:
                self._commit_group(self)
        finally:
            with self._mutex:
                if not member.is_done and member in self._waiting:
                    self._waiting.remove(member)
                if self._leader is member:
                    self._appoint()

    def submit(self, member: Member) -> None:
        """Adds a member, which will be delivered when it is done; nothing withdraws it."""
        with self._mutex:
            self._add(member)

    def start(self) -> None:
        """Has the members led that were submitted."""
        with self._mutex:
            if self._leader is None and not self._thread_leads:
                self._appoint()

    def take(self) -> Sequence[Member]:
        """All who wait, for the leader to commit or put back."""
        with self._mutex:
            self._taken = tuple(self._waiting)
            self._waiting.clear()
        return self._taken

    def put_back(self, members: Sequence[Member]) -> None:
        """These were not done after all, and are first in the queue again."""
        if members:
            with self._mutex:
                self._waiting.extendleft(reversed(members))
                back = set(members)
                self._taken = tuple(member for member in self._taken if member not in back)

    def close(self) -> None:
        """Lets nobody in any more, and returns when all are done who were."""
        with self._mutex:
            self._closed = True
            while self._waiting or self._leader is not None or self._thread_leads:
                self._is_idle.wait()
        if self._thread is not None:
            self._thread.shutdown()

    def _add(self, member: Member) -> None:
        if self._closed:
            raise LedgerClosed("the ledger was closed")
        self._waiting.append(member)

    def _appoint(self) -> None:
        """Somebody who waits leads from here on, if anybody does."""
        for member in self._taken:  # by a leader that was interrupted and could not say what became of them
            if not member.is_done and member is not self._leader:
                member.fail(OutcomeUnknown("the thread that was committing it was interrupted"))
                member.finish()
        self._taken = ()
        self._leader = None
        self._thread_leads = False
        if not self._waiting:
            self._is_idle.notify_all()
        elif (first := self._waiting[0]).turn is not None:
            self._leader = first
            first.turn.release()
        else:
            self._thread_leads = True
            if self._thread is None:
                self._thread = ThreadPoolExecutor(1, "commits")
            self._thread.submit(self._lead)

    def _lead(self) -> None:
        """Commits until nobody is first who has no thread of its own."""
        try:
            while self._waiting and self._waiting[0].turn is None:
                self._commit_group(self)
        finally:
            with self._mutex:
                self._appoint()
