"""What must be true of any journal, checked event by event and apart from the code that decides.

This projection keeps its own plain sums and trusts nothing: that a token is registered once and before it moves, that no
account and no supply reserve goes below zero, that holds are drawn by those who have them and not beyond what they hold,
that after every transaction the live fragments of each account touched sum to its balance, and those of each hold to the
hold, what `ContractInvariants` says of contracts, and what `FreezeInvariants` says of frozen accounts. Its state is a list of
findings, each with the first position at which something was wrong.
"""

from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any

from tallystick.domain.arithmetic.shares import shares_among
from tallystick.domain.batch.batch import Batch
from tallystick.domain.events import (
    RECORDED,
    AccountFrozen,
    AccountUnfrozen,
    AppUpdated,
    BookEvent,
    Burned,
    ContractEvent,
    ContractRegistered,
    Distributed,
    FragmentsBurned,
    FragmentsMinted,
    FragmentsReleased,
    FragmentsReserved,
    ImportEnded,
    MetadataErased,
    Minted,
    Moved,
    Released,
    Reserved,
    Settled,
    TokenRegistered,
)
from tallystick.domain.rounding import is_known_rounding, sharing_of
from tallystick.domain.values.account import TOTAL_SUPPLY_RESERVE
from tallystick.domain.values.result import Result
from tallystick.projections.invariants.contracts import ContractInvariants
from tallystick.projections.invariants.freezes import FreezeInvariants

MOVEMENTS = (*RECORDED, Distributed)
FINDINGS_MAX = 100
"""After so many findings no more are collected."""


class Finding(Result, frozen=True):
    """Something that is wrong, and the first position at which it is."""

    position: int
    reason: str

    def __str__(self) -> str:
        return f"position {self.position}: {self.reason}"


