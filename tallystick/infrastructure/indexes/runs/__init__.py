"""A set of pairs of words in sorted runs, in files that are mapped."""
