"""Reads the books: what a ledger answers about the state it stands at. Amounts are in the token's smallest unit."""

from collections.abc import Mapping

from tallystick.domain.books.pending import Pending
from tallystick.domain.cells import deposit_cell, is_crossing, locate
from tallystick.domain.contract.contract import Allocation, allocation_of
from tallystick.domain.token.token_state import Balance, Supply
from tallystick.domain.value_object.value_object import ValueObject
from tallystick.domain.values.account import HIDDEN_BONDING_CURVE_ACCOUNT, TOTAL_SUPPLY_RESERVE, check_account
from tallystick.domain.values.freeze import FrozenAccount
from tallystick.domain.values.token import Token
from tallystick.infrastructure.ledger.core import LedgerCore
from tallystick.infrastructure.ledger.reading.contract_view import ContractsView, ContractView


class Reads:
    """The answers, and whatever a ledger gives to look at asks it for more of them."""

    def __init__(self, core: LedgerCore) -> None:
        self._core = core
        self._books = core.books

    def token(self, code: str) -> Token:
        """The token registered under `code`; else `TokenNotFound`."""
        with self._core.locked():
            self._core.reach_head()
            return self._books.token_state(code).token

    def tokens(self) -> list[Token]:
        """All tokens, in the order of their registration."""
        with self._core.locked():
            self._core.reach_head()
            return self._books.tokens()

    def balance(self, token: str, account: str) -> Balance:
        """What `account` has; zeros where it was never heard of."""
        with self._core.locked():
            pending = self._core.reach_head_or_pending()
            self._books.token_state(token)
            return self._balance_at(token, account, pending)

    def balances(self, token: str) -> dict[str, Balance]:
        """Every account that has something of the token."""
        with self._core.locked():
            pending = self._core.reach_head_or_pending()
            cells = self._books.token_state(token).balances()
            found = {account: balance for account, balance in cells if not is_crossing(account)}
            return found if pending is None else pending.balances_before(token, found)

    def cell(self, first: str, second: str) -> int:
        """`state[first][second]`."""
        with self._core.locked():
            pending = self._core.reach_head_or_pending()
            return self._balance_at(first, second, pending).total

    def row(self, first: str) -> list[str]:
        """The second names under which `state[first]` has something: accounts of a token, or apps with a deposit of a user."""
        with self._core.locked():
            self._core.reach_head()
            token, settlement = self._books.token(first), self._books.settlement()
            if token is None:
                if settlement is None:
                    return []
                deposits = self._books.token_state(settlement.code)
                apps = [app.code for app in self._books.tokens() if app.role == "app"]
                return [app for app in apps if deposits.available_of(deposit_cell(first, app))]
            special = [TOTAL_SUPPLY_RESERVE]
            if token.role == "app" and settlement is not None:
                special.append(HIDDEN_BONDING_CURVE_ACCOUNT)
            return [*special, *self.balances(first)]

    def _balance_at(self, first: str, second: str, pending: Pending | None) -> Balance:
        cell = locate(self._books, first, second)
        code = cell.token.code
        if cell.name == TOTAL_SUPPLY_RESERVE:
            reserve = self._supply_of(code, pending).reserve
            return Balance(reserve, 0, reserve)
        balance = self._books.token_state(code).balance_of(cell.name)
        return balance if pending is None else pending.balance_before(code, cell.name, balance)

    def supply(self, token: str) -> Supply:
        """What is in circulation and what is left in the reserve."""
        with self._core.locked():
            pending = self._core.reach_head_or_pending()
            return self._supply_of(token, pending)

    def _supply_of(self, token: str, pending: Pending | None) -> Supply:
        supply = self._books.token_state(token).supply()
        return supply if pending is None else pending.supply_before(token, supply)

    def fragments(self, token: str, account: str) -> list[ValueObject]:
        """The value objects of the account's cell, smallest first: its live ones, and those that it holds for others."""
        with self._core.locked():
            self._core.reach_head()
            self._books.token_state(token)
            return self._books.fragments(token, check_account(account))

    def frozen(self) -> list[FrozenAccount]:
        """The freezes of accounts, the oldest first."""
        with self._core.locked():
            self._core.reach_head()
            return [freeze.shown() for freeze in self._books.frozen()]

    def contract(self, id: str) -> ContractView:
        """The contract's balance, what is allocated of it, and to how many; else `ContractNotFound`."""
        with self._core.locked():
            self._core.reach_head()
            contract = self._books.contract(id)
            return ContractView(
                contract.balance, contract.allocs_sum, contract.num_allocs, contract.backed_by, contract.id, self
            )

    def contracts(self) -> Mapping[str, ContractView]:
        """All contracts by id, in the order of their registration; each is loaded when it is asked for."""
        return ContractsView(self)

    def is_contract(self, id: object) -> bool:
        """Whether a contract is registered under `id`."""
        with self._core.locked():
            self._core.reach_head()
            return isinstance(id, str) and self._books.is_contract(id)

    def contract_ids(self) -> list[str]:
        """The ids of all contracts, in the order of their registration."""
        with self._core.locked():
            self._core.reach_head()
            return list(self._books.contracts.registered)

    def allocation(self, contract: str, account: str) -> Allocation | None:
        """What the account is allocated in a contract; None where it has no allocation."""
        with self._core.locked():
            self._core.reach_head()
            sati = self._books.contract(contract).sati_of(check_account(account))
        return None if sati is None else allocation_of(sati)

    def allocations(self, contract: str) -> dict[str, Allocation]:
        """What every account is allocated in a contract."""
        with self._core.locked():
            self._core.reach_head()
            return dict(self._books.contract(contract).allocations())
