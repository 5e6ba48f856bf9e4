"""Whether rows fit: what each account would have after every row, without anything being recorded.

It goes by the books as they stand, and knows what a sender can spend and what is left in the supply reserves. What else the
books refuse, as an account that is frozen, shows when it is recorded.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping
from typing import NamedTuple

from tallystick.domain.errors import InsufficientFunds, Refused, SupplyExhausted
from tallystick.domain.values.token import Token
from tallystick.infrastructure.imports.rows.desk import ImportDesk
from tallystick.infrastructure.imports.rows.transfer_rows import TransferRows
from tallystick.infrastructure.ledger.ledger import Ledger


class Trial(NamedTuple):
    """What came of rows: the index and the reason of each that is refused, and what senders are short of in all."""

    refused: list[tuple[int, Refused]]
    short: dict[str, int]


class Fit:
    """Balances and reserves as they would be. `opens`: what a sender is short of is minted to it, out of the reserve."""

    def __init__(self, ledger: Ledger, desk: ImportDesk, new: Mapping[str, Token], *, opens: bool) -> None:
        self._ledger = ledger
        self._desk = desk
        self._new = new
        self._opens = opens
        self.reset()

    def reset(self) -> None:
        """Begins again with the books as they stand."""
        self._cells: dict[str, dict[str, int]] = defaultdict(dict)
        self._reserves: dict[str, int] = {}
        self._decimals: dict[str, int] = {}

    def add(self, rows: TransferRows, passed_over: Collection[int] = ()) -> Trial:
        """Tries rows of one token and kind, but for those at the indices `passed_over`."""
        token = rows.tokens[0]
        cells = self._load(token, rows)
        reserve = self._reserves[token]
        decimals = self._decimals[token]
        refused: list[tuple[int, Refused]] = []
        short: dict[str, int] = {}
        is_mint, is_burn = not rows.senders[0], not rows.receivers[0]
        for row, (sender, receiver, amount) in enumerate(zip(rows.senders, rows.receivers, rows.amounts, strict=True)):
            if passed_over and row in passed_over:
                continue
            if is_mint:
                if amount > reserve:
                    refused.append((row, SupplyExhausted(decimals=decimals, token=token, required=amount, reserve=reserve)))
                    continue
                reserve -= amount
                cells[receiver] += amount
                continue
            missing = amount - cells[sender]
            if missing > 0:
                if not self._opens:
                    has = cells[sender]
                    error = InsufficientFunds(decimals=decimals, token=token, account=sender, required=amount, available=has)
                    self._desk.ask_holds(error)
                    refused.append((row, error))
                    continue
                if missing > reserve:
                    exhausted = SupplyExhausted(decimals=decimals, token=token, required=missing, reserve=reserve)
                    refused.append((row, exhausted))
                    continue
                reserve -= missing
                short[sender] = short.get(sender, 0) + missing
                cells[sender] += missing
            cells[sender] -= amount
            if is_burn:
                reserve += amount
            else:
                cells[receiver] += amount
        self._reserves[token] = reserve
        return Trial(refused, short)

    def _load(self, token: str, rows: TransferRows) -> dict[str, int]:
        """The token's cells, with those of the rows' accounts among them."""
        cells = self._cells[token]
        if token not in self._reserves:
            new = self._new.get(token)
            self._reserves[token] = self._ledger.supply(token).reserve if new is None else new.max_supply
            self._decimals[token] = (new or self._ledger.token(token)).decimals
        missing = [account for account in {*rows.senders, *rows.receivers} if account not in cells and account]
        there = [0] * len(missing) if token in self._new else self._desk.available(token, missing)
        cells.update(zip(missing, there, strict=True))
        return cells
