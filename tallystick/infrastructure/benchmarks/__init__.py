"""Benchmarks: each figure beside baselines measured in the same run, and each again at several sizes and ages."""
