"""Money in fragments: all value objects that a fragmented token's balances are made of, in the form that is fast.

A movement of such a token says what changed hands, and its fragments say which pieces of money did. What a value object is and
how it changes says `ValueObject`, against which this is tested: here they are packed, burned ones are gone, and what spends the
smallest of them or makes new ones does so at once, many in one call.
"""

from collections.abc import Callable, Iterable
from heapq import heappop, heappush
from typing import Any

from tallystick.domain.events import FragmentEvent, FragmentsBurned, FragmentsMinted, FragmentsReleased, FragmentsReserved
from tallystick.domain.memory.burnt import Burnt
from tallystick.domain.memory.holding import AMOUNT_SHIFT, ID_MASK, OWNER_BITS, OWNER_MASK, Holding
from tallystick.domain.memory.packed_fragments import Owners, PackedFragments
from tallystick.domain.value_object.value_object import FragmentState, ValueObject

SPARE_FRAGMENTS = 1000


class ValueObjects(PackedFragments):
    """The fragments of one token: which are live and whose, which are reserved and under what hold."""

    def __init__(self, token: str, unit: int, owners: Owners, burnt: Burnt) -> None:
        super().__init__(owners, burnt)
        self.token = token
        self.unit = unit
        self._balance_of = owners.available_of
        self._apply: dict[type, Callable[[Any], None]] = {
            FragmentsMinted: self._mint,
            FragmentsBurned: self._burn,
            FragmentsReserved: self._reserve,
            FragmentsReleased: self._release,
        }
        self._revert: dict[type, Callable[[Any], None]] = {
            FragmentsMinted: self._unmint,
            FragmentsBurned: self._unburn,
            FragmentsReserved: self._release,
            FragmentsReleased: self._reserve,
        }

    def of(self, account: str, holds: Iterable[str]) -> list[ValueObject]:
        """The account's live fragments and those reserved under `holds`, smallest first."""
        found: dict[int, str | None] = {}
        holding = self._heaps().get(account) or self._from_table(account)
        if holding is not None:
            found.update((f, None) for f in holding.heap if self._live.get(f >> OWNER_BITS & ID_MASK) is f)
        for hold in holds:
            if hold in self._holds:
                found.update((fragment, hold) for fragment in self._holds[hold].confirmed.values())
        return [self._value_object(fragment, hold) for fragment, hold in sorted(found.items())]

    def _value_object(self, fragment: int, hold: str | None) -> ValueObject:
        state = FragmentState.RESERVED if hold else FragmentState.ALIVE
        id, owner = fragment >> OWNER_BITS & ID_MASK, self._owners.names[fragment & OWNER_MASK]
        return ValueObject(id, self.token, owner, fragment >> AMOUNT_SHIFT, state, hold)

    # Spending and crediting: decided and applied at once, for this is where a ledger spends its time.

    def spend(self, owner: str, amount: int) -> tuple[list[int], int]:
        """Burns the owner's smallest live fragments until they cover `amount`; gives their ids and what is too much."""
        holding = (self._holdings if self._heaped else self._heaps())[owner]
        ids: list[int] = []
        return ids, self._cover(holding, amount, ids)

    def _cover(self, holding: Holding, amount: int, burned: list[int]) -> int:
        heap, live, burnt = holding.heap, self._live, self._burnt.fragments
        while amount > 0:
            fragment = heappop(heap)
            id = fragment >> OWNER_BITS & ID_MASK
            if live.get(id) is fragment:
                del live[id]
                burnt.append(fragment)
                burned.append(id)
                amount -= fragment >> AMOUNT_SHIFT
            else:
                holding.stale -= 1
        return -amount

    def credit(self, owner: str, first_id: int, amounts: list[int]) -> FragmentsMinted:
        """Makes live fragments of `amounts` for `owner`, with ids from `first_id` on; gives the event that says so."""
        self.add(owner, first_id, amounts)
        return FragmentsMinted(self.token, owner, first_id, amounts)

    def credit_one(self, owner: str, id: int, amount: int) -> FragmentsMinted:
        """The same for one fragment, once the heaps are built."""
        holding = self._holdings.get(owner) or self._open(owner)
        fragment = self._live[id] = amount << AMOUNT_SHIFT | id << OWNER_BITS | holding.index
        heappush(holding.heap, fragment)
        return FragmentsMinted(self.token, owner, id, [amount])

    def pay(self, payer: str, receiver: str, amount: int, id: int, burned: list[int]) -> int | None:
        """Burns the payer's smallest live fragments until they cover `amount`, and gives what is too much; adds their ids to
        `burned`. The receiver gets one fragment, with this id, and the payer another, with the next, where what is too much
        fits the unit. None, and nothing is done, where the receiver may be crowded.
        """
        holdings, live = self._holdings, self._live
        taking = holdings.get(receiver) or self._open(receiver)
        if len(taking.heap) > SPARE_FRAGMENTS:
            return None
        giving = holdings[payer]
        rest = self._cover(giving, amount, burned)
        fragment = live[id] = amount << AMOUNT_SHIFT | id << OWNER_BITS | taking.index
        heappush(taking.heap, fragment)
        if 0 < rest <= self.unit:
            fragment = live[id + 1] = rest << AMOUNT_SHIFT | (id + 1) << OWNER_BITS | giving.index
            heappush(giving.heap, fragment)
        return rest

    def may_be_crowded(self, owner: str) -> bool:
        """False where the owner has too few fragments to be crowded, whatever the balance."""
        holding = (self._holdings if self._heaped else self._heaps()).get(owner) or self._from_table(owner)
        return holding is not None and len(holding.heap) > SPARE_FRAGMENTS

    def is_crowded(self, owner: str) -> bool:
        """Whether the owner has more fragments than a balance of that size should take."""
        if not self.may_be_crowded(owner):
            return False
        holding = self._holdings[owner]
        return len(holding.heap) - holding.stale > -(-self._balance_of(owner) // self.unit) + SPARE_FRAGMENTS

    def mergeable(self, owner: str) -> int:
        """The sum of the owner's two smallest fragments, where it fits the unit; else 0."""
        holding = self._heaps()[owner]
        merged = holding.two_smallest()
        return merged if merged <= self.unit else 0

    # Choosing for escrow, smallest first. What becomes of the chosen, an event must say.

    def choose_live(self, owner: str, amount: int) -> tuple[list[int], int, int]:
        """The ids of the owner's smallest live fragments that cover `amount`, their sum, and the amount of the last."""
        return _chosen(self._heaps()[owner].choose(amount))

    def choose_held(self, hold: str, amount: int) -> tuple[list[int], int, int]:
        """The same of the fragments reserved under `hold`."""
        return _chosen(self._holds[hold].choose(amount))

    def payer_of(self, id: int) -> str:
        """Who gets a reserved fragment back."""
        return self._owners.names[self._holds[self._hold_of[id]].confirmed[id] & OWNER_MASK]

    # Applying: what happened to fragments.

    def apply(self, event: FragmentEvent) -> None:
        """Makes the event's change; but for `FragmentsMintedMany`, whose owners the token knows by number."""
        self._apply[type(event)](event)

    def revert(self, event: FragmentEvent) -> None:
        """Takes back the last event applied, while `Burnt` still remembers what it ended."""
        self._revert[type(event)](event)

    def _mint(self, event: FragmentsMinted) -> None:
        if self._heaped:
            self.add(event.owner, event.first_id, event.amounts)
            return
        holding = self._holdings.get(event.owner) or self._open(event.owner)
        live, index = self._live, holding.index
        for id, amount in enumerate(event.amounts, event.first_id):
            live[id] = amount << AMOUNT_SHIFT | id << OWNER_BITS | index

    def _unmint(self, event: FragmentsMinted) -> None:
        self.remove(event.first_id, len(event.amounts))

    def _burn(self, event: FragmentsBurned) -> None:
        for id in event.ids:
            fragment = self._live.pop(id, None)
            if fragment is not None:
                self._leave_owner(fragment)
            elif id in self._hold_of:
                self._burnt.holds[id] = self._hold_of[id]
                fragment = self._leave_hold(id)
            else:
                fragment = self._take_live(id)
                self._leave_owner(fragment)
            self._burnt.fragments.append(fragment)

    def _unburn(self, event: FragmentsBurned) -> None:
        for id in reversed(event.ids):
            fragment = self._burnt.fragments.pop()
            hold = self._burnt.holds.pop(id, None)
            if hold is None:
                self._join_owner(id, fragment)
            else:
                self._join_hold(id, fragment, hold)

    def _reserve(self, event: FragmentsReserved | FragmentsReleased) -> None:
        for id in event.ids:
            fragment = self._take_live(id)
            self._leave_owner(fragment)
            self._join_hold(id, fragment, event.hold)

    def _release(self, event: FragmentsReserved | FragmentsReleased) -> None:
        for id in event.ids:
            fragment = self._leave_hold(id)
            payer = self._owners.names[fragment & OWNER_MASK]
            if payer not in self._holdings:
                self._open(payer)  # a snapshot brought what was reserved, and nothing else of the payer's was touched yet
            self._join_owner(id, fragment)


def _chosen(fragments: list[int]) -> tuple[list[int], int, int]:
    amounts = [fragment >> AMOUNT_SHIFT for fragment in fragments]
    return [fragment >> OWNER_BITS & ID_MASK for fragment in fragments], sum(amounts), amounts[-1]
