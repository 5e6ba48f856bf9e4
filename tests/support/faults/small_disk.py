"""A small disk: a script is run on a file system of 4 MiB of its own, mounted in a namespace of its own."""

import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest


def run_on_a_small_disk(script: str, folder: Path) -> str:
    """What the script printed, which is given the mount's folder and may import `tests`; skips the test where nothing can be
    mounted.
    """
    file = folder / "script.py"
    file.write_text(textwrap.dedent(script))
    mount = folder / "small"
    mount.mkdir()
    inner = f'mount -t tmpfs -o size=4m tmpfs "{mount}" && exec "{sys.executable}" "{file}" "{mount}"'
    isolate = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--mount"]
    if shutil.which("unshare") is None or subprocess.run([*isolate, "true"], capture_output=True).returncode:
        pytest.skip("this system lets nobody mount a small file system: unshare is missing or forbidden")
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    done = subprocess.run([*isolate, "sh", "-c", inner], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout
