"""What users install: the wheel built from the sdist, in an environment that has never seen this tree."""

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def run(*command: str | Path, cwd: Path, expect: int = 0) -> subprocess.CompletedProcess[str]:
    """Runs a command where no variable leads Python back to this tree; another exit code fails with all it printed."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "COVERAGE"))}
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    if done.returncode != expect:
        pytest.fail(f"{command} exited with {done.returncode}, not {expect}\n{done.stdout}\n{done.stderr}", pytrace=False)
    return done


def package_files() -> set[str]:
    """The files of the package in this tree, as their paths in a wheel."""
    paths = (ROOT / "tallystick").rglob("*")
    return {str(path.relative_to(ROOT)) for path in paths if path.is_file() and "__pycache__" not in path.parts}


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sdist")
    run(sys.executable, "-c", "import sys, flit_core.buildapi as b; b.build_sdist(sys.argv[1])", folder, cwd=ROOT)
    (built,) = folder.glob("*.tar.gz")
    return built


@pytest.fixture(scope="module")
def wheel(sdist: Path) -> Path:
    folder = sdist.parent
    run(sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-w", folder, sdist, cwd=folder)
    (built,) = folder.glob("*.whl")
    return built


def test_the_sdist_has_the_package_and_not_the_links(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        members = archive.getmembers()
    assert not [member.name for member in members if member.issym() or member.islnk()]
    names = {member.name.partition("/")[2] for member in members}
    assert package_files() <= names
    assert not {name for name in names if name.startswith(("domain", "projections", "infrastructure"))}


def test_the_wheel_has_the_package_alone(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    information = {name for name in names if name.partition("/")[0].endswith(".dist-info")}
    assert names - information == package_files()


def test_the_wheel_works_without_and_with_the_command_line(wheel: Path, tmp_path: Path) -> None:
    # The locked versions, so that a release elsewhere cannot fail this test; without hashes, for the wheel has none there.
    pins = [line.rstrip(" \\") for line in (ROOT / "requirements.lock").read_text().splitlines() if line[:1].isalpha()]
    constraints = tmp_path / "constraints.txt"
    constraints.write_text("\n".join(pins))
    run(sys.executable, "-m", "venv", "--without-pip", "environment", cwd=tmp_path)
    python = tmp_path / "environment" / "bin" / "python"
    command = tmp_path / "environment" / "bin" / "tallystick"
    empty = tmp_path / "empty"
    empty.mkdir()
    options = ["--quiet", "--no-compile", "--constraint", constraints]
    install = [sys.executable, "-m", "pip", "--python", python, "install", *options]

    run(*install, wheel, cwd=empty)
    where = run(python, "-c", "import tallystick; print(tallystick.__file__)", cwd=empty).stdout
    assert Path(where.strip()).is_relative_to(tmp_path)
    for without in ([command], [python, "-m", "tallystick", "demo"]):
        refused = run(*without, cwd=empty, expect=2)
        assert refused.stderr == 'The command line needs Typer and Rich: pip install "tallystick[cli]"\n'
        assert refused.stdout == ""

    run(*install, f"{wheel}[cli]", cwd=empty)
    run(command, "--help", cwd=empty)
    assert "audit: nothing to find" in run(command, "demo", cwd=empty).stdout
