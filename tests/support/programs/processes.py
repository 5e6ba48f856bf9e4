"""Work done by other processes, which are forked.

Several work at once: each waits until all are ready, and sends what it found back as JSON. Or one works and is killed.
"""

import json
import os
import signal
import time
import traceback
from collections.abc import Callable
from typing import Any

WaitForAll = Callable[[], None]
Step = Callable[[], None]
STEPS_AHEAD = 2


def run_in_processes(works: list[Callable[[WaitForAll], Any]]) -> list[Any]:
    """What each of `works` gave, in order. Each is called with a function that returns when all have called it."""
    start_read, start_write = os.pipe()
    ready_read, ready_write = os.pipe()
    children = [_fork(work, ready_write, start_read, start_write) for work in works]
    os.close(start_read)
    os.close(ready_write)
    ready = 0
    while ready < len(works) and (said := os.read(ready_read, len(works))):
        ready += len(said)
    os.close(start_write)
    os.close(ready_read)
    return [_result(*child) for child in children]


def _fork(work: Callable[[WaitForAll], Any], ready: int, start: int, start_write: int) -> tuple[int, int]:
    result_read, result_write = os.pipe()
    child = os.fork()
    if child:
        os.close(result_write)
        return child, result_read
    status = 1
    try:
        os.close(start_write)

        def wait_for_all() -> None:
            os.write(ready, b".")
            os.read(start, 1)

        result = json.dumps(work(wait_for_all)).encode()
        while result:
            result = result[os.write(result_write, result) :]
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def _result(child: int, result: int) -> Any:
    with os.fdopen(result, "rb") as file:
        content = file.read()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status == 0, f"a process ended with {status}"
    return json.loads(content)


def kill_after(steps: int, seconds: float, work: Callable[[Step], object]) -> int:
    """Kills a process that does `work` so many seconds after its last of so many steps; gives the code that it ended with.

    It calls what `work` is given after each step, and is never more than `STEPS_AHEAD` further, however long it has.
    """
    said_read, said_write = os.pipe()
    allowed_read, allowed_write = os.pipe()
    os.write(allowed_write, b"." * (steps + STEPS_AHEAD - 1))
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.close(said_read)
            os.close(allowed_write)

            def step() -> None:
                os.write(said_write, b".")
                if not os.read(allowed_read, 1):
                    os._exit(1)

            work(step)
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    os.close(said_write)
    os.close(allowed_read)
    for _ in range(steps):
        assert os.read(said_read, 1), "the process ended before it was to be killed"
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    os.close(said_read)
    os.close(allowed_write)
    return status
