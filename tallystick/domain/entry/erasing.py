"""Erasing an entry's metadata: the operation, and its decision. That it was erased, and why, is recorded."""

from collections.abc import Callable, Sequence
from typing import Any

from tallystick.domain.events import DomainEvent, MetadataErased
from tallystick.domain.operation import Operation
from tallystick.domain.view import View


class EraseMetadata(Operation, frozen=True):
    """The metadata of the entry with this id is erased, for this reason."""

    entry: int
    reason: str


def _erase(view: View, operation: EraseMetadata) -> Sequence[DomainEvent]:
    return (MetadataErased(operation.entry, operation.reason),)


ERASE_RULES: dict[type[Operation], Callable[[Any, Any], Sequence[DomainEvent]]] = {EraseMetadata: _erase}
