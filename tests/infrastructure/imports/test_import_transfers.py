"""Importing transfers: what rows mean, which the books refuse, being stopped at any moment, and the command."""

import csv
import json
import signal
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from tallystick import (
    TOTAL_SUPPLY_RESERVE,
    AccountIsFrozen,
    DuplicateTransferId,
    InsufficientFunds,
    InvalidAccount,
    InvalidToken,
    Ledger,
    LedgerError,
    MalformedRow,
    Refused,
    SupplyExhausted,
    Token,
)
from tallystick.infrastructure.imports.transfers.transfers import import_transfers
from tests.support.books.transfers_file import HEADER, MINTED, TransferRow, funds, parquet, random_rows, sums, write
from tests.support.programs.command_line import run

# What rows mean.


def test_rows_mean_what_they_say_one_after_another(ledger: Ledger, file: Path, blocks_of_4: None) -> None:
    rows = random_rows(80)
    write(file, *(",".join(map(str, row)) for row in rows))
    report = import_transfers(ledger, file)
    assert (report.rows, report.tokens, report.refused, report.batches_before) == (len(rows), 2, 0, 0)
    assert report.mints == sum(not sender for _, sender, _, _ in rows)
    assert report.burns == sum(not receiver for _, _, receiver, _ in rows)
    assert report.transfers == report.rows - report.mints - report.burns > 0
    assert report.batches > len(rows) / 4
    assert funds(ledger) == sums(rows)
    position = ledger.verify().position
    again = import_transfers(ledger, file)
    assert (again.batches_before, again.mints, again.rows) == (report.batches, report.mints, report.rows)
    assert ledger.verify().position == position
    assert ledger.audit().ok


def test_every_token_from_parquet_as_from_csv(ledger: Ledger, token: str, file: Path, blocks_of_4: None) -> None:
    rows = random_rows(60, [token])
    _, senders, receivers, amounts = zip(*rows, strict=True)
    nulled = [sender or None for sender in senders]
    columns = {"token": [token] * len(rows), "sender": nulled, "receiver": receivers, "amount": amounts}
    report = import_transfers(ledger, parquet(file, **columns))
    assert (report.rows, funds(ledger)[token]) == (len(rows), sums(rows)[token])
    write(file, *(",".join(map(str, row)) for row in rows))  # another file, and so as much again
    assert import_transfers(ledger, file, import_id="again").recorded == len(rows)
    assert funds(ledger)[token] == {account: 2 * units for account, units in sums(rows)[token].items()}


