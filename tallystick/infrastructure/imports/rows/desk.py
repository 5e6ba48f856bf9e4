"""The import desk: what an import asks of a ledger beside the calls that everybody has."""

from collections.abc import Iterator, Sequence
from contextlib import suppress

from tallystick.domain.arithmetic.columns import Rows
from tallystick.domain.batch.batch import Batch, RowEvent, numbered, read_batch
from tallystick.domain.batch.transfer_ids import TransferIds
from tallystick.domain.entry.import_end import EndImport
from tallystick.domain.errors import DuplicateIdempotencyKey, InvalidAccount, InvalidToken, Refused
from tallystick.domain.events import BATCHES, Burned, Minted, Moved
from tallystick.domain.refusals import ask_holds
from tallystick.domain.values.instant import check_occurred_at
from tallystick.domain.values.token import AnyToken, Token, code_of
from tallystick.infrastructure.commit.idempotency import make_request
from tallystick.infrastructure.journal.chain import rows_after
from tallystick.infrastructure.journal.details import place_in
from tallystick.infrastructure.journal.format import EMPTY, decode_events, may_hold_batches
from tallystick.infrastructure.ledger.core import LedgerCore
from tallystick.infrastructure.ledger.ledger import Ledger

Told = tuple[int | None, str | None]
"""When the rows of an entry occurred and their reference, where it says that for all of them."""


class ImportDesk:
    """The desk of one ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self._core: LedgerCore = ledger._core  # pyright: ignore[reportPrivateUsage]

    def ask_holds(self, error: Refused) -> None:
        """Has the explanation of a refusal ask the ledger for the holds in the way."""
        ask_holds(error, self._core.keeper, self._core.books.holds_paid)

    def used(self, ids: TransferIds) -> Rows:
        """Which of these ids the journal holds."""
        with self._core.locked():
            self._core.reach_head()
            return self._core.keeper.state.transfer_ids.used(ids)

    def available(self, token: str, accounts: Sequence[str]) -> list[int]:
        """What each account can spend of a token that is registered."""
        with self._core.locked():
            self._core.reach_head()
            state = self._core.books.token_state(token)
            return [state.balance_of(account).available for account in accounts]

    def spelled(self, name: str) -> str:
        """A name as the books write it; `InvalidAccount` where it can be none."""
        return self._core.books.spelled(name)

    def code(self, given: AnyToken) -> str:
        """A token's code as the books write it, or a name that need be none."""
        return self._core.books.spellings.of_perhaps(code_of(given))

    def check_new(self, token: Token) -> None:
        """Raises `InvalidToken` where the token's code can be none of a new one."""
        try:
            self.spelled(token.code)
        except InvalidAccount as error:
            raise InvalidToken(f"a token's code is formed like an account: {error}") from None

    def check_time(self, occurred_at: int) -> None:
        """Raises `InvalidRequest` where that is too far ahead to have happened."""
        with self._core.locked():
            check_occurred_at(occurred_at, self._core.keeper.now())

    def end(self, key: str, kind: str, name: str, refused: int) -> None:
        """Records under a key that an import ended, if that is not recorded yet and the journal's format has it."""
        if self._core.journal.takes_details:
            with suppress(DuplicateIdempotencyKey):
                self._core.commit([EndImport(kind, name, refused)], make_request(key, None))

    def batches_with_ids(self) -> Iterator[tuple[TransferIds, Batch, Told]]:
        """Every batch in the journal whose rows have ids, with these. Raises `CorruptJournal`."""
        for row in rows_after(self._core.journal, EMPTY):
            if not may_hold_batches(row.body):
                continue
            for position, event in numbered(decode_events(row), row.first_position):
                if isinstance(event, BATCHES) and event.ids:
                    with self._core.locked():
                        self._core.reach_head()
                        batch = read_batch(event, self._core.books.names_of(event.token))
                    details = place_in(row, position).details
                    yield TransferIds.of_bytes(event.ids), batch, (details.at, details.ref)

    def single_movements(self) -> Iterator[RowEvent]:
        """Every movement in the journal that is no row of a batch and has a memo. Raises `CorruptJournal`."""
        for row in rows_after(self._core.journal, EMPTY):
            for event in decode_events(row):
                if isinstance(event, Moved | Minted | Burned) and event.memo:
                    yield event
