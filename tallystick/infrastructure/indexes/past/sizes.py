"""How large the parts of the past index are, and from when on one is worth having."""

WORTH_POSITIONS = 1 << 16
"""A journal of fewer positions is read sooner than an index is built."""
BUCKET = 1 << 20
"""So many touches fill a bucket."""
DENSE_FACTOR = 4
"""Dense columns are taken when there were so many times as many touches as there are cells."""
BOOKS_FACTOR = 2
"""The books are kept when there were so many times as many."""
AT_HAND_POSITIONS = 1 << 12
"""So many positions are followed while somebody waits."""
IN_MEMORY_MAX = 4
"""So many buckets lie in memory where none can be written."""
