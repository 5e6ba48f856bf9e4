"""What a caller asks of a batch, checked and as columns: handles of accounts, amounts, and ids.

Accounts come as names or as handles, amounts as a list or a column. What is wrong in one row is said with that row, counted
from 0, before anything is done. Nothing here depends on what accounts have: that is decided when the batch is executed.
"""

from array import array
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any, cast

import msgspec
import numpy as np

from tallystick.domain import limits
from tallystick.domain.arithmetic.columns import MACHINE_MAX, Column, Numbers, listed
from tallystick.domain.batch.notes import NO_NOTES, Notes
from tallystick.domain.batch.transfer_ids import TransferIds
from tallystick.domain.errors import InvalidAccount, InvalidAmount, InvalidRequest
from tallystick.domain.token.token_state import TokenState
from tallystick.domain.values.account import check_account
from tallystick.domain.values.amount import AMOUNT_MAX, check_amount

Intern = Callable[[Sequence[Any]], Column]
"""Gives accounts handles, new ones where they have none, while nobody else changes the books."""


class BatchRequest(msgspec.Struct, frozen=True, eq=False):
    """Rows that each ask for `amounts[row]` of `token` to go from the handle `givers[row]` to `takers[row]`.

    `givers` is None where the rows are mints, `takers` where they are burns. With `skip` a row that is refused is passed
    over, else it refuses the whole batch.
    """

    token: str
    givers: Column | None
    takers: Column | None
    amounts: Numbers
    memo: str
    ids: TransferIds | None
    skip: bool
    notes: Notes = NO_NOTES

    def __len__(self) -> int:
        return len(self.amounts)

    def given_id(self, row: int) -> int | str | None:
        """The id of a row as it was given: text, or else its number; None where rows have none."""
        text = None if self.notes.id_texts is None else self.notes.id_texts[row]
        return self.ids[row] if text is None and self.ids is not None else text


def check_rows(columns: dict[str, Any]) -> dict[str, Any]:
    """The columns, by what they are called; `InvalidRequest` where they are of unequal lengths, `PlanTooLarge` where those are
    too many.
    """
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        raise InvalidRequest(f"a batch has as many rows in each column, not {lengths}")
    limits.check_rows(max(lengths.values(), default=0))
    return columns


def column_of(given: object) -> Any:
    """A sequence as a list, a tuple or an array of one dimension; `InvalidRequest` where it is none."""
    if isinstance(given, (list, tuple)):
        return cast(Any, given)
    if isinstance(given, np.ndarray):
        array = cast(Any, given)
        if array.ndim != 1:
            raise InvalidRequest(f"a column has one dimension, and not {array.ndim}")
        return array.tolist() if isinstance(array, np.ma.MaskedArray) else array  # what is masked becomes a None
    column: Any = given
    is_sequence = hasattr(column, "__len__") and hasattr(column, "__getitem__")
    if not is_sequence or isinstance(given, (str, bytes, type, Mapping)):
        raise InvalidRequest(f"a column is a sequence, not {str(column)[:80]!r}")
    try:
        return list(column)
    except (TypeError, NotImplementedError) as error:
        raise InvalidRequest(f"a column is a sequence: {error}") from error


def handles_of(given: Any, state: TokenState, intern: Intern) -> Column:
    """The handles of accounts, given as a column of names, or of handles themselves: an array of integers.

    Where a name is new, or there is none in a row, it is for `intern` to say. `InvalidAccount` names the row.
    """
    if isinstance(given, np.ndarray):
        column = cast(Any, given)
        if column.dtype.kind in "iu":
            return _checked_handles(column, len(state.names))
        given = column.tolist()
    names = cast(Sequence[Any], given)
    if len(names) < 2:  # itemgetter gives no tuple for one
        return intern(names)
    for known in (state.handles, state.written()):
        try:
            return np.fromiter(itemgetter(*names)(known), dtype=np.int64, count=len(names))
        except (KeyError, TypeError):
            continue
    return intern(names)


def interned(state: TokenState, names: Sequence[Any]) -> Column:
    """The handles of accounts, new ones where they have none; `InvalidAccount` with the row of the first that is none."""
    get, spelled = state.handles.get, state.spellings.of if state.spellings.former else check_account
    others: dict[str, int] = {}  # by names that are spelled in another way than the books spell them, each looked at once
    handles = np.empty(len(names), dtype=np.int64)
    for row, name in enumerate(names):
        handle = get(name) if isinstance(name, str) else None
        if handle is None and others and isinstance(name, str):
            handle = others.get(name)
        if handle is None:
            try:
                account = spelled(str.__str__(name) if isinstance(name, str) else name)
            except InvalidAccount as error:
                raise error.at_row(row) from None
            handle = state.spelled_handle(account)
            if account != name:
                others[name] = handle
        handles[row] = handle
    if others:
        state.note_written(names, listed(handles))
    return handles


def _checked_handles(given: Any, accounts: int) -> Column:
    if len(given) and (int(given.min()) < 0 or int(given.max()) >= accounts):
        row = int(np.argmax((given < 0) | (given >= accounts)))
        raise InvalidAccount(f"{given[row]} is no handle of the {accounts} accounts that have one", row=row)
    return given.astype(np.int64)


def amounts_of(given: Any) -> Numbers:
    """The amounts as a column, or a list where one is wider than 63 bits. `InvalidAmount` names the first row of none."""
    if isinstance(given, np.ndarray):
        column = cast(Any, given)
        if column.dtype.kind != "O":
            return _amounts_of_array(column)
        given = column.tolist()
    return _amounts_of_list(given)


def _amounts_of_list(amounts: Sequence[Any]) -> Numbers:
    try:
        column = np.frombuffer(array("q", amounts), dtype=np.int64)
    except (TypeError, OverflowError):
        if set(map(type, amounts)) == {int} and min(amounts) > 0 and max(amounts) <= AMOUNT_MAX:
            return list(amounts)
        return [_check(row, amount) for row, amount in enumerate(amounts)]
    for row in listed(np.flatnonzero(column <= 1)):  # a True is 1 to an array
        if column[row] < 1 or amounts[row] is True:
            _check(row, amounts[row])
    return column


def _amounts_of_array(given: Any) -> Numbers:
    if not len(given):
        return np.empty(0, dtype=np.int64)
    if given.dtype.kind == "f":
        finite = np.isfinite(given)
        whole = finite & (np.where(finite, given, 0) % 1 == 0)
        _check(int(np.argmin(whole)), float(given[np.argmin(whole)]))
    elif given.dtype.kind not in "iu":
        _check(0, given[0])
    if int(given.min()) < 1:
        row = int(np.argmax(given < 1))
        _check(row, int(given[row]))
    return given.tolist() if int(given.max()) > MACHINE_MAX else given.astype(np.int64)


def _check(row: int, amount: object) -> int:
    """The amount of a row as Python's int, where it is one to Python or to numpy."""
    try:
        return check_amount(amount)
    except InvalidAmount as error:
        raise error.at_row(row) from None
