"""A ledger as it stood at a moment: every read of a ledger, and nothing that changes it."""

from datetime import datetime
from typing import Any

from tallystick.domain.errors import LedgerReadOnly
from tallystick.domain.values.instant import from_microseconds
from tallystick.domain.values.token import AnyToken
from tallystick.infrastructure.journal.format import Head
from tallystick.infrastructure.ledger.analytics import Analytics
from tallystick.infrastructure.ledger.calls.app_state import AppReads, AppState
from tallystick.infrastructure.ledger.core import LedgerCore
from tallystick.infrastructure.ledger.reading.explanation import LINES_MAX, Explanation
from tallystick.infrastructure.ledger.reading.ledger_reads import LedgerReads
from tallystick.infrastructure.ledger.travel.forked_core import looked_at


class View(LedgerReads, Analytics):
    """The ledger as it stood when the commit had been recorded that ends at `position`; what came later is not in it.

    Its calls are the reads of `Ledger`, with their errors. It is of use as long as the ledger is open.
    """

    def __init__(self, core: LedgerCore, end: Head) -> None:
        super().__init__(looked_at(core, end))
        self._end = end
        self._apps = AppReads(self._core)

    def __repr__(self) -> str:
        return f"View(position={self.position}, recorded_at={self.recorded_at!r})"

    @property
    def position(self) -> int:
        """The last position that is in it, where a commit ends."""
        return self._end.position

    @property
    def recorded_at(self) -> datetime:
        """When that commit was recorded."""
        return from_microseconds(self._end.recorded_at)

    def app(self, code: AnyToken) -> AppState:
        """The app whose token this is, as it stood; `TokenNotFound` or `NotAnApp`. Its calls are `LedgerReadOnly`."""
        now = self._apps.figures(code)
        return AppState(now.code, now.owner, now.accepts, now.price, now.supply, now.reserve, self._apps, _refuse)

    def explain(self, token: AnyToken, account: AnyToken, limit: int = LINES_MAX) -> Explanation:
        """As `Ledger.explain`, of what stood then."""
        return self._explained(token, account, limit)


def _refuse(*_: Any) -> Any:
    raise LedgerReadOnly("the past does not change: this is a ledger as it stood, and nothing was recorded")
