"""Reads the books: what a ledger answers about the state it stands at. Amounts are in the token's smallest unit."""

from collections.abc import Mapping

from tallystick.domain.books.pending import Pending
from tallystick.domain.cells import deposit_cell, is_crossing, located
from tallystick.domain.contract.contract import Allocation, allocation_of
from tallystick.domain.errors import InvalidRequest
from tallystick.domain.token.token_state import Balance, Supply
from tallystick.domain.value_object.value_object import ValueObject
from tallystick.domain.values.account import HIDDEN_BONDING_CURVE_ACCOUNT, TOTAL_SUPPLY_RESERVE
from tallystick.domain.values.freeze import FrozenAccount
from tallystick.domain.values.ids import check_limit
from tallystick.domain.values.spelling import lowered, lowered_beginning
from tallystick.domain.values.token import AnyToken, Token, code_of
from tallystick.infrastructure.ledger.core import LedgerCore
from tallystick.infrastructure.ledger.reading.contract_view import ContractsView, ContractView
from tallystick.projections.balance_column import BalanceColumn, balance_column


class Reads:
    """The answers, and whatever a ledger gives to look at asks it for more of them."""

    def __init__(self, core: LedgerCore) -> None:
        self._core = core
        self._books = core.books

    def token(self, code: AnyToken) -> Token:
        """The token registered under `code`; else `TokenNotFound`."""
        with self._core.locked():
            self._core.reach_head()
            return self._books.token_state(code).token

    def tokens(self) -> list[Token]:
        """All tokens, in the order of their registration."""
        with self._core.locked():
            self._core.reach_head()
            return self._books.tokens()

    def balance(self, token: AnyToken, account: str) -> Balance:
        """What `account` has; zeros where it was never heard of."""
        with self._core.locked():
            pending = self._core.reach_head_or_pending()
            code = self._books.token_state(token).code
            return self._balance_at(code, account, pending)

    def balances(self, token: AnyToken, prefix: str = "", limit: int | None = None, after: str = "") -> dict[str, Balance]:
        """The accounts that have something of the token: all, or those named like this, in the order of their names."""
        count = check_page(prefix, limit, after)
        begun = lowered_beginning(prefix)
        with self._core.locked():
            pending = self._core.reach_head_or_pending()
            state = self._books.token_state(token)
            prefixes = prefix if begun is None else (prefix, begun)
            found = {
                account: balance
                for account, balance in state.balances()
                if account.startswith(prefixes) and not is_crossing(account)
            }
            if pending is not None:
                found = pending.balances_before(state.code, found, prefixes)
            start = self._books.spellings.of_perhaps(after)
        if not prefix and count is None and not start:
            return found
        names = sorted(account for account in found if account > start)
        return {account: found[account] for account in names[:count]}

    def total(self, token: AnyToken, prefix: str = "") -> Balance:
        """What all those accounts have together."""
        found = self.balances(token, prefix).values()
        available, reserved = sum(each.available for each in found), sum(each.reserved for each in found)
        return Balance(available, reserved, available + reserved)

    def column(self, token: AnyToken) -> BalanceColumn:
        """Every account that has something of the token, in columns."""
        with self._core.locked():
            self._core.reach_head()
            state = self._books.token_state(token)
            available, held = state.columns()
        return balance_column(state.code, state.names, available, held, has_cells=state.token.role == "settlement")

    def balances_of(self, account: str) -> dict[str, Balance]:
        """What the account has, by token, of every token of which it has something."""
        with self._core.locked():
            pending = self._core.reach_head_or_pending()
            account = self._books.spelled(account)
            found = {token.code: self._books.token_state(token.code).balance_of(account) for token in self._books.tokens()}
            if pending is not None:
                found = {code: pending.balance_before(code, account, balance) for code, balance in found.items()}
        return {code: balance for code, balance in found.items() if balance.total}

    def cell(self, first: AnyToken, second: str) -> int:
        """`state[first][second]`."""
        with self._core.locked():
            pending = self._core.reach_head_or_pending()
            return self._balance_at(self.spelled(first), self.spelled(second), pending).total

    def spelled(self, name: AnyToken) -> str:
        """A name as the books write it; `InvalidAccount` where it can be none."""
        return self._books.spelled(code_of(name))

    def spelled_perhaps(self, first: AnyToken, second: AnyToken) -> tuple[str, str]:
        """Two names as the books write them; what can be no name is left for the read that is asked with it to refuse."""
        with self._core.locked():
            self._core.reach_head()
            perhaps = self._books.spellings.of_perhaps
            return perhaps(code_of(first)), perhaps(code_of(second))

    def row(self, first: AnyToken) -> list[str]:
        """The second names under which `state[first]` has something: accounts of a token, or apps with a deposit of a user."""
        with self._core.locked():
            self._core.reach_head()
            first = self._books.spelled(code_of(first))
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
        cell = located(self._books, first, self._books.spelled(second))
        code = cell.token.code
        if cell.name == TOTAL_SUPPLY_RESERVE:
            reserve = self._supply_of(code, pending).reserve
            return Balance(reserve, 0, reserve)
        balance = self._books.token_state(code).balance_of(cell.name)
        return balance if pending is None else pending.balance_before(code, cell.name, balance)

    def supply(self, token: AnyToken) -> Supply:
        """What is in circulation and what is left in the reserve."""
        with self._core.locked():
            pending = self._core.reach_head_or_pending()
            return self._supply_of(token, pending)

    def _supply_of(self, token: AnyToken, pending: Pending | None) -> Supply:
        state = self._books.token_state(token)
        return state.supply() if pending is None else pending.supply_before(state.code, state.supply())

    def fragments(self, token: AnyToken, account: str) -> list[ValueObject]:
        """The value objects of the account's cell, smallest first: its live ones, and those that it holds for others."""
        with self._core.locked():
            self._core.reach_head()
            code = self._books.token_state(token).code
            return self._books.fragments(code, self._books.spelled(account))

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
            return isinstance(id, str) and (self._books.is_contract(id) or self._books.is_contract(lowered(id)))

    def contract_ids(self) -> list[str]:
        """The ids of all contracts, in the order of their registration."""
        with self._core.locked():
            self._core.reach_head()
            return list(self._books.contracts.registered)

    def allocation(self, contract: str, account: str) -> Allocation | None:
        """What the account is allocated in a contract; None where it has no allocation."""
        with self._core.locked():
            self._core.reach_head()
            sati = self._books.contract(contract).sati_of(self._books.spelled(account))
        return None if sati is None else allocation_of(sati)

    def allocations(self, contract: str) -> dict[str, Allocation]:
        """What every account is allocated in a contract."""
        with self._core.locked():
            self._core.reach_head()
            return dict(self._books.contract(contract).allocations())


def check_page(prefix: object, limit: object, after: object) -> int | None:
    """The limit; `InvalidRequest` where these are no beginning of a name, no number of accounts, and no name."""
    for text in (prefix, after):
        if not isinstance(text, str):
            raise InvalidRequest(f"accounts are chosen by a str, not {text!r}")
    return check_limit(limit)
