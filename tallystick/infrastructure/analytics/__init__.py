"""Tables of the journal for who counts: in DuckDB, asked in SQL, and exported to files of other programs."""
