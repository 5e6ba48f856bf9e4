"""The names in the rows of one file, as the ledger's books write them: an address or a UUID is one account in any case."""

import msgspec

from tallystick.domain.errors import InvalidAccount, MalformedRow
from tallystick.domain.values.spelling import is_plain
from tallystick.infrastructure.imports.rows.desk import ImportDesk
from tallystick.infrastructure.imports.rows.transfer_rows import TransferRows


class Spelling:
    """The spelling of names in one file."""

    def __init__(self, desk: ImportDesk) -> None:
        self._desk = desk

    def of(self, rows: TransferRows) -> TransferRows:
        """The rows with the names of their accounts and tokens spelled so; `MalformedRow` for the first in which an account
        can be none.
        """
        unclear, tokens = {name for name in {*rows.senders, *rows.receivers} if not is_plain(name)}, set(rows.tokens)
        try:
            others = {name: spelled for name in unclear if (spelled := self._desk.spelled(name)) != name}
        except InvalidAccount:
            self._name_row(rows)
            raise
        if others:
            senders, receivers = ([others.get(name, name) for name in names] for names in (rows.senders, rows.receivers))
            rows = msgspec.structs.replace(rows, senders=senders, receivers=receivers)
        if any(self._desk.code(code) != code for code in tokens):
            rows = msgspec.structs.replace(rows, tokens=[self._desk.code(code) for code in rows.tokens])
        return rows

    def _name_row(self, rows: TransferRows) -> None:
        for number, *names in zip(rows.numbers, rows.senders, rows.receivers, strict=True):
            try:
                for name in filter(None, names):
                    self._desk.spelled(name)
            except InvalidAccount as error:
                raise MalformedRow(str(error), row=number) from None
