"""Failures of a journal as the `eventsourcing` library's errors, each with ours as its cause.

`OperationalError` where the store failed, `InterfaceError` where it was closed or its URL is none, `DataError` for what cannot
be stored, `DatabaseError` where the journal is corrupt.
"""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from eventsourcing import persistence

from tallystick.domain.errors import CommitTooLarge, CorruptJournal, InvalidURL, LedgerClosed, StorageError

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

_TRANSLATIONS: tuple[tuple[type[Exception], type[persistence.PersistenceError]], ...] = (
    (LedgerClosed, persistence.InterfaceError),
    (InvalidURL, persistence.InterfaceError),
    (StorageError, persistence.OperationalError),
    (CorruptJournal, persistence.DatabaseError),
    (CommitTooLarge, persistence.DataError),
    (UnicodeEncodeError, persistence.DataError),
)


def in_library_errors(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """The function, with our errors leaving it as the library's."""

    @wraps(function)
    def translated(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        try:
            return function(*args, **kwargs)
        except Exception as error:
            for ours, theirs in _TRANSLATIONS:
                if isinstance(error, ours):
                    raise theirs(str(error)) from error
            raise

    return translated
