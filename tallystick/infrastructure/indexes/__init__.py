"""What is derived from the journal to answer quickly; it may be deleted at any time."""
