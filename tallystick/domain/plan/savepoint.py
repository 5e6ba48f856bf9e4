"""A savepoint: a block within a plan that is undone by itself where it raises."""

from types import TracebackType

from tallystick.domain.plan.recording import Mark, Recording


class Savepoint:
    """What `tx.savepoint()` gives: `with tx.savepoint(): ...`. An error in it undoes what was planned in it, and goes on."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._mark: Mark | None = None

    def __enter__(self) -> None:
        self._mark = self._recording.mark()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        mark, self._mark = self._mark, None
        if kind is not None and mark is not None:
            self._recording.go_back(mark)
