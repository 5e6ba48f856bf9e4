"""What the ledger is compared with."""
