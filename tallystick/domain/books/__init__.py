"""The books: all aggregates of one ledger, as the events have made them."""
