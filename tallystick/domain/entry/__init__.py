"""Entries: what the events of one atomic block were, told from nothing but the events."""
