"""What an import of a file tells: how far it is, and in the end what it did."""

from collections.abc import Callable

import msgspec

Progress = Callable[[int], None]
"""Called with the number of rows that are done."""


class ImportReport(msgspec.Struct):
    """What an import did. `rows` were read, `skipped` moved nothing, `refused` were passed over because the books did not
    allow them; `batches_before` of `batches`, which are the import's pieces, were there already.

    The other counts are of the whole file, whether a row was recorded by this run or by one before it; `openings` are only
    those of this run.
    """

    rows: int = 0
    tokens: int = 0
    transfers: int = 0
    mints: int = 0
    burns: int = 0
    skipped: int = 0
    refused: int = 0
    openings: int = 0
    batches: int = 0
    batches_before: int = 0
