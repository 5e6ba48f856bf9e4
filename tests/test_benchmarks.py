"""The benchmarks run, and every figure has its baseline; no figure is asserted, for machines differ."""

import json
import subprocess
import sys
from pathlib import Path


def test_the_benchmarks_run(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    command = [sys.executable, "-m", "benchmarks", "--quick", "--runs", "1", "--folder", tmp_path, "--json", figures]
    done = subprocess.run(command, cwd=Path(__file__).parent.parent, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    results = json.loads(figures.read_text())
    assert len(results) == 27
    for result in results:
        assert min(result["rates"]) > 0
        assert min(result["baseline_rates"]) > 0
        assert result["name"] in done.stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == ["figures.json"]
