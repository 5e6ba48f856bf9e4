"""Kinds: which operation each movement of an entry was part of, told from the pattern of the entry's events.

The journal keeps what happened to money and not what was asked for. One operation leaves its events side by side, with those of
fragments after each, so a movement and its neighbours say which operation made them: a movement into an app's bonding cell is
followed by what it bought, a movement that funds a contract by the contract's raised balance. Patterns are told apart by what
operations refuse: nobody but a trade touches a bonding cell or burns an app's tokens, and nothing but the app's own
operations touches the account of an app.
"""

from collections.abc import Callable, Container, Sequence
from typing import Any, Literal, NamedTuple, get_args

from tallystick.domain.batch.batch import RowEvent, numbered
from tallystick.domain.cells import SPECIAL_ACCOUNTS, deposit_cell, is_bonding, is_crossing
from tallystick.domain.contract.sweeping import SWEPT
from tallystick.domain.dispatch import Rules
from tallystick.domain.events import (
    EVENT_TYPES,
    FRAGMENT_EVENTS,
    BalanceLowered,
    BalanceRaised,
    BatchEvent,
    Burned,
    BurnedMany,
    ContractEvent,
    ContractRegistered,
    Distributed,
    Event,
    Minted,
    MintedMany,
    MoneyEvent,
    Moved,
    MovedMany,
    NotedBurnedMany,
    NotedMintedMany,
    NotedMovedMany,
    Released,
    Reserved,
    Settled,
    TokenRegistered,
)
from tallystick.domain.values.account import DAO_RESERVED_ACCOUNT, SEAT_COLLECTION_POOL, SEAT_DISTRIBUTION_POOL

Kind = Literal[
    "mint",
    "burn",
    "transfer",
    "reserve",
    "settle",
    "release",
    "expire",
    "buy",
    "sell",
    "deposit",
    "refund",
    "pay",
    "consume_deposit",
    "withdraw_income",
    "distribution",
    "contract",
    "seats",
    "opening",
]
KINDS: tuple[Kind, ...] = get_args(Kind)

IsApp = Callable[[str], bool]
"""Whether a name was an app's when the entry was made."""

TAKEN_OVER = "taken over"
"""The memo of what `take_over` records."""

_SEATS = frozenset((SEAT_COLLECTION_POOL, SEAT_DISTRIBUTION_POOL, DAO_RESERVED_ACCOUNT))


class Movement(NamedTuple):
    """An event of an entry that moves money, its position, of a batch its first row's, and which operation it was part of."""

    position: int
    event: MoneyEvent | BatchEvent | Distributed
    kind: Kind


def movements(events: Sequence[Any], first_position: int, is_app: IsApp, among: Container[int] | None = None) -> list[Movement]:
    """The movements of an entry, in order, its first event standing at `first_position`; if given, those `among` positions.

    A distribution is one movement, and so is a batch, of whose rows `kind_of_row` says it. The legs of an operation all have
    its kind: what a buyer pays to the curve and to the app's owner, and what is minted for it, are each a "buy". Where an
    app's income buys for its holders, that is "distribution" throughout; where a pool of the seats pays, its legs are "seats".
    Events that are not the ledger's are passed over; `KeyError` for one of the ledger's that is not known here.
    """
    told = [(position, event) for position, event in numbered(events, first_position) if _counts(event)]
    entry = _Entry([event for _, event in told], is_app, _is_take_over(events))
    found: list[Movement] = []
    for index, (position, event) in enumerate(told):
        rule = RULES[type(event)]
        if rule is not None and (among is None or position in among):
            found.append(Movement(position, event, rule(entry, index, event)))
    return found


def kind_of_row(event: RowEvent) -> Kind:
    """The kind of a row of a batch, by the event that it is."""
    if isinstance(event, Moved):
        return "transfer"
    if isinstance(event, Burned):
        return "burn"
    return "seats" if event.account == DAO_RESERVED_ACCOUNT else "mint"


def _counts(event: Any) -> bool:
    return isinstance(event, (Event, ContractEvent)) and type(event) not in FRAGMENT_EVENTS


