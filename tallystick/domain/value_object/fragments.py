"""Money in fragments: all value objects that a fragmented token's balances are made of, in the form that is fast.

A movement of such a token says what changed hands, and its fragments say which pieces of money did. What a value object is and
how it changes says `ValueObject`, against which this is tested: here they are packed, burned ones are gone, and what spends the
smallest of them or makes new ones does so at once, many in one call. Fragments are named by entries: the first ids of runs, or
of a single one, and `_counts`, or `_burnt.counts` where they are burned, say of how many.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from heapq import heappop, heappush
from typing import Any

from tallystick.domain.events import (
    FragmentEvent,
    FragmentsBurned,
    FragmentsMinted,
    FragmentsReleased,
    FragmentsReserved,
    RunsBurnedMany,
    RunsMintedMany,
    RunsReleasedMany,
    RunsReservedMany,
)
from tallystick.domain.limits import FRAGMENTS_MAX, check_fragments
from tallystick.domain.memory.burnt import Burnt
from tallystick.domain.memory.holding import AMOUNT_SHIFT, ID_MASK, OWNER_BITS, OWNER_MASK, Holding, Piece
from tallystick.domain.memory.packed_fragments import Owners, PackedFragments
from tallystick.domain.value_object import runs
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
            FragmentsBurned: lambda event: self._burn_named(event.ids),
            FragmentsReserved: lambda event: self._reserve_named(event.hold, event.ids),
            FragmentsReleased: lambda event: self._release(*runs.runs_of(event.ids)),
            RunsMintedMany: lambda event: self.add_runs(event.owner, event.first_id, *runs.minted_runs(event)),
            RunsBurnedMany: lambda event: self._burn(*runs.named_runs(event)),
            RunsReservedMany: lambda event: self._reserve(event.hold, *runs.named_runs(event)),
            RunsReleasedMany: lambda event: self._release(*runs.named_runs(event)),
        }
        self._revert: dict[type, Callable[[Any], None]] = {
            FragmentsMinted: lambda event: self.remove(event.first_id, len(event.amounts)),
            FragmentsBurned: lambda event: self.unburn(len(event.ids)),
            FragmentsReserved: lambda event: self._release(*runs.runs_of(event.ids)),
            FragmentsReleased: lambda event: self._reserve(event.hold, *runs.runs_of(event.ids)),
            RunsMintedMany: lambda event: self.remove(event.first_id, sum(event.counts)),
            RunsBurnedMany: lambda event: self.unburn(sum(event.counts)),
            RunsReservedMany: lambda event: self._release(event.first_ids, event.counts),
            RunsReleasedMany: lambda event: self._reserve(event.hold, event.first_ids, event.counts),
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
        return [each for fragment, hold in sorted(found.items()) for each in self._value_objects(fragment, hold)]

    def pieces(self, firsts: Sequence[int], counts: Sequence[int]) -> Iterator[Piece]:
        """What is there of these runs, live or reserved. Raises `KeyError` where a fragment is neither."""
        for first, count in zip(firsts, counts, strict=True):
            for id in self._entries(first, count):
                hold = self._hold_of.get(id)
                fragment = self._live[id] if hold is None else self._holds[hold].confirmed[id]
                yield Piece(id, self._counts.get(id, 1), fragment >> AMOUNT_SHIFT, fragment & OWNER_MASK, hold)

    def _value_objects(self, fragment: int, hold: str | None) -> list[ValueObject]:
        state = FragmentState.RESERVED if hold else FragmentState.ALIVE
        first, owner = fragment >> OWNER_BITS & ID_MASK, self._owners.names[fragment & OWNER_MASK]
        ids = range(first, first + self._counts.get(first, 1))
        return [ValueObject(id, self.token, owner, fragment >> AMOUNT_SHIFT, state, hold) for id in ids]

    # Spending and crediting: decided and applied at once, for this is where a ledger spends its time.

    def spend(self, owner: str, amount: int) -> tuple[list[int], int]:
        """Burns the owner's smallest live fragments until they cover `amount`; gives their entries and what is too much.

        Raises `PlanTooLarge`, and changes nothing.
        """
        holding = (self._holdings if self._heaped else self._heaps())[owner]
        entries: list[int] = []
        return entries, self._cover(holding, amount, entries)

    def _cover(self, holding: Holding, amount: int, burned: list[int]) -> int:
        heap, live, counts, burnt = holding.heap, self._live, self._counts, self._burnt.fragments
        if len(heap) > FRAGMENTS_MAX:
            self._choose(holding, amount)  # which raises where it is too much
        while amount > 0:
            fragment = heappop(heap)
            id = fragment >> OWNER_BITS & ID_MASK
            if live.get(id) is fragment:
                if id in counts:
                    amount -= self._take_run(holding, fragment, id, amount)
                else:
                    amount -= fragment >> AMOUNT_SHIFT
                del live[id]
                burnt.append(fragment)
                burned.append(id)
            else:
                holding.stale -= 1
        return -amount

    def _take_run(self, holding: Holding, fragment: int, id: int, amount: int) -> int:
        """Has a run be burned, or as much of it as covers `amount`; gives what that is worth."""
        piece, count = fragment >> AMOUNT_SHIFT, self._counts.pop(id)
        needed = -(-amount // piece)
        if needed >= count:
            holding.following -= count - 1
        else:  # what `_cut` does, for one that leaves at once
            rest_id, rest = id + needed, count - needed
            remaining = self._live[rest_id] = fragment + (needed << OWNER_BITS)
            heappush(holding.heap, remaining)
            if rest > 1:
                self._counts[rest_id] = rest
            holding.following -= needed
            count = needed
        if count > 1:
            self._burnt.counts[id] = count
        return piece * count

    def number_burned(self, entries: list[int]) -> int:
        """How many fragments were burned with these entries."""
        counts = self._burnt.counts
        return sum([counts.get(id, 1) for id in entries]) if counts else len(entries)

    def credit(self, owner: str, first_id: int, pieces: runs.Runs) -> FragmentsMinted | RunsMintedMany:
        """Makes live fragments of these amounts, so many of each, for `owner`, with ids from `first_id` on.

        Gives the event that says so.
        """
        event = runs.minted(self.token, owner, first_id, pieces)
        if type(event) is FragmentsMinted:
            self.add(owner, first_id, event.amounts)
        else:
            self._heaps()
            self.add_runs(owner, first_id, *pieces)
        return event

    def credit_one(self, owner: str, id: int, amount: int) -> FragmentsMinted:
        """The same for one fragment, once the heaps are built."""
        holding = self._holdings.get(owner) or self._open(owner)
        fragment = self._live[id] = amount << AMOUNT_SHIFT | id << OWNER_BITS | holding.index
        heappush(holding.heap, fragment)
        return FragmentsMinted(self.token, owner, id, [amount])

    def pay(self, payer: str, receiver: str, amount: int, id: int, burned: list[int]) -> int | None:
        """Burns the payer's smallest live fragments until they cover `amount`, and gives what is too much; adds their entries
        to `burned`. The receiver gets one fragment, with this id, and the payer another, with the next, where what is too much
        fits the unit. None, and nothing is done, where the receiver may be crowded. Raises `PlanTooLarge` likewise.
        """
        holdings, live = self._holdings, self._live
        taking = holdings.get(receiver) or self._open(receiver)
        if len(taking.heap) + taking.following > SPARE_FRAGMENTS:
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
        return holding is not None and len(holding.heap) + holding.following > SPARE_FRAGMENTS

    def is_crowded(self, owner: str) -> bool:
        """Whether the owner has more fragments than a balance of that size should take."""
        if not self.may_be_crowded(owner):
            return False
        holding = self._holdings[owner]
        count = len(holding.heap) - holding.stale + holding.following
        return count > -(-self._balance_of(owner) // self.unit) + SPARE_FRAGMENTS

    def mergeable(self, owner: str) -> int:
        """The sum of the owner's two smallest fragments, where it fits the unit; else 0."""
        holding = self._heaps()[owner]
        first = holding.take()
        taken = [first]
        if self._counts.get(first >> OWNER_BITS & ID_MASK, 1) == 1:
            taken.append(holding.take())
        holding.give_back(taken)
        merged = (taken[0] >> AMOUNT_SHIFT) + (taken[-1] >> AMOUNT_SHIFT)
        return merged if merged <= self.unit else 0

    # Choosing for escrow, smallest first. What becomes of the chosen, an event must say.

    def choose_live(self, owner: str, amount: int) -> tuple[list[int], int, int]:
        """The entries of the owner's smallest live fragments that cover `amount`, their sum, and the amount of the last.

        Raises `PlanTooLarge`.
        """
        return self._choose(self._heaps()[owner], amount)

    def choose_held(self, hold: str, amount: int) -> tuple[list[int], int, int]:
        """The same of the fragments reserved under `hold`."""
        return self._choose(self._holds[hold], amount)

    def _choose(self, holding: Holding, amount: int) -> tuple[list[int], int, int]:
        taken: list[int] = []
        entries: list[int] = []
        total = piece = 0
        while total < amount and len(taken) <= FRAGMENTS_MAX:
            fragment = holding.take()
            taken.append(fragment)
            id, piece = fragment >> OWNER_BITS & ID_MASK, fragment >> AMOUNT_SHIFT
            count = self._counts.get(id, 1)
            needed = -(-(amount - total) // piece)
            if needed < count:
                self._cut(id, needed)
                count = needed
            entries.append(id)
            total += piece * count
        holding.give_back(taken)
        check_fragments(len(taken))
        return entries, total, piece

    def last_of(self, entries: list[int]) -> int:
        """Takes the last fragment out of chosen entries, and gives its id."""
        id = entries.pop()
        count = self._counts.get(id, 1)
        if count == 1:
            return id
        self._cut(id, count - 1)
        entries.append(id)
        return id + count - 1

    def payer_of(self, id: int) -> str:
        """Who gets a reserved fragment back."""
        return self._owners.names[self._holds[self._hold_of[id]].confirmed[id] & OWNER_MASK]

    def charge(self, plan: object, numbers: int) -> None:
        """Counts numbers by which the events of a plan name fragments. Raises `PlanTooLarge`."""
        self._burnt.charge(plan, numbers)

    # What an event says of entries.

    def burned(self, entries: list[int]) -> FragmentsBurned | RunsBurnedMany:
        """Those that were spent ended."""
        counts = self._burnt.counts
        if len(entries) == 1 and entries[0] not in counts:  # as most are
            return FragmentsBurned(self.token, entries)
        return runs.burned(self.token, entries, counts)

    def burning(self, entries: list[int]) -> FragmentsBurned | RunsBurnedMany:
        """Those that are live or reserved end."""
        return runs.burned(self.token, entries, self._counts)

    def reserving(self, hold: str, entries: list[int]) -> FragmentsReserved | RunsReservedMany:
        """Those that are live come under a hold."""
        return runs.reserved(self.token, hold, entries, self._counts)

    def releasing(self, hold: str, entries: list[int]) -> FragmentsReleased | RunsReleasedMany:
        """Those that are reserved come out of their hold."""
        return runs.released(self.token, hold, entries, self._counts)

    # Applying: what happened to fragments.

    def apply(self, event: FragmentEvent) -> None:
        """Makes the event's change; but for `FragmentsMintedMany`, whose owners the token knows by number.

        Raises `KeyError` where a fragment is not there, `ValueError` where the event has runs that cannot be.
        """
        self._apply[type(event)](event)

    def revert(self, event: FragmentEvent) -> None:
        """Takes back the last event applied, while `Burnt` still remembers what it ended."""
        self._revert[type(event)](event)

    def unburn(self, count: int) -> None:
        """Brings back the newest so many fragments that were burned."""
        burnt = self._burnt
        while count > 0:
            fragment = burnt.fragments.pop()
            id = fragment >> OWNER_BITS & ID_MASK
            size = burnt.counts.pop(id, 1)
            self._count(id, size)
            hold = burnt.holds.pop(id, None)
            if hold is None:
                self._join_owner(id, fragment)
            else:
                self._join_hold(id, fragment, hold)
            count -= size

    def _mint(self, event: FragmentsMinted) -> None:
        if len(event.amounts) > runs.NAMED_MAX and min(event.amounts) > 0:
            self.add_runs(event.owner, event.first_id, *runs.equal_amounts(event.amounts))
            return
        if self._heaped:
            self.add(event.owner, event.first_id, event.amounts)
            return
        holding = self._holdings.get(event.owner) or self._open(event.owner)
        live, index = self._live, holding.index
        for id, amount in enumerate(event.amounts, event.first_id):
            live[id] = amount << AMOUNT_SHIFT | id << OWNER_BITS | index

    def _burn_named(self, ids: list[int]) -> None:
        """Burns one after another, where each is by itself, and the rest as runs."""
        live, counts, burnt = self._live, self._counts, self._burnt
        for place, id in enumerate(ids):
            if id in counts or id not in live:
                if id in counts or id not in self._hold_of:
                    self._burn(*runs.runs_of(ids[place:]))
                    return
                burnt.holds[id] = self._hold_of[id]
                fragment = self._leave_hold(id)
            else:
                fragment = live.pop(id)
                self._leave_owner(fragment, 1)
            burnt.fragments.append(fragment)

    def _reserve_named(self, hold: str, ids: list[int]) -> None:
        """Reserves likewise."""
        live, counts = self._live, self._counts
        for place, id in enumerate(ids):
            if id in counts or id not in live:
                self._reserve(hold, *runs.runs_of(ids[place:]))
                return
            fragment = live.pop(id)
            self._leave_owner(fragment, 1)
            self._join_hold(id, fragment, hold)

    def _burn(self, firsts: Sequence[int], counts: Sequence[int]) -> None:
        burnt = self._burnt
        for first, count in zip(firsts, counts, strict=True):
            for id in self._entries(first, count):
                size = self._counts.pop(id, 1)
                if size > 1:
                    burnt.counts[id] = size
                hold = self._hold_of.get(id)
                if hold is None:
                    fragment = self._live.pop(id)
                    self._leave_owner(fragment, size)
                else:
                    burnt.holds[id] = hold
                    fragment = self._leave_hold(id)
                burnt.fragments.append(fragment)

    def _reserve(self, hold: str, firsts: Sequence[int], counts: Sequence[int]) -> None:
        for first, count in zip(firsts, counts, strict=True):
            for id in self._entries(first, count):
                fragment = self._live.pop(id)
                self._leave_owner(fragment, self._counts.get(id, 1))
                self._join_hold(id, fragment, hold)

    def _release(self, firsts: Sequence[int], counts: Sequence[int]) -> None:
        for first, count in zip(firsts, counts, strict=True):
            for id in self._entries(first, count):
                fragment = self._leave_hold(id)
                payer = self._owners.names[fragment & OWNER_MASK]
                if payer not in self._holdings:
                    self._open(payer)  # a snapshot brought what was reserved, and nothing else of the payer's was touched yet
                self._join_owner(id, fragment)
