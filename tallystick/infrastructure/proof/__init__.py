"""Proving a journal: its bytes, and that what they say can have happened."""
