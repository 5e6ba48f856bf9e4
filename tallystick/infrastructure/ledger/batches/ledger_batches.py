"""The batches of a ledger: its calls that take many rows, as columns."""

from collections.abc import Mapping
from typing import Any

from tallystick.domain.arithmetic.columns import Column
from tallystick.domain.values.token import AnyToken
from tallystick.infrastructure.ledger.batches.batch_receipt import BatchReceipt
from tallystick.infrastructure.ledger.batches.batches import Batches, OnRefusal
from tallystick.infrastructure.ledger.batches.given_notes import GivenNotes


class LedgerBatches:
    """A ledger's batches, and the handles by which they name accounts fastest."""

    _batches: Batches

    # Batches.

    def handles(self, token: AnyToken, names: Any) -> Column:
        """The handles of accounts in a token: numbers that batches of it take instead of names, as long as this ledger is open.

        Raises `TokenNotFound`, and `InvalidAccount` or `MeaninglessCell`, which name the row.
        """
        return self._batches.handles(token, names)

    def transfer_many(
        self,
        token: AnyToken,
        senders: Any,
        receivers: Any,
        amounts: Any,
        memo: Any = "",
        ids: Any = None,
        idempotency_key: str | None = None,
        on_refusal: OnRefusal = "abort",
        *,
        occurred_at: Any = None,
        references: Any = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> BatchReceipt:
        """Transfers `amounts[row]` from `senders[row]` to `receivers[row]`, row after row, in one commit.

        Accounts are names or handles; columns are sequences, numpy arrays or Arrow arrays. `memo`, `occurred_at` and
        `references` are one for all rows or a column: times are aware datetimes, or numpy's or Arrow's, taken as UTC, from
        1970 to 9999 and at most a day ahead; references are texts of up to 256 characters, or None in a row. `ids` are
        each used once in a journal: numbers of 128 bits, UUIDs, 16 bytes, or texts of up to 256 characters. `metadata` is
        that of the batch, as of any block.

        What is wrong with a row (`InvalidAmount`, `InvalidAccount`, `InvalidRequest`) refuses the whole batch. What the books
        refuse (`DuplicateTransferId`, `AccountIsFrozen`, `InsufficientFunds`) refuses it too, or with `on_refusal` "skip" that
        row alone. Raises also `TokenNotFound`, `InvalidRequest` and the errors of a commit; then nothing is changed.
        """
        notes = GivenNotes(memo, ids, occurred_at, references, metadata)
        columns = {"senders": senders, "receivers": receivers, "amounts": amounts}
        return self._batches.commit(token, columns, "senders", "receivers", notes, idempotency_key, on_refusal)

    def mint_many(
        self,
        token: AnyToken,
        accounts: Any,
        amounts: Any,
        memo: Any = "",
        ids: Any = None,
        idempotency_key: str | None = None,
        on_refusal: OnRefusal = "abort",
        *,
        occurred_at: Any = None,
        references: Any = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> BatchReceipt:
        """Mints `amounts[row]` to `accounts[row]`; as `transfer_many`, but rows are refused for `SupplyExhausted`."""
        notes = GivenNotes(memo, ids, occurred_at, references, metadata)
        columns = {"accounts": accounts, "amounts": amounts}
        return self._batches.commit(token, columns, None, "accounts", notes, idempotency_key, on_refusal)

    def burn_many(
        self,
        token: AnyToken,
        accounts: Any,
        amounts: Any,
        memo: Any = "",
        ids: Any = None,
        idempotency_key: str | None = None,
        on_refusal: OnRefusal = "abort",
        *,
        occurred_at: Any = None,
        references: Any = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> BatchReceipt:
        """Burns `amounts[row]` of `accounts[row]`; as `transfer_many`."""
        notes = GivenNotes(memo, ids, occurred_at, references, metadata)
        columns = {"accounts": accounts, "amounts": amounts}
        return self._batches.commit(token, columns, "accounts", None, notes, idempotency_key, on_refusal)