def test_wide_amounts_and_decimals(ledger: Ledger, file: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    write(file, f"WEI,,alice,{2**256 - 1}", f"WEI,alice,bob,{2**255 + 1}", f"WEI,bob,,{2**255}")
    import_transfers(ledger, file)
    assert funds(ledger)["WEI"] == {"alice": 2**255 - 2, "bob": 1}
    decimals = arrow.array([Decimal(10**75), Decimal(1)], arrow.decimal256(76, 0))
    nobody = arrow.nulls(2)
    import_transfers(ledger, parquet(file, sender=nobody, receiver=["carol", "carol"], amount=decimals), token="WEI")
    assert ledger.balance("WEI", "carol").total == 10**75 + 1
    texts = arrow.array([str(10**70), "7"]).dictionary_encode()
    import_transfers(ledger, parquet(file, sender=["carol"] * 2, receiver=["dave"] * 2, amount=texts), token="WEI")
    assert ledger.balance("WEI", "dave").total == 10**70 + 7


def test_quotes_marks_and_further_columns(ledger: Ledger, file: Path) -> None:
    file.write_bytes(
        b'\xef\xbb\xbfmemo,note,"amount",receiver,sender,token\r\n'
        b'"rent, ""May""\nand June",x,100,alice,,PLN\r\n\r\n'
        b'"rent, ""May""\nand June",\xff,100,"b\xc3\xb6b","",PLN\r\n'
    )
    report = import_transfers(ledger, file)
    assert (report.rows, report.batches) == (2, 1)
    assert [each.memo for each in ledger.history("PLN", "b\u00f6b")] == ['rent, "May"\nand June']


def test_one_token_for_all_rows_and_tokens_that_are_new(ledger: Ledger, file: Path) -> None:
    write(file, ",alice,7", header="sender,receiver,amount")
    import_transfers(ledger, file, token="PLN")
    assert funds(ledger)["PLN"] == {"alice": 7}
    with pytest.raises(MalformedRow, match="no column token"):
        import_transfers(ledger, file)
    write(file, "NEW,,alice,7", MINTED)
    import_transfers(ledger, file, max_supply=10)
    assert (ledger.supply("NEW").reserve, ledger.token("PLN").max_supply) == (3, 2**128 - 1)
    with pytest.raises(MalformedRow, match="was named for all rows"):
        import_transfers(ledger, file, token="PLN")
    with pytest.raises(InvalidToken, match="row 3: "):
        import_transfers(ledger, write(file, MINTED, "N W,,alice,5"), max_supply=10)


def test_ids(ledger: Ledger, file: Path) -> None:
    id = UUID(int=2**127 + 5)
    header = HEADER + ",id"
    import_transfers(ledger, write(file, MINTED + f",{id}", MINTED + ",", MINTED + f",{2**128 - 1}", header=header))
    assert ledger.balance("PLN", "alice").total == 300
    other = MINTED.replace("100", "99")
    for used in (id.int, str(id).upper(), 2**128 - 1):
        with pytest.raises(DuplicateTransferId, match="row 4: ") as caught:
            import_transfers(ledger, write(file, MINTED + ",0", MINTED + ",1", other + f",{used}", header=header))
        assert (caught.value.fields["row"], ledger.balance("PLN", "alice").total) == (4, 300)
    columns = {"sender": ["", ""], "receiver": ["bob", "bob"], "amount": [1, 1], "id": [8, None]}
    import_transfers(ledger, parquet(file, **columns), token="PLN")
    with pytest.raises(DuplicateTransferId, match="row 1: "):
        import_transfers(ledger, parquet(file, **{**columns, "amount": [2, 2]}), token="PLN")


def test_files_of_nothing(ledger: Ledger, file: Path) -> None:
    file.write_text("")
    with pytest.raises(MalformedRow, match="row 1: "):
        import_transfers(ledger, file)
    assert import_transfers(ledger, write(file)).rows == 0
    assert import_transfers(ledger, write(file, "", "", "")).rows == 0
    assert import_transfers(ledger, parquet(file, sender=[], receiver=[], amount=[]), token="PLN").batches == 0


# Rows that the books refuse.

REFUSED = [MINTED, *["PLN,alice,bob,30"] * 5, "PLN,bob,,60", "PLN,bob,,31", "PLN,,alice,1"]


def test_a_refused_row_stops_the_import_and_is_named(ledger: Ledger, file: Path, blocks_of_4: None) -> None:
    with pytest.raises(InsufficientFunds, match=r"row 6: alice has 0\.10 PLN") as caught:
        import_transfers(ledger, write(file, *REFUSED))
    assert (caught.value.fields["row"], funds(ledger)["PLN"]) == (6, {})
    with pytest.raises(SupplyExhausted, match="row 3: "):
        import_transfers(ledger, write(file, "PLN,,alice,1", f"PLN,,alice,{2**128 - 1}"))
    with pytest.raises(InvalidAccount, match="row 2: "):
        import_transfers(ledger, write(file, f"PLN,,{TOTAL_SUPPLY_RESERVE},1"), on_refused=lambda refused: None)


def test_an_app_s_token_is_not_minted(ledger: Ledger, file: Path) -> None:
    ledger.register_token(Token("TEA", role="settlement"))
    ledger.register_token(Token("App", role="app", max_supply=5))
    with pytest.raises(LedgerError, match="row 2: "):
        import_transfers(ledger, write(file, "App,,alice,1"))


def test_refused_rows_are_passed_over_where_that_is_asked_for(ledger: Ledger, file: Path, blocks_of_4: None) -> None:
    found: list[Refused] = []
    write(file, *REFUSED)
    report = import_transfers(ledger, file, on_refused=found.append)
    assert [(each.code, each.fields["row"]) for each in found] == [("insufficient_funds", row) for row in (6, 7, 9)]
    assert (report.refused, report.mints, report.transfers, report.burns) == (3, 2, 3, 1)
    assert funds(ledger)["PLN"] == {"alice": 11, "bob": 30}
    with ledger.atomic() as tx:
        tx.mint("PLN", "alice", 1000)
    before = ledger.verify().position
    again = import_transfers(ledger, file, on_refused=found.append)  # also batches that left nothing are not tried again
    assert (again.refused, again.burns, len(found), ledger.verify().position) == (3, 1, 3, before)
    assert import_transfers(ledger, file).refused == 3


def test_an_import_that_was_refused_goes_on_where_it_was(ledger: Ledger, file: Path, blocks_of_4: None) -> None:
    write(file, *REFUSED)
    with pytest.raises(InsufficientFunds):
        import_transfers(ledger, file)
    report = import_transfers(ledger, file, on_refused=lambda refused: None)
    assert (report.batches_before, report.refused, funds(ledger)["PLN"]) == (0, 3, {"alice": 11, "bob": 30})


def test_what_only_shows_when_it_is_recorded_leaves_the_batches_before_it(
    ledger: Ledger, file: Path, blocks_of_4: None
) -> None:
    with ledger.atomic() as tx:
        tx.freeze("bob", "PLN", credits=True)
    write(file, *REFUSED[:3])
    with pytest.raises(AccountIsFrozen, match="row 3: "):
        import_transfers(ledger, file)
    assert funds(ledger)["PLN"] == {"alice": 100}
    with ledger.atomic() as tx:
        tx.unfreeze("bob", "PLN")
    report = import_transfers(ledger, file)
    assert (report.batches_before, report.known, report.recorded) == (1, 1, 2)
    assert funds(ledger)["PLN"] == {"alice": 40, "bob": 60}


# Being stopped.


class Stopped(Exception):
    pass


def stop_after(batches: int) -> Any:
    left = iter(range(batches))

    def progress(rows: int) -> None:
        if next(left, None) is None:
            raise Stopped

    return progress


@pytest.mark.parametrize("skips", [False, True])
def test_stopped_after_each_batch_the_outcome_is_the_same(tmp_path: Path, file: Path, blocks_of_4: None, skips: bool) -> None:
    rows = random_rows(40)
    spoiled = [*rows[:9], ("PLN", "nobody", "bob", 1), *rows[9:18], ("WEI", "nobody", "bob", 1), *rows[18:]] if skips else rows
    write(file, *(",".join(map(str, row)) for row in spoiled))
    on_refused = (lambda refused: None) if skips else None
    outcomes: list[Any] = []
    batches, stops = 1, 0
    while stops < batches:
        with Ledger.open("memory:") as ledger:
            for code in ("PLN", "USD", "WEI"):
                ledger.register_token(Token(code))
            with pytest.raises(Stopped):
                import_transfers(ledger, file, on_refused=on_refused, progress=stop_after(stops))
            report = import_transfers(ledger, file, on_refused=on_refused)
            outcomes.append((ledger.verify().position, funds(ledger), report.rows, report.refused, report.burns))
            batches, stops = report.batches, stops + 1
    assert outcomes[0][1] == sums(rows)
    assert all(outcome == outcomes[0] for outcome in outcomes)
    assert len(outcomes) > 20


IMPORT = """
import sys
from pathlib import Path
from tallystick import Ledger
from tallystick.infrastructure.imports.transfers import csv_file as transfers_csv
transfers_csv.BLOCK_ROWS = 50
from tallystick.infrastructure.imports.transfers.transfers import import_transfers
with Ledger.open(Path(sys.argv[1])) as ledger:
    import_transfers(ledger, Path(sys.argv[2]), progress=lambda rows: print(rows, flush=True))
"""


@pytest.fixture
def many(file: Path) -> tuple[Path, list[TransferRow]]:
    rows: list[TransferRow] = [("PLN", "", f"account-{k % 97}", 10) for k in range(5_000)]
    rows += [("PLN", f"account-{k % 97}", f"account-{k % 89}", 1) for k in range(5_000)]
    with file.open("w", newline="") as written:
        csv.writer(written).writerows([HEADER.split(","), *rows])
    return file, rows


def test_killed_at_any_moment_the_outcome_is_the_same(tmp_path: Path, many: tuple[Path, list[TransferRow]]) -> None:
    file, rows = many
    books = tmp_path / "books.db"
    with Ledger.open(books) as ledger:
        ledger.register_token(Token("PLN"))
    positions: list[int] = []
    for batches in (0, 1, 60, 130, 131):
        with subprocess.Popen([sys.executable, "-c", IMPORT, books, file], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            for _ in range(batches):
                process.stdout.readline()
            process.send_signal(signal.SIGKILL)
        with Ledger.open(books) as ledger:
            assert ledger.verify().ok
            positions.append(ledger.verify().position)
    subprocess.run([sys.executable, "-c", IMPORT, books, file], check=True, stdout=subprocess.DEVNULL)
    with Ledger.open(books) as ledger:
        assert ledger.verify().position == len(rows) + 1
        assert funds(ledger)["PLN"] == sums(rows)["PLN"]
        assert ledger.audit().ok
    assert positions == sorted(positions)
    assert positions[1] < positions[2] < positions[-1] < len(rows) + 1


# The command.


def test_the_command(tmp_path: Path, file: Path) -> None:
    books = tmp_path / "books.db"
    command, to = ("import", "transfers"), ("--url", books)
    write(file, *REFUSED)
    done = run(*command, file, *to, "--max-supply", 1000)
    assert (done.returncode, done.stdout, books.exists()) == (3, "", False)
    done = run(*command, file, *to, "--create")
    assert (done.returncode, done.stdout, books.exists()) == (2, "", False)
    assert "error: token_not_found: row 2: token 'PLN' is not registered" in done.stderr
    done = run(*command, file, *to, "--max-supply", 1000, "--create")
    assert (done.returncode, done.stdout, books.exists()) == (2, "", False)
    assert "error: insufficient_funds: row 6: alice has 10 PLN to give of the 30 required" in done.stderr
    listing = tmp_path / "refused.csv"
    arguments = ("--skip-refused", "--json", "--max-supply", 1000, "--create", "--refused", listing)
    done = run(*command, file, *to, *arguments)
    assert done.returncode == 5, done.stderr
    found = json.loads(done.stdout)
    counts = {"rows": 9, "mints": 2, "transfers": 3, "burns": 1, "recorded": 6, "known": 0, "refused": 3, "batches_before": 0}
    assert {name: found[name] for name in counts} == counts
    assert "3 rows are refused by the books and were passed over" in done.stderr
    assert '"code":"insufficient_funds","message":"row 9: bob has 30 PLN' in done.stderr
    with listing.open(newline="") as opened:
        assert [row[:2] for row in csv.reader(opened)] == [
            ["row", "code"],
            *([str(row), "insufficient_funds"] for row in (6, 7, 9)),
        ]
    done = run(*command, file, *to, "--json")
    again = json.loads(done.stdout)
    assert (again["position"], again["batches_before"], again["known"]) == (found["position"], found["batches"], 6)
    assert f"UTC as {found['name']}: nothing to do" in done.stderr
    assert (done.returncode, again["refused"]) == (5, 3)
    malformed = run(*command, write(file, "5,6", header="receiver,amount"), *to, "--token", "PLN")
    assert (malformed.returncode, "error: malformed_row: row 1: " in malformed.stderr) == (2, True)
