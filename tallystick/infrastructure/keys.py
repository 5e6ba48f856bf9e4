"""The idempotency keys used so far: which commit each is in. Derived from the journal's rows, which are the truth."""

from collections.abc import Sequence

from tallystick.infrastructure.codec import Key


class KeyIndex:
    """The first position of the commit that used a key."""

    def __init__(self) -> None:
        self._positions: dict[str, int] = {}

    def add(self, keys: Sequence[Key], first_position: int) -> None:
        """Notes the keys of a commit."""
        for key in keys:
            self._positions[key.key] = first_position

    def find(self, key: str) -> int | None:
        """Where the key was used, if it was."""
        return self._positions.get(key)

    def clear(self) -> None:
        """Forgets all, to be filled again from the journal."""
        self._positions.clear()
