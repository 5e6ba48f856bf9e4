"""A journal of hledger.

Accounts lie under `assets`, what they hold for others in a subaccount `on hold`, and what is minted comes from `equity:supply`.
A memo is the description, and what else is known of a movement stands in tags. `hledger check --strict` checks all of it.
"""

from collections.abc import Iterator
from datetime import date

from tallystick.domain.values.token import Token
from tallystick.infrastructure.analytics.plain_text.names import HELD_IN_HLEDGER, hledger_account, hledger_commodity
from tallystick.infrastructure.analytics.plain_text.texts import escaped, pointed
from tallystick.infrastructure.analytics.plain_text.writing import Cell, Movement

SUPPLY = "equity:supply"
_ASSERTED = 100  # so many in one transaction


class Hledger:
    """It is given one journal."""

    def __init__(self) -> None:
        self._tokens: dict[str, tuple[str, int]] = {}
        self._accounts: dict[tuple[str | None, bool], str] = {}

    def head(self, position: int, digest: str, tokens: list[Token]) -> str:
        """Where it comes from, and the commodities."""
        lines = [f"; the movements of a Tallystick journal up to position {position}, digest {digest}", "", "decimal-mark ."]
        for token in tokens:
            commodity = hledger_commodity(token.code)
            self._tokens[token.code] = (commodity, token.decimals)
            lines.append(f"commodity 1000.{'0' * token.decimals} {commodity}  ; name:{escaped(token.code, ',;')}")
        return "\n".join(lines) + "\n\n"

    def movement(self, movement: Movement) -> str:
        """A transaction of two postings."""
        commodity, decimals = self._tokens[movement.token]
        amount = pointed(movement.amount, decimals)
        sender = self._account(movement.sender, movement.sender_held)
        receiver = self._account(movement.receiver, movement.receiver_held)
        tags = [f"entry:{movement.entry_id}", f"kind:{movement.kind}"]
        tags += [f"reference:{escaped(movement.reference, ',;')}"] if movement.reference else []
        tags += [f"hold:{escaped(movement.hold, ',;')}"] if movement.hold else []
        memo = escaped(movement.memo, ";|")
        return (
            f"{movement.day} * ({movement.position}){f' {memo}' if memo else ''}\n    ; {', '.join(tags)}\n"
            f"    {receiver}  {amount} {commodity}\n    {sender}  -{amount} {commodity}\n\n"
        )

    def end(self, cells: Iterator[Cell], last: date) -> Iterator[str]:
        """What the accounts have then, in postings of nothing with assertions; and the accounts, each with its name."""
        asserted: list[str] = []
        for cell in cells:
            if (cell.account, cell.held) in self._accounts or cell.amount:
                commodity, decimals = self._tokens[cell.token]
                nothing, amount = pointed("0", decimals), pointed(str(cell.amount), decimals)
                account = self._account(cell.account, cell.held)
                asserted.append(f"    {account}  {nothing} {commodity} = {amount} {commodity}\n")
            if len(asserted) == _ASSERTED:
                yield _assertions(last, asserted)
                asserted = []
        if asserted:
            yield _assertions(last, asserted)
        for (name, _), account in self._accounts.items():
            yield f"account {account}" + ("\n" if name is None else f"  ; name:{escaped(name, ',;')}\n")

    def _account(self, name: str | None, held: bool) -> str:
        found = self._accounts.get((name, held))
        if found is None:
            account = SUPPLY if name is None else hledger_account(name)
            found = self._accounts[(name, held)] = f"{account}:{HELD_IN_HLEDGER}" if held else account
        return found


def _assertions(last: date, lines: list[str]) -> str:
    return f"{last} * balances\n{''.join(lines)}\n"
