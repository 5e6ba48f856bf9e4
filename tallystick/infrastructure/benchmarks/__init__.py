"""Benchmarks: each figure beside baselines measured in the same run, and each again at several sizes and ages."""

if __name__ != "tallystick.infrastructure.benchmarks":
    raise ImportError("import tallystick.infrastructure.benchmarks: under another name every class here would exist twice")
