"""The base of operations: what somebody wants, as data."""

import msgspec


class Operation(msgspec.Struct, frozen=True, gc=False):
    """The base of what can be asked for."""
