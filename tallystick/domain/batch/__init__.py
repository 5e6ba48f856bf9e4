"""Batches: thousands of rows of one token, asked for, decided and applied as columns."""
