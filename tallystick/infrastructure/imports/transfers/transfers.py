"""Importing transfers: a CSV or Parquet file with the columns token, sender, receiver, amount and perhaps id and memo.

A row without a sender is a mint and one without a receiver a burn. A file is read twice, so that any length of it takes
little memory: first every row is checked, then they are recorded, consecutive ones of the same token, kind and memo as one
batch. So nothing is written before the last row was found well-formed; whether the books allow a row shows when it is done.

A batch is one commit under an idempotency key made from its place and all content up to it. An import that was stopped is
simply run again: what is in the ledger is passed over. That includes batches of which every row was refused, and which
therefore left nothing behind, where a later batch of the file is there.
"""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from tallystick.domain.errors import DuplicateIdempotencyKey, InvalidRequest, InvalidToken, Refused, TokenNotFound
from tallystick.domain.values.token import Token
from tallystick.infrastructure.imports.batches import ImportReport, Progress
from tallystick.infrastructure.imports.transfers.csv_file import read_csv
from tallystick.infrastructure.imports.transfers.parquet_file import is_parquet, read_parquet
from tallystick.infrastructure.imports.transfers.rows import TransferRows
from tallystick.infrastructure.ledger.ledger import Ledger

OnRefused = Callable[[Refused], None]
"""Called with why a row was refused; the error's `row` is that of the file."""


def import_transfers(
    ledger: Ledger,
    path: Path,
    token: str | None = None,
    max_supply: int | None = None,
    on_refused: OnRefused | None = None,
    progress: Progress | None = None,
    checked: Progress | None = None,
) -> ImportReport:
    """Records the rows of a file, all of `token` where one is given; a second run changes nothing.

    With `max_supply` tokens that are not there are registered with that. `checked` is called while the file is read for the
    first time, `progress` for the second. Before anything is written: `InvalidRequest` where the path is no file,
    `MalformedRow`, and `TokenNotFound` or `InvalidToken`. After that, where the books do not allow a row, the batches before
    it stand and nothing of its own: what `transfer_many`, `mint_many` and `burn_many` raise. With `on_refused` a row that is
    `Refused` is passed over and told to it instead. Each error names the row of the file; CSV's header is row 1.
    """
    if not path.is_file():
        raise InvalidRequest(f"{path} is no file, and an import reads one twice")
    survey = _survey(ledger, path, token, max_supply, checked)
    for definition in survey.new_tokens:
        ledger.register_token(definition)
    report = ImportReport(tokens=survey.tokens)
    key = ""
    for key, rows in _batches(path, token):
        report.batches += 1
        if report.batches <= survey.batches_before:
            report.batches_before += 1
            accepted = _accepted_before(ledger, key) or 0
        else:
            accepted = _record(ledger, key, rows, on_refused)
        _count(report, rows, accepted)
        if progress is not None:
            progress(report.rows)
    if key != survey.last_key:
        raise InvalidRequest(f"{path} was changed while it was imported")
    return report


class _Survey(NamedTuple):
    """What the first reading finds out: how many tokens there are, which are to be registered, up to which batch the file
    was imported before, and the last batch's key.
    """

    tokens: int
    new_tokens: list[Token]
    batches_before: int
    last_key: str


def _survey(ledger: Ledger, path: Path, token: str | None, max_supply: int | None, checked: Progress | None) -> _Survey:
    known: set[str] = set()
    new: list[Token] = []
    before = read = 0
    key = ""
    for place, (key, rows) in enumerate(_batches(path, token), 1):
        if rows.tokens[0] not in known:
            known.add(rows.tokens[0])
            new += _missing(ledger, rows, max_supply)
        if _accepted_before(ledger, key) is not None:
            before = place
        read += len(rows)
        if checked is not None:
            checked(read)
    return _Survey(len(known), new, before, key)


def _missing(ledger: Ledger, rows: TransferRows, max_supply: int | None) -> list[Token]:
    """The token of `rows` where it is not there and can be registered."""
    code, row = rows.tokens[0], rows.numbers[0]
    try:
        ledger.token(code)
    except TokenNotFound as error:
        if max_supply is None:
            raise error.at_row(row) from None
        try:
            return [Token(code, max_supply=max_supply)]
        except InvalidToken as invalid:
            raise invalid.at_row(row) from None
    return []


def _batches(path: Path, token: str | None) -> Iterator[tuple[str, TransferRows]]:
    """The rows of a file as the batches that they are recorded by, each with its key."""
    chain = hashlib.sha256(b"transfers")
    place = 0
    for block in read_parquet(path, token) if is_parquet(path) else read_csv(path, token):
        for rows in block.runs():
            content = (rows.tokens[0], rows.memos[0], rows.senders, rows.receivers, rows.amounts, rows.ids)
            chain.update(msgspec.json.encode(content))
            yield f"import:transfers:{place}:{chain.hexdigest()}", rows
            place += 1


def _accepted_before(ledger: Ledger, key: str) -> int | None:
    """How many rows of a batch were recorded, where it is in the ledger already."""
    try:
        with ledger.atomic(idempotency_key=key):
            return None
    except DuplicateIdempotencyKey as error:
        return len(error.fields["receipt"].transaction_ids)


def _record(ledger: Ledger, key: str, rows: TransferRows, on_refused: OnRefused | None) -> int:
    """Records a batch, and says how many of its rows were not refused."""
    token, memo = rows.tokens[0], rows.memos[0]
    ids = None if rows.ids[0] is None else rows.ids
    on_refusal = "abort" if on_refused is None else "skip"
    try:
        if not rows.senders[0]:
            receipt = ledger.mint_many(token, rows.receivers, rows.amounts, memo, ids, key, on_refusal)
        elif not rows.receivers[0]:
            receipt = ledger.burn_many(token, rows.senders, rows.amounts, memo, ids, key, on_refusal)
        else:
            receipt = ledger.transfer_many(token, rows.senders, rows.receivers, rows.amounts, memo, ids, key, on_refusal)
    except DuplicateIdempotencyKey as error:  # somebody else imports the same file
        return len(error.fields["receipt"].transaction_ids)
    except (InvalidRequest, Refused) as error:
        index: int = error.fields.get("row", 0)
        raise error.at_row(rows.numbers[index]) from None
    if on_refused is not None:
        for index, reason in receipt.refused:
            on_refused(reason.at_row(rows.numbers[index]))
    return receipt.accepted


def _count(report: ImportReport, rows: TransferRows, accepted: int) -> None:
    report.rows += len(rows)
    report.refused += len(rows) - accepted
    if not rows.senders[0]:
        report.mints += accepted
    elif not rows.receivers[0]:
        report.burns += accepted
    else:
        report.transfers += accepted
