"""What an import of a file tells: how far it is, and in the end what it did."""

from collections.abc import Callable
from datetime import datetime

import msgspec

Progress = Callable[[int], None]
"""Called with the number of rows that are done."""


class ImportReport(msgspec.Struct):
    """What an import did. `rows` were read, `skipped` moved nothing, `recorded` are new in the ledger, `known` were there
    already, and `refused` the books or the importer did not take, now or when the file was imported before.

    `mints`, `transfers` and `burns` count the recorded and the known; `openings` are only those of this run. `batches_before`
    of `batches`, which are the import's pieces, left nothing to do. `name` is what the import is known by, and `imported_at`
    when it was imported before, None where this run did something of it.
    """

    rows: int = 0
    tokens: int = 0
    transfers: int = 0
    mints: int = 0
    burns: int = 0
    skipped: int = 0
    recorded: int = 0
    known: int = 0
    refused: int = 0
    openings: int = 0
    batches: int = 0
    batches_before: int = 0
    name: str = ""
    imported_at: datetime | None = None
