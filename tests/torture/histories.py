"""Eight processes on one ledger, each of which notes what it did and was answered; then whether all of that can be true.

See `tests/torture/history/checker.py`. The journal's order is read out of the journal; what became of a transfer that was
cancelled is asked of the ledger.
"""

import sys
from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from tallystick import Ledger, Token
from tallystick.events import Moved
from tests.support.programs.processes import WaitForAll, run_in_processes
from tests.torture.findings import Report
from tests.torture.history.checker import check
from tests.torture.history.clients import CLIENTS, Client, Place
from tests.torture.history.operations import FUNDS, TOKEN, History, Movement, Row, Transfer
from tests.torture.kills import Plant

SWITCH_SECONDS = 1e-5
"""So often the threads of a process take turns, so that they do at more places than by themselves."""


class Rows:
    """A projection: the rows of the journal, with what they moved."""

    name, version = "rows", 1

    def __init__(self) -> None:
        self.state: list[Row] = []

    def apply(self, position: int, recorded_at: int, event: Any) -> None:
        """Rows come whole, by `apply_commit`."""
        raise NotImplementedError

    def apply_commit(self, first_position: int, recorded_at: int, events: Sequence[Any]) -> None:
        """Takes in a row."""
        moved = [
            Movement(position, event.sender, event.receiver, event.amount)
            for position, event in enumerate(events, first_position)
            if isinstance(event, Moved)
        ]
        self.state.append(Row(first_position + len(events) - 1, moved))


def run(turns: int, seed: int, url: str, folder: Path, *, store: str = "SQLite", plant: Plant = nullcontext) -> Report:
    """Lets each process make so many turns on an empty ledger; tries are all that was done and answered."""
    report = Report(f"histories, {store}", seed)
    with report.timed():
        with Ledger.open(url) as ledger:
            ledger.register_token(Token(TOKEN))
            with ledger.atomic() as tx:
                for account, amount in FUNDS.items():
                    tx.mint(TOKEN, account, amount)
        places = [Place(url, f"{client.__name__}-{seed}-{number}", folder / "stop") for number, client in enumerate(CLIENTS)]
        works = [partial(_work, client, place, turns, plant) for client, place in zip(CLIENTS, places, strict=True)]
        done = [operation for each in run_in_processes(works) for operation in each]
        history = msgspec.convert(done, History)
        with Ledger.open(url) as ledger:
            transfers = [operation for operation in history if isinstance(operation, Transfer)]
            receipts = {transfer.key: ledger.receipt(transfer.key) for transfer in transfers}
            resolved = {key: None if receipt is None else receipt.entry_id for key, receipt in receipts.items()}
            check(history, ledger.replay(Rows()).state, resolved, report.find)
            audited = ledger.audit()
            if not audited.ok:
                report.find("wrong", f"the audit finds {audited.findings[:2]}")
        report.tries = len(history)
        answers = {answer: sum(each.answer == answer for each in transfers) for answer in ("done", "refused", "unknown")}
        report.notes = f"{len(history) - len(transfers)} reads; transfers: {answers}"
    return report


def _work(client: Client, place: Place, turns: int, plant: Plant, wait_for_all: WaitForAll) -> list[Any]:
    sys.setswitchinterval(SWITCH_SECONDS)
    with plant():
        done = client(place, turns, wait_for_all)
    place.stop.touch()
    return done


def run_on_file(turns: int, seed: int, folder: Path, *, plant: Plant = nullcontext) -> Report:
    """The same on a file."""
    return run(turns, seed, f"sqlite:///{folder / 'history.db'}", folder, plant=plant)
