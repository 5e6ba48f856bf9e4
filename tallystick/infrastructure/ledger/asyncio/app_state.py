"""An app as it stands, for asyncio: what a trade would bring and the calls are awaited."""

from collections.abc import Callable, Coroutine
from typing import Any

from tallystick.infrastructure.ledger.asyncio.calls import awaited
from tallystick.infrastructure.ledger.calls.app_state import AppFigures, AppReads
from tallystick.infrastructure.ledger.calls.direct_calls import AppCalls, Make
from tallystick.infrastructure.ledger.calls.options import CallOptions


class AsyncAppState(AppFigures, frozen=True, eq=False):
    """As `AppState`, with quotes and calls that are awaited.

    `code`, `owner`, `accepts`, `price`, `supply` and `reserve` are its figures as they stood.
    """

    _reads: AppReads | None = None
    _execute: Callable[..., Any] | None = None
    _on_a_thread: Callable[[Callable[[], int]], Coroutine[Any, Any, int]] | None = None

    buy = awaited(AppCalls.buy)
    buy_exactly = awaited(AppCalls.buy_exactly)
    sell = awaited(AppCalls.sell)
    pay = awaited(AppCalls.pay)
    deposit = awaited(AppCalls.deposit)
    refund = awaited(AppCalls.refund)

    async def quote_buy(self, payment: int) -> int:
        """As `AppState.quote_buy`."""
        reads = self._asked(self._reads)
        return await self._asked(self._on_a_thread)(lambda: reads.quote_buy(self.code, payment))

    async def quote_sell(self, amount: int) -> int:
        """As `AppState.quote_sell`."""
        reads = self._asked(self._reads)
        return await self._asked(self._on_a_thread)(lambda: reads.quote_sell(self.code, amount))

    def _call(self, options: CallOptions, make: Make, *arguments: Any) -> Any:
        return self._asked(self._execute)(options, make, *arguments)
