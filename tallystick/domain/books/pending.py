"""What events that are not durable yet have changed in cells, so that whoever reads meanwhile is told what was before.

The books are changed in place before a commit is durable. Subtracting what the commit changed gives what stood before, and
the events say what that is, so a commit that nobody looks at while it is under way costs nothing more.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from tallystick.domain.events import (
    RECORDED,
    Burned,
    ContractEvent,
    DomainEvent,
    FragmentEvent,
    Minted,
    MoneyEvent,
    Moved,
    Released,
    Reserved,
    Settled,
)
from tallystick.domain.token.token_state import Balance, Supply


class Pending:
    """The changes to cells by events of which `are_known` is true."""

    def __init__(self, events: Sequence[DomainEvent]) -> None:
        self._available: defaultdict[tuple[str, str], int] = defaultdict(int)
        self._held: defaultdict[tuple[str, str], int] = defaultdict(int)
        self._minted: defaultdict[str, int] = defaultdict(int)
        for event in events:
            if isinstance(event, RECORDED):
                self._add(event)

    @staticmethod
    def are_known(events: Sequence[DomainEvent]) -> bool:
        """Whether what these events change in cells can be told one by one, and they change nothing that cells depend on."""
        return all(isinstance(event, MoneyEvent | FragmentEvent | ContractEvent) for event in events)

    def balance_before(self, token: str, account: str, balance: Balance) -> Balance:
        """What the account had before them and has as `balance` with them."""
        available = balance.available - self._available.get((token, account), 0)
        held = balance.reserved - self._held.get((token, account), 0)
        return Balance(available, held, available + held)

    def balances_before(self, token: str, balances: Mapping[str, Balance]) -> dict[str, Balance]:
        """What every account had before them that had anything, and has as `balances` with them."""
        found = dict(balances)
        for code, account in {**self._available, **self._held}:
            if code == token:
                before = self.balance_before(token, account, found.pop(account, Balance(0, 0, 0)))
                if before.total:
                    found[account] = before
        return found

    def supply_before(self, token: str, supply: Supply) -> Supply:
        """The supply before them, which is `supply` with them."""
        minted = self._minted.get(token, 0)
        return Supply(supply.max, supply.reserve + minted, supply.circulating - minted)

    def _add(self, event: MoneyEvent) -> None:
        token, amount, available = event.token, event.amount, self._available
        match event:
            case Moved():
                available[token, event.sender] -= amount
                available[token, event.receiver] += amount
            case Minted():
                self._minted[token] += amount
                available[token, event.account] += amount
            case Burned():
                self._minted[token] -= amount
                available[token, event.account] -= amount
            case Reserved():
                available[token, event.payer] -= amount
                self._held[token, event.authority] += amount
            case Settled():
                available[token, event.receiver] += amount
                self._held[token, event.authority] -= amount
            case Released():
                available[token, event.payer] += amount
                self._held[token, event.authority] -= amount
