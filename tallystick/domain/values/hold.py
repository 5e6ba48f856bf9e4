"""A hold that is open, as the books keep it: money in escrow, and what is left of it."""

import msgspec

from tallystick.domain.errors import InvalidRequest


class OpenHold(msgspec.Struct, frozen=True):
    """Money of `payer` in the keeping of `authority`, under an `id` that no other hold ever has.

    `amount`: what is still held, in the smallest unit of `token`. `expires_at`: microseconds in UTC, or None. `position` is
    that of the event that opened it, and orders the holds of an authority. Its fields are those of a snapshot.
    """

    id: str
    token: str
    payer: str
    authority: str
    amount: int
    expires_at: int | None
    position: int

    def is_due(self, now: int) -> bool:
        """Whether its time has come: from then on it can only be released."""
        return self.expires_at is not None and self.expires_at <= now


def check_hold_id(id: object) -> str:
    """The id of a hold itself; `InvalidRequest` where it is no text."""
    if type(id) is not str:
        raise InvalidRequest(f"the id of a hold is a str, not {id!r}")
    return id
