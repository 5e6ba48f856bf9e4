"""Reads the books: what a ledger answers about the state it stands at. Amounts are in the token's smallest unit."""

from collections.abc import Mapping

from tallystick.domain.books.pending import Pending
from tallystick.domain.cells import deposit_cell, is_crossing, locate
from tallystick.domain.contract.contract import Allocation, allocation_of
from tallystick.domain.errors import InvalidRequest
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
            pending = self._core.reach_head_or_unseen()
            self._books.token_state(token)
            return self._balance_at(token, account, pending)

    def balances(self, token: str, prefix: str = "", limit: int | None = None, after: str = "") -> dict[str, Balance]:
        """The accounts that have something of the token: all, or those named like this, in the order of their names."""
        check_page(prefix, limit, after)
        with self._core.locked():
            pending = self._core.reach_head_or_unseen()
            cells = self._books.token_state(token).balances()
            found = {account: balance for account, balance in cells if account.startswith(prefix) and not is_crossing(account)}
            if pending is not None:
                found = pending.balances_before(token, found, prefix)
        if not prefix and limit is None and not after:
            return found
        names = sorted(account for account in found if account > after)
        return {account: found[account] for account in names[:limit]}

    def total(self, token: str, prefix: str = "") -> Balance:
        """What all those accounts have together."""
        found = self.balances(token, prefix).values()
        available, reserved = sum(each.available for each in found), sum(each.reserved for each in found)
        return Balance(available, reserved, available + reserved)

    def balances_of(self, account: str) -> dict[str, Balance]:
        """What the account has, by token, of every token of which it has something."""
        check_account(account)
        with self._core.locked():
            pending = self._core.reach_head_or_unseen()
            found = {token.code: self._books.token_state(token.code).balance_of(account) for token in self._books.tokens()}
            if pending is not None:
                found = {code: pending.balance_before(code, account, balance) for code, balance in found.items()}
        return {code: balance for code, balance in found.items() if balance.total}

    def cell(self, first: str, second: str) -> int:
        """`state[first][second]`."""
        with self._core.locked():
            pending = self._core.reach_head_or_unseen()
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
            pending = self._core.reach_head_or_unseen()
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


def check_page(prefix: object, limit: object, after: object) -> None:
    """Raises `InvalidRequest` where these are no beginning of a name, no number of accounts, and no name."""
    for text in (prefix, after):
        if not isinstance(text, str):
            raise InvalidRequest(f"accounts are chosen by a str, not {text!r}")
    if limit is not None and (type(limit) is not int or limit < 0):
        raise InvalidRequest(f"a limit is an int, 0 or more, not {limit!r}")
