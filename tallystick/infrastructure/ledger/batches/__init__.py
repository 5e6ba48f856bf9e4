"""Batches: many rows in one call, as columns."""
