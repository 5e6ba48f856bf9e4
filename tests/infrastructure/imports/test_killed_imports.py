"""Imports that are killed at any moment and run again end as one that was left alone."""

import json
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from tallystick import Balances, Ledger, Token
from tallystick.infrastructure.imports import allocations, erc20
from tallystick.infrastructure.imports.report import ImportReport, Progress
from tallystick.infrastructure.imports.tea_state import import_tea_state
from tallystick.infrastructure.imports.transfers.transfers import import_transfers
from tallystick.projections.projection import digest
from tests.support.books.begun_imports import tea_state_input
from tests.support.books.transfers_file import random_rows, write
from tests.support.programs.processes import Step, kill_after

KILLS = 12
Take = Callable[[Ledger, Path, Progress | None], ImportReport]


def chain(path: Path) -> Path:
    """Transfers of three tokens, every seventh without a key of its own."""
    chance = Random(3)
    accounts = [erc20.ZERO_ADDRESS, *(f"0x{k:040x}" for k in range(1, 9))]
    with path.open("w") as file:
        for row in range(90):
            sender, receiver = chance.sample(accounts, 2)
            named = {"from_address": sender, "to_address": receiver, "value": chance.randrange(1, 2**70)}
            key = {"transaction_hash": f"0x{row:x}", "log_index": 0} if row % 7 else {}
            file.write(json.dumps({"token_address": f"0x{row % 3:040x}", **named, **key}) + "\n")
    return path


def shares(path: Path) -> Path:
    path.write_text("safe_address,tokens\n" + "".join(f"a{row},{row + 1}\n" for row in range(60)))
    return path


def rows_with_ids(path: Path) -> Path:
    rows = [",".join(map(str, row)) + f",{k},m{k % 3}" for k, row in enumerate(random_rows(60))]
    return write(path, *rows, header="token,sender,receiver,amount,id,memo")


def rows_with_refused_ones(path: Path) -> Path:
    rows = [",".join(map(str, row)) for row in random_rows(60)]
    for place in (60, 41, 20, 7):
        rows.insert(place, "WEI,nobody,bob,1")
    return write(path, *rows)


CASES: dict[str, tuple[Callable[[Path], Path], Take]] = {
    "erc20": (chain, lambda ledger, path, progress: erc20.import_erc20(ledger, path, progress)),
    "allocations": (
        shares,
        lambda ledger, path, progress: allocations.import_allocations(ledger, path, "T", 10**6, progress),
    ),
    "a named distribution": (
        shares,
        lambda ledger, path, progress: allocations.import_allocations(ledger, path, "T", 10**6, progress, import_id="May"),
    ),
    "transfers with ids": (
        rows_with_ids,
        lambda ledger, path, progress: import_transfers(ledger, path, progress=progress, max_supply=10**30),
    ),
    "transfers, some refused": (
        rows_with_refused_ones,
        lambda ledger, path, progress: import_transfers(
            ledger, path, progress=progress, max_supply=10**30, on_refused=lambda error: None
        ),
    ),
    "an older state": (tea_state_input, import_tea_state),
}


@pytest.mark.parametrize("case", CASES)
def test_killed_and_imported_again_it_ends_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, blocks_of_4: None, case: str
) -> None:
    monkeypatch.setattr(erc20, "BLOCK_ROWS", 5)
    monkeypatch.setattr(allocations, "BLOCK_ROWS", 5)
    content, take = CASES[case]
    file, whole = content(tmp_path / "input"), tmp_path / "whole.db"
    with Ledger.open(whole) as ledger:
        report = take(ledger, file, None)
        expected, accepted = digest(ledger.replay(Balances())), report.recorded
    chance = Random(case)
    for kill in range(KILLS):
        books = tmp_path / f"{kill}.db"
        Ledger.open(books).close()

        def work(step: Step, books: Path = books) -> None:
            with Ledger.open(books) as ledger:
                take(ledger, file, lambda rows: step())

        kill_after(chance.randrange(report.batches), chance.uniform(0, 0.004), work)
        with Ledger.open(books) as ledger:
            again = take(ledger, file, None)
            assert digest(ledger.replay(Balances())) == expected
            assert (again.recorded + again.known, again.refused) == (accepted, report.refused)
            position = ledger.verify().position
            if report.refused:  # whoever got the money since, what was refused stays refused
                ledger.register_token(Token("WEI", max_supply=10**30))
                ledger.mint_many("WEI", ["nobody"], [100])
                position += 1
            last = take(ledger, file, None)
            assert (last.recorded, last.refused, ledger.verify().position) == (0, report.refused, position)
            assert ledger.audit().ok
