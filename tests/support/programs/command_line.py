"""Running the command line: in this process, which is quick, or in one of its own, where the process is the point."""

import io
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from unittest import mock

from typer import rich_utils

from tallystick.__main__ import main

ENVIRONMENT = {"PATH": "/usr/bin", "COLUMNS": "200"}


def run(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """What `run_as_process` gives, without a process. An error that a process would end with is raised."""
    command = ["tallystick", *map(str, arguments)]
    with (
        mock.patch.dict(os.environ, {**ENVIRONMENT, **environment}, clear=True),
        mock.patch.multiple(rich_utils, FORCE_TERMINAL=None, MAX_WIDTH=None),  # they were read from this process's variables
        mock.patch.multiple(sys, argv=command, excepthook=sys.excepthook),  # Typer puts its own hook there
        redirect_stdout(io.StringIO()) as output,
        redirect_stderr(io.StringIO()) as errors,
    ):
        code = _exit_code()
    return subprocess.CompletedProcess(command, code, output.getvalue(), errors.getvalue())


def run_as_process(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs `python -m tallystick` to its end, with these variables alone; what it prints goes into pipes."""
    with start(*arguments, **environment) as process:
        output, errors = process.communicate()
    return subprocess.CompletedProcess(process.args, process.returncode, output, errors)


def start(*arguments: object, **environment: str) -> subprocess.Popen[str]:
    """The process of `run_as_process`, while it runs."""
    command = [sys.executable, "-m", "tallystick", *map(str, arguments)]
    variables = {**ENVIRONMENT, **environment}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=variables)


def _exit_code() -> int:
    try:
        main()
    except SystemExit as exit:
        assert isinstance(exit.code, int), f"ended with {exit.code!r}"
        return exit.code
    return 0
