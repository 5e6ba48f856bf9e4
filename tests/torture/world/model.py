"""What a small world of money comes to, in dictionaries: the tokens, an app and two contracts.

It is told a step and does it or raises `Impossible`. It knows nothing of the library but the tokens' names and sizes: curves,
shares and allocations are worked out here anew, in another form.
"""

from collections import defaultdict
from copy import deepcopy
from typing import Any, NamedTuple

RESERVE = "total_supply_reserve"
CURVE = "the curve"
TAXES = "the tax pool"
MAX_SUPPLY = {"PLN": 2**128 - 1, "USD": 10**9, "WEI": 2**256 - 1, "TEA": 2**100, "APP": 10**15}
APP_PRICE = 3 * 10**12 + 7
WHOLE = 10**12
"""Base units of a whole app token, and of a whole settlement token."""
SATI = 10**8
USERS = ("ann", "bob", "cid", "dan", "eve")
KEEPER = "keeper"
Step = tuple[Any, ...]
"""A name, and arguments."""


class Impossible(Exception):
    """The step cannot be done: the ledger is to refuse it."""


class Hold(NamedTuple):
    """What is held for somebody to pay out."""

    token: str
    payer: str
    left: int


class Contract:
    """A balance and whose it is, in sati; what is allocated, in satoshis."""

    def __init__(self, backed: bool) -> None:
        self.backed = backed
        self.balance = self.allocated = 0
        self.shares: dict[str, int] = {}


