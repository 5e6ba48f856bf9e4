"""Makes a golden journal: `python make.py NAME` writes `NAME.sql`, the file as SQL text, and `NAME.json`, what its ledger says.

The journal has every type of event, keys, batches, groups of one row, and what of format 2 the version that runs this knows.
What was made is kept as it is; `README.md` says by which version.
"""

import asyncio
import hashlib
import json
import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from eventsourcing.persistence import StoredEvent

from tallystick import AsyncLedger, Ledger, SquareRootCurve, Token
from tallystick.infrastructure.journal.stores.sqlite.file import SCHEMA_VERSION
from tallystick.infrastructure.journal.stores.sqlite.journal import SQLiteJournal
from tallystick.infrastructure.recorders import JournalRecorder

T = 10**12
START = datetime(2026, 1, 1, tzinfo=UTC)
TOKENS = (
    Token("USD", decimals=2, unit=100_00),
    Token("PLN"),
    Token("WEI", decimals=18, max_supply=2**256 - 1, unit=2**200),
    Token("TEA", decimals=12, max_supply=10**6 * T, role="settlement"),
    Token("TeaParty", decimals=12, role="app", curve=SquareRootCurve(10, 7), owner="dev", accepts=("USD",)),
)
STREAM = "00000000-0000-4000-8000-000000000007"


def clock() -> Iterator[datetime]:
    """A minute more each time it is asked."""
    now = START
    while True:
        now += timedelta(minutes=1)
        yield now


