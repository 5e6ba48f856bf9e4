"""Since when a name is an app's: before, it was an account like any other, and its movements were transfers."""

from tallystick.domain.batch.batch import numbered
from tallystick.domain.events import TokenRegistered
from tallystick.infrastructure.journal.format import decode_events
from tallystick.infrastructure.ledger.core import LedgerCore


class Apps:
    """The apps of a ledger, each looked up once, when a movement names it."""

    def __init__(self, core: LedgerCore) -> None:
        self._core = core
        self._since: dict[str, int | None] = {}

    def was_app(self, name: str, position: int) -> bool:
        """Whether the name was an app's when the entry was made that begins at `position`."""
        if name not in self._since:
            self._since[name] = self._registered_at(name)
        since = self._since[name]
        return since is not None and since < position

    def _registered_at(self, name: str) -> int | None:
        core = self._core
        with core.locked():
            if core.keeper.state.is_void:  # else it has reached a head behind what is read
                core.reach_head()
            token = core.books.token(name)
        if token is None or token.role != "app":
            return None
        for entry in core.journal.stream(name):
            row = core.journal.row_at(entry.first_position)
            for position, event in numbered(decode_events(row), row.first_position) if row is not None else ():
                if isinstance(event, TokenRegistered) and event.token == name:
                    return position
        return None
