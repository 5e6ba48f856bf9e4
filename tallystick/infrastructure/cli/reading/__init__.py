"""The commands that read a ledger, as it is or as it stood."""
