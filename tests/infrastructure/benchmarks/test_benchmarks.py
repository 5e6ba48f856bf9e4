"""The benchmarks run, and every figure has its baselines; no figure is asserted, for machines differ."""

import json
import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from tallystick.infrastructure.benchmarks.measuring.workload import QUICK
from tests.support.programs.command_line import run
from tests.support.programs.postgres_server import ENVIRONMENT

AGE = 20_000  # how many transfers an old journal has

# No server is named but among the arguments.
VARIABLES = {name: value for name, value in os.environ.items() if name != ENVIRONMENT}


def bench(*arguments: object) -> subprocess.CompletedProcess[str]:
    """What `tallystick bench` does."""
    return run("bench", *arguments, **VARIABLES)


def bench_after(before: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Runs `tallystick bench` in a process of its own, after the statements `before`."""
    code = f"import sys; {before}\nfrom tallystick.__main__ import main\nsys.argv[0] = 'tallystick'; main()"
    command = [sys.executable, "-c", code, "bench", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=VARIABLES)


def test_the_benchmarks_run_with_their_extra_alone(tmp_path: Path) -> None:
    measured, written = tmp_path / "measured", tmp_path / "written"
    measured.mkdir()
    written.mkdir()
    figures, plot = written / "figures.json", written / "plot.svg"
    before = f"""
from tallystick.infrastructure.benchmarks import command
command.QUICK = {2 * QUICK}  # every size is half of what it would be
sys.modules['psycopg'] = sys.modules['pyarrow'] = None"""
    settings = ("--quick", "--runs", 1, "--age", AGE, "--folder", measured)
    done = bench_after(before, *settings, "--json", figures, "--plot", plot)
    assert done.returncode == 0, done.stderr
    found = json.loads(figures.read_text())
    assert len(found["figures"]) == 144
    for figure in found["figures"]:
        assert figure["baselines"], figure["name"]
        for rates in (figure["rates"], *(baseline["rates"] for baseline in figure["baselines"])):
            assert len(rates) == 1
            assert min(rates) > 0
        assert figure["name"] in done.stdout
    assert len(found["spaces"]) == 10
    assert min(space["bytes"] for space in found["spaces"]) > 0
    drawn = plot.read_text()
    assert drawn.startswith("<?xml")
    for axis in ("rows a batch", "accounts", "events in the journal"):
        assert f"<!-- {axis} -->" in drawn
    assert list(measured.iterdir()) == []
    assert "PostgreSQL" in found["absent"]
    assert "Without PostgreSQL: no server is named" in done.stdout


@pytest.mark.parametrize(
    ("workloads", "baselines", "figures"),
    [
        (("callers", "callers-many"), 2, {"SQLite": 12, "PostgreSQL, not durable": 12}),
        (("callers-direct",), 1, {"SQLite": 4, "PostgreSQL, not durable": 2}),
        (("event-saves", "event-reads"), 1, {"memory": 16, "SQLite": 16, "PostgreSQL, not durable": 16}),
    ],
)
def test_where_a_server_is_named_it_is_measured_too(
    tmp_path: Path, postgres: str, workloads: tuple[str, ...], baselines: int, figures: dict[str, int]
) -> None:
    measured, written = tmp_path / "measured", tmp_path / "figures.json"
    measured.mkdir()
    server = f"{postgres}{'&' if '?' in postgres else '?'}durability=normal"
    chosen = [argument for workload in workloads for argument in ("--only", workload)]
    settings = ("--quick", "--runs", 1, "--age", AGE, "--folder", measured)
    done = bench(*chosen, *settings, "--json", written, "--postgres", server)
    assert done.returncode == 0, done.stderr
    found = json.loads(written.read_text())
    names = [figure["name"] for figure in found["figures"]]
    assert {place: len([name for name in names if name.endswith(f", {place}")]) for place in figures} == figures
    assert len(names) == sum(figures.values())
    for figure in found["figures"]:
        assert len(figure["baselines"]) == baselines
        assert min(figure["rates"] + [rate for baseline in figure["baselines"] for rate in baseline["rates"]]) > 0
    assert found["absent"] == {}
    assert "postgresql" in found["machine"]
    assert list(measured.iterdir()) == []
    with psycopg.connect(postgres) as connection:
        left = connection.execute("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'benchmark%'").fetchall()
    assert left == []


def test_what_there_is_to_measure() -> None:
    done = bench("--list")
    assert done.returncode == 0, done.stderr
    for name in (
        "single",
        "callers",
        "batch-lists",
        "space",
        "past",
        "a replay up to there",
        "bare insert of the same bytes",
        "bare insert, PostgreSQL",
        "event-saves",
        "eventsourcing recorder followed, SQLite",
        "UmaDB",
    ):
        assert name in done.stdout
    assert "income" not in bench("--list", "--only", "space").stdout


@pytest.mark.parametrize(
    ("arguments", "before", "verdict"),
    [
        (["--only", "nonsense"], "", "there is no workload 'nonsense'"),
        (["--plot", "plot.txt"], "", "ends in .svg or .png"),
        (["--plot", "plot.svg", "--only", "single"], "", "nothing that goes into a plot"),
        (["--plot", "plot.svg"], "sys.modules['matplotlib'] = None", 'pip install "tallystick[bench]"'),
        (["--json", "nowhere/figures.json"], "", "there is no folder 'nowhere'"),
        (["--runs", "0"], "", "--runs"),
        (["--postgres", "mysql://nowhere"], "", "--postgres"),
        (["--postgres", "postgresql:///books"], "sys.modules['psycopg'] = None", 'pip install "tallystick[postgres]"'),
    ],
)
def test_what_cannot_be_done_is_said_before_anything_is_measured(arguments: list[str], before: str, verdict: str) -> None:
    done = bench_after(before, *arguments) if before else bench(*arguments)
    assert done.returncode == 2
    assert verdict in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "imports_them"),
    [(("--help",), False), (("demo",), False), (("bench", "--help"), False), (("bench", "--list"), True)],
)
def test_a_command_that_measures_nothing_imports_no_benchmarks(arguments: tuple[str, ...], imports_them: bool) -> None:
    code = f"""
import sys
from tallystick.__main__ import main
sys.argv = ["tallystick", *{arguments}]
try:
    main()
finally:
    print(any(name.startswith("tallystick.infrastructure.benchmarks") for name in sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == str(imports_them)
