"""Journals for hledger and beancount: these programs read them, and compute the balances that the ledger has."""

import csv
import io
import os
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tallystick import InvalidRequest, Ledger, Token
from tallystick.infrastructure.analytics.plain_text.names import (
    beancount_account,
    beancount_currencies,
    hledger_account,
    hledger_commodity,
)
from tallystick.infrastructure.analytics.plain_text.texts import escaped, unescaped
from tests.support.books.varied_book import VariedBook
from tests.support.exports.hostile_book import ACCOUNTS, CODES, TEXTS, play_hostile
from tests.support.exports.wide_book import wide_book
from tests.support.suites.movement_sums import cells_of

HLEDGER = shutil.which("hledger")
needs_hledger = pytest.mark.skipif(HLEDGER is None and not os.environ.get("CI"), reason="hledger is not installed")


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    """It is not changed."""
    with play_hostile(tmp_path_factory.mktemp("hostile") / "books.db") as ledger:
        yield ledger


def hledger(*arguments: object) -> str:
    """What it prints; what it finds wrong fails the test."""
    assert HLEDGER is not None, "hledger is not installed"
    command = [HLEDGER, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env={"LC_ALL": "C.UTF-8", "PATH": "/usr/bin"})
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def bean_check(path: Path) -> list[Any]:
    """The entries of a journal in which beancount finds nothing wrong."""
    from beancount import loader

    entries, errors, _ = loader.load_file(str(path))
    assert [str(error.message) for error in errors[:3]] == []
    return entries


def told_by_hledger(path: Path) -> dict[tuple[str, str], Decimal]:
    found = csv.reader(io.StringIO(hledger("-f", path, "bal", "--flat", "-N", "-O", "csv", "--layout=bare", "-E")))
    return {(account, commodity): Decimal(amount) for account, commodity, amount in list(found)[1:] if Decimal(amount)}


def in_hledger(ledger: Any) -> dict[tuple[str, str], Decimal]:
    decimals = {token.code: token.decimals for token in ledger.tokens()}
    told: dict[tuple[str, str], Decimal] = {}
    for (token, account, held), amount in cells_of(ledger).items():
        name = "equity:supply" if account is None else hledger_account(account) + (":on hold" if held else "")
        told[name, hledger_commodity(token).strip('"')] = Decimal(f"{amount}E-{decimals[token]}")
    return told


@needs_hledger
@pytest.mark.parametrize("seed", [3, 7])
def test_hledger_computes_the_balances_of_a_book_of_all_models(tmp_path: Path, seed: int) -> None:
    ledger = wide_book(tmp_path / "books.db", seed).ledger
    path = tmp_path / "books.journal"
    told = ledger.export("movements", path)
    assert (told.format, told.position) == ("hledger", ledger.status().head.position)
    hledger("-f", path, "check", "--strict")
    assert told_by_hledger(path) == in_hledger(ledger)
    with ledger.duckdb(tables="movements") as database:
        assert database.execute("SELECT count(*) FROM movements").fetchall() == [(told.tables[0].rows,)]
    ledger.close()


@needs_hledger
def test_hledger_reads_hostile_names_and_memos(hostile: Ledger, tmp_path: Path) -> None:
    path = tmp_path / "books.journal"
    hostile.export("movements", path)
    hledger("-f", path, "check", "--strict")
    assert told_by_hledger(path) == in_hledger(hostile)
    csv.field_size_limit(2**20)
    printed = list(csv.DictReader(io.StringIO(hledger("-f", path, "print", "-O", "csv"))))
    memos = {int(row["code"]): unescaped(row["description"]) for row in printed if row["code"]}
    movements = [row for batch in hostile.movements() for row in batch.to_pylist()]
    assert memos == {row["position"]: row["memo"] for row in movements}
    assert set(TEXTS) <= set(memos.values())
    references = {
        int(row["code"]): tag.partition("reference:")[2] for row in printed if row["code"] for tag in row["comment"].split(", ")
    }
    wanted = {row["position"]: row["reference"] for row in movements if row["reference"] and row["reference"].strip()}
    assert {position: unescaped(text) for position, text in references.items() if position in wanted and text} == wanted


@needs_hledger
def test_hledger_finds_what_does_not_come_out(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "books.db") as ledger:
        ledger.register_token(Token("USD", decimals=2))
        ledger.mint("USD", "alice", 5_00)
        ledger.export("movements", tmp_path / "books.journal")
    path = tmp_path / "books.journal"
    path.write_text(path.read_text().replace("    assets:alice  5.00", "    assets:bob  5.00", 1) + "account assets:bob\n")
    with pytest.raises(AssertionError, match="balance assertion"):
        hledger("-f", path, "check")


def test_beancount_computes_the_balances_of_a_book_of_all_models(tmp_path: Path) -> None:
    from beancount.core import realization

    book = VariedBook(tmp_path / "books.db", 5)
    for _ in book.play(150):
        pass
    ledger, path = book.ledger, tmp_path / "books.beancount"
    told = ledger.export("movements", path)
    entries = bean_check(path)
    decimals = {token.code: token.decimals for token in ledger.tokens()}
    found: dict[tuple[str, str], Decimal] = {}
    for account in realization.iter_children(realization.realize(entries)):
        for position in account.balance:
            found[account.account, position.units.currency] = position.units.number
    wanted: dict[tuple[str, str], Decimal] = {}
    for (token, account, held), amount in cells_of(ledger).items():
        name = "Equity:Supply" if account is None else beancount_account(account) + (":On-Hold" if held else "")
        wanted[name, token] = Decimal(f"{amount}E-{decimals[token]}")
    assert {cell: amount for cell, amount in found.items() if amount} == wanted
    kinds = defaultdict[str, int](int)
    for entry in entries:
        kinds[type(entry).__name__] += 1
    assert kinds["Transaction"] == told.tables[0].rows
    assert kinds["Balance"] > len(wanted)
    ledger.close()


