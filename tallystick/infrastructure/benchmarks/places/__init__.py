"""Where a ledger is made to be measured."""
