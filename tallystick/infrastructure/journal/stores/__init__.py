"""The stores of a journal: memory, SQLite, PostgreSQL."""
