"""What the tests of snapshots share: taking them, where they are, and all that two ledgers must then say alike."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tallystick import Ledger, LedgerError
from tallystick.infrastructure.ledger.transaction import TransactionContext
from tallystick.infrastructure.snapshots.keeper import SnapshotKeeper
from tallystick.infrastructure.snapshots.snapshots import Part
from tests.support.books.behind import journal_of, keeper_of


def take_snapshot(ledger: Ledger) -> None:
    """Takes a snapshot now."""
    ledger.snapshot()


def take_snapshot_with(ledger: Ledger, parts: dict[str, Part]) -> None:
    """Takes one in which others keep something."""
    frozen = keeper_of(ledger).state.freeze()
    frozen = frozen._replace(parts={**frozen.parts, **parts})
    snapshot_keeper_of(ledger).finish(snapshot_keeper_of(ledger).begin(lambda: frozen))


def snapshot_keeper_of(ledger: Ledger) -> SnapshotKeeper:
    """What keeps a ledger's snapshots."""
    return keeper_of(ledger).state.snapshots


def drop_books(ledger: Ledger) -> None:
    """Has the ledger read the books again, as it does when nobody knows whether a commit stands."""
    keeper_of(ledger).drop()


def snapshots_of(path: Path) -> list[Path]:
    """The folders of a ledger's finished snapshots, the oldest first."""
    folder = Path(f"{path}.cache/snapshots")
    return sorted(each for each in folder.iterdir() if each.suffix != ".unfinished") if folder.exists() else []


def damage(file: Path, place: int, change: int = 1) -> None:
    """Changes one byte."""
    content = bytearray(file.read_bytes())
    content[place % len(content)] ^= change
    file.write_bytes(content)


def goes_on_from(url: str | Path) -> int:
    """The position of the snapshot that a ledger opened now goes on from, 0 where it reads the journal from its beginning."""
    with Ledger.open(url) as ledger:
        return snapshot_keeper_of(ledger)._position


def head_of(ledger: Ledger) -> Any:
    """The last position of the journal, with the digest and the time of its commit."""
    return journal_of(ledger).head()


def everything(ledger: Ledger) -> dict[str, Any]:
    """All that a ledger says of its books."""
    accounts = {account for token in ledger.tokens() for account in ledger.balances(token.code)}
    said: dict[str, Any] = {"tokens": ledger.tokens(), "contracts": dict(ledger.contracts())}
    said["frozen"] = [(each.account, each.token, each.debits, each.credits, each.position) for each in ledger.frozen()]
    said["shadow spaces"] = {id: contract.allocations() for id, contract in ledger.contracts().items()}
    said["rows"] = {first: list(ledger.state[first]) for first in accounts}
    for token in (token.code for token in ledger.tokens()):
        said[token] = (
            ledger.supply(token),
            ledger.balances(token),
            {account: ledger.fragments(token, account) for account in accounts},
            {account: ledger.holds(token, account) for account in accounts},
        )
    return said


def outcome_of(work: Callable[[], Any]) -> Any:
    """What came of it: the result, or the error's class and fields."""
    try:
        return work()
    except LedgerError as error:
        return type(error), error.fields


def transact(ledger: Ledger, calls: list[Callable[[TransactionContext], Any]], key: str | None = None) -> list[Any]:
    """Makes each call in a savepoint of one transaction; gives what came of each and of all: its entry's id, if it has one."""
    outcomes: list[Any] = []

    def guarded(tx: TransactionContext, call: Callable[[TransactionContext], Any]) -> Any:
        with tx.savepoint():
            return call(tx)

    def run() -> int | None:
        with ledger.atomic(key) as tx:
            for call in calls:
                outcomes.append(outcome_of(lambda call=call: guarded(tx, call)))
        return None if tx.receipt is None else tx.receipt.entry_id

    return [*outcomes, outcome_of(run)]
