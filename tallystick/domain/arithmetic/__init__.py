"""Exact arithmetic: columns of whole numbers, shares, and values that are scaled together."""
