"""Forked children: what a process has open of a shared store is not its children's.

A child has its parent's connections and none of its locks. SQLite, closed by the parent, would remove the log that the child
goes on writing to, and what it was told is durable would be gone; on a connection to PostgreSQL each would read the other's
answers. So whatever must not be used by two is closed in the child, which opens the ledger again. And a child that is forked
while another thread is in the midst of something would have that half done, and its lock for ever: so whatever must not be
forked in its midst is brought to rest before.
"""

import itertools
import os
import threading
import weakref
from contextlib import suppress
from typing import Any, Protocol


class NotInherited(Protocol):
    """Something that only the process may use that opened it."""

    def close_in_child(self) -> None:
        """Closes it in a child, where no other thread runs, without a word to whoever else has it open."""
        ...


class BroughtToRest(Protocol):
    """Something in whose midst no child may be forked. Nothing that these raise keeps a process from forking."""

    def rest_before_fork(self) -> None:
        """Returns when no thread is in its midst, and lets none begin; after a bounded time in any case."""
        ...

    def go_on_after_fork(self) -> None:
        """Lets threads begin again, in the parent and in the child, where this is called before `close_in_child`."""
        ...


_numbers = itertools.count()
_not_inherited: "weakref.WeakSet[NotInherited]" = weakref.WeakSet()
_brought_to_rest: "weakref.WeakKeyDictionary[BroughtToRest, int]" = weakref.WeakKeyDictionary()
_left_alone: list[Any] = []
_forking = threading.RLock()
_resting: list[BroughtToRest] = []


def close_in_children(owner: NotInherited) -> None:
    """Has `owner` closed in every child that is forked from now on."""
    _not_inherited.add(owner)


def bring_to_rest_in_forks(owner: BroughtToRest) -> None:
    """Has `owner` brought to rest before every fork from now on; those that came first come first."""
    _brought_to_rest[owner] = next(_numbers)


def leave_alone(inherited: object) -> None:
    """Keeps what a child inherited from being closed when nobody refers to it any more."""
    _left_alone.append(inherited)


def _rest() -> None:
    _forking.acquire()  # of two threads that fork, the second waits until the first has
    for owner in sorted(_brought_to_rest, key=_brought_to_rest.__getitem__):
        _resting.append(owner)
        with suppress(Exception):
            owner.rest_before_fork()


def _go_on() -> None:
    while _resting:
        with suppress(Exception):
            _resting.pop().go_on_after_fork()
    _forking.release()


def _go_on_in_child() -> None:
    _go_on()
    for owner in list(_not_inherited):
        owner.close_in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_rest, after_in_parent=_go_on, after_in_child=_go_on_in_child)
