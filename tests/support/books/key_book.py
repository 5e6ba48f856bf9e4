"""What the tests of idempotency keys share: using many, finding them again, and waiting for the background."""

from tallystick.infrastructure.indexes.keys import KeyIndex
from tallystick.infrastructure.journal.format import Key
from tests.support.faults.run_files import until


def use(index: KeyIndex, start: int, stop: int) -> None:
    """The key of each number is used at it."""
    for number in range(start, stop):
        index.add([Key(f"key-{number}", None, 0)], number)


def finds(index: KeyIndex, start: int, stop: int) -> bool:
    return all(number in index.find(f"key-{number}") for number in range(start, stop))


def wait_for(index: KeyIndex) -> None:
    def done() -> bool:
        index.find("")
        return not index.is_busy()

    until(done)
