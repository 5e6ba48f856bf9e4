"""Benchmarks: each figure beside a baseline measured in the same run, and each again at ten times the size."""