def play(ledger: Ledger) -> None:
    """Does all that a ledger of format 1 can do."""
    for token in TOKENS:
        ledger.register_token(token)
    with ledger.atomic("deposit-1", request={"of": "alice"}) as tx:
        tx.mint("USD", "alice", 250_50, memo='wpłata "1" \\ \u0001 Zoë')
        tx.mint("PLN", "alice", 1_000)
        tx.mint("WEI", "alice", 2**201 + 7)
        tx.mint("TEA", "alice", 1_000 * T)
    with ledger.atomic() as tx:
        tx.transfer("USD", "alice", "bob", 30_25)
        tx.burn("PLN", "alice", 1)
        held = tx.reserve("USD", "alice", "court", 50_00, expires_at=START + timedelta(days=400), memo="sprawa")
        tx.settle("USD", "court", "carol", 20_00, hold=held)
        tx.release(held, 10_00)
        tx.reserve("PLN", "alice", "court", 7, expires_at=START + timedelta(minutes=60))
        tx.reserve("WEI", "alice", "court", 5)
    ledger.mint_many("USD", ["dora", "emil", "dora"], [1_00, 2_00, 3_00], ids=[7, 8, 2**128 - 1])
    ledger.transfer_many("PLN", ["alice"] * 40, ["bob", "fred"] * 20, list(range(1, 41)), idempotency_key="batch-1")
    ledger.burn_many("USD", ["dora", "emil"], [50, 60])
    ledger.mint_many("WEI", ["bob", "alice"], [2**250, 1], memo="szeroko")
    with ledger.atomic() as tx:
        app = tx.app("TeaParty")
        app.buy("alice", 10 * T)
        app.sell("alice", T // 7)
        app.deposit("alice", 5 * T)
        app.consume_deposit("alice", T)
        app.refund("alice", T)
        app.pay("alice", 10_00, "USD")
        app.pay("alice", T, "TeaParty")
        app.distribute_dividend()
    ledger.update_app("TeaParty", accepts=["USD", "PLN"], owner="dev2")
    with ledger.atomic() as tx:
        pool = tx.register_contract("pool")
        pool.balance_up(1_000)
        for account, amount in (("alice", 300), ("bob", 55), ("carol", 1)):
            pool.alloc(account)
            pool.shadow_up(account, amount)
        pool.shadow_up_all(77, memo="zysk")
        pool.shadow_down_all(13)
        pool.shadow_down("bob", 5)
        pool.balance_down(100)
        pool.shadow_down("carol", 1)
        pool.dealloc("carol", drop_fraction=True)
        backed = tx.register_contract("vault", backed_by="PLN")
        backed.fund("bob", 9)
        backed.defund("bob", 2)
    for _ in range(60):
        ledger.balances("PLN")  # the hold of an hour is due
        with ledger.atomic() as tx:
            tx.transfer("PLN", "bob", "alice", 1)
    with ledger.atomic() as tx:
        tx.expire()


def play_more(ledger: Any) -> None:
    """Does what a ledger can do since format 2."""
    occurred_at = datetime(2020, 2, 29, tzinfo=UTC)
    with ledger.atomic("detailed", occurred_at=occurred_at, reference="order 7", metadata={"name": "Zoë", "n": 10**40}) as tx:
        tx.transfer("PLN", "alice", "bob", 5)
        tx.transfer("USD", "bob", "alice", 1)
    with ledger.atomic(metadata={"to be": "erased"}) as erased:
        erased.transfer("PLN", "alice", "bob", 2)
    ledger.erase(erased.receipt.entry_id, "on request")
    with ledger.atomic(reference="order 7") as taken:
        taken.reverse(entry=tx.receipt.entry_id)
    with ledger.atomic() as part:
        part.reverse(transaction=erased.receipt.transaction_ids[0], amount=1)
    with ledger.atomic() as closing_accounts:
        closing_accounts.freeze("dora", "USD", credits=True, reason="inquiry")
        closing_accounts.freeze("emil")
    with ledger.atomic() as again:
        again.unfreeze("emil")
    days = [occurred_at + timedelta(days=number) for number in range(3)]
    ledger.transfer_many(
        "PLN",
        ["alice"] * 3,
        ["bob", "fred", "bob"],
        [1, 2, 3],
        memo=["raz", "dwa", "raz"],
        occurred_at=days,
        references=["order 8", None, "order 8"],
        ids=["first", "second", "third"],
        metadata={"file": "june.csv"},
    )
    ledger.mint_many("USD", ["bob"] * 2, [7, 8], memo=["a", "b"], occurred_at=occurred_at, references="order 9")
    ledger.burn_many("USD", ["bob"] * 2, [1, 1], references=["order 9", "order 10"])
    with tempfile.TemporaryDirectory() as folder:  # its last row is refused
        from tallystick.infrastructure.imports.transfers.transfers import import_transfers

        file = Path(folder) / "june.csv"
        file.write_text("token,sender,receiver,amount\nPLN,,bob,3\nPLN,nobody,bob,10\n")
        import_transfers(ledger, file, on_refused=lambda *_: None, import_id="june")
    with ledger.atomic() as of_row:
        of_row.reverse(transaction=ledger.find("order 8")[0].transactions[2].id, amount=2)


def play_runs(ledger: Ledger) -> None:
    """Does what moves very many fragments."""
    ledger.register_token(Token("PLN", unit=100))
    ledger.mint("PLN", "alice", 100_000)
    held = ledger.reserve("PLN", "alice", "court", 40_050).hold_id
    assert held is not None
    ledger.release(held, 9_950)
    ledger.settle("PLN", "court", "bob", 20_030, hold=held)
    ledger.transfer("PLN", "alice", "bob", 30_001)
    ledger.release(held)


async def play_together(path: Path, times: Iterator[datetime]) -> None:
    """Transactions that are recorded as one row, or a few."""
    async with AsyncLedger.open(path, clock=lambda: next(times)) as ledger:

        async def pay(number: int) -> None:
            async with ledger.atomic(f"together-{number}") as tx:
                tx.transfer("PLN", "alice", "bob", 1 + number)
                tx.mint("USD", "bob", 1)

        await asyncio.gather(*map(pay, range(5)))


def say(ledger: Ledger) -> dict[str, Any]:
    """What a ledger says of its books, as JSON has it, amounts as text."""
    report = ledger.audit()
    assert report.ok, report.findings
    return {
        "position": report.position,
        "digest": report.digest,
        "balances": {
            token.code: {name: [str(has.available), str(has.reserved)] for name, has in ledger.balances(token.code).items()}
            for token in ledger.tokens()
        },
        "reserves": {token.code: str(ledger.supply(token.code).reserve) for token in ledger.tokens()},
        "fragments": {
            code: {account: fragments_of(ledger, code, account) for account in ledger.balances(code)} for code in ("USD", "WEI")
        },
        "allocations": {
            id: {account: str(has.sati) for account, has in contract.allocations().items()}
            for id, contract in ledger.contracts().items()
        },
        "memo": ledger.transaction(len(TOKENS) + 1).memo,
    }


def say_more(ledger: Any) -> dict[str, Any]:
    """What it says of what came with format 2."""
    entries = [entry for order in range(7, 11) for entry in ledger.find(f"order {order}")]
    return {
        "entries": [
            [entry.id, str(entry.occurred_at), entry.metadata, list(entry.reverses), list(entry.reversed_by)]
            for entry in entries
        ],
        "transactions": [
            [transaction.id, transaction.memo, str(transaction.occurred_at), transaction.reference, transaction.kind]
            for entry in entries
            for transaction in entry.transactions
        ],
        "frozen": [[each.account, each.token, each.debits, each.credits, each.reason] for each in ledger.frozen()],
        "lines": [
            [line.position, str(line.change), str(line.available), line.memo, line.reference]
            for line in ledger.history("PLN", "bob", by="occurred_at", until=datetime(2021, 1, 1, tzinfo=UTC))
        ],
    }


def fragments_of(ledger: Ledger, code: str, account: str) -> tuple[int, str]:
    """How many there are, and the SHA-256 of all."""
    found = [[fragment.id, str(fragment.amount)] for fragment in ledger.fragments(code, account)]
    return len(found), hashlib.sha256(json.dumps(found).encode()).hexdigest()


def say_runs(ledger: Ledger) -> dict[str, Any]:
    """What a ledger says of those."""
    report = ledger.audit()
    assert report.ok, report.findings
    fragments = {account: fragments_of(ledger, "PLN", account) for account in ("alice", "bob")}
    return {"position": report.position, "digest": report.digest, "fragments": fragments}


def dump(path: Path) -> str:
    """The file as SQL text, with the numbers that say what it is."""
    with closing(sqlite3.connect(path)) as connection:
        numbers = [(name, connection.execute(f"PRAGMA {name}").fetchone()[0]) for name in ("application_id", "user_version")]
        lines = [*connection.iterdump(), *(f"PRAGMA {name} = {number};" for name, number in numbers)]
    return "\n".join(lines) + "\n"


def main(name: str) -> None:
    """Writes both files beside this one."""
    with tempfile.TemporaryDirectory() as folder:
        path, times = Path(folder) / "golden.db", clock()
        if name == "format_2_runs":
            with Ledger.open(path, clock=lambda: next(times)) as ledger:
                play_runs(ledger)
                said = say_runs(ledger)
            write(name, path, said)
            return
        with Ledger.open(path, clock=lambda: next(times)) as ledger:
            play(ledger)
        asyncio.run(play_together(path, times))
        with Ledger.open(path, clock=lambda: next(times)) as ledger:
            with closing(SQLiteJournal(path)) as journal:
                recorder = JournalRecorder(journal)
                events = [StoredEvent(STREAM, version, "orders:Order.Paid", b'{"total":7}') for version in (1, 2, 5)]
                recorder.insert_events(events)
            if SCHEMA_VERSION > 1:
                play_more(ledger)
            said = say(ledger) | (say_more(ledger) if SCHEMA_VERSION > 1 else {})
        write(name, path, said)


def write(name: str, path: Path, said: dict[str, Any]) -> None:
    """Both files beside this one."""
    here = Path(__file__).parent
    (here / f"{name}.sql").write_text(dump(path))
    (here / f"{name}.json").write_text(json.dumps(said, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