class _Entry(NamedTuple):
    """The events that count, those of fragments left out; and who was an app, and whether an older book was taken over."""

    events: Sequence[Any]
    is_app: IsApp
    is_take_over: bool

    def at(self, index: int) -> Any:
        """The event at an index; None beyond the ends."""
        return self.events[index] if 0 <= index < len(self.events) else None


def _is_take_over(events: Sequence[Any]) -> bool:
    """Whether tokens are registered, which only taking over does beside a movement, or all is taken over and nothing else."""
    has_minted = False
    for event in events:
        if type(event) is TokenRegistered:
            return True
        if type(event) is Minted and event.memo == TAKEN_OVER:
            has_minted = True
        elif type(event) not in FRAGMENT_EVENTS:
            return False
    return has_minted


def _minted(entry: _Entry, index: int, event: Minted) -> Kind:
    account = event.account
    if entry.is_take_over or is_crossing(account) or entry.is_app(account):
        return "opening"
    if account in _SEATS:
        return "seats"
    if account in SPECIAL_ACCOUNTS:
        return "opening"
    return "buy" if entry.is_app(event.token) else "mint"


def _burned(entry: _Entry, index: int, event: Burned) -> Kind:
    return "sell" if entry.is_app(event.token) else "burn"


def _moved(entry: _Entry, index: int, event: Moved) -> Kind:
    sender, receiver = event.sender, event.receiver
    if sender in _SEATS or receiver in _SEATS:
        return "seats"
    bought = _bought_by(entry, index, event)
    if bought is not None:
        return bought
    if is_crossing(receiver):
        return "deposit"
    if is_crossing(sender):
        return _out_of_crossing(sender, receiver)
    after = entry.at(index + 1)
    if (type(after) is BalanceRaised and after.contract == receiver) or (
        type(after) is BalanceLowered and after.contract == sender
    ):
        return "contract"
    if event.memo == SWEPT and _is_swept(entry, index, sender):
        return "contract"
    if entry.is_app(sender):
        return "withdraw_income"
    return "pay" if entry.is_app(receiver) else "transfer"


def _is_swept(entry: _Entry, index: int, sender: str) -> bool:
    """Whether the sender is registered as a contract right behind this movement and others of its own."""
    while True:
        index += 1
        after = entry.at(index)
        if type(after) is not Moved or after.sender != sender or after.memo != SWEPT:
            return type(after) is ContractRegistered and after.contract == sender


def _bought_by(entry: _Entry, index: int, event: Moved) -> Kind | None:
    """The kind of a leg of a payment for an app's tokens; None where the movement is none.

    A payment goes into the bonding cell, or to the app's owner, or to the one and then to the other, and right behind it
    stands what it bought.
    """
    after = entry.at(index + 1)
    if type(after) is Moved and is_bonding(event.receiver):
        after = entry.at(index + 2)  # behind the owner's spread
    if type(after) is Minted and entry.is_app(after.token):
        return "buy"
    return "distribution" if type(after) is Distributed and after.source is None else None


def _out_of_crossing(sender: str, receiver: str) -> Kind:
    if is_bonding(sender):
        return "sell"
    return "consume_deposit" if sender == deposit_cell(sender.split(" ")[0], receiver) else "refund"


_Rule = Callable[[_Entry, int, Any], Kind]


def _always(kind: Kind) -> _Rule:
    return lambda entry, index, event: kind


RULES: Rules[_Rule | None] = Rules(
    {
        **dict.fromkeys(EVENT_TYPES),
        Minted: _minted,
        Burned: _burned,
        Moved: _moved,
        Reserved: _always("reserve"),
        Settled: _always("settle"),
        Released: lambda entry, index, event: "expire" if event.expired else "release",
        Distributed: _always("distribution"),
        **dict.fromkeys((MovedMany, NotedMovedMany), _always("transfer")),
        **dict.fromkeys((MintedMany, NotedMintedMany), _always("mint")),
        **dict.fromkeys((BurnedMany, NotedBurnedMany), _always("burn")),
    }
)
"""By type of event; None for those that move no money."""
