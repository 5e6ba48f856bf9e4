"""The operations of a reversal without a block: what is taken back is read from the journal, and what is left of it decided."""

from tallystick.domain.books.books import Books
from tallystick.domain.reversal.operations import Reverse
from tallystick.domain.reversal.requests import originals_asked, reversals_of
from tallystick.infrastructure.ledger.core import LedgerCore


def reverse_of(
    books: Books,
    core: LedgerCore,
    id: object,
    entry: int | None,
    transaction: int | None,
    amount: int | None,
    memo: str,
) -> list[Reverse]:
    """Taking back what is left of an entry or of a transaction, which is read from the journal."""
    originals = originals_asked(core.keeper, id, entry, transaction, amount)
    with core.locked():
        core.reach_head()
        return reversals_of(books, originals, amount, memo)
