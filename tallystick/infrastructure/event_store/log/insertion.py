"""An insertion: somebody else's events that are to be recorded all or none, as a member of a group commit."""

from collections.abc import Sequence

from tallystick.domain.errors import CommitTooLarge
from tallystick.infrastructure.group_commit.member import Member
from tallystick.infrastructure.journal.format import Foreign, encode_events
from tallystick.infrastructure.journal.limits import COMMIT_BYTES_MAX


class Insertion(Member):
    """The events as they will be stored. Raises `CommitTooLarge`."""

    first_position = 0
    """Where they stand, if they do once it is done."""

    def __init__(self, events: Sequence[Foreign]) -> None:
        self.events = events
        self.body = encode_events(events)
        if len(self.body) > COMMIT_BYTES_MAX:
            raise CommitTooLarge(bytes=len(self.body), limit=COMMIT_BYTES_MAX)

    def outcome(self) -> int:
        """The position of the first event; or raises what they were refused for."""
        if self.error is not None:
            raise self.error
        return self.first_position
