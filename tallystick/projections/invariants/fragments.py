"""What must be true of fragments: that after every movement those of each account and of each hold sum to what is there.

They are also held against what they may be: each has an id of its own, out of those that its position gives, and none is minted
larger than the token's unit allows. A credit comes in at most a thousand pieces, and change and what is split off are parts of
fragments that were there before; so one is larger than the unit only where one of those is its reason.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any

from tallystick.domain.events import FragmentsBurned, FragmentsMinted, FragmentsReleased, FragmentsReserved, TokenRegistered
from tallystick.domain.value_object.carrying import IDS_PER_EVENT, PIECES_MAX
from tallystick.projections.invariants.amounts import in_decimals


class FragmentInvariants:
    """The fragments there are. It knows the `tokens`, what is in every cell, and the open holds, and tells `find`."""

    def __init__(
        self,
        find: Callable[[int, str], None],
        tokens: Mapping[str, TokenRegistered],
        cells: Mapping[str, Mapping[str, int]],
        holds: Mapping[str, list[Any]],
    ) -> None:
        self._find = find
        self._tokens = tokens
        self._cells = cells
        self._holds = holds
        self._fragments: dict[int, tuple[str, str, int, str | None]] = {}
        self._live_sums: defaultdict[tuple[str, str], int] = defaultdict(int)
        self._held_sums: defaultdict[str, int] = defaultdict(int)
        self.touched: set[tuple[str, str]] = set()
        """The cells of fragmented tokens that the movement under way changed, as token and account."""
        self.touched_holds: set[str] = set()
        """The holds likewise."""
        self._movement = 0
        self._most = self._largest_minted = self._largest_burned = 0
        self._unit = 0
        self._rules: dict[type, Callable[[int, Any], None]] = {
            FragmentsMinted: self._minted,
            FragmentsBurned: self._burned,
            FragmentsReserved: self._reserved,
            FragmentsReleased: self._released,
        }

    def apply(self, position: int, event: Any) -> None:
        """Checks one event of fragments of a token that is registered."""
        self._rules[event.__class__](position, event)

    def begin(self, position: int, most: int) -> None:
        """A movement begins, of at most so much at once."""
        self._movement = position
        self._most = most

    def finish(self) -> None:
        """Checks what the movement left."""
        if self._largest_minted:
            self._check_sizes()
        for token, account in self.touched:
            balance, live = self._cells[token].get(account, 0), self._live_sums[token, account]
            if balance != live:
                has, lives = (self._written(token, amount) for amount in (balance, live))
                self._find(self._movement, f"{account} has {has} {token} and live fragments of {lives}")
        for hold in self.touched_holds:
            self._check_hold(hold)
        self.touched.clear()
        self.touched_holds.clear()

    def _check_hold(self, hold: str) -> None:
        entry = self._holds.get(hold)
        held = entry[3] if entry else 0
        fragments = self._held_sums.get(hold, 0)
        is_fragmented = entry is None or self._tokens[entry[0]].unit is not None
        if is_fragmented and fragments != held:
            token = entry[0] if entry else ""
            has, parts = (self._written(token, amount) for amount in (held, fragments))
            self._find(self._movement, f"hold {hold!r} has {has} and fragments of {parts}")
        if entry is None:
            self._held_sums.pop(hold, None)

    def _check_sizes(self) -> None:
        unit = self._unit
        if self._largest_minted > max(unit, -(-self._most // PIECES_MAX), self._largest_burned):
            sizes = f"a fragment of {self._largest_minted} is minted, above the unit of {unit}"
            self._find(self._movement, f"{sizes} smallest units")
        self._largest_minted = self._largest_burned = 0

    def _minted(self, position: int, event: FragmentsMinted) -> None:
        first, last = event.first_id, event.first_id + len(event.amounts) - 1
        if not self._movement * IDS_PER_EVENT <= first <= last < (position + 1) * IDS_PER_EVENT:
            self._find(position, f"fragments have the ids from {first} on, which are not of this position")
        for id, amount in enumerate(event.amounts, first):
            if amount <= 0:
                self._find(position, f"an amount is {amount} smallest units")
            if id in self._fragments:
                self._find(position, f"fragment {id} is minted a second time")
            self._fragments[id] = (event.token, event.owner, amount, None)
        unit = self._tokens[event.token].unit
        if unit is None:
            self._find(position, f"fragments are minted of {event.token}, which has none")
        else:
            self._unit = unit
            for amount in event.amounts:
                if amount > self._largest_minted:
                    self._largest_minted = amount
        self._change_live(event.token, event.owner, sum(event.amounts))

    def _burned(self, position: int, event: FragmentsBurned) -> None:
        new = self._movement * IDS_PER_EVENT
        for id in event.ids:
            fragment = self._fragments.pop(id, None)
            if fragment is None or fragment[0] != event.token:
                self._find(position, f"fragment {id} is burned and does not exist in {event.token}")
                continue
            if id < new and fragment[2] > self._largest_burned:
                self._largest_burned = fragment[2]
            if fragment[3] is None:
                self._change_live(event.token, fragment[1], -fragment[2])
            else:
                self._change_held(fragment[3], -fragment[2])

    def _reserved(self, position: int, event: FragmentsReserved) -> None:
        for id in event.ids:
            token, owner, amount, hold = self._fragments.get(id, ("", "", 0, None))
            if token != event.token or hold is not None:
                self._find(position, f"fragment {id} is reserved and is not live in {event.token}")
                continue
            self._fragments[id] = (token, owner, amount, event.hold)
            self._change_live(token, owner, -amount)
            self._change_held(event.hold, amount)

    def _released(self, position: int, event: FragmentsReleased) -> None:
        for id in event.ids:
            token, owner, amount, hold = self._fragments.get(id, ("", "", 0, None))
            if token != event.token or hold != event.hold:
                self._find(position, f"fragment {id} is released and is not held under {event.hold!r}")
                continue
            self._fragments[id] = (token, owner, amount, None)
            self._change_held(event.hold, -amount)
            self._change_live(token, owner, amount)

    def _written(self, token: str, amount: int) -> str:
        return in_decimals(self._tokens, token, amount)

    def _change_live(self, token: str, owner: str, amount: int) -> None:
        self._live_sums[token, owner] += amount
        self.touched.add((token, owner))

    def _change_held(self, hold: str, amount: int) -> None:
        self._held_sums[hold] += amount
        self.touched_holds.add(hold)
