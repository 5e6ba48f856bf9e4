"""Importing rows: a file is gone through twice, so that nothing is written before all of it is known to fit.

The first time every row is read and checked, and it is seen which rows are known and which pieces were recorded before; where
no refused row is to be passed over, it is also tried whether the books have what the rows ask for. The second time what is
left of each piece is recorded as one batch, under the piece's key. An import that was stopped, however hard, is simply run
again: of its pieces those up to the last one that is in the ledger were tried, and are not tried again.
"""

import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from tallystick.domain.errors import (
    DuplicateIdempotencyKey,
    DuplicateTransferId,
    InvalidRequest,
    Refused,
    TokenNotFound,
)
from tallystick.domain.values.token import Token
from tallystick.infrastructure.commit.receipt import Receipt
from tallystick.infrastructure.imports.report import ImportReport
from tallystick.infrastructure.imports.rows.desk import ImportDesk
from tallystick.infrastructure.imports.rows.earlier import EarlierImport
from tallystick.infrastructure.imports.rows.fit import Fit
from tallystick.infrastructure.imports.rows.known_rows import KnownRows
from tallystick.infrastructure.imports.rows.name import ImportName
from tallystick.infrastructure.imports.rows.row_file import ImportOptions, RowFile, commit_rows
from tallystick.infrastructure.imports.rows.spelling import Spelling
from tallystick.infrastructure.imports.rows.transfer_rows import TransferRows
from tallystick.infrastructure.ledger.ledger import Ledger
from tallystick.projections.transactions import Transaction

ATTEMPTS = 8
"""So often a piece is tried while others record rows of it."""


class _Survey(NamedTuple):
    """What going through a file showed: how many pieces there are, up to which they were `tried` before, and when."""

    pieces: int
    tried: int
    recorded_at: datetime | None
    earlier: EarlierImport
    known: KnownRows
    fault: Refused | None

    @property
    def is_done(self) -> bool:
        return 0 < self.pieces == self.tried


