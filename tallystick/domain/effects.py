"""What an event does to money: the cells it touches, and what it adds to each.

This is the one table of it. Everything that keeps balances follows from it, or keeps a faster way of its own for the movement
that comes by the million, `Moved`, and is tested against it. The supply reserve is a cell like any other here, so the effects
of an event that moves money sum to zero, and whoever gives stands before whoever takes. What a batch does are columns, which
`batch.read_batch` gives; what a distribution does depends on what everybody has, and `shared` puts it together.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from tallystick.domain.dispatch import Rules
from tallystick.domain.events import (
    BATCHES,
    BOOK_EVENTS,
    CONTRACT_EVENTS,
    FRAGMENT_EVENTS,
    AppUpdated,
    Burned,
    Distributed,
    DomainEvent,
    ForeignEvent,
    Minted,
    Moved,
    Released,
    Reserved,
    Settled,
    TokenRegistered,
)
from tallystick.domain.values.account import TOTAL_SUPPLY_RESERVE as RESERVE

Effect = tuple[str, int, int]
"""A cell of the event's token, and what is added to it: to what its account can spend, and to what it holds for others."""

Effects = Sequence[Effect]


def effects(event: DomainEvent) -> Effects:
    """The cells that an event touches, givers first; none where it moves no money.

    Raises `TypeError` where its effects are columns or depend on what everybody has, and `KeyError` for an event that this
    table does not know.
    """
    return EFFECTS[type(event)](event)


def shared(event: Distributed, shares: Iterable[tuple[str, int]]) -> list[Effect]:
    """The effects of a distribution in which everybody got these `shares`."""
    giver = RESERVE if event.source is None else event.source
    return [(giver, -event.amount, 0), *((account, share, 0) for account, share in shares)]


def _moves_no_money(event: Any) -> Effects:
    return ()


def _has_no_single_effects(event: Any) -> Effects:
    raise TypeError(f"the effects of {type(event).__name__} are columns, or depend on what everybody has")


EFFECTS: Rules[Callable[[Any], Effects]] = Rules(
    {
        TokenRegistered: lambda event: ((RESERVE, event.max_supply, 0),),
        Minted: lambda event: ((RESERVE, -event.amount, 0), (event.account, event.amount, 0)),
        Burned: lambda event: ((event.account, -event.amount, 0), (RESERVE, event.amount, 0)),
        Moved: lambda event: ((event.sender, -event.amount, 0), (event.receiver, event.amount, 0)),
        Reserved: lambda event: ((event.payer, -event.amount, 0), (event.authority, 0, event.amount)),
        Settled: lambda event: ((event.authority, 0, -event.amount), (event.receiver, event.amount, 0)),
        Released: lambda event: ((event.authority, 0, -event.amount), (event.payer, event.amount, 0)),
        **dict.fromkeys((*BATCHES, Distributed), _has_no_single_effects),
        **dict.fromkeys(
            (AppUpdated, *FRAGMENT_EVENTS),
            _moves_no_money,
        ),
        **dict.fromkeys((*CONTRACT_EVENTS, *BOOK_EVENTS, ForeignEvent), _moves_no_money),
    }
)
"""By type of event. All types are named, those of streams that are no token's too."""
