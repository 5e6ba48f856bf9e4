"""The queue of those who commit: who leads, who is taken along, and who may not wait."""

import signal
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from threading import Event, Thread
from typing import Any

import pytest

from tallystick import LedgerClosed, LedgerError, StorageFull, TransactionClosed
from tallystick.infrastructure.group_commit.member import Member
from tallystick.infrastructure.group_commit.queue import CommitQueue
from tests.support.faults.held_journal import PATIENCE_SECONDS, result, until


class Named(Member):
    def __init__(self, name: str) -> None:
        self.name = name


class Delivered(Named):
    """Nobody waits for it."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.future: Future[str] = Future()

    def finish(self) -> None:
        self.is_done = True
        self.future.set_result(self.name)


class Line:
    """A queue, and what its leaders did: who was committed together, and on which thread. The first commit can be held."""

    def __init__(self) -> None:
        self.queue: CommitQueue[Named] = CommitQueue(self.commit)
        self.groups: list[list[str]] = []
        self.threads: list[int] = []
        self.during: Callable[[Sequence[Named]], Any] = lambda members: None
        self.go, self.is_held = Event(), Event()
        self.go.set()
        self._running: list[Thread] = []

    def commit(self, queue: CommitQueue[Named]) -> None:
        members = queue.take()
        self.groups.append([member.name for member in members])
        self.threads.append(threading.get_ident())
        self.is_held.set()
        assert self.go.wait(PATIENCE_SECONDS)
        try:
            self.during(members)
        except KeyboardInterrupt:
            queue.put_back([member for member in members if member is not queue.leader])
            raise
        queue.tell(members)

    def start(self, name: str) -> "Future[None]":
        """Has a member of this name run on a thread of its own; returns once it waits or leads."""
        future: Future[None] = Future()
        waiting = len(self.queue._waiting)

        def run() -> None:
            try:
                future.set_result(self.queue.run(Named(name)))
            except BaseException as error:
                future.set_exception(error)

        self._running.append(Thread(target=run, daemon=True))
        self._running[-1].start()
        until(lambda: len(self.queue._waiting) > waiting or self.is_held.is_set() or future.done())
        return future

    def hold(self) -> "Future[None]":
        """The first is held in its commit; who comes after that waits."""
        self.go.clear()
        first = self.start("first")
        assert self.is_held.wait(PATIENCE_SECONDS)
        self.is_held.clear()
        return first

    def close(self) -> None:
        """All must have ended by then."""
        for thread in self._running:
            thread.join(PATIENCE_SECONDS)
            assert not thread.is_alive()
        self.queue.close()


@pytest.fixture
def line() -> Line:
    return Line()


def test_a_lone_caller_commits_on_its_own_thread(line: Line) -> None:
    line.queue.run(Named("lone"))
    line.queue.run(Named("again"))
    assert line.groups == [["lone"], ["again"]]
    assert set(line.threads) == {threading.get_ident()}
    assert line.queue.leader is None
    line.close()


def test_those_who_wait_are_committed_together_in_the_order_in_which_they_came(line: Line) -> None:
    first = line.hold()
    waiting = [line.start(f"{number}") for number in range(5)]
    line.go.set()
    assert [result(future) for future in (first, *waiting)] == [None] * 6
    assert line.groups == [["first"], ["0", "1", "2", "3", "4"]]
    line.close()


def test_nobody_leads_for_longer_than_its_own_member_takes(line: Line) -> None:
    """Those who come meanwhile are led by one of them."""
    first = line.hold()
    second = line.start("second")
    line.go.set()
    assert [result(first), result(second)] == [None, None]
    assert len(set(line.threads)) == 2
    line.close()


def test_members_that_nobody_waits_for_are_led_by_a_thread_of_the_queue(line: Line) -> None:
    members = [Delivered(f"{number}") for number in range(3)]
    for member in members:
        line.queue.submit([member])
    assert line.groups == []
    line.queue.start()
    assert [result(member.future) for member in members] == ["0", "1", "2"]
    assert line.groups == [["0", "1", "2"]]
    assert threading.get_ident() not in line.threads
    line.close()


def test_who_is_interrupted_leaves_the_others_to_the_next(line: Line) -> None:
    first = line.hold()
    futures = {name: line.start(name) for name in ("interrupted", "one", "two")}

    def interrupt(members: Sequence[Named]) -> None:
        if members[0].name == "interrupted":
            raise KeyboardInterrupt

    line.during = interrupt
    line.go.set()
    assert result(first) is None
    assert isinstance(result(futures["interrupted"]), KeyboardInterrupt)
    assert [result(futures["one"]), result(futures["two"])] == [None, None]
    assert line.groups == [["first"], ["interrupted", "one", "two"], ["one", "two"]]
    line.close()


@pytest.mark.parametrize("ask", ["run", "close"])
def test_who_commits_cannot_wait_for_another_commit_or_the_end(line: Line, ask: str) -> None:
    told: list[BaseException] = []

    def again(members: Sequence[Named]) -> None:
        with pytest.raises(TransactionClosed) as caught:
            line.queue.run(Named("again")) if ask == "run" else line.queue.close()
        told.append(caught.value)

    line.during = again
    line.queue.run(Named("lone"))
    assert len(told) == 1
    line.during = lambda members: None
    line.queue.run(Named("later"))
    assert line.groups == [["lone"], ["later"]]
    line.close()


def test_nor_can_the_thread_of_the_queue(line: Line) -> None:
    told: list[BaseException] = []

    def again(members: Sequence[Named]) -> None:
        with pytest.raises(TransactionClosed) as caught:
            line.queue.run(Named("again"))
        told.append(caught.value)

    line.during = again
    member = Delivered("delivered")
    line.queue.submit([member])
    line.queue.start()
    assert result(member.future) == "delivered"
    assert len(told) == 1
    line.close()


def test_nor_can_who_waits(line: Line) -> None:
    """A signal's handler that commits would wait for a leader, and its own thread might be the next one."""
    told: list[BaseException] = []

    def handle(number: int, frame: object) -> None:
        with pytest.raises(TransactionClosed) as caught:
            line.queue.run(Named("within"))
        told.append(caught.value)

    before = signal.signal(signal.SIGUSR1, handle)
    try:
        first = line.hold()
        me = threading.get_ident()

        def interrupt() -> None:
            until(lambda: line.queue._waiting)
            signal.pthread_kill(me, signal.SIGUSR1)
            until(lambda: told)
            line.go.set()

        thread = Thread(target=interrupt, daemon=True)
        thread.start()
        line.queue.run(Named("waits"))
        thread.join(PATIENCE_SECONDS)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert result(first) is None
    assert line.groups == [["first"], ["waits"]]
    line.close()


def test_a_closed_queue_lets_nobody_in_and_ends_when_all_are_done(line: Line) -> None:
    first = line.hold()
    second = line.start("second")
    closing = Thread(target=line.queue.close, daemon=True)
    closing.start()
    until(lambda: line.queue._closed)
    late = [Named("late")]
    with pytest.raises(LedgerClosed):
        line.queue.run(late[0])
    with pytest.raises(LedgerClosed):
        line.queue.submit(late)
    assert [member.name for member in late] == ["late"]
    assert closing.is_alive()
    line.go.set()
    closing.join(PATIENCE_SECONDS)
    assert not closing.is_alive()
    assert [result(first), result(second)] == [None, None]


def test_of_an_error_that_several_share_each_has_a_copy() -> None:
    cause = OSError("no space")
    shared: LedgerError = StorageFull("full")
    shared.__cause__ = cause
    members = [Named("one"), Named("two")]
    for member in members:
        member.fail(shared)
    errors = [member.error for member in members]
    assert all(type(error) is StorageFull and str(error) == "full" and error.__cause__ is cause for error in errors)
    assert len({id(error) for error in (shared, *errors)}) == 3
