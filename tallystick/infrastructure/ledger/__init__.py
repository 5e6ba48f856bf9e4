"""The ledger: the front door to the books of one journal."""
