"""Replay scripts at the command line."""
