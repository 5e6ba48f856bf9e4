"""`tallystick expire`: gives back what is due in holds, once or again and again, and prints what was given back."""

import time
from collections.abc import Callable, Iterator

import typer

from tallystick.domain.errors import StorageError
from tallystick.infrastructure.cli.endings import INTERRUPTED
from tallystick.infrastructure.cli.printing.formats import Record
from tallystick.infrastructure.cli.printing.invocation import recording
from tallystick.infrastructure.cli.printing.streams import say_error
from tallystick.infrastructure.ledger.expiry import LIMIT, check_seconds
from tallystick.infrastructure.ledger.ledger import Ledger
from tallystick.infrastructure.ledger.transaction import TransactionContext
from tallystick.infrastructure.system.durations import parse_duration


def expire_holds(ledger: Ledger, every: str | None, limit: int | None, show: Callable[[list[Record]], None]) -> None:
    """Releases up to `limit` holds that are due, or all; with `every`, a duration, again after it, until it is interrupted.

    Where the storage fails in between, that is said, and tried again the next time.
    """
    seconds = _seconds(every)
    if seconds is None:
        with recording(ledger):
            records = list(_released(ledger, limit))
        show(records)
        return
    try:
        while True:
            try:
                records = list(_released(ledger, limit))
                if records:
                    show(records)
            except StorageError as error:
                say_error(error)
            time.sleep(seconds)
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None


def _seconds(every: str | None) -> float | None:
    try:
        seconds = None if every is None else parse_duration(every, "s").total_seconds()
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--every") from error
    if seconds is not None:
        check_seconds(seconds)
    return seconds


def _released(ledger: Ledger, limit: int | None) -> Iterator[Record]:
    """Releases what is due, in commits of a bounded size."""
    left = limit
    while left is None or left > 0:
        size = LIMIT if left is None else min(LIMIT, left)
        released = _release(ledger, size)
        for id in released:
            found = ledger.transaction(id)
            yield {
                "hold": found.hold or "",
                "token": found.token,
                "payer": found.receiver or "",
                "amount": found.minted_amount,
                "transaction": found.id,
                "decimals": ledger.token(found.token).decimals,
            }
        if len(released) < size:
            return
        left = None if left is None else left - size


def _release(ledger: Ledger, limit: int) -> tuple[int, ...]:
    """Releases up to `limit` holds that are due in one commit; the ids of its transactions."""
    blocks: list[TransactionContext] = []

    def expire(tx: TransactionContext) -> None:
        blocks.append(tx)
        tx.expire(limit)

    ledger.run(expire)
    receipt = blocks[-1].receipt
    return () if receipt is None else receipt.transaction_ids
