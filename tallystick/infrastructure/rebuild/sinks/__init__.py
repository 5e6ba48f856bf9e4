"""Where tables are written to; all do the same, by the port."""
