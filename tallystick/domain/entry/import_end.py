"""The end of an import: the operation, and its decision. What the books refused of its rows stays refused."""

from collections.abc import Callable, Sequence
from typing import Any

from tallystick.domain.events import DomainEvent, ImportEnded
from tallystick.domain.operation import Operation
from tallystick.domain.view import View


class EndImport(Operation, frozen=True):
    """The import of this kind and name has ended, with so many rows refused."""

    kind: str
    name: str
    refused: int


def _end(view: View, operation: EndImport) -> Sequence[DomainEvent]:
    return (ImportEnded(operation.kind, operation.name, operation.refused),)


IMPORT_RULES: dict[type[Operation], Callable[[Any, Any], Sequence[DomainEvent]]] = {EndImport: _end}
