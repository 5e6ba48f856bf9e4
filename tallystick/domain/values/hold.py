"""A hold: money in escrow, as a value."""

from tallystick.domain.values.result import Amount, Result


class Hold(Result, frozen=True):
    """An open hold: money of `payer` in the keeping of `authority`, under an `id` that no other hold ever has.

    `amount`: what is still held, in the smallest unit of `token`. `expires_at`: microseconds in UTC, or None. `position` is
    that of the event that opened it, and orders the holds of an authority.
    """

    id: str
    token: str
    payer: str
    authority: str
    amount: Amount
    expires_at: int | None
    position: int

    def is_due(self, now: int) -> bool:
        """Whether its time has come: from then on it can only be released."""
        return self.expires_at is not None and self.expires_at <= now
