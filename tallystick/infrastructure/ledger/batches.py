"""Batches: thousands of transfers, mints or burns of one token in one call and one commit, as columns.

A batch means exactly its rows one after another, and is done as a whole or not at all. Accounts are given as names, or as the
handles that `accounts` gives for them, which saves looking each name up.
"""

from collections.abc import Sequence
from typing import Any, Literal

from tallystick.domain.arithmetic.columns import Column, listed
from tallystick.domain.batch.decisions import check_cells
from tallystick.domain.batch.request import BatchRequest, amounts_of, check_rows, handles_of, interned
from tallystick.domain.batch.transfer_ids import ids_of
from tallystick.domain.errors import InvalidAccount, InvalidRequest, TokenNotFound
from tallystick.domain.token.token_state import TokenState
from tallystick.domain.values.memo import check_memo
from tallystick.infrastructure.commit.committer import Committer
from tallystick.infrastructure.commit.request import make_request
from tallystick.infrastructure.ledger.arrow_columns import encoded_names, prepared
from tallystick.infrastructure.ledger.batch_receipt import BatchReceipt, make_batch_receipt
from tallystick.infrastructure.ledger.reads import Reads

OnRefusal = Literal["abort", "skip"]


class Batching(Reads):
    """The calls. Whoever makes them says who commits."""

    committer: Committer

    def accounts(self, token: str, names: Any) -> Column:
        """The handles of accounts in a token: numbers that batches of it take instead of names, as long as this ledger is open.

        Raises `TokenNotFound`, and `InvalidAccount` or `MeaninglessCell`, which name the row.
        """
        self.check_open()
        given = prepared(names)
        state = self._registered(token)
        handles = self._handles(given, state)
        with self._locked():
            self._reach_head()
            check_cells(self._books, token, handles)
        return handles

    def transfer_many(
        self,
        token: str,
        senders: Any,
        receivers: Any,
        amounts: Any,
        memo: str = "",
        ids: Any = None,
        idempotency_key: str | None = None,
        on_refusal: OnRefusal = "abort",
    ) -> BatchReceipt:
        """Transfers `amounts[row]` from `senders[row]` to `receivers[row]`, row after row, in one commit.

        Accounts are names or handles; columns are sequences, numpy arrays or Arrow arrays. `ids` are numbers of 128 bits,
        each used once in a journal. What is wrong with a row (`InvalidAmount`, `InvalidAccount`) refuses the whole batch.
        What the books refuse (`InsufficientFunds`, `DuplicateTransferId`) refuses it too, or with `on_refusal` "skip" that
        row alone. Raises also `TokenNotFound`, `InvalidRequest` and the errors of a commit; then nothing is changed.
        """
        columns = _prepared(senders=senders, receivers=receivers, amounts=amounts, ids=ids)
        return self._do(token, columns, "senders", "receivers", memo, idempotency_key, on_refusal)

    def mint_many(
        self,
        token: str,
        accounts: Any,
        amounts: Any,
        memo: str = "",
        ids: Any = None,
        idempotency_key: str | None = None,
        on_refusal: OnRefusal = "abort",
    ) -> BatchReceipt:
        """Mints `amounts[row]` to `accounts[row]`; as `transfer_many`, but rows are refused for `SupplyExhausted`."""
        columns = _prepared(accounts=accounts, amounts=amounts, ids=ids)
        return self._do(token, columns, None, "accounts", memo, idempotency_key, on_refusal)

    def burn_many(
        self,
        token: str,
        accounts: Any,
        amounts: Any,
        memo: str = "",
        ids: Any = None,
        idempotency_key: str | None = None,
        on_refusal: OnRefusal = "abort",
    ) -> BatchReceipt:
        """Burns `amounts[row]` of `accounts[row]`; as `transfer_many`."""
        columns = _prepared(accounts=accounts, amounts=amounts, ids=ids)
        return self._do(token, columns, "accounts", None, memo, idempotency_key, on_refusal)

    def _do(
        self,
        token: str,
        columns: dict[str, Any],
        givers: str | None,
        takers: str | None,
        memo: str,
        idempotency_key: str | None,
        on_refusal: OnRefusal,
    ) -> BatchReceipt:
        """Does the rows of `columns`, in which accounts stand under the names `givers` and `takers`."""
        self.check_open()
        if not isinstance(on_refusal, str) or on_refusal not in ("abort", "skip"):
            raise InvalidRequest(f"on a refusal a batch is to abort or skip, not {on_refusal!r}")
        check_memo(memo)
        request = make_request(idempotency_key, None)
        if request is not None:
            self.committer.check_unused(request)
        state = self._registered(token)
        batch = BatchRequest(
            token,
            None if givers is None else self._handles(columns[givers], state),
            None if takers is None else self._handles(columns[takers], state),
            amounts_of(columns["amounts"]),
            memo,
            ids_of(columns["ids"]) if "ids" in columns else None,
            on_refusal == "skip",
        )
        return make_batch_receipt(self.committer.commit_batch(batch, request))

    def _registered(self, token: str) -> TokenState:
        """The token's cells; where it is not known, others may have registered it a moment ago."""
        try:
            return self._books.token_state(token)
        except TokenNotFound:
            with self._locked():
                self._reach_head()
                return self._books.token_state(token)

    def _handles(self, given: Any, state: TokenState) -> Column:
        encoded = encoded_names(given)
        if encoded is None:
            return handles_of(given, state, lambda names: self._intern(state.token.code, names))
        names, places = encoded
        try:
            return self._handles(names, state)[places]
        except InvalidAccount:
            return self._handles([names[place] for place in listed(places)], state)  # names the first row

    def _intern(self, token: str, names: Sequence[Any]) -> Column:
        with self._locked():
            self._reach_head()
            return interned(self._books.token_state(token), names)


def _prepared(ids: Any = None, **columns: Any) -> dict[str, Any]:
    """The columns as they will be read, by what they are called; `InvalidRequest` where they are none or of unequal lengths."""
    given = columns if ids is None else {**columns, "ids": ids}
    return check_rows({name: prepared(column) for name, column in given.items()})
