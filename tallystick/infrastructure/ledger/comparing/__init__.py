"""Replay scripts: a projection against what stands elsewhere, two versions of one, and since when something is so."""
