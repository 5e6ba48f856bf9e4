"""Importing transfers: a CSV or Parquet file with the columns token, sender, receiver, amount and perhaps id and memo.

A row without a sender is a mint and one without a receiver a burn. A file is read twice, so that any length of it takes
little memory: first every row is checked, then they are recorded, consecutive ones of the same token, kind and memo as one
batch. So nothing is written before the last row was found well-formed; whether the books allow a row shows when it is done.
The batches are the pieces of the import: one that was stopped is simply run again.
"""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from tallystick.domain.errors import DuplicateIdempotencyKey, InvalidRequest, InvalidToken, Refused, TokenNotFound
from tallystick.domain.values.token import Token
from tallystick.infrastructure.imports.pieces import Piece, import_pieces, keyed, survey_pieces
from tallystick.infrastructure.imports.report import ImportReport, Progress
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
    tokens = _Tokens(ledger, max_supply)
    survey = survey_pieces(ledger, tokens.noted(_pieces(path, token)), checked)
    for definition in tokens.new:
        ledger.register_token(definition)
    report = ImportReport(tokens=len(tokens.codes))
    last_key = import_pieces(
        ledger,
        _pieces(path, token),
        lambda key, rows: _record(ledger, key, rows, on_refused),
        report,
        progress,
        lambda rows, accepted: _count(report, rows, accepted),
        survey.before,
    )
    if last_key != survey.last_key:
        raise InvalidRequest(f"{path} was changed while it was imported")
    return report


class _Tokens:
    """The tokens that a file's rows are of; those that are `new` are to be registered with `max_supply`."""

    def __init__(self, ledger: Ledger, max_supply: int | None) -> None:
        self.codes: set[str] = set()
        self.new: list[Token] = []
        self._ledger = ledger
        self._max_supply = max_supply

    def noted(self, pieces: Iterable[Piece[TransferRows]]) -> Iterator[Piece[TransferRows]]:
        """The pieces as they are, their tokens noted. Raises `TokenNotFound` and `InvalidToken`, which name the row."""
        for piece in pieces:
            code = piece.rows.tokens[0]
            if code not in self.codes:
                self.codes.add(code)
                self._note(code, piece.rows.numbers[0])
            yield piece

    def _note(self, code: str, row: int) -> None:
        try:
            self._ledger.token(code)
        except TokenNotFound as error:
            if self._max_supply is None:
                raise error.at_row(row) from None
            try:
                self.new.append(Token(code, max_supply=self._max_supply))
            except InvalidToken as invalid:
                raise invalid.at_row(row) from None


def _pieces(path: Path, token: str | None) -> Iterator[Piece[TransferRows]]:
    """The rows of a file as the batches that they are recorded by."""
    blocks = read_parquet(path, token) if is_parquet(path) else read_csv(path, token)
    return keyed("transfers", (rows for block in blocks for rows in block.runs()), _content)


def _content(rows: TransferRows) -> Any:
    return rows.tokens[0], rows.memos[0], rows.senders, rows.receivers, rows.amounts, rows.ids


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
    except DuplicateIdempotencyKey:
        raise  # it is the batch that is there already, as where somebody else imports the same file
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
