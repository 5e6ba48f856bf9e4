"""Analytics: a ledger's tables in DuckDB, and exported to files; of a ledger as it stands, and as it stood."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tallystick.domain.values.token import Token
from tallystick.infrastructure.analytics.export.exported import Exported, Format
from tallystick.infrastructure.analytics.tables import TABLES
from tallystick.infrastructure.ledger.core import LedgerCore
from tallystick.infrastructure.ledger.rebuilding import JournalSource
from tallystick.infrastructure.rebuild.progress import Progress

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


class Analytics:
    """Those calls."""

    _core: LedgerCore
    movements: Callable[..., Iterable[Any]]
    tokens: Callable[[], list[Token]]

    def duckdb(
        self,
        path: str | Path | None = None,
        tables: str | Iterable[str] = TABLES,
        progress: Progress | None = None,
    ) -> "DuckDBPyConnection":
        """A DuckDB database of these tables, all up to where the journal ends when this is called, as a connection to it.

        `path`: a file, made whole or not at all, in place of one that was made so before; without it the database lies in
        memory. `tables`: names out of "movements", "balances", "supply", "shadow_spaces", "allocations", "fragments", "holds",
        "transactions", "entries" and whatever else `rebuild` writes; and `journal` says which position this is. With
        "movements" come the views `postings`, a row for each side of a movement, and `cells`, what they sum to.

        An amount is exact text in smallest units, and beside it, as `amount_int`, a HUGEINT where 38 digits hold it, else
        NULL. `exact_sum(amount)` adds texts up, whatever their width. Times are TIMESTAMPs in UTC. `progress` is told now and
        then how many positions are done, and of how many.

        Raises `InvalidRequest`, also where DuckDB is not installed or another file is at `path`; `CorruptJournal`, and errors
        of storage.
        """
        from tallystick.infrastructure.analytics.database import opened_database  # not for every program to import

        self._core.check_open()
        return opened_database(source_of(self), path, tables, progress)

    def export(
        self,
        tables: str | Iterable[str],
        into: str | Path,
        format: Format | None = None,
        *,
        append: bool = False,
        progress: Progress | None = None,
    ) -> Exported:
        """Writes tables as files of other programs, all up to where the journal ends when this is called.

        `tables`: names as `duckdb` takes them. `into`: a file, whose ending tells the format: .parquet or .csv, of one table,
        .duckdb, or of "movements" .journal (hledger) and .beancount; or a folder, which is made, for a file a table, of Parquet
        or as `format` says. With `append` the folder may be there: to each table, of those that grow, is added what came since.
        What is written is there whole or not at all, and a file takes the place of the one before.

        Raises `InvalidRequest` where these do not go together, something else is there, or the format cannot hold a token;
        `CorruptJournal`, and errors of storage.
        """
        from tallystick.infrastructure.analytics.export.export import export, wanted

        self._core.check_open()
        asked = wanted(tables, into, format, append)
        return export(source_of(self), asked, self.tokens() if asked.format in ("hledger", "beancount") else (), progress)


def source_of(reads: Analytics) -> JournalSource:
    """The journal of a ledger or a view, as tables are made of it."""
    return JournalSource(reads._core)  # pyright: ignore[reportPrivateUsage]
