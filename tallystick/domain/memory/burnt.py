"""The fragments burned since the last durable commit."""


class Burnt:
    """The fragments burned since the last durable commit, the newest last, and under what holds those lay that did."""

    def __init__(self) -> None:
        self.fragments: list[int] = []
        self.holds: dict[int, str] = {}

    def forget(self) -> None:
        """They are not coming back."""
        self.fragments.clear()
        self.holds.clear()
