"""The rows of a batch: what a caller gives with them, and what it is told of those whose ids were used."""
