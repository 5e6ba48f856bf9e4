"""A journal of beancount.

Accounts lie under `Assets`, what they hold for others in a subaccount `On-Hold`, and what is minted comes from `Equity:Supply`.
A memo is the narration, and what else is known of a movement is metadata. `bean-check` checks all of it; for it an account has
what its subaccounts have too. Beancount counts in 28 digits, so a token of which more was minted is refused.
"""

from collections import defaultdict
from collections.abc import Iterator
from datetime import date, timedelta

from tallystick.domain.errors import InvalidRequest
from tallystick.domain.values.token import Token
from tallystick.infrastructure.analytics.plain_text.names import HELD_IN_BEANCOUNT, beancount_account, beancount_currencies
from tallystick.infrastructure.analytics.plain_text.texts import escaped, pointed
from tallystick.infrastructure.analytics.plain_text.writing import Cell, Movement

SUPPLY = "Equity:Supply"
DIGITS = 28
_BEGIN = "1970-01-01"  # when accounts are opened: nothing occurred before


class Beancount:
    """It is given one journal."""

    def __init__(self) -> None:
        self._tokens: dict[str, tuple[str, int]] = {}
        self._accounts: dict[tuple[str | None, bool], str] = {}
        self._minted: dict[str, int] = defaultdict(int)

    def head(self, position: int, digest: str, tokens: list[Token]) -> str:
        """Where it comes from, and the currencies."""
        lines = [f"; the movements of a Tallystick journal up to position {position}, digest {digest}", ""]
        currencies = beancount_currencies(token.code for token in tokens)
        for token in tokens:
            self._tokens[token.code] = (currencies[token.code], token.decimals)
            lines += [f"{_BEGIN} commodity {currencies[token.code]}", f"  name: {_text(token.code)}"]
        return "\n".join(lines) + "\n\n"

    def movement(self, movement: Movement) -> str:
        """A transaction of two postings."""
        if movement.sender is None:
            self._minted[movement.token] += int(movement.amount)
            if self._minted[movement.token] >= 10**DIGITS:
                reason = f"beancount counts in {DIGITS} digits, and more {movement.token} were minted"
                raise InvalidRequest(f"{reason} at position {movement.position}: hledger takes them")
        currency, decimals = self._tokens[movement.token]
        amount = pointed(movement.amount, decimals)
        sender = self._account(movement.sender, movement.sender_held)
        receiver = self._account(movement.receiver, movement.receiver_held)
        reference = f"  reference: {_text(movement.reference)}\n" if movement.reference else ""
        hold = f"  hold: {_text(movement.hold)}\n" if movement.hold else ""
        return (
            f"{movement.day} * {_text(movement.memo)}\n"
            f'  position: {movement.position}\n  entry: {movement.entry_id}\n  kind: "{movement.kind}"\n{reference}{hold}'
            f"  {receiver}  {amount} {currency}\n  {sender}  -{amount} {currency}\n\n"
        )

    def end(self, cells: Iterator[Cell], last: date) -> Iterator[str]:
        """What the accounts have on the day after, where there is one; and the accounts, each with its name."""
        sums: defaultdict[tuple[str, str], int] = defaultdict(int)
        for cell in cells:
            account = self._account(cell.account, cell.held)
            for each in _with_parents(account):
                sums[each, cell.token] += cell.amount
        for (name, _), account in self._accounts.items():
            yield f"{_BEGIN} open {account}\n" + ("" if name is None else f"  name: {_text(name)}\n")
        if last == date.max:
            return
        opened = set(self._accounts.values())
        for (account, token), amount in sums.items():
            if account in opened:
                currency, decimals = self._tokens[token]
                exactly = f"{pointed(str(amount), decimals)} ~ {pointed('0', decimals)} {currency}"
                yield f"{last + timedelta(days=1)} balance {account}  {exactly}\n"

    def _account(self, name: str | None, held: bool) -> str:
        found = self._accounts.get((name, held))
        if found is None:
            account = SUPPLY if name is None else beancount_account(name)
            found = self._accounts[(name, held)] = f"{account}:{HELD_IN_BEANCOUNT}" if held else account
        return found


def _with_parents(account: str) -> Iterator[str]:
    yield account
    while ":" in account:
        account = account.rpartition(":")[0]
        yield account


def _text(text: str) -> str:
    """A text in quotes. Our escapes stand in it with the backslash that beancount takes for one, doubled."""
    return '"' + escaped(text).replace("\\", "\\\\").replace('"', '\\"') + '"'
