"""Lines of an account, read from the rows of the journal page by page."""
