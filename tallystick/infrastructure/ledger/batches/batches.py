"""Batches: thousands of transfers, mints or burns of one token in one call and one commit, as columns.

A batch means exactly its rows one after another, and is done as a whole or not at all. Accounts are given as names, or as the
handles that `handles` gives for them, which saves looking each name up.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from tallystick.domain.arithmetic.columns import Column, listed
from tallystick.domain.batch.decisions import check_cells
from tallystick.domain.batch.request import BatchRequest, amounts_of, check_rows, handles_of, interned
from tallystick.domain.errors import DuplicateTransferId, InsufficientFunds, InvalidAccount, InvalidRequest, TokenNotFound
from tallystick.domain.refusals import asking
from tallystick.domain.token.token_state import TokenState
from tallystick.domain.values.token import AnyToken
from tallystick.infrastructure.commit.idempotency import make_request
from tallystick.infrastructure.commit.member import BatchMember
from tallystick.infrastructure.ledger.batches.arrow_columns import encoded_names, prepared
from tallystick.infrastructure.ledger.batches.batch_receipt import BatchReceipt, make_batch_receipt
from tallystick.infrastructure.ledger.batches.first_uses import FirstUses
from tallystick.infrastructure.ledger.batches.given_notes import GivenNotes, ids_and_notes, memos_of
from tallystick.infrastructure.ledger.core import LedgerCore

OnRefusal = Literal["abort", "skip"]


class Batches:
    """The batches of one ledger: handles for their accounts, and how they are committed."""

    def __init__(self, core: LedgerCore) -> None:
        self._core = core
        self._books = core.books

    def handles(self, token: AnyToken, names: Any) -> Column:
        """The handles of accounts in a token, which are checked to be such as batches may touch."""
        self._core.check_open()
        given = prepared(names)
        state = self._registered(token)
        handles = self._handles(given, state)
        with self._core.locked():
            self._core.reach_head()
            check_cells(self._books, state.code, handles)
        return handles

    def commit(
        self,
        token: AnyToken,
        columns: Mapping[str, Any],
        givers: str | None,
        takers: str | None,
        given: GivenNotes,
        idempotency_key: str | None,
        on_refusal: OnRefusal,
    ) -> BatchReceipt:
        """Does the rows of `columns`: "amounts", and the accounts under the names `givers` and `takers`, which errors say."""
        rows = check_rows({name: prepared(column) for name, column in columns.items()} | given.columns())
        self._core.check_writable()
        if not isinstance(on_refusal, str) or on_refusal not in ("abort", "skip"):
            raise InvalidRequest(f"on a refusal a batch is to abort or skip, not {on_refusal!r}")
        memo, memos = memos_of(given.memo, rows)
        request = make_request(idempotency_key, None)
        if request is not None:
            self._core.keeper.check_unused(request)
        state = self._registered(token)
        batch = BatchRequest(
            state.code,
            None if givers is None else self._handles(rows[givers], state),
            None if takers is None else self._handles(rows[takers], state),
            amounts_of(rows["amounts"]),
            memo,
            *ids_and_notes(rows, memos, on_refusal == "skip"),
        )
        return self._receipt(BatchMember(batch, request, given.details()))

    def _receipt(self, member: BatchMember) -> BatchReceipt:
        """Commits the batch, and gives its receipt; errors of its rows can say more."""
        self._core.queue.run(member)
        first_uses = FirstUses(self._core, member)
        try:
            receipt = make_batch_receipt(member)
        except DuplicateTransferId as error:
            first_uses.attach(error, error.fields["row"])
            raise
        ask = asking(self._core.keeper, self._books.holds_paid)
        for index, reason in receipt.refused:
            if type(reason) is InsufficientFunds:
                reason.ask_holds(ask)
            elif isinstance(reason, DuplicateTransferId):
                first_uses.attach(reason, index)
        return receipt

    def _registered(self, token: AnyToken) -> TokenState:
        """The token's cells; where it is not known, others may have registered it a moment ago."""
        try:
            return self._books.token_state(token)
        except TokenNotFound:
            with self._core.locked():
                self._core.reach_head()
                return self._books.token_state(token)

    def _handles(self, given: Any, state: TokenState) -> Column:
        encoded = encoded_names(given)
        if encoded is None:
            return handles_of(given, state, lambda names: self._intern(state.code, names))
        names, places = encoded
        try:
            return self._handles(names, state)[places]
        except InvalidAccount:
            return self._handles([names[place] for place in listed(places)], state)  # names the first row

    def _intern(self, token: str, names: Sequence[Any]) -> Column:
        with self._core.locked():
            self._core.reach_head()
            return interned(self._books.token_state(token), names)
