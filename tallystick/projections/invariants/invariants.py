"""What must be true of any journal, checked event by event and apart from the code that decides.

This projection keeps its own plain sums and trusts nothing: that a token is registered once and before it moves, that no
account and no supply reserve goes below zero, that holds are drawn by those who have them and not beyond what they hold,
what `FragmentInvariants` says of fragments, what `ContractInvariants` says of contracts, and what `FreezeInvariants` says of
frozen accounts. Its state is a list of findings, each with the first position at which something was wrong.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any

import numpy as np

from tallystick.domain.arithmetic.columns import MACHINE_MAX, Column, total
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
from tallystick.domain.values.account import TOTAL_SUPPLY_RESERVE as RESERVE
from tallystick.domain.values.result import Result
from tallystick.projections.invariants.amounts import in_decimals
from tallystick.projections.invariants.contracts import ContractInvariants
from tallystick.projections.invariants.curves import impossible_curves
from tallystick.projections.invariants.fragments import FragmentInvariants
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
        self._is_unfinished = False  # whether a movement may have touched what is checked when it is over
        self._is_lost = False  # where an event's meaning is not known, neither are the sums after it
        self._fragments = FragmentInvariants(self._find, self._tokens, self._cells, self._holds)
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
            **dict.fromkeys((FragmentsMinted, FragmentsBurned, FragmentsReserved, FragmentsReleased), self._fragments.apply),
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
            self._fragments.begin(position, event.amount)
            self._is_unfinished = True
        if not isinstance(event, TokenRegistered) and event.token not in self._tokens:
            self._find(position, f"token {event.token!r} is not registered")
            return
        rule(position, event)

    def apply_commit(self, first_position: int, recorded_at: int, events: Sequence[Any], /) -> None:
        """Checks the events of a commit; most are moves, of which nothing but the cells of two accounts is to be checked."""
        contracts = self._contracts.ids()
        for position, event in enumerate(events, first_position):
            if type(event) is Moved and not self._is_lost and not self._freezes.frozen:
                if self._is_unfinished:
                    self._finish_movement()
                sender, receiver, amount = event.sender, event.receiver, event.amount
                token = self._tokens.get(event.token)
                is_plain = token is not None and token.unit is None and amount > 0
                if is_plain and sender not in contracts and receiver not in contracts and RESERVE not in (sender, receiver):
                    cells = self._cells[event.token]
                    cells[sender] -= amount
                    if cells[sender] < 0:
                        self._find(position, f"{sender} has {cells[sender]} {event.token}")
                    cells[receiver] += amount
                    continue
            self.apply(position, recorded_at, event)

    def apply_columns(self, position: int, recorded_at: int, batch: Batch, /) -> None:
        """Checks the rows of a batch, which are one movement to the fragments that carry it."""
        if self._is_lost:
            return
        self._finish_movement()
        self._fragments.begin(position, int(max(batch.amounts)))
        self._is_unfinished = True
        if batch.token not in self._tokens:
            self._find(position, f"token {batch.token!r} is not registered")
            return
        if not self._freezes.frozen and self._add_columns(batch):
            return
        for at, event in enumerate(batch.events(), position):
            self._rules[event.__class__](at, event)
            if self._freezes.frozen:
                self._freezes.apply(at, event)

    def _add_columns(self, batch: Batch) -> bool:
        """Adds the rows of a batch by account, where no account can come short on the way; else nothing, and false."""
        moved = total(batch.amounts)
        if isinstance(batch.amounts, list) or moved > MACHINE_MAX or int(batch.amounts.min()) < 1:
            return False
        given = _by_account(batch, batch.senders)
        taken = _by_account(batch, batch.receivers)
        contracts = self._contracts.ids()
        if any(account in contracts or account == RESERVE for account, _ in chain(given, taken)):
            return False
        cells = self._cells[batch.token]
        if batch.senders is None and self._reserves[batch.token] < moved:
            return False
        for account, amount in given:
            cells[account] -= amount
        if any(cells[account] < 0 for account, _ in given):
            for account, amount in given:
                cells[account] += amount
            return False
        for account, amount in taken:
            cells[account] += amount
        self._reserves[batch.token] -= moved * ((batch.senders is None) - (batch.receivers is None))
        if self._tokens[batch.token].unit is not None:
            self._fragments.touched.update((batch.token, account) for account, _ in chain(given, taken))
        return True

    def finish(self) -> list[Finding]:
        """Checks what the last transaction left, and gives all findings."""
        if not self._is_lost:
            self._finish_movement()
            self._contracts.finish()
        return self.state

    def _find(self, position: int, reason: str) -> None:
        if len(self.state) < FINDINGS_MAX:
            self.state.append(Finding(position, reason))

    def _find_overdrawn(self, position: int, token: str) -> None:
        self._find(position, f"the supply reserve of {token} is {self._written(token, self._reserves[token])}")

    def _written(self, token: str, amount: int) -> str:
        return in_decimals(self._tokens, token, amount)

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
        for reason in impossible_curves(event, self._tokens):
            self._find(position, reason)
        self._tokens[event.token] = event
        self._reserves[event.token] = event.max_supply
        self._freezes.register(position, event)

    def _minted(self, position: int, event: Minted) -> None:
        self._check_amount(position, event.amount)
        self._reserves[event.token] -= event.amount
        if self._reserves[event.token] < 0:
            self._find_overdrawn(position, event.token)
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
                self._find_overdrawn(position, event.token)
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
        self._fragments.touched_holds.add(event.hold)

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
            self._find(position, f"hold {event.hold!r} is drawn to {self._written(hold[0], hold[3])}")
        if hold[3] <= 0:
            del self._holds[event.hold]
        self._held[event.token, event.authority] -= event.amount
        self._pay(position, event.token, taker, event.amount)
        self._fragments.touched_holds.add(event.hold)

    def _check_amount(self, position: int, amount: int) -> None:
        if amount <= 0:
            self._find(position, f"an amount is {amount} smallest units")

    def _check_account(self, position: int, token: str, account: str) -> None:
        if account == RESERVE:
            self._find(position, f"the supply reserve of {token} is named as an account")

    def _pay(self, position: int, token: str, account: str, amount: int) -> None:
        self._check_account(position, token, account)
        cells = self._cells[token]
        cells[account] += amount
        if cells[account] < 0:
            self._find(position, f"{account} has {self._written(token, cells[account])} {token}")
        if self._tokens[token].unit is not None:
            self._fragments.touched.add((token, account))
        self._contracts.paid(position, token, account)

    def _finish_movement(self) -> None:
        self._fragments.finish()
        self._contracts.check_backing()
        self._is_unfinished = False


def _by_account(batch: Batch, numbers: Column | None) -> list[tuple[str, int]]:
    """The accounts of a column, and what the rows of each move together."""
    if numbers is None:
        return []
    accounts, places = np.unique(numbers, return_inverse=True)
    sums = np.zeros(len(accounts), dtype=np.int64)
    np.add.at(sums, places, batch.amounts)
    return list(zip(map(batch.names.__getitem__, accounts.tolist()), sums.tolist(), strict=True))
