"""The README is true, and so are the guides: their examples run and print what they say, and the README knows every command."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.main import get_command

import tallystick

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
GUIDES = [Path(tallystick.__file__).parent / "infrastructure" / "EVENTSOURCING.md", *sorted((ROOT / "docs").glob("*.md"))]
EXAMPLES = re.findall(r"```python\n(.*?)```", "".join([README, *(guide.read_text() for guide in GUIDES)]), re.DOTALL)


def test_an_example_is_within_reach() -> None:
    assert README[: README.index("```python\n")].count("\n") < 30


def test_the_readme_stays_a_readme() -> None:
    assert README.count("\n") < 480


def test_every_link_leads_somewhere() -> None:
    """To a file that is there, and to a title in it."""
    for page in (ROOT / "README.md", ROOT / "ARCHITECTURE.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *GUIDES):
        for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
            if "://" not in link:
                path, _, title = link.partition("#")
                target = (page.parent / path).resolve() if path else page
                assert target.exists(), f"{page.name}: {link}"
                titles = re.findall(r"^#+ (.+)$", target.read_text(), re.MULTILINE)
                assert not title or title in [each.lower().replace(" ", "-") for each in titles], f"{page.name}: {link}"


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
    assert len(found) == 36
    for command in found:
        assert f"`{command}" in README
