"""Calls without a block: each is one transaction, decided once, when it is executed."""
