"""Snapshots of books and contracts: a cache that saves reading the journal from its beginning."""