class Model:
    """All cells by token and name, deposits and income included."""

    def __init__(self) -> None:
        self.cells: defaultdict[tuple[str, str], int] = defaultdict(int)
        for token, supply in MAX_SUPPLY.items():
            self.cells[token, RESERVE] = supply
        self.deposits: defaultdict[str, int] = defaultdict(int)
        self.holds: dict[str, Hold] = {}
        self.contracts = {"backed": Contract(True), "figure": Contract(False)}
        self.closed: dict[tuple[str, str], tuple[bool, bool]] = {}
        """Of an account and a token, whether nothing may leave and nothing come."""

    def copied(self) -> "Model":
        """One that can be changed in its place."""
        return deepcopy(self)

    def do(self, step: Step) -> None:
        """Does a step, or raises `Impossible` and is not to be used any more."""
        getattr(self, f"_{step[0]}")(*step[1:])

    def total(self, token: str) -> int:
        """All there is of a token, which never changes."""
        total = sum(amount for (code, _), amount in self.cells.items() if code == token)
        total += sum(hold.left for hold in self.holds.values() if hold.token == token)
        return total + (sum(self.deposits.values()) if token == "TEA" else 0)

    def _need(self, condition: bool) -> None:
        if not condition:
            raise Impossible

    def _take(self, token: str, account: str, amount: int) -> None:
        self._need(amount > 0 and not self.closed.get((account, token), (False, False))[0])
        self._need(self.cells[token, account] >= amount)
        self.cells[token, account] -= amount

    def _give(self, token: str, account: str, amount: int) -> None:
        self._need(not self.closed.get((account, token), (False, False))[1])
        self.cells[token, account] += amount

    # Tokens.

    def _mint(self, token: str, account: str, amount: int) -> None:
        self._take(token, RESERVE, amount)
        self._give(token, account, amount)

    def _burn(self, token: str, account: str, amount: int) -> None:
        self._take(token, account, amount)
        self._give(token, RESERVE, amount)

    def _transfer(self, token: str, sender: str, receiver: str, amount: int) -> None:
        self._take(token, sender, amount)
        self._give(token, receiver, amount)

    def _split(self, token: str, owner: str, amount: int, weights: dict[str, int]) -> None:
        """By largest remainder; among equal ones the first named comes first."""
        self._take(token, owner, amount)
        whole = sum(weights.values())
        shares = {name: divmod(amount * weight, whole) for name, weight in weights.items()}
        left = amount - sum(share for share, _ in shares.values())
        for place, (name, _) in enumerate(sorted(shares.items(), key=lambda share: -share[1][1])):
            share = shares[name][0] + (place < left)
            if share:
                self._give(token, name, share)

    def _reserve(self, token: str, payer: str, amount: int, id: str) -> None:
        self._take(token, payer, amount)
        self.holds[id] = Hold(token, payer, amount)

    def _draw(self, id: str, amount: int) -> Hold:
        self._need(id in self.holds and 0 < amount <= self.holds[id].left)
        hold = self.holds.pop(id)
        if hold.left > amount:
            self.holds[id] = hold._replace(left=hold.left - amount)
        return hold

    def _settle(self, token: str, id: str, receiver: str, amount: int) -> None:
        hold = self._draw(id, amount)
        self._give(hold.token, receiver, amount)

    def _release(self, id: str, amount: int) -> None:
        hold = self._draw(id, amount)
        self.cells[hold.token, hold.payer] += amount

    def _freeze(self, account: str, token: str, debits: bool, credits: bool) -> None:
        self.closed[account, token] = (debits, credits)

    def _unfreeze(self, account: str, token: str) -> None:
        self.closed.pop((account, token), None)

    def rows(self, token: str, rows: list[tuple[str, str, int]]) -> list[int]:
        """Does transfers one after another; gives the numbers of those that are impossible, and does not do them."""
        refused = list[int]()
        for number, (sender, receiver, amount) in enumerate(rows):
            comes = not self.closed.get((receiver, token), (False, False))[1]
            try:
                self._need(comes)
                self._transfer(token, sender, receiver, amount)
            except Impossible:
                refused.append(number)
        return refused

    # The app: a fixed price, so that its curve holds what its supply is worth, and what was paid beyond it.

    def _deposit(self, user: str, amount: int) -> None:
        self._take("TEA", user, amount)
        self.deposits[user] += amount

    def _withdraw(self, user: str, amount: int) -> None:
        self._need(self.deposits[user] >= amount)
        self.deposits[user] -= amount

    def _refund(self, user: str, amount: int) -> None:
        self._withdraw(user, amount)
        self.cells["TEA", user] += amount

    def _consume_deposit(self, user: str, amount: int) -> None:
        self._withdraw(user, amount)
        self.cells["TEA", "APP"] += amount

    def _pay(self, user: str, amount: int) -> None:
        self._take("TEA", user, amount)
        self.cells["TEA", "APP"] += amount

    def supply(self) -> int:
        """How much of the app's token is in circulation."""
        return MAX_SUPPLY["APP"] - self.cells["APP", RESERVE]

    def _bought_for(self, payment: int) -> int:
        """The largest supply whose worth, rounded down, has grown by no more than the payment."""
        supply = self.supply()
        reached = supply * APP_PRICE // WHOLE + payment
        amount = ((reached + 1) * WHOLE - 1) // APP_PRICE - supply
        self._need(0 < amount <= self.cells["APP", RESERVE])
        return amount

    def _buy(self, user: str, payment: int) -> None:
        amount = self._bought_for(payment)
        self._take("TEA", user, payment)
        self.cells["TEA", CURVE] += payment
        self._mint("APP", user, amount)

    def _sell(self, user: str, amount: int) -> None:
        supply = self.supply()
        self._take("APP", user, amount)
        paid = supply * APP_PRICE // WHOLE - (supply - amount) * APP_PRICE // WHOLE
        self._need(self.cells["TEA", CURVE] >= paid > 0)
        self.cells["TEA", CURVE] -= paid
        self.cells["TEA", user] += paid
        self.cells["APP", RESERVE] += amount

    def _distribute_income(self, shares: dict[str, int]) -> None:
        """Of who gets the last units of equal remainders `shares` says how it went; it must be within a unit of exact."""
        income = self.cells["TEA", "APP"]
        if not income:
            return
        holders = {user: self.cells["APP", user] for user in USERS if self.cells["APP", user]}
        bought, whole = self._bought_for(income), sum(holders.values())
        self._need(whole > 0)
        self.cells["TEA", "APP"] = 0
        self.cells["TEA", CURVE] += income
        self.cells["APP", RESERVE] -= bought
        if not shares:  # it is not known yet, and only whether it is possible is asked
            return
        assert sum(shares.values()) == bought, f"{shares} are not the {bought} that were bought"
        for user, share in shares.items():
            exact, rest = divmod(bought * holders.get(user, 0), whole)
            assert share in (exact, exact + bool(rest)), f"{user} got {share} of {bought}, and has {holders} of {whole}"
            self.cells["APP", user] += share

    def _collect_memory_tax(self, amount: int) -> None:
        self._take("TEA", "APP", amount)
        self.cells["TEA", TAXES] += amount

    # Contracts.

    def _fund(self, contract: str, account: str, amount: int) -> None:
        self._need(self.contracts[contract].backed)
        self._take("PLN", account, amount)
        self.contracts[contract].balance += amount
        self.cells["PLN", contract] += amount

    def _defund(self, contract: str, account: str, amount: int) -> None:
        self._need(self.contracts[contract].backed)
        self._lower(contract, amount)
        self.cells["PLN", contract] -= amount
        self._give("PLN", account, amount)

    def _balance_up(self, contract: str, amount: int) -> None:
        self._need(not self.contracts[contract].backed)
        self.contracts[contract].balance += amount

    def _balance_down(self, contract: str, amount: int) -> None:
        self._need(not self.contracts[contract].backed)
        self._lower(contract, amount)

    def _lower(self, contract: str, amount: int) -> None:
        self._need(self.contracts[contract].balance - amount >= self.contracts[contract].allocated)
        self.contracts[contract].balance -= amount

    def _alloc(self, contract: str, account: str) -> None:
        self._need(account not in self.contracts[contract].shares)
        self.contracts[contract].shares[account] = 0

    def _shadow_up(self, contract: str, account: str, amount: int) -> None:
        of = self.contracts[contract]
        self._need(account in of.shares and of.allocated + amount <= of.balance)
        of.shares[account] += amount * SATI
        of.allocated += amount

    def _shadow_down(self, contract: str, account: str, amount: int) -> None:
        of = self.contracts[contract]
        self._need(not (of.backed and self.closed.get((account, "PLN"), (False, False))[0]))
        self._need(of.shares.get(account, 0) >= amount * SATI and of.allocated >= amount)
        of.shares[account] -= amount * SATI
        of.allocated -= amount

    def _shadow_up_all(self, contract: str, amount: int) -> None:
        of = self.contracts[contract]
        self._need(0 < of.allocated <= of.balance - amount)
        of.shares = {account: share + share * amount // of.allocated for account, share in of.shares.items()}
        of.allocated += amount

    def _shadow_down_all(self, contract: str, amount: int) -> None:
        of = self.contracts[contract]
        self._need(of.allocated > 0 and amount <= of.allocated)
        of.shares = {account: share - share * amount // of.allocated for account, share in of.shares.items()}
        of.allocated -= amount
