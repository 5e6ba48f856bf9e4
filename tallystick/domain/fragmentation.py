"""How fragments carry a movement of money: which are burned, which are minted, and what change is given.

A credit comes in pieces of the token's unit. Spending burns the payer's smallest fragments until they cover the amount, and
what they exceed it by is change. Escrow flips whole fragments and splits the last. A holding that has become crowded with
small fragments merges two of them on each credit, so that it cannot fill up for ever.
"""

from tallystick.domain.events import (
    Burned,
    FragmentEvent,
    FragmentsBurned,
    FragmentsMinted,
    FragmentsReleased,
    FragmentsReserved,
    Minted,
    MoneyEvent,
    Moved,
    Reserved,
    Settled,
)
from tallystick.domain.value_object import ValueObjects

PIECES_MAX = 1000
IDS_PER_EVENT = 2**20


def chunks(amount: int, unit: int) -> list[int]:
    """A credit in pieces: as many of max(unit, amount / 1000 rounded up) as fit, and the rest."""
    return _cut(amount, max(unit, -(-amount // PIECES_MAX)))


def change_of(amount: int, unit: int, burned: int) -> list[int]:
    """Change in pieces of max(unit, amount / number of fragments burned, rounded up), and the rest."""
    return _cut(amount, max(unit, -(-amount // min(burned, IDS_PER_EVENT))))


def _cut(amount: int, piece: int) -> list[int]:
    if amount <= piece:
        return [amount]
    count, rest = divmod(amount, piece)
    return [piece] * count + [rest] if rest else [piece] * count


def carry(fragments: ValueObjects, event: MoneyEvent, position: int) -> list[FragmentEvent]:
    """The events by which fragments carry `event`, the first of them at `position`; none of them is applied yet."""
    steps = _Steps(fragments, position)
    if isinstance(event, Moved):
        if event.sender != event.receiver:
            steps.spend(event.sender, event.amount, event.receiver)
    elif isinstance(event, Minted):
        steps.credit(event.account, event.amount)
    elif isinstance(event, Burned):
        steps.spend(event.account, event.amount, None)
    elif isinstance(event, Reserved):
        steps.reserve(event.payer, event.hold, event.amount)
    elif isinstance(event, Settled):
        steps.settle(event.hold, event.receiver, event.amount)
    else:
        steps.release(event.hold, event.amount)
    return steps.events


class _Steps:
    """The events being put together, and the ids that follow from their positions."""

    def __init__(self, fragments: ValueObjects, position: int) -> None:
        self.fragments = fragments
        self.token = fragments.token
        self.position = position
        self.events: list[FragmentEvent] = []

    def mint(self, owner: str, amounts: list[int]) -> int:
        first_id = (self.position + len(self.events)) * IDS_PER_EVENT
        self.events.append(FragmentsMinted(self.token, owner, first_id, amounts))
        return first_id

    def burn(self, ids: list[int]) -> None:
        self.events.append(FragmentsBurned(self.token, ids))

    def credit(self, owner: str, amount: int) -> None:
        crowding, merged = self.fragments.choose_crowding(owner)
        if crowding:
            self.burn(crowding)
            self.mint(owner, [merged])
        self.mint(owner, chunks(amount, self.fragments.unit))

    def spend(self, owner: str, amount: int, receiver: str | None) -> None:
        ids, total, _ = self.fragments.choose_live(owner, amount)
        self.burn(ids)
        if receiver is not None:
            self.credit(receiver, amount)
        if total > amount:
            self.mint(owner, change_of(total - amount, self.fragments.unit, len(ids)))

    def reserve(self, payer: str, hold: str, amount: int) -> None:
        ids, total, last = self.fragments.choose_live(payer, amount)
        if total > amount:
            self.burn([ids.pop()])
            ids.append(self.mint(payer, [last - (total - amount), total - amount]))
        self.events.append(FragmentsReserved(self.token, hold, ids))

    def settle(self, hold: str, receiver: str, amount: int) -> None:
        ids, total, _ = self.fragments.choose_held(hold, amount)
        payer = self.fragments.payer_of(ids[-1])
        self.burn(ids)
        self.credit(receiver, amount)
        if total > amount:
            rest = change_of(total - amount, self.fragments.unit, len(ids))
            first_id = self.mint(payer, rest)
            self.events.append(FragmentsReserved(self.token, hold, list(range(first_id, first_id + len(rest)))))

    def release(self, hold: str, amount: int) -> None:
        ids, total, last = self.fragments.choose_held(hold, amount)
        if total == amount:
            self.events.append(FragmentsReleased(self.token, hold, ids))
            return
        split = ids.pop()
        if ids:
            self.events.append(FragmentsReleased(self.token, hold, ids))
        payer = self.fragments.payer_of(split)
        self.burn([split])
        first_id = self.mint(payer, [last - (total - amount), total - amount])
        self.events.append(FragmentsReserved(self.token, hold, [first_id + 1]))
