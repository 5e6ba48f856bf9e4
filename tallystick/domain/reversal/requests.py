"""What is asked for by a reversal, made into operations: the same for a block's call and for one without a block."""

from typing import Protocol

from tallystick.domain.errors import AlreadyReversed, EntryNotFound, InvalidRequest, TransactionNotFound
from tallystick.domain.limits import check_operations
from tallystick.domain.reversal.decisions import decimals_of, left_of
from tallystick.domain.reversal.operations import Reverse
from tallystick.domain.reversal.original import Original, RecordedEntry, original_of, originals_of
from tallystick.domain.values.amount import check_amount
from tallystick.domain.values.ids import check_id
from tallystick.domain.values.memo import check_memo
from tallystick.domain.view import View


class Recorded(Protocol):
    """What reads the journal."""

    def recorded(self, position: int) -> RecordedEntry | None:
        """The entry to which a position belongs, read from the journal and checked against its digest; None beyond its end."""
        ...


def originals_asked(journal: Recorded, id: object, entry: object, transaction: object, amount: object) -> list[Original]:
    """What is to be taken back, newest first: the movements of an entry, or one transaction.

    Raises `InvalidRequest`, `InvalidAmount`, `EntryNotFound`, `TransactionNotFound`, `NotReversible`.
    """
    if id is not None or (entry is None) == (transaction is None):
        raise InvalidRequest("what is to be reversed is named: reverse(entry=id) or reverse(transaction=id)")
    if transaction is not None:
        position = check_id(transaction, "a transaction")
        if amount is not None:
            check_amount(amount)
        recorded = _recorded(journal, position)
        if recorded is None:
            raise TransactionNotFound(id=transaction)
        return [original_of(recorded, position)]
    if amount is not None:
        raise InvalidRequest("a part is taken back of one movement: reverse(transaction=id, amount=...)")
    position = check_id(entry, "an entry")
    recorded = _recorded(journal, position)
    if recorded is None:
        raise EntryNotFound(id=entry)
    if recorded.id != position:
        raise EntryNotFound(f": that is within entry {recorded.id}", id=entry)
    return originals_of(recorded)


def reversals_of(view: View, originals: list[Original], amount: int | None, memo: str) -> list[Reverse]:
    """The operations that take back all that is left of the originals, or `amount` of the only one.

    `AlreadyReversed` where nothing is left of any, `PlanTooLarge` where something is of too many for one plan.
    """
    check_memo(memo)
    part = None if amount is None else check_amount(amount)
    left = [original for original in originals if amount is not None or left_of(view, original)]
    if not left:
        oldest = originals[-1]
        raise AlreadyReversed(decimals=decimals_of(view, oldest), id=oldest.id, amount=oldest.event.amount, left=0)
    check_operations(len(left), "movements")
    return [Reverse(original, part, memo) for original in left]


def _recorded(journal: Recorded, position: int) -> RecordedEntry | None:
    return journal.recorded(position) if position else None
