"""Printing: what may be shown, where it goes, and in which format."""
