"""What cannot be taken back, and why: of a movement by its kind, and of an entry by whatever it holds."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from tallystick.domain.batch.batch import read_batch
from tallystick.domain.entry.kinds import IsApp, Kind, kind_of_row, movements
from tallystick.domain.events import ContractEvent, MintedMany

_REASONS: dict[Kind, str] = {
    "release": "a release gave back what was held, and its hold is settled or opened anew by calls of its own",
    "expire": "the hold had expired, and what it held is its payer's again",
    "buy": "it is part of a trade on an app's curve, whose price has moved: sell instead",
    "sell": "it is part of a trade on an app's curve, whose price has moved: buy instead",
    "deposit": "it is a deposit to an app: refund it",
    "refund": "it is the refund of a deposit: deposit it again",
    "consume_deposit": "it made a deposit an app's income",
    "pay": "it is a payment to an app",
    "withdraw_income": "it is an app's income that its owner withdrew",
    "distribution": "it is part of a distribution to an app's holders",
    "contract": "it is a step of a contract",
    "seats": "it touches the pools of the seats or the DAO's reserve",
    "opening": "it was taken over from an older book",
}
"""By kind; those that are left out are reversible."""


def kind_not_reversible(kind: Kind) -> str | None:
    """Why a movement of this kind, or a row of a batch, cannot be reversed; None where it can."""
    return _REASONS.get(kind)


def entry_not_reversible(
    events: Sequence[Any], first_position: int, is_app: IsApp, names_of: Callable[[str], Sequence[str]]
) -> str | None:
    """Why an entry with these events cannot be reversed as a whole, naming what stands in the way; None where it can.

    `names_of` a token are its accounts by number, for what the rows of batches are.
    """
    found = movements(events, first_position, is_app)
    for position, event, kind in found:
        rows = _rows(event, names_of) if isinstance(event, MintedMany) else (kind,)
        for row, kind_of_it in enumerate(rows):
            if kind_of_it in _REASONS:
                return f"its transaction {position + row} has no way back: {_REASONS[kind_of_it]}"
    for event in events:
        if isinstance(event, ContractEvent):
            return f"it holds a step of the contract {event.contract}"
    return None if found else "it moves no money"


def _rows(event: MintedMany, names_of: Callable[[str], Sequence[str]]) -> Iterable[Kind]:
    return map(kind_of_row, read_batch(event, names_of(event.token)).events())
