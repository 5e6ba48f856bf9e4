"""Tables worked out from the journal, written where others read them: SQLite, PostgreSQL, a folder of Parquet."""
