"""A marketplace whose money is a ledger: deposits, orders in escrow, refunds, statements and frozen accounts, over HTTP."""
