"""The README is true, and so is the guide to the event store: their examples run and print what they say, and the README knows
every command.
"""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.main import get_command

import tallystick

README = (Path(__file__).parents[2] / "README.md").read_text()
GUIDE = (Path(tallystick.__file__).parent / "infrastructure" / "EVENTSOURCING.md").read_text()
EXAMPLES = re.findall(r"```python\n(.*?)```", README + GUIDE, re.DOTALL)


def test_an_example_is_within_reach() -> None:
    assert README[: README.index("```python\n")].count("\n") < 30


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_prints_what_it_says(example: str, tmp_path: Path) -> None:
    expected = re.findall(r"^ +print\(.*\) +# (.+)$", example, re.MULTILINE)
    assert len(expected) == example.count("print(")
    program = tmp_path / "example.py"
    program.write_text(example)
    done = subprocess.run([sys.executable, program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == expected


def commands(command: object, path: str) -> list[str]:
    found = getattr(command, "commands", None)
    if not found:
        return [path]
    return [leaf for name, below in found.items() for leaf in commands(below, f"{path} {name}")]


def test_every_command_is_documented() -> None:
    from tallystick.infrastructure.cli.commands import app

    assert isinstance(app, typer.Typer)
    found = commands(get_command(app), "tallystick")
    assert len(found) == 18
    for command in found:
        assert f"`{command}" in README
