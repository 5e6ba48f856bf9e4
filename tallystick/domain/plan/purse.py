"""A purse: what a plan keeps of money that was taken from an owner, while not all of it is decided about."""

from tallystick.domain.values.token import Token


class Purse:
    """An owner's money of which `remaining` is left. It is void where the plan went back to before it was taken."""

    __slots__ = ("is_slice", "is_void", "owner", "remaining", "token")

    def __init__(self, token: Token, owner: str, is_slice: bool) -> None:
        self.token = token
        self.owner = owner
        self.is_slice = is_slice
        self.remaining = 0
        self.is_void = False
