"""Deciding a batch: which of its rows are done, one after another, and which are refused.

A row is refused where its id was used, where its giver's debits or its taker's credits are frozen, where its giver has less
than it asks, or where less is left in the supply reserve. An account that has all that the batch as a whole takes from it
cannot come short at any row; so columns find the accounts that might, and only the rows that touch those, that a freeze
refuses, or whose id stands in the batch twice, are walked through in order.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import msgspec
import numpy as np

from tallystick.domain.arithmetic.columns import Column, Rows, at, listed, total
from tallystick.domain.batch.frozen_rows import FrozenRows, frozen_rows
from tallystick.domain.batch.request import BatchRequest
from tallystick.domain.batch.transfer_ids import TransferIds, UsedIds
from tallystick.domain.cells import check_holder, check_ordinary, check_receiver_of_mint
from tallystick.domain.checks import check_is_no_app
from tallystick.domain.errors import (
    AccountIsFrozen,
    DuplicateTransferId,
    InsufficientFunds,
    LedgerError,
    Refused,
    SupplyExhausted,
)
from tallystick.domain.token.special_handles import CREDITS, DEBITS, SPECIAL, Marked, SpecialHandles
from tallystick.domain.token.token_state import TokenState
from tallystick.domain.values.result import Result
from tallystick.domain.view import View

_RESERVE = -1


class BatchView(View, Protocol):
    """The books, as a batch's decision sees them."""

    def token_state(self, code: str) -> TokenState: ...
    def special_handles(self, code: str) -> SpecialHandles: ...


class RefusedRow(Result, frozen=True):
    """A row that was not done: its index, from 0, and the error that says why."""

    index: int
    reason: Refused

    def __iter__(self) -> Iterator[Any]:
        """`index, reason = row`."""
        return iter((self.index, self.reason))


class Refusal(NamedTuple):
    """The same before the error is made, which takes longer than deciding."""

    row: int
    kind: type[Refused]
    fields: dict[str, Any]
    first_row: int | None = None
    """Where an id was used earlier in the batch, the row of that."""

    def error(self, **more: Any) -> Refused:
        """The error, with more fields."""
        error = self.kind(**self.fields, **more)
        if isinstance(error, DuplicateTransferId):
            error.first_row = self.first_row
        return error

    def refused_row(self) -> RefusedRow:
        """The row and its error."""
        return RefusedRow(self.row, self.error())


class Decision(NamedTuple):
    """What becomes of a batch: the rows that are done, as a request of nothing else, and the refused ones."""

    accepted: BatchRequest
    refused: Sequence[Refusal]


def decide_batch(books: BatchView, request: BatchRequest, used: UsedIds) -> Decision:
    """Decides the rows one after another. Raises what a row is refused for, unless those are passed over; and
    `TokenNotFound`, `InvalidToken`, `InvalidAccount` and `MeaninglessCell`. All but the first two name the row.
    """
    if not len(request):
        return Decision(request, ())
    if request.givers is None or request.takers is None:
        check_is_no_app(books, request.token)
    frozen: FrozenRows = {}
    if request.givers is not None:
        marked = check_cells(books, request.token, request.givers, frozen=DEBITS)
        frozen = frozen_rows(books, request.token, request.givers, marked, "debits")
    if request.takers is not None:
        marked = check_cells(books, request.token, request.takers, is_minted=request.givers is None, frozen=CREDITS)
        frozen = frozen_rows(books, request.token, request.takers, marked, "credits") | frozen
    refused = _Walk(books.token_state(request.token), request, used, frozen).refused()
    if not refused:
        return Decision(request, ())
    if not request.skip:
        raise refused[0].error(row=refused[0].row)
    done = np.ones(len(request), dtype=np.bool_)
    done[[refusal.row for refusal in refused]] = False
    return Decision(_selected(request, np.flatnonzero(done)), refused)


def check_cells(books: BatchView, token: str, handles: Column, *, is_minted: bool = False, frozen: int = 0) -> Marked:
    """`InvalidAccount` or `MeaninglessCell` with the first row in which a cell stands that is an operation's to touch; gives
    these rows and those whose account is marked as `frozen`.
    """
    state = books.token_state(token)
    check = check_receiver_of_mint if is_minted else check_holder
    marked = books.special_handles(token).marked(handles, frozen)
    for row in listed(marked.having(SPECIAL)):
        name = state.names[int(handles[row])]
        try:
            check(state.token, name)
            check_ordinary(books, token, name)
        except LedgerError as error:
            raise error.at_row(row) from None
    return marked


