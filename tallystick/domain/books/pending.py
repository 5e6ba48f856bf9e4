"""What events that are not durable yet have changed in cells, so that whoever reads meanwhile is told what was before.

The books are changed in place before a commit is durable. Subtracting what the commit changed gives what stood before, and
the events say what that is, so a commit that nobody looks at while it is under way costs nothing more.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from tallystick.domain.cells import is_crossing
from tallystick.domain.effects import RESERVE, effects
from tallystick.domain.events import BookEvent, ContractEvent, DomainEvent, FragmentEvent, MoneyEvent
from tallystick.domain.token.token_state import Balance, Supply


class Pending:
    """The changes to cells by events of which `are_known` is true."""

    def __init__(self, events: Sequence[DomainEvent]) -> None:
        self._available: defaultdict[tuple[str, str], int] = defaultdict(int)
        self._held: defaultdict[tuple[str, str], int] = defaultdict(int)
        for event in events:
            if not isinstance(event, ContractEvent | BookEvent):
                for cell, available, held in effects(event):
                    changed = self._available if available else self._held
                    changed[event.token, cell] += available or held

    @staticmethod
    def are_known(events: Sequence[DomainEvent]) -> bool:
        """Whether what these events change in cells can be told one by one, and they change nothing that cells depend on."""
        return all(isinstance(event, MoneyEvent | FragmentEvent | ContractEvent | BookEvent) for event in events)

    def balance_before(self, token: str, account: str, balance: Balance) -> Balance:
        """What the account had before them and has as `balance` with them."""
        available = balance.available - self._available.get((token, account), 0)
        held = balance.reserved - self._held.get((token, account), 0)
        return Balance(available, held, available + held)

    def balances_before(
        self, token: str, balances: Mapping[str, Balance], prefix: str | tuple[str, ...] = ""
    ) -> dict[str, Balance]:
        """What every account, named like this, had before them that had anything, and has as `balances` with them."""
        found = dict(balances)
        for code, account in {**self._available, **self._held}:
            if code == token and account != RESERVE and account.startswith(prefix) and not is_crossing(account):
                before = self.balance_before(token, account, found.pop(account, Balance(0, 0, 0)))
                if before.total:
                    found[account] = before
        return found

    def supply_before(self, token: str, supply: Supply) -> Supply:
        """The supply before them, which is `supply` with them."""
        minted = -self._available.get((token, RESERVE), 0)
        return Supply(supply.max, supply.reserve + minted, supply.circulating - minted)
