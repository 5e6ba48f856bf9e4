"""Timing work and its baselines in turn."""
