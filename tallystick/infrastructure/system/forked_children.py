"""Forked children: what a process has open of a shared store is not its children's.

A child has its parent's connections and none of its locks. SQLite, closed by the parent, would remove the log that the child
goes on writing to, and what it was told is durable would be gone; on a connection to PostgreSQL each would read the other's
answers. So whatever must not be used by two is closed in the child, which opens the ledger again.
"""

import os
import weakref
from typing import Any, Protocol


class NotInherited(Protocol):
    """Something that only the process may use that opened it."""

    def close_in_child(self) -> None:
        """Closes it in a child, where no other thread runs, without a word to whoever else has it open."""
        ...


_open: "weakref.WeakSet[NotInherited]" = weakref.WeakSet()
_left_alone: list[Any] = []


def close_in_children(owner: NotInherited) -> None:
    """Has `owner` closed in every child that is forked from now on."""
    _open.add(owner)


def leave_alone(inherited: object) -> None:
    """Keeps what a child inherited from being closed when nobody refers to it any more."""
    _left_alone.append(inherited)


def _close_all() -> None:
    for owner in list(_open):
        owner.close_in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_all)
