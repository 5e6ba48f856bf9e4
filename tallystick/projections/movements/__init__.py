"""All movements of a journal as Arrow's columns."""
