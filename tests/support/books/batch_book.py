"""What the tests of batches share: a batch's rows done one after another, and what of two ledgers must then be the same."""

from collections.abc import Callable, Sequence
from typing import Any

from tallystick import Balances, DuplicateTransferId, FragmentState, Ledger, LedgerError, RefusedRow, Token, Transactions
from tallystick.domain.batch.batch import Batch

TOKENS = (Token("PLN", max_supply=2**63), Token("CENT", max_supply=2**66, unit=1000), Token("WEI", max_supply=2**256 - 1))
CODES = tuple(token.code for token in TOKENS)

BatchRow = tuple[Any, ...]
Verdict = tuple[int, type[LedgerError], dict[str, Any]]
"""A row's index, and the class and fields of what it was refused for."""


def open_funded(url: Any, accounts: Sequence[str] = (), amount: int = 25_000) -> Ledger:
    """A ledger with a plain, a fragmented and a wide token, of which the accounts have something."""
    ledger = Ledger.open(url)
    for token in TOKENS:
        ledger.register_token(token)
        with ledger.atomic() as tx:
            for account in accounts:
                tx.mint(token.code, account, amount)
    return ledger


def one_after_another(
    ledger: Ledger,
    operation: str,
    token: str,
    rows: Sequence[BatchRow],
    ids: Sequence[Any] | None,
    used: set[Any],
    memo: str | Sequence[str] = "",
    done: list[int] | None = None,
) -> list[Verdict]:
    """Does each row as a transaction of its own, and passes over those that are refused, or whose id was used.

    The ids of those that are `done` are added there.
    """
    verdicts: list[Verdict] = []
    for index, row in enumerate(rows):
        if ids is not None and ids[index] in used:
            verdicts.append((index, DuplicateTransferId, {"id": ids[index]}))
            continue
        try:
            with ledger.atomic() as tx:
                getattr(tx, operation)(token, *row, memo=memo if isinstance(memo, str) else memo[index])
        except LedgerError as error:
            verdicts.append((index, type(error), error.fields))
        else:
            used.update(() if ids is None else (ids[index],))
            if done is not None and tx.receipt is not None:
                done += tx.receipt.transaction_ids
    return verdicts


def first_refusal(
    ledger: Ledger, operation: str, token: str, rows: Sequence[BatchRow], ids: Sequence[Any] | None, used: set[Any]
) -> Verdict | None:
    """The first row that `one_after_another` would pass over; nothing is done."""
    seen = set(used)
    with ledger.atomic() as tx:
        for index, row in enumerate(rows):
            if ids is not None:
                if ids[index] in seen:
                    tx.rollback()
                    return index, DuplicateTransferId, {"id": ids[index]}
                seen.add(ids[index])
            try:
                getattr(tx, operation)(token, *row)
            except LedgerError as error:
                tx.rollback()
                return index, type(error), error.fields
        tx.rollback()
    return None


def verdicts_of(refused: Sequence[RefusedRow]) -> list[Verdict]:
    """What a batch's receipt says of the rows that were refused."""
    return [(row.index, type(row.reason), row.reason.fields) for row in refused]


def columns_of(rows: Sequence[BatchRow]) -> list[list[Any]]:
    """The rows as the columns that a batch takes."""
    return [list(column) for column in zip(*rows, strict=True)]


def meaning(ledger: Ledger) -> list[BatchRow]:
    """All that the journal says was moved, in its order and without its positions."""
    transactions = ledger.replay(Transactions()).state.values()
    return [(t.token, t.sender, t.receiver, t.burned_amount, t.minted_amount, t.memo, t.hold) for t in transactions]


def money(ledger: Ledger) -> dict[str, Any]:
    """Every balance and supply, and the amounts of every account's live fragments, by token."""
    return {
        code: (
            balances := ledger.balances(code),
            ledger.supply(code),
            {
                account: [f.amount for f in ledger.fragments(code, account) if f.state is FragmentState.ALIVE]
                for account in balances
            },
        )
        for code in CODES
    }


def differences(one: Ledger | dict[str, Any], other: Ledger | dict[str, Any]) -> list[str]:
    """What differs in the money of two ledgers, or of one now and before: few words, however much differs."""
    left, right = (side if isinstance(side, dict) else money(side) for side in (one, other))
    found: list[str] = []
    for code in CODES:
        for mine, theirs in zip(left[code], right[code], strict=True):
            if isinstance(mine, dict):
                found += [f"{code} of {name}" for name in {*mine, *theirs} if mine.get(name) != theirs.get(name)]
            elif mine != theirs:
                found.append(f"supply of {code}: {mine} and {theirs}")
    return found[:5]


class RowByRow:
    """A projection that knows nothing of columns or commits: it is given every row of a batch as an event."""

    name = "row by row"
    version = 1

    def __init__(self, projection: Any, noted: Callable[[int, Any], None] = lambda position, state: None) -> None:
        self._projection = projection
        self._noted = noted

    @property
    def state(self) -> Any:
        return self._projection.state

    def apply(self, position: int, recorded_at: int, event: Any, /) -> None:
        self._projection.apply(position, recorded_at, event)
        self._noted(position, self._projection)


class RowNotes:
    """A projection: memo, time, reference and id of text of every row of every batch, by its position."""

    name = "row notes"
    version = 1

    def __init__(self) -> None:
        self.state: dict[int, tuple[Any, ...]] = {}

    def apply(self, position: int, recorded_at: int, event: Any, /) -> None:
        pass

    def apply_columns(self, position: int, recorded_at: int, batch: Batch, /) -> None:
        for row, memo in enumerate([batch.memo] * len(batch) if batch.memos is None else batch.memos):
            assert memo == batch.memo_of(row) == batch.event(row).memo
            self.state[position + row] = (memo, batch.occurred_at(row), batch.reference(row), batch.id_text(row))


def total(ledger: Ledger, token: str) -> int:
    """The sum of all that anybody has."""
    return sum(balance.total for balance in ledger.balances(token).values())


def check_replays(ledger: Ledger) -> None:
    """A replay by columns gives what the ledger says and what a replay row by row gives."""
    by_columns, by_rows = ledger.replay(Balances()).state, ledger.replay(RowByRow(Balances())).state
    assert by_columns == by_rows
    for code in CODES:
        balances = {account: (balance.available, balance.reserved) for account, balance in ledger.balances(code).items()}
        cells = by_columns[code]
        assert balances == {
            account: found
            for account in {*cells["available"], *cells["reserved"]}
            if any(found := (cells["available"].get(account, 0), cells["reserved"].get(account, 0)))
        }
