"""The README is true: its example runs and prints what it says, and it knows every command."""

import re
import subprocess
import sys
from pathlib import Path

import typer
from typer.main import get_command

README = (Path(__file__).parent.parent / "README.md").read_text()


def test_the_first_example_prints_what_it_says(tmp_path: Path) -> None:
    place = README.index("```python\n")
    assert README[:place].count("\n") < 30
    example = README[place + len("```python\n") :].split("```")[0]
    expected = re.findall(r"^ +print\(.*?\) +# (.+)$", example, re.MULTILINE)
    assert len(expected) == 3
    done = subprocess.run([sys.executable, "-c", example], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == expected


def commands(command: object, path: str) -> list[str]:
    found = getattr(command, "commands", None)
    if not found:
        return [path]
    return [leaf for name, below in found.items() for leaf in commands(below, f"{path} {name}")]


def test_every_command_is_documented() -> None:
    from tallystick.infrastructure.cli import app

    assert isinstance(app, typer.Typer)
    found = commands(get_command(app), "tallystick")
    assert len(found) == 9
    for command in found:
        assert f"`{command}" in README