def _selected(request: BatchRequest, rows: Column) -> BatchRequest:
    givers, takers, ids = request.givers, request.takers, request.ids
    return msgspec.structs.replace(
        request,
        givers=None if givers is None else givers[rows],
        takers=None if takers is None else takers[rows],
        amounts=at(request.amounts, rows),
        ids=None if ids is None else ids.select(rows),
        notes=request.notes.select(rows),
    )


class _Walk:
    """One batch's rows against one token's cells and the ids used so far."""

    def __init__(self, state: TokenState, request: BatchRequest, used: UsedIds, frozen: FrozenRows) -> None:
        self._token_state = state
        self._frozen = frozen
        self._request = request
        self._ids = request.ids
        self._found: list[Refusal] = []
        self._seen: dict[int, int] = {}
        self._taken, self._repeated = _rows_of_used(request.ids, used)

    def refused(self) -> list[Refusal]:
        """The rows that are refused, in order, or the first of them where that refuses the batch."""
        rows = self._unsure()
        if len(rows):
            self._go(rows)
        return self._found

    def _unsure(self) -> Column:
        """The rows that have to be walked through."""
        unsure = self._short()
        if unsure is None:
            return np.arange(len(self._request))
        if self._taken is not None and self._repeated is not None:
            unsure = unsure | self._taken | self._repeated
        if self._frozen:
            unsure = unsure.copy()
            unsure[list(self._frozen)] = True
        return np.flatnonzero(unsure)

    def _short(self) -> Rows | None:
        """The rows that touch somebody who might come short; None where columns cannot tell."""
        request = self._request
        if request.givers is None:
            return None if total(request.amounts) > self._token_state.reserve else np.zeros(len(request), dtype=np.bool_)
        short = self._token_state.overdrawn(request.givers, request.amounts)
        if short is None or not short.any():
            return short
        accounts = np.unique(request.givers[short])
        found = _is_in(request.givers, accounts)
        return found if request.takers is None else found | _is_in(request.takers, accounts)

    def _go(self, rows: Column) -> None:
        request, ids = self._request, self._ids
        reserve = [_RESERVE] * len(rows)
        givers = reserve if request.givers is None else listed(request.givers[rows])
        takers = reserve if request.takers is None else listed(request.takers[rows])
        left = self._token_state.available_at({*givers, *takers} - {_RESERVE})
        left[_RESERVE] = self._token_state.reserve
        for row, giver, taker, amount in zip(listed(rows), givers, takers, listed(at(request.amounts, rows)), strict=True):
            if ids is not None and self._is_used(row, ids[row]):
                fields = {"id": request.given_id(row)}
                self._found.append(Refusal(row, DuplicateTransferId, fields, self._seen.get(ids[row])))
            elif row in self._frozen:
                self._found.append(Refusal(row, AccountIsFrozen, self._frozen[row]))
            elif left[giver] < amount:
                self._refuse_short(row, giver, amount, left[giver])
            else:
                left[giver] -= amount
                left[taker] += amount
                if ids is not None:
                    self._seen[ids[row]] = row
                continue
            if not request.skip:
                return

    def _is_used(self, row: int, id: int) -> bool:
        if self._taken is None or self._repeated is None:
            return False
        return bool(self._taken[row]) or (bool(self._repeated[row]) and id in self._seen)

    def _refuse_short(self, row: int, giver: int, amount: int, left: int) -> None:
        fields: dict[str, Any] = {"decimals": self._token_state.token.decimals, "token": self._request.token}
        if giver == _RESERVE:
            fields |= {"required": amount, "reserve": left}
            self._found.append(Refusal(row, SupplyExhausted, fields))
        else:
            fields |= {"account": self._token_state.names[giver], "required": amount, "available": left}
            self._found.append(Refusal(row, InsufficientFunds, fields))


def _is_in(handles: Column, accounts: Column) -> Rows:
    places = np.searchsorted(accounts, handles)
    places[places == len(accounts)] = 0
    return accounts[places] == handles


def _rows_of_used(ids: TransferIds | None, used: UsedIds) -> tuple[Rows, Rows] | tuple[None, None]:
    """Which rows have an id that the journal holds, and which one that another row has; None where that is none."""
    if ids is None or (ids[0] > used.largest and ids.is_ascending()):
        return None, None
    taken, repeated = used.used(ids), ids.repeated()
    return (taken, repeated) if taken.any() or repeated.any() else (None, None)
