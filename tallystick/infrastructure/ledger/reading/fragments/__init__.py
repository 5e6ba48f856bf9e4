"""One fragment, whatever became of it, and what it was made of, read from the rows of the journal."""
