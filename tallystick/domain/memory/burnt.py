"""The fragments burned since the last durable commit."""

from tallystick.domain.limits import FRAGMENTS_MAX, check_fragments


class Burnt:
    """The fragments burned since the last durable commit, the newest last, and under what holds those lay that did.

    Each may be the first of a run, and `counts` says of how many, where it is of more than itself.
    """

    def __init__(self) -> None:
        self.fragments: list[int] = []
        self.holds: dict[int, str] = {}
        self.counts: dict[int, int] = {}
        self._plan: object = None
        self._named = 0

    def charge(self, plan: object, numbers: int) -> None:
        """Counts numbers by which events name fragments, those of one plan together, which is known by its list of events.

        Raises `PlanTooLarge`.
        """
        if self._plan is not plan:
            self._plan, self._named = plan, 0
        self._named += numbers
        if self._named > FRAGMENTS_MAX:
            check_fragments(self._named)

    def forget(self) -> None:
        """They are not coming back."""
        self.fragments.clear()
        self.holds.clear()
        self.counts.clear()
        self._plan = None
