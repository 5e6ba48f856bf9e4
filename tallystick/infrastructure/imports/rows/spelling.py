"""One spelling an account: an address of 20 bytes is written in lower case, as its letters say nothing but a check sum.

An account that the books know just as it is written is that one: it is from before spellings were one.
"""

import re
from collections.abc import Iterable

import msgspec

from tallystick.domain.errors import TokenNotFound
from tallystick.infrastructure.imports.rows.transfer_rows import TransferRows
from tallystick.infrastructure.ledger.ledger import Ledger

_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")


class Spelling:
    """The spelling of accounts in one file, each decided when it is met first."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._written: dict[tuple[str, str], str] = {}

    def of(self, rows: TransferRows) -> TransferRows:
        """The rows with their accounts spelled so."""
        others = {account for account in {*rows.senders, *rows.receivers} if _is_mixed(account)}
        if not others:
            return rows
        senders, receivers = ([*self._spelled(rows.tokens, accounts, others)] for accounts in (rows.senders, rows.receivers))
        return msgspec.structs.replace(rows, senders=senders, receivers=receivers)

    def _spelled(self, tokens: Iterable[str], accounts: Iterable[str], others: set[str]) -> Iterable[str]:
        for token, account in zip(tokens, accounts, strict=True):
            yield self._of(token, account) if account in others else account

    def _of(self, token: str, account: str) -> str:
        found = self._written.get((token, account))
        if found is None:
            found = self._written[token, account] = account if self._is_known(token, account) else account.lower()
        return found

    def _is_known(self, token: str, account: str) -> bool:
        try:
            return bool(self._ledger.history(token, account, limit=1))
        except TokenNotFound:
            return False


def _is_mixed(account: str) -> bool:
    return len(account) == 42 and _ADDRESS.fullmatch(account) is not None and account != account.lower()