class RowImport:
    """One import of a file into a ledger."""

    def __init__(self, ledger: Ledger, file: RowFile, name: ImportName, options: ImportOptions, report: ImportReport) -> None:
        self._ledger = ledger
        self._desk = ImportDesk(ledger)
        self._file = file
        self._name = name
        self._options = options
        self._report = report
        self._new: dict[str, Token] = {}
        self._tokens: set[str] = set()
        self._spelling = Spelling(self._desk)
        self._stat = _stat(file.path)

    def run(self) -> None:
        """Records what is new, and counts in the report. Raises as the importers say."""
        for code in sorted(self._file.further_tokens):
            self._note_token(code, 1)
        survey = self._survey()
        while self._options.again and survey.is_done:
            self._name = self._name.again()
            survey = self._survey()
        self._check_unchanged()
        report = self._report
        report.name, report.tokens = self._name.text, len(self._tokens)
        report.imported_at = survey.recorded_at if survey.is_done else None
        if not survey.is_done:
            self._check_fits(survey)
        if self._options.dry_run:
            return
        if not survey.is_done:
            for token in self._new.values():
                self._ledger.register_token(token)
        self._count_earlier(survey.earlier)
        last_recorded = last_refused = done = 0
        for place, rows in self._pieces():
            left = self._behind(rows, survey.earlier.through) if survey.earlier.through else rows
            recorded, refused = self._take(survey, place, left) if len(left) else (0, 0)
            report.batches += 1
            report.batches_before += not (recorded or refused)
            last_recorded = place if recorded or place == survey.tried else last_recorded
            last_refused = place if refused else last_refused
            done += len(rows)
            if self._options.progress is not None:
                self._options.progress(done)
        if last_refused > last_recorded:
            self._desk.end(self._name.end_key, self._name.kind, self._name.text, report.refused)
        self._check_unchanged()

    # The first time through the file.

    def _survey(self) -> _Survey:
        name, ledger = self._name, self._ledger
        ended = ledger.receipt(name.end_key)
        fit = Fit(ledger, self._desk, self._new, opens=self._file.opens)
        known = KnownRows(self._desk)
        earlier = EarlierImport(ledger, self._file.earlier)
        place = tried = done = 0
        recorded_at = None if ended is None else ended.recorded_at
        fault: Refused | None = None
        for block in self._file.blocks():
            if name.time == 1:
                before = earlier.through
                earlier.add(block)
                if earlier.through > before:
                    fit.reset()
                    fault = None
            for rows in self._file.cut(self._spelling.of(block)):
                place += 1
                self._note_token(rows.tokens[0], rows.numbers[0])
                self._check_times(rows)
                receipt = ledger.receipt(name.key(place, has_ids=rows.ids[0] is not None))
                used = (
                    known.note(rows, compares=receipt is None or len(receipt.transaction_ids) < len(rows))
                    if rows.ids[0] is not None
                    else None
                )
                if receipt is not None:
                    tried, recorded_at = place, recorded_at or receipt.recorded_at
                    if name.is_given and rows.ids[0] is None:
                        self._check_same(rows, receipt)
                    fit.reset()
                    fault = None
                elif self._options.on_refused is None and fault is None:
                    fault = self._tried(fit, rows, used, earlier.through)
            done += len(block)
            if self._options.checked is not None:
                self._options.checked(done)
        is_first = self._tokens == set(self._new)  # then no earlier version knows any of them
        known.finish(None if is_first else self._file.key_of_movement)
        return _Survey(place, place if ended else tried, recorded_at, earlier, known, fault)

    def _tried(self, fit: Fit, rows: TransferRows, used: Any, through: int) -> Refused | None:
        passed_over = {row for row, number in enumerate(rows.numbers) if number <= through} if through else set[int]()
        if used is not None:
            passed_over.update(row for row, is_used in enumerate(used) if is_used)
        refused = fit.add(rows, passed_over).refused
        return _at(rows, *refused[0]) if refused else None

    def _check_same(self, rows: TransferRows, receipt: Receipt) -> None:
        """Raises `InvalidRequest` where what stands under a name that was given is not of these rows."""
        recorded = self._ledger.entry(receipt.entry_id).transactions
        left = iter(zip(rows.senders, rows.receivers, rows.amounts, strict=True))
        if not all(_moved(each) in left for each in recorded):
            what = f"an import named {self._name.text!r} was taken on {receipt.recorded_at:%Y-%m-%d}, and said something else"
            raise InvalidRequest(what, row=rows.numbers[0])

    def _note_token(self, code: str, row: int) -> None:
        """Raises `TokenNotFound` and `InvalidToken`, which name the row."""
        if code in self._tokens:
            return
        try:
            self._ledger.token(code)
        except TokenNotFound as error:
            try:
                token = self._options.new_token(code)
                if token is not None:
                    self._desk.check_new(token)
            except InvalidRequest as invalid:
                raise invalid.at_row(row) from None
            if token is None:
                raise error.at_row(row) from None
            self._new[code] = token
        self._tokens.add(code)

    def _check_times(self, rows: TransferRows) -> None:
        if rows.times[0] is None:
            return
        latest: int = max(time for time in rows.times if time is not None)
        try:
            self._desk.check_time(latest)
        except InvalidRequest as error:
            raise error.at_row(rows.numbers[rows.times.index(latest)]) from None

    def _check_fits(self, survey: _Survey) -> None:
        """Where no row may be refused, raises what one would be refused for, before anything is recorded."""
        if self._options.on_refused is not None:
            return
        known = survey.known
        if known.differing or known.repeated:
            for place, rows in self._pieces():
                if place > survey.tried and rows.ids[0] is not None:
                    wrong = known.sort(rows)[2]
                    if wrong:
                        raise _stands_for_another(rows, wrong[0])
        if survey.fault is not None and not (known.repeated or known.singles):
            raise survey.fault

    def _check_unchanged(self) -> None:
        stat = _stat(self._file.path)
        if stat != self._stat:
            raise InvalidRequest(f"{self._file.path} was changed while it was imported")

    # The second time.

    def _pieces(self) -> Iterator[tuple[int, TransferRows]]:
        """The rows as they are recorded, each piece with its place, counted from 1."""
        place = 0
        for block in self._file.blocks():
            for rows in self._file.cut(self._spelling.of(block)):
                place += 1
                yield place, rows

    def _count_earlier(self, earlier: EarlierImport) -> None:
        report = self._report
        report.known += earlier.known
        report.refused += earlier.refused
        for kind, count in earlier.counts.items():
            setattr(report, kind, getattr(report, kind) + count)

    def _behind(self, rows: TransferRows, through: int) -> TransferRows:
        return rows.select([row for row, number in enumerate(rows.numbers) if number > through])

    def _take(self, survey: _Survey, place: int, rows: TransferRows) -> tuple[int, int]:
        """Records what is new of a piece, and says how many of its rows were recorded and refused now."""
        key = self._name.key(place, has_ids=rows.ids[0] is not None)
        if place <= survey.tried:
            self._count_tried(survey.known, key, rows)
            return 0, 0
        for _ in range(ATTEMPTS):
            has_ids, skips = rows.ids[0] is not None, self._options.on_refused is not None
            new, known, wrong = survey.known.sort(rows, skips=skips) if has_ids else (list(range(len(rows))), [], [])
            refused: list[Refused] = [_stands_for_another(rows, row) for row in wrong]
            if refused and not skips:
                raise refused[0]
            try:
                recorded, repeated = self._record(survey.known, key, rows.select(new), refused) if new else (0, 0)
            except DuplicateIdempotencyKey:  # somebody else imports the same file
                self._count_tried(survey.known, key, rows)
                return 0, 0
            except DuplicateTransferId:
                if not skips and survey.known.sort(rows)[0] != new:
                    continue  # somebody else recorded some of the rows meanwhile
                raise
            self._count(rows.kind, recorded, len(known) + repeated, len(refused))
            for error in refused:
                if self._options.on_refused is not None:
                    self._options.on_refused(error)
            return recorded, len(refused)
        raise InvalidRequest(f"row {rows.numbers[0]}: others go on recording the rows that follow")

    def _count_tried(self, known: KnownRows, key: str, rows: TransferRows) -> None:
        if rows.ids[0] is not None:
            there = len(known.sort(rows)[1])
        else:
            receipt = self._ledger.receipt(key)
            there = 0 if receipt is None else len(receipt.transaction_ids)
        self._count(rows.kind, 0, there, len(rows) - there)

    def _count(self, kind: str, recorded: int, known: int, refused: int) -> None:
        report = self._report
        report.recorded += recorded
        report.known += known
        report.refused += refused
        setattr(report, kind, getattr(report, kind) + recorded + known)

    def _record(self, known: KnownRows, key: str, rows: TransferRows, refused: list[Refused]) -> tuple[int, int]:
        """Records rows as one batch, and says how many, and how many stand in it twice; adds the others to `refused`, if they
        may be passed over.
        """
        skips = self._options.on_refused is not None
        if self._file.opens and rows.senders[0]:
            rows = self._opened(key, rows, refused)
            if not len(rows):
                return 0, 0
        try:
            receipt = commit_rows(self._ledger, key, rows, skips=skips)
        except (DuplicateIdempotencyKey, DuplicateTransferId):
            raise
        except (InvalidRequest, Refused) as error:
            index: int = error.fields.get("row", 0)
            raise error.at_row(rows.numbers[index]) from None
        others = [(index, error) for index, error in receipt.refused if not _says_the_same(error)]
        refused += [_at(rows, index, error) for index, error in others]
        if skips and rows.ids[0] is not None:
            known.note_recorded(rows, {index for index, _ in receipt.refused})
        return receipt.accepted, len(receipt.refused) - len(others)

    def _opened(self, key: str, rows: TransferRows, refused: list[Refused]) -> TransferRows:
        """Mints what senders are short of, and gives the rows for which the supply reserve had enough."""
        trial = Fit(self._ledger, self._desk, {}, opens=True).add(rows)
        if trial.refused:
            errors = [_at(rows, row, error) for row, error in trial.refused]
            if self._options.on_refused is None:
                raise errors[0]
            refused += errors
            passed_over = {row for row, _ in trial.refused}
            rows = rows.select([row for row in range(len(rows)) if row not in passed_over])
        if trial.short:
            try:
                self._ledger.mint_many(
                    rows.tokens[0],
                    list(trial.short),
                    list(trial.short.values()),
                    "opening balance",
                    idempotency_key=f"{key} opening",
                )
                self._report.openings += len(trial.short)
            except DuplicateIdempotencyKey:
                pass  # whoever imports the same file gave it to them
        return rows


def _at(rows: TransferRows, index: int, error: Refused) -> Refused:
    return error.at_row(rows.numbers[index])


def _stands_for_another(rows: TransferRows, index: int) -> Refused:
    id = rows.ids[index]
    return DuplicateTransferId(id="" if id is None else id).at_row(rows.numbers[index])


def _moved(transaction: Transaction) -> tuple[str, str, int]:
    return transaction.sender or "", transaction.receiver or "", transaction.minted_amount or transaction.burned_amount


def _says_the_same(error: Refused) -> bool:
    return isinstance(error, DuplicateTransferId) and error.same


def _stat(path: Path) -> tuple[int, int, int]:
    found = os.stat(path)
    return found.st_ino, found.st_size, found.st_mtime_ns
