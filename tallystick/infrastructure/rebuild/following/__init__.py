"""Keeping rebuilt tables current."""
