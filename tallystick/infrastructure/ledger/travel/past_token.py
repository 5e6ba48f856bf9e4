"""A token as it stood: the questions to a token's state, answered out of the past index."""

from collections.abc import Callable, Iterator, Sequence

from tallystick.domain.arithmetic.columns import Numbers, listed
from tallystick.domain.token.token_state import Balance, Supply, TokenState
from tallystick.domain.values.token import Token
from tallystick.infrastructure.indexes.past.cells import AVAILABLE, CIRCULATING, HELD, Cells
from tallystick.infrastructure.indexes.past.past_index import NoIndex, PastIndex


class PastToken:
    """The token with this `number` as it stood at a position. Where the index has no answer `replayed` gives the state."""

    def __init__(
        self, index: PastIndex, number: int, at: int, state: TokenState, token: Token, replayed: Callable[[], TokenState]
    ) -> None:
        """`state` is that of books that followed the journal further, for the accounts' handles."""
        self.token = token
        self.code = token.code
        self._index = index
        self._number = number
        self._at = at
        self._state = state
        self._replayed = replayed

    @property
    def reserve(self) -> int:
        """What was left to mint."""
        return self.supply().reserve

    def available_of(self, account: str) -> int:
        """What the account could spend."""
        try:
            return self._value(AVAILABLE, account)
        except NoIndex:
            return self._replayed().available_of(account)

    def held_of(self, account: str) -> int:
        """What it held for others."""
        try:
            return self._value(HELD, account)
        except NoIndex:
            return self._replayed().held_of(account)

    def balance_of(self, account: str) -> Balance:
        """Both, and the sum."""
        available, held = self.available_of(account), self.held_of(account)
        return Balance(available, held, available + held)

    def supply(self) -> Supply:
        """The reserve and what was in circulation."""
        most = self.token.max_supply
        try:
            circulating = self._index.value(Cells.of(self._number, CIRCULATING).first, self._at) or 0
        except NoIndex:
            return self._replayed().supply()
        return Supply(most, most - circulating, circulating)

    def columns(self) -> tuple[Numbers, Numbers]:
        """What every account could spend, and what it held for others, by handle."""
        length = len(self._state.names)
        try:
            found = (self._index.column(self._number, part, self._at, length) for part in (AVAILABLE, HELD))
            available, held = found
            return available, held
        except NoIndex:
            state = self._replayed()
            amounts = {name: (available, held) for name, available, held in state.cells()}
            both = [amounts.get(name, (0, 0)) for name in self._state.names[:length]]
            return [each[0] for each in both], [each[1] for each in both]

    def balances(self) -> Iterator[tuple[str, Balance]]:
        """Every account that had something, in the order in which they were first named."""
        available, held = self.columns()
        for name, can_spend, holds in zip(self._state.names, listed(available), listed(held), strict=False):
            if can_spend or holds:
                yield name, Balance(can_spend, holds, can_spend + holds)

    @property
    def names(self) -> Sequence[str]:
        """The accounts by handle."""
        return self._state.names

    def _value(self, part: int, account: str) -> int:
        handle = self._state.handle_of(account)
        return 0 if handle is None else self._index.value(Cells.of(self._number, part).cell(handle), self._at) or 0