class FindingsList:
    """Findings in the order in which they were found, the first `FINDINGS_MAX` of them."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []

    def add(self, position: int, reason: str) -> None:
        """One more, where there is room."""
        if len(self.findings) < FINDINGS_MAX:
            self.findings.append(Finding(position, reason))


class Invariants:
    """The findings of an audit; call `finish` once after the last event."""

    name = "invariants"
    version = 1

    def __init__(self) -> None:
        self.state: list[Finding] = []
        self._tokens: dict[str, TokenRegistered] = {}
        self._reserves: dict[str, int] = {}
        self._turns: Counter[str] = Counter()
        self._cells: defaultdict[str, defaultdict[str, int]] = defaultdict(lambda: defaultdict(int))
        self._held: defaultdict[tuple[str, str], int] = defaultdict(int)
        self._holds: dict[str, list[Any]] = {}
        self._fragments: dict[int, tuple[str, str, int, str | None]] = {}
        self._live_sums: defaultdict[tuple[str, str], int] = defaultdict(int)
        self._held_sums: defaultdict[str, int] = defaultdict(int)
        self._touched: set[tuple[str, str]] = set()
        self._touched_holds: set[str] = set()
        self._movement = 0
        self._is_lost = False  # where an event's meaning is not known, neither are the sums after it
        self._contracts = ContractInvariants(self._find, self._tokens, self._cells)
        self._freezes = FreezeInvariants(self._find)
        self._rules: dict[type, Callable[[int, Any], None]] = {
            TokenRegistered: self._registered,
            AppUpdated: self._updated,
            Distributed: self._distributed,
            Minted: self._minted,
            Burned: self._burned,
            Moved: self._moved,
            Reserved: self._reserved,
            Settled: self._drawn,
            Released: self._drawn,
            FragmentsMinted: self._fragments_minted,
            FragmentsBurned: self._fragments_burned,
            FragmentsReserved: self._fragments_reserved,
            FragmentsReleased: self._fragments_released,
        }

    def apply(self, position: int, recorded_at: int, event: Any, /) -> None:
        """Checks one event."""
        if self._is_lost:
            return
        if isinstance(event, BookEvent):
            self._of_the_book(position, event)
            return
        if self._freezes.frozen:
            self._freezes.apply(position, event)
        if isinstance(event, ContractEvent):
            if isinstance(event, ContractRegistered):
                self._freezes.register(position, event)
            self._contracts.apply(position, event)
            return
        rule = self._rules.get(event.__class__)
        if rule is None:
            self._find(position, f"{event.__class__.__name__} is an event that this audit does not know")
            return
        if isinstance(event, MOVEMENTS):
            self._finish_movement()
            self._movement = position
        if not isinstance(event, TokenRegistered) and event.token not in self._tokens:
            self._find(position, f"token {event.token!r} is not registered")
            return
        rule(position, event)

    def apply_columns(self, position: int, recorded_at: int, batch: Batch, /) -> None:
        """Checks the rows of a batch, which are one movement to the fragments that carry it."""
        if self._is_lost:
            return
        self._finish_movement()
        self._movement = position
        if batch.token not in self._tokens:
            self._find(position, f"token {batch.token!r} is not registered")
            return
        for at, event in enumerate(batch.events(), position):
            self._rules[event.__class__](at, event)
            if self._freezes.frozen:
                self._freezes.apply(at, event)

    def finish(self) -> list[Finding]:
        """Checks what the last transaction left, and gives all findings."""
        if not self._is_lost:
            self._finish_movement()
            self._contracts.finish()
        return self.state

    def _find(self, position: int, reason: str) -> None:
        if len(self.state) < FINDINGS_MAX:
            self.state.append(Finding(position, reason))

    def _of_the_book(self, position: int, event: BookEvent) -> None:
        if isinstance(event, AccountFrozen) and event.token is not None and event.token not in self._tokens:
            self._find(position, f"token {event.token!r} is not registered")
        if isinstance(event, AccountFrozen | AccountUnfrozen):
            self._freezes.apply(position, event)
        elif not isinstance(event, MetadataErased | ImportEnded):
            self._find(position, f"{event.__class__.__name__} is an event that this audit does not know")

    # Movements.

    def _registered(self, position: int, event: TokenRegistered) -> None:
        if event.token in self._tokens:
            self._find(position, f"token {event.token!r} is registered a second time")
        self._tokens[event.token] = event
        self._reserves[event.token] = event.max_supply
        self._freezes.register(position, event)

    def _minted(self, position: int, event: Minted) -> None:
        self._check_amount(position, event.amount)
        self._reserves[event.token] -= event.amount
        if self._reserves[event.token] < 0:
            self._find(position, f"the supply reserve of {event.token} is {self._reserves[event.token]}")
        self._pay(position, event.token, event.account, event.amount)

    def _burned(self, position: int, event: Burned) -> None:
        self._check_amount(position, event.amount)
        self._pay(position, event.token, event.account, -event.amount)
        self._reserves[event.token] += event.amount

    def _moved(self, position: int, event: Moved) -> None:
        self._check_amount(position, event.amount)
        self._pay(position, event.token, event.sender, -event.amount)
        self._pay(position, event.token, event.receiver, event.amount)

    def _updated(self, position: int, event: AppUpdated) -> None:
        if self._tokens[event.token].role != "app":
            self._find(position, f"token {event.token!r} is no app's and is updated")
        self._freezes.register(position, event)

    def _distributed(self, position: int, event: Distributed) -> None:
        self._check_amount(position, event.amount)
        if not is_known_rounding(event):
            self._find(position, f"there is no rule of rounding {event.rounding}: nothing after this can be checked")
            self._is_lost = True
            return
        if event.turn != self._turns[event.token]:
            self._find(position, f"it is turn {self._turns[event.token]} of {event.token}, not {event.turn}")
        self._turns[event.token] += 1
        available = self._cells[event.token]
        apps = [code for code, token in self._tokens.items() if token.role == "app"]
        special = {name for name in (*apps, *self._contracts.ids()) if available.get(name, 0) > 0}
        if special != set(event.excluded) or self._tokens[event.token].role != "app":
            self._find(position, f"{event.token} is distributed leaving out {event.excluded}, not {sorted(special)}")
        if event.source not in (None, event.token):
            self._find(position, f"{event.source} gives {event.token} to its holders, and not the app")
        shares = list(shares_among(available, event.amount, event.excluded, event.turn, sharing_of(event)))
        if not shares:
            self._find(position, f"nobody holds any {event.token}, and it is distributed")
        if event.source is None:
            self._reserves[event.token] -= event.amount
            if self._reserves[event.token] < 0:
                self._find(position, f"the supply reserve of {event.token} is {self._reserves[event.token]}")
        else:
            self._pay(position, event.token, event.source, -event.amount)
        for account, share in shares:
            self._pay(position, event.token, account, share)

    def _reserved(self, position: int, event: Reserved) -> None:
        self._check_amount(position, event.amount)
        if event.hold in self._holds:
            self._find(position, f"hold {event.hold!r} is opened a second time")
        self._pay(position, event.token, event.payer, -event.amount)
        self._check_account(position, event.token, event.authority)
        self._held[event.token, event.authority] += event.amount
        self._holds[event.hold] = [event.token, event.authority, event.payer, event.amount]
        self._touched_holds.add(event.hold)

    def _drawn(self, position: int, event: Settled | Released) -> None:
        self._check_amount(position, event.amount)
        hold = self._holds.get(event.hold)
        if hold is None:
            self._find(position, f"hold {event.hold!r} is not open")
            return
        if hold[:2] != [event.token, event.authority]:
            self._find(position, f"hold {event.hold!r} is {hold[1]}'s in {hold[0]}, not {event.authority}'s")
        taker = event.receiver if isinstance(event, Settled) else event.payer
        if isinstance(event, Released) and event.payer != hold[2]:
            self._find(position, f"hold {event.hold!r} was paid by {hold[2]} and is released to {event.payer}")
        hold[3] -= event.amount
        if hold[3] < 0:
            self._find(position, f"hold {event.hold!r} is drawn to {hold[3]}")
        if hold[3] <= 0:
            del self._holds[event.hold]
        self._held[event.token, event.authority] -= event.amount
        self._pay(position, event.token, taker, event.amount)
        self._touched_holds.add(event.hold)

    def _check_amount(self, position: int, amount: int) -> None:
        if amount <= 0:
            self._find(position, f"an amount is {amount}")

    def _check_account(self, position: int, token: str, account: str) -> None:
        if account == TOTAL_SUPPLY_RESERVE:
            self._find(position, f"the supply reserve of {token} is named as an account")

    def _pay(self, position: int, token: str, account: str, amount: int) -> None:
        self._check_account(position, token, account)
        cell = (token, account)
        cells = self._cells[token]
        cells[account] += amount
        if cells[account] < 0:
            self._find(position, f"{account} has {cells[account]} {token}")
        if self._tokens[token].unit is not None:
            self._touched.add(cell)
        self._contracts.paid(position, token, account)

    # Fragments.

    def _fragments_minted(self, position: int, event: FragmentsMinted) -> None:
        for id, amount in enumerate(event.amounts, event.first_id):
            self._check_amount(position, amount)
            if id in self._fragments:
                self._find(position, f"fragment {id} is minted a second time")
            self._fragments[id] = (event.token, event.owner, amount, None)
        self._change_live(event.token, event.owner, sum(event.amounts))

    def _fragments_burned(self, position: int, event: FragmentsBurned) -> None:
        for id in event.ids:
            fragment = self._fragments.pop(id, None)
            if fragment is None or fragment[0] != event.token:
                self._find(position, f"fragment {id} is burned and does not exist in {event.token}")
            elif fragment[3] is None:
                self._change_live(event.token, fragment[1], -fragment[2])
            else:
                self._change_held(fragment[3], -fragment[2])

    def _fragments_reserved(self, position: int, event: FragmentsReserved) -> None:
        for id in event.ids:
            token, owner, amount, hold = self._fragments.get(id, ("", "", 0, None))
            if token != event.token or hold is not None:
                self._find(position, f"fragment {id} is reserved and is not live in {event.token}")
                continue
            self._fragments[id] = (token, owner, amount, event.hold)
            self._change_live(token, owner, -amount)
            self._change_held(event.hold, amount)

    def _fragments_released(self, position: int, event: FragmentsReleased) -> None:
        for id in event.ids:
            token, owner, amount, hold = self._fragments.get(id, ("", "", 0, None))
            if token != event.token or hold != event.hold:
                self._find(position, f"fragment {id} is released and is not held under {event.hold!r}")
                continue
            self._fragments[id] = (token, owner, amount, None)
            self._change_held(event.hold, -amount)
            self._change_live(token, owner, amount)

    def _change_live(self, token: str, owner: str, amount: int) -> None:
        self._live_sums[token, owner] += amount
        self._touched.add((token, owner))

    def _change_held(self, hold: str, amount: int) -> None:
        self._held_sums[hold] += amount
        self._touched_holds.add(hold)

    def _finish_movement(self) -> None:
        self._check_fragments()
        self._contracts.check_backing()

    def _check_fragments(self) -> None:
        for token, account in self._touched:
            balance, live = self._cells[token][account], self._live_sums[token, account]
            if balance != live:
                self._find(self._movement, f"{account} has {balance} {token} and live fragments of {live}")
        for hold in self._touched_holds:
            entry = self._holds.get(hold)
            held = entry[3] if entry else 0
            fragments = self._held_sums.get(hold, 0)
            fragmented = entry is None or self._tokens[entry[0]].unit is not None
            if fragmented and fragments != (held if entry else 0):
                self._find(self._movement, f"hold {hold!r} has {held} and fragments of {fragments}")
            if entry is None:
                self._held_sums.pop(hold, None)
        self._touched.clear()
        self._touched_holds.clear()
