"""The account numbers of tokens, for whoever reads batches in the middle of a journal and keeps no books.

Numbers were given by all the batches of a token before. So the first batch asked about has those read, by way of the token's
stream; after that, what was read is remembered, and only what came since is read on.
"""

import threading
from collections.abc import Sequence

from tallystick.domain.events import BATCHES
from tallystick.infrastructure.journal.format import decode_events, may_hold_batches
from tallystick.infrastructure.journal.port import Journal


class BatchNames:
    """The accounts of each token by number, as far as they were asked for. May be used from several threads."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._lock = threading.Lock()
        self._names: dict[str, list[str]] = {}
        self._read: dict[str, tuple[int, int]] = {}  # to which version of a token, and how many names there are by then

    def at(self, token: str, first_position: int) -> Sequence[str]:
        """The accounts that had numbers after the commit that begins at this position, and perhaps some more."""
        with self._lock:
            names = self._names.setdefault(token, [])
            version, known = self._read.get(token, (0, 0))
            del names[known:]  # where somebody was interrupted
            for entry in self._journal.stream(token, gt=version):
                if entry.first_position > first_position:
                    break
                row = self._journal.row_at(entry.first_position)
                if row is not None and may_hold_batches(row.body):
                    for event in decode_events(row):
                        if isinstance(event, BATCHES) and event.token == token:
                            names += event.names
                self._read[token] = (entry.last_version, len(names))
            return names
