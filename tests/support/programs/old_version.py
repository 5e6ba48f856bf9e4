"""A process that runs the code of before, out of a kept wheel, and does what it is told line by line."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Self

import tests

GOLDEN = Path(tests.__path__[0]) / "infrastructure" / "journal" / "golden"
FORMAT_1 = GOLDEN / "tallystick_format_1.zip"

_PROGRAM = """
import json, sys
import tallystick
from tallystick import *
assert ".zip" in tallystick.__file__, tallystick.__file__
names = dict(globals())
for line in sys.stdin:
    names["result"] = None
    try:
        exec(json.loads(line), names)
        said = {"result": names["result"]}
    except Exception as error:
        said = {"error": type(error).__name__, "text": str(error)}
    print(json.dumps(said), flush=True)
"""


class OldError(Exception):
    """What the old code raised: the name of the class, and its text."""


class OldVersion:
    """The process. Calling it runs statements there, one after another in the same names, and gives what they call `result`."""

    def __init__(self, wheel: Path = FORMAT_1) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM],
            cwd="/",
            env={"PYTHONPATH": str(wheel), "PATH": "/usr/bin"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __call__(self, statements: str) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{json.dumps(statements)}\n")
        self._process.stdin.flush()
        said = json.loads(self._process.stdout.readline())
        if "error" in said:
            raise OldError(said["error"], said["text"])
        return said["result"]

    def open(self, url: str | Path) -> None:
        """Opens a ledger there, which statements call `ledger`."""
        self(f"ledger = Ledger.open({str(url)!r} if ':' in {str(url)!r} else __import__('pathlib').Path({str(url)!r}))")

    def __exit__(self, *error: object) -> None:
        self._process.communicate(timeout=60)
