"""Recording the rows of a file, whichever importer read them: what is known is passed over, the rest goes in as batches."""
