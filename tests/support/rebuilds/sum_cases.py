"""What every engine finds when it adds up rebuilt tables and movements in SQL: a suite that each engine's tests inherit."""

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest

from tallystick import Ledger
from tallystick.domain.cells import is_crossing
from tests.support.rebuilds.summed_book import make_summed_book
from tests.support.suites.movement_sums import Cell, cells_of

LIMBS, LIMB_BITS = 9, 31
PIECES, PIECE_DIGITS = 9, 9
"""So many pieces of so many digits are 2**256."""
WIDTH = PIECES * PIECE_DIGITS

Balance = tuple[int, int]


@pytest.fixture(scope="module")
def summed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    """The ledger of such a book; it is not changed."""
    path = tmp_path_factory.mktemp("summed") / "books.db"
    make_summed_book(path, 7)
    with Ledger.open(path, read_only=True) as ledger:
        yield ledger


def balances_of(ledger: Ledger) -> dict[tuple[str, str], Balance]:
    """What everybody has available and reserved, as the ledger says it; those who have nothing are left out."""
    found: defaultdict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
    for (token, account, is_held), amount in cells_of(ledger).items():
        if account is not None:
            found[token, account][is_held] = amount
    return {cell: (available, reserved) for cell, (available, reserved) in found.items()}


def in_pieces(column: str, text: str = "{0}") -> str:
    """Sums of pieces of 9 digits of a column of amounts that are texts, the lowest first, in SQL that every engine knows."""
    amount = text.format(column)
    digits = f"substr('{'0' * WIDTH}' || replace({amount}, '-', ''), length(replace({amount}, '-', '')) + 1, {WIDTH})"
    sign = f"CASE WHEN {amount} LIKE '-%' THEN -1 ELSE 1 END"
    return ", ".join(
        f"sum(CAST(substr({digits}, {WIDTH - (piece + 1) * PIECE_DIGITS + 1}, {PIECE_DIGITS}) AS BIGINT) * {sign})"
        for piece in range(PIECES)
    )


def out_of_pieces(sums: Any) -> int:
    """The sum of which these are the pieces."""
    return sum(int(each) * 10 ** (PIECE_DIGITS * piece) for piece, each in enumerate(sums))


class SumCases(ABC):
    """The cases. An engine has tables to be asked in `from`, those of a rebuild that `rebuilt` makes."""

    amount_as_text = "{0}"

    @abstractmethod
    def rebuilt(self, ledger: Ledger, *names: str) -> None:
        """Has tables rebuilt where the engine reads them."""

    @abstractmethod
    def asked(self, query: str) -> list[tuple[Any, ...]]:
        """What the engine answers. Tables stand in it as `{name}`."""

    @abstractmethod
    def loaded(self, movements: Any) -> None:
        """Has the engine have a table of movements under the name `movements`."""

    def test_lines(self, summed: Ledger) -> None:
        self.rebuilt(summed, "lines")
        change, reserved = (in_pieces(name, self.amount_as_text) for name in ("change", "reserved_change"))
        rows = self.asked(f"SELECT token, account, {change}, {reserved} FROM {{lines}} GROUP BY token, account")
        found = {(token, account): _balance(pieces) for token, account, *pieces in rows}
        assert {cell: balance for cell, balance in found.items() if any(balance)} == balances_of(summed)
        assert any(is_crossing(account) for _, account in found)
        assert max(available for available, _ in found.values()) > 2**128
        last = self.asked(
            """SELECT token, account, available, reserved FROM {lines} AS line WHERE position = (
            SELECT max(position) FROM {lines} AS other WHERE other.token = line.token AND other.account = line.account)"""
        )
        assert {(token, account): (int(available), int(held)) for token, account, available, held in last} == found

    def test_transactions_and_shares(self, summed: Ledger) -> None:
        """What they sum to is what an account has in all. Shares are no transactions, and are lines."""
        self.rebuilt(summed, "transactions", "lines")
        amount = self.amount_as_text.format("amount")
        change = self.amount_as_text.format("change")
        rows = self.asked(
            f"""SELECT token, account, {in_pieces("moved")} FROM (
                SELECT token, receiver AS account, {amount} AS moved FROM {{transactions}}
                UNION ALL SELECT token, sender, '-' || {amount} FROM {{transactions}}
                UNION ALL SELECT token, account, {change} FROM {{lines}} WHERE kind = 'distribution' AND transaction_id IS NULL
            ) AS moves GROUP BY token, account"""
        )
        found = {(token, account): out_of_pieces(pieces) for token, account, *pieces in rows if account is not None}
        has = {cell: sum(balance) for cell, balance in balances_of(summed).items()}
        assert {cell: amount for cell, amount in found.items() if amount} == has

    def test_movements(self, summed: Ledger) -> None:
        self.loaded(pa.Table.from_batches(summed.movements()))
        signed = {
            side: ", ".join(f"{sign}amount_{limb} AS limb_{limb}" for limb in range(LIMBS))
            for side, sign in (("receiver", ""), ("sender", "-"))
        }
        both = " UNION ALL ".join(
            f"SELECT token, {side} AS account, {side}_held AS held, {limbs} FROM {{movements}}"
            for side, limbs in signed.items()
        )
        sums = ", ".join(f"sum(limb_{limb})" for limb in range(LIMBS))
        rows = self.asked(f"SELECT token, account, held, {sums} FROM ({both}) AS sides GROUP BY token, account, held")
        found: dict[Cell, int] = {
            (token, account, bool(held)): sum(int(each) << LIMB_BITS * limb for limb, each in enumerate(limbs))
            for token, account, held, *limbs in rows
        }
        assert {cell: amount for cell, amount in found.items() if amount} == cells_of(summed)


def _balance(pieces: list[Any]) -> Balance:
    return out_of_pieces(pieces[:PIECES]), out_of_pieces(pieces[PIECES:])
