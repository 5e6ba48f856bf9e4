"""The ledger for asyncio."""
