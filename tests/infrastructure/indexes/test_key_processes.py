"""Several processes keep runs in one folder: none disturbs another, and what a dead one left goes."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from signal import SIGKILL

import pytest

from tallystick.infrastructure.indexes import keys as keys_module
from tallystick.infrastructure.indexes.keys import KeyIndex
from tests.support.books.key_book import finds, use, wait_for
from tests.support.faults.run_files import runs_in


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight keys are a run."""
    monkeypatch.setattr(keys_module, "RECENT", 8)


OTHER_PROCESS = """
import sys
from pathlib import Path
from tallystick.infrastructure.indexes import keys
from tallystick.infrastructure.journal.format import Key
keys.RECENT = 8
index = keys.KeyIndex(Path(sys.argv[1]))
for number in range(1_000, 1_100):
    index.add([Key(f"key-{number}", None, 0)], number)
while index.is_busy():
    index.find("")
print("ready", flush=True)
sys.stdin.readline()
assert all(number in index.find(f"key-{number}") for number in range(1_000, 1_100))
index.close()
print("closed", flush=True)
"""


@pytest.fixture
def other(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process, which has runs in the folder "cache" until it is told to close."""
    command = [sys.executable, "-c", OTHER_PROCESS, str(tmp_path / "cache")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
        process.kill()


@pytest.mark.usefixtures("short")
def test_two_processes_in_one_folder_leave_each_other_alone(tmp_path: Path, other: subprocess.Popen[str]) -> None:
    theirs = runs_in(tmp_path / "cache")
    index = KeyIndex(tmp_path / "cache")
    use(index, 0, 100)
    wait_for(index)
    assert theirs
    assert set(theirs) < set(runs_in(tmp_path / "cache"))
    assert finds(index, 0, 100)
    assert not index.find("key-1000")
    assert other.communicate("\n") == ("closed\n", None)
    assert finds(index, 0, 100)
    index.close()
    assert runs_in(tmp_path) == []


@pytest.mark.usefixtures("short")
def test_what_a_dead_process_left_is_removed_by_the_next(tmp_path: Path, other: subprocess.Popen[str]) -> None:
    other.send_signal(SIGKILL)
    other.wait()
    assert runs_in(tmp_path / "cache")
    index = KeyIndex(tmp_path / "cache")
    assert runs_in(tmp_path / "cache") == []
    use(index, 0, 100)
    wait_for(index)
    assert finds(index, 0, 100)
    index.close()
