"""What lies between two states of a ledger: the accounts whose balance is another one, with both."""

from collections.abc import Iterator

from tallystick.domain.token.token_state import Balance
from tallystick.domain.values.result import Amount, Result
from tallystick.infrastructure.ledger.reading.ledger_reads import LedgerReads

NOTHING = Balance(0, 0, 0)


class Difference(Result, frozen=True):
    """An account that had `before` of a token and had `after` of it; `available` and `reserved` are what was added to each."""

    token: str
    account: str
    before: Balance
    after: Balance
    available: Amount
    reserved: Amount


def differences(before: LedgerReads | None, after: LedgerReads, tokens: list[str]) -> Iterator[Difference]:
    """Of these tokens, in their order, and of each in the order of the accounts' names. None is a ledger without events."""
    known = () if before is None else {token.code for token in before.tokens()}
    for token in tokens:
        old = before.balances(token) if before is not None and token in known else {}
        new = after.balances(token)
        for account in sorted(old.keys() | new.keys()):
            first, last = old.get(account, NOTHING), new.get(account, NOTHING)
            if first != last:
                added = last.available - first.available, last.reserved - first.reserved
                yield Difference(token, account, first, last, *added)