def test_beancount_reads_hostile_names_and_memos(hostile: Ledger, tmp_path: Path) -> None:
    path = tmp_path / "books.beancount"
    hostile.export("movements", path)
    entries = bean_check(path)
    found = {entry.meta["position"]: entry for entry in entries if "position" in entry.meta}
    names = defaultdict[str, set[str]](set)
    for entry in entries:
        if "name" in entry.meta:
            names[type(entry).__name__].add(unescaped(entry.meta["name"]))
    assert names == {"Commodity": set(CODES), "Open": {*ACCOUNTS, "minter"}}
    movements = [row for batch in hostile.movements() for row in batch.to_pylist()]
    assert {int(position): unescaped(entry.narration) for position, entry in found.items()} == {
        row["position"]: row["memo"] for row in movements
    }
    for row in movements:
        entry = found[Decimal(row["position"])]
        assert unescaped(entry.meta.get("reference", "")) == (row["reference"] or "")
        assert entry.meta["kind"] == row["kind"]


def test_beancount_finds_what_does_not_come_out(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "books.db") as ledger:
        ledger.register_token(Token("USD", decimals=2))
        ledger.mint("USD", "alice", 5_00)
        ledger.mint("USD", "bob", 5_00)
        ledger.export("movements", tmp_path / "books.beancount")
    path = tmp_path / "books.beancount"
    more = path.read_text().replace("Assets:Alice  5.00 USD", "Assets:Alice  5.01 USD")
    path.write_text(more.replace("-5.00 USD", "-5.01 USD", 1))
    with pytest.raises(AssertionError, match="Balance failed"):
        bean_check(path)


def test_beancount_is_given_no_more_digits_than_it_counts_in(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "books.db") as ledger:
        ledger.register_token(Token("USD", decimals=5, max_supply=10**30))
        ledger.mint("USD", "alice", 10**28 - 1)
        ledger.transfer("USD", "alice", "bob", 10**27 + 1)
        ledger.export("movements", tmp_path / "books.beancount")
        bean_check(tmp_path / "books.beancount")
        before = (tmp_path / "books.beancount").read_bytes()
        ledger.mint("USD", "bob", 1)
        with pytest.raises(InvalidRequest, match="28 digits, and more USD were minted at position 4"):
            ledger.export("movements", tmp_path / "books.beancount")
        assert (tmp_path / "books.beancount").read_bytes() == before


@needs_hledger
def test_an_empty_ledger_and_dates_at_the_ends_of_time(tmp_path: Path) -> None:
    now = datetime(9999, 12, 31, tzinfo=UTC)
    with Ledger.open(tmp_path / "books.db", clock=lambda: now) as ledger:
        for token in ((), (Token("USD"),)):
            for each in token:
                ledger.register_token(each)
            for name in ("books.journal", "books.beancount"):
                assert ledger.export("movements", tmp_path / name).tables[0].rows == 0
            bean_check(tmp_path / "books.beancount")
            hledger("-f", tmp_path / "books.journal", "check", "--strict")
        ledger.mint("USD", "alice", 5, occurred_at=datetime(1970, 1, 1, tzinfo=UTC))
        ledger.mint("USD", "alice", 5)
        for name in ("books.journal", "books.beancount"):
            ledger.export("movements", tmp_path / name)
        assert "balance" not in (tmp_path / "books.beancount").read_text()  # there is no day on which it could stand
        bean_check(tmp_path / "books.beancount")
        hledger("-f", tmp_path / "books.journal", "check", "--strict")


def test_every_name_is_another_one() -> None:
    names = [*ACCOUNTS, *(f"{first}:{second}" for first in ACCOUNTS for second in ACCOUNTS if len(first + second) < 100)]
    names += [chr(code) for code in range(33, 0x3000)] + [f"a{chr(code)}" for code in range(33, 0x300)]
    names += [f"{first} {second}" for first in ("alice", "APP") for second in ("TEA", "tea")]
    names = list(dict.fromkeys(names))
    for encoded, behind in ((hledger_account, "on hold"), (beancount_account, "On-Hold")):
        found = {encoded(name) for name in names}
        assert len(found) == len(names)
        assert not {f"{account}:{behind}" for account in found} & found
    assert len(set(map(hledger_commodity, names))) == len(names)


def test_currencies_do_not_depend_on_later_ones() -> None:
    codes = [*CODES, "EUR", "eur", "EUR-17", "TOKEN-13", "T12"]
    found = beancount_currencies(codes)
    assert len(set(found.values())) == len(codes)
    assert (found["USD"], found["usd"], found["EUR"]) == ("USD", "USD-2", "EUR")
    for count in range(len(codes)):
        assert beancount_currencies(codes[:count]) == dict(list(found.items())[:count])


@pytest.mark.parametrize("also", ["", ";", ",;", "|;"])
def test_texts_come_back(also: str) -> None:
    for text in TEXTS:
        line = escaped(text, also)
        assert unescaped(line) == text
        assert line.isprintable()
        assert not set(line) & set(also)
        assert line == line.strip()
        assert "  " not in line
