"""A disk that fails: a script is run with a library loaded before the C library that makes chosen syncs and writes fail.

Within the script, `ctypes.CDLL(None).fail_calls(kind, suffix, first, count)` says which ones, see faulty_fsync.c.
"""

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
from functools import cache
from pathlib import Path

import pytest

SOURCE = Path(__file__).with_name("faulty_fsync.c")


def run_on_a_faulty_disk(script: str, folder: Path, *arguments: str) -> str:
    """What the script printed; skips the test where there is no C compiler, which where CI is set is a failure."""
    library = _compiled()
    file = folder / "script.py"
    file.write_text(textwrap.dedent(script))
    environment = {**os.environ, "LD_PRELOAD": str(library)}
    command = [sys.executable, str(file), str(folder), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


@cache
def _compiled() -> Path:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or not sys.platform.startswith("linux"):
        lack = "failing syncs are tested on Linux with a C compiler: neither cc nor gcc was found"
        if os.environ.get("CI"):
            pytest.fail(lack)
        pytest.skip(lack)
    folder = tempfile.TemporaryDirectory()
    atexit.register(folder.cleanup)
    library = Path(folder.name) / "faulty_fsync.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", library, SOURCE, "-ldl"], check=True)
    return library
