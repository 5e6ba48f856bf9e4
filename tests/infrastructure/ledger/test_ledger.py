"""The blocking ledger: what every ledger does."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tallystick import Ledger
from tests.support.suites.awaitable_ledger import AwaitableLedger
from tests.support.suites.ledger_cases import LedgerCases


class TestLedger(LedgerCases):
    @asynccontextmanager
    async def opened(self, url: str | Path, **options: Any) -> AsyncIterator[Any]:
        with Ledger.open(url, **options) as ledger:
            yield AwaitableLedger(ledger)

    async def elsewhere(self, work: Callable[[], Awaitable[Any]]) -> Any:
        async def main() -> Any:
            return await work()

        with ThreadPoolExecutor(1) as thread:  # waited for, since nothing of a blocking ledger may suspend
            return thread.submit(lambda: asyncio.run(main())).result()
