"""How fragments carry a movement of money: which are burned, which are minted, and what change is given.

A credit comes in pieces of the token's unit. Spending burns the payer's smallest fragments until they cover the amount, and
what they exceed it by is change. Escrow flips whole fragments and splits the last. A holding that has become crowded with
small fragments merges two of them on each credit, so that it cannot fill up for ever.
"""

from collections.abc import Callable
from typing import Any

from tallystick.domain.events import (
    Burned,
    DomainEvent,
    FragmentEvent,
    Minted,
    MoneyEvent,
    Moved,
    Released,
    Reserved,
    Settled,
)
from tallystick.domain.memory.holding import RUN_MAX
from tallystick.domain.value_object.fragments import ValueObjects
from tallystick.domain.value_object.runs import Runs, reserved

PIECES_MAX = RUN_MAX
IDS_PER_EVENT = RUN_MAX
UNCOUNTED = 8
"""A movement that names no more fragments is not counted: a plan has not so many movements that they would be too many."""


def chunks(amount: int, unit: int) -> Runs:
    """A credit in pieces, so many of each: as many of max(unit, amount / 1000 rounded up) as fit, and the rest."""
    if amount <= unit:
        return [amount], [1]
    return _cut(amount, max(unit, -(-amount // PIECES_MAX)))


def change_of(amount: int, unit: int, burned: int) -> Runs:
    """Change in pieces of max(unit, amount / number of fragments burned, rounded up), and the rest; likewise."""
    if amount <= unit:
        return [amount], [1]
    return _cut(amount, max(unit, -(-amount // min(burned, PIECES_MAX))))


def _cut(amount: int, piece: int) -> Runs:
    count, rest = divmod(amount, piece)
    return ([piece, rest], [count, 1]) if rest else ([piece], [count])


def carry(fragments: ValueObjects, event: MoneyEvent, position: int, events: list[DomainEvent]) -> None:
    """Makes fragments carry `event`, and adds to `events` those by which they do, the first of them at `position`.

    Raises `PlanTooLarge`; what is in `events` was done then, and nothing else.
    """
    steps = _Steps(fragments, position, events)
    CARRYING[type(event)](steps, event)
    steps.charge()


def carry_move(fragments: ValueObjects, event: Moved, position: int, events: list[DomainEvent]) -> None:
    """The same for a move: the movement that comes by the thousand, in one go where nothing has to be cut or merged."""
    sender, receiver, amount = event.sender, event.receiver, event.amount
    if sender == receiver:
        return
    if amount > fragments.unit or fragments.is_crowded(receiver):
        steps = _Steps(fragments, position, events)
        change = steps.spend(sender, amount, give_change=False)
        steps.credit(receiver, amount)
        if change:
            steps.mint(sender, change)
        steps.charge()
        return
    ids, rest = fragments.spend(sender, amount)
    first_id = (position + 1) * IDS_PER_EVENT
    events += (fragments.burned(ids), fragments.credit_one(receiver, first_id, amount))
    if rest:
        first_id += IDS_PER_EVENT
        if rest <= fragments.unit:
            events.append(fragments.credit_one(sender, first_id, rest))
        else:
            events.append(fragments.credit(sender, first_id, change_of(rest, fragments.unit, fragments.number_burned(ids))))
    if len(ids) > UNCOUNTED:
        fragments.charge(events, len(ids))


class _Steps:
    """Each applied and added to the events at once; the ids follow from their positions."""

    __slots__ = ("_before", "_numbers", "events", "fragments", "token")

    def __init__(self, fragments: ValueObjects, position: int, events: list[DomainEvent]) -> None:
        self.fragments = fragments
        self.token = fragments.token
        self.events = events
        self._before = position - len(events)
        self._numbers = 0

    def charge(self) -> None:
        if self._numbers > UNCOUNTED:
            self.fragments.charge(self.events, self._numbers)

    def mint(self, owner: str, pieces: Runs) -> int:
        first_id = (self._before + len(self.events)) * IDS_PER_EVENT
        event = self.fragments.credit(owner, first_id, pieces)
        self.events.append(event)
        self._numbers += len(event.amounts)
        return first_id

    def apply(self, event: FragmentEvent) -> None:
        self.fragments.apply(event)
        self.events.append(event)

    def credit(self, owner: str, amount: int) -> None:
        merged = self.fragments.mergeable(owner) if self.fragments.is_crowded(owner) else 0
        if merged:
            ids, _ = self.fragments.spend(owner, merged)
            self.events.append(self.fragments.burned(ids))
            self.mint(owner, ([merged], [1]))
        self.mint(owner, chunks(amount, self.fragments.unit))

    def spend(self, owner: str, amount: int, *, give_change: bool = True) -> Runs | None:
        ids, rest = self.fragments.spend(owner, amount)
        self.events.append(self.fragments.burned(ids))
        self._numbers += len(ids)
        change = change_of(rest, self.fragments.unit, self.fragments.number_burned(ids)) if rest else None
        if change and give_change:
            self.mint(owner, change)
        return change

    def reserve(self, payer: str, hold: str, amount: int) -> None:
        fragments = self.fragments
        chosen, total, last = fragments.choose_live(payer, amount)
        self._numbers += len(chosen)
        if total > amount:
            self.apply(fragments.burning([fragments.last_of(chosen)]))
            chosen.append(self.mint(payer, ([last - (total - amount), total - amount], [1, 1])))
        self.apply(fragments.reserving(hold, chosen))

    def settle(self, hold: str, receiver: str, amount: int) -> None:
        fragments = self.fragments
        chosen, total, _ = fragments.choose_held(hold, amount)
        self._numbers += len(chosen)
        payer = fragments.payer_of(chosen[-1])
        self.apply(fragments.burning(chosen))
        self.credit(receiver, amount)
        if total > amount:
            rest = change_of(total - amount, fragments.unit, fragments.number_burned(chosen))
            first_id = self.mint(payer, rest)
            self.apply(reserved(self.token, hold, list(range(first_id, first_id + sum(rest[1])))))

    def release(self, hold: str, amount: int) -> None:
        fragments = self.fragments
        chosen, total, last = fragments.choose_held(hold, amount)
        self._numbers += len(chosen)
        if total == amount:
            self.apply(fragments.releasing(hold, chosen))
            return
        split = fragments.last_of(chosen)
        if chosen:
            self.apply(fragments.releasing(hold, chosen))
        payer = fragments.payer_of(split)
        self.apply(fragments.burning([split]))
        first_id = self.mint(payer, ([last - (total - amount), total - amount], [1, 1]))
        self.apply(fragments.reserving(hold, [first_id + 1]))


CARRYING: dict[type, Callable[[_Steps, Any], object]] = {
    Minted: lambda steps, event: steps.credit(event.account, event.amount),
    Burned: lambda steps, event: steps.spend(event.account, event.amount),
    Reserved: lambda steps, event: steps.reserve(event.payer, event.hold, event.amount),
    Settled: lambda steps, event: steps.settle(event.hold, event.receiver, event.amount),
    Released: lambda steps, event: steps.release(event.hold, event.amount),
}
"""How each movement is carried, but for `Moved`, which has `carry_move`."""
