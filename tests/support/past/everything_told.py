"""All that the reads of a ledger say, so that a ledger as it stood can be held against what was said of it then."""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any

from tallystick import LedgerError
from tallystick.projections.lines import Page
from tests.support.books.varied_book import BEGIN, CONTRACTS

SPAN = (BEGIN + timedelta(days=2), BEGIN + timedelta(days=9))
UNKNOWN = ("nobody", "Nobody ", "", "0x" + "Cd" * 20, "alice APP", "TOTAL_SUPPLY_RESERVE", "HIDDEN_BONDING_CURVE_ACCOUNT")
"""Names that have nothing, or can be no account's."""


def said(call: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """What a read says, or which refusal."""
    try:
        found = call(*arguments, **options)
    except LedgerError as error:
        return type(error), error.fields
    return dict(found) if isinstance(found, dict) else list(found) if isinstance(found, list | tuple) else found


def everything_told(ledger: Any, codes: Iterable[str], accounts: Iterable[str], holds: Iterable[str]) -> dict[str, Any]:
    """What every read of a ledger says of these tokens, accounts and holds, whether they are there or not."""
    codes, accounts = list(codes), list(accounts)
    every = [*accounts, *UNKNOWN, *CONTRACTS]
    told: dict[str, Any] = {"tokens": ledger.tokens(), "holds": said(ledger.holds), "frozen": ledger.frozen()}
    told["contract ids"] = ledger.contract_ids()
    told["contracts"] = {
        id: (contract, ledger.allocations(id), ledger.is_contract(id)) for id, contract in ledger.contracts().items()
    }
    told["no contract"] = [said(ledger.contract, id) for id in (*CONTRACTS, *UNKNOWN, "ALICE")]
    told["is contract"] = [ledger.is_contract(id) for id in (*CONTRACTS, *codes, 7)]
    told["of accounts"] = [said(ledger.balances_of, account) for account in every]
    told["allocated"] = [said(ledger.allocations_of, account) for account in every]
    told["allocation"] = [said(ledger.allocation, id, account) for id in CONTRACTS for account in every]
    told["hold"] = [said(ledger.hold, id) for id in (*holds, "none", 7)]
    told["of keepers"] = [said(ledger.holds, authority=account) for account in every]
    told["of payers"] = [said(ledger.holds, payer=account, due_before=SPAN[1]) for account in every]
    told["rows of accounts"] = [said(lambda name=account: dict(ledger.state[name])) for account in every]
    for code in codes:
        told[code] = _token_told(ledger, code, accounts, every)
    return told


def _token_told(ledger: Any, code: str, accounts: list[str], every: list[str]) -> dict[str, Any]:
    """What is said of a token."""
    return {
        "token": said(ledger.token, code),
        "supply": said(ledger.supply, code),
        "app": said(ledger.app, code),
        "quotes": [said(lambda amount=amount: ledger.app(code).quote_buy(amount)) for amount in (1, 10**9)],
        "sold": said(lambda: ledger.app(code).quote_sell(10**6)),
        "balances": said(ledger.balances, code),
        "column": said(lambda: column_told(ledger, code)),
        "pages": [said(ledger.balances, code, prefix, 2, after) for prefix in ("", "a", "0xAB") for after in ("", "b")],
        "totals": [said(ledger.total, code, prefix) for prefix in ("", "a", "0XAB")],
        "balance": [said(ledger.balance, code, account) for account in every],
        "cells": [said(lambda other=other: ledger.state[code][other]) for other in every],
        "row": said(lambda: dict(ledger.state[code])),
        "fragments": [said(ledger.fragments, code, account) for account in every],
        "holds": [said(ledger.holds, code), *(said(ledger.holds, code, account) for account in accounts)],
    }


def column_told(ledger: Any, code: str) -> dict[str, tuple[int, int]]:
    """The balances that a token's column has."""
    column = ledger.column(code)
    cells = zip(map(int, column.available), map(int, column.reserved), strict=True)
    return dict(zip(column.accounts, cells, strict=True))


def occurred_told(ledger: Any, at: datetime, codes: Iterable[str], accounts: Iterable[str]) -> dict[str, Any]:
    """What had occurred by a time."""
    view = ledger.as_of(at, by="occurred_at")
    return {
        code: [
            said(view.balances, code),
            said(lambda code=code: column_told(view, code)),
            said(view.supply, code),
            said(view.total, code, "a"),
            *(said(view.balance, code, account) for account in accounts),
        ]
        for code in codes
    }


def pages_of(ledger: Any, *pair: str, newest_first: bool = False, **options: Any) -> Any:
    """The lines of page after page, as long as one follows."""
    options["newest_first"] = newest_first
    pages = [said(ledger.history, *pair, **options)]
    while isinstance(pages[-1], Page) and pages[-1].next is not None:
        options["before" if newest_first else "after"] = pages[-1].next
        pages.append(said(ledger.history, *pair, **options))
    return [list(page) for page in pages]


def lines_told(ledger: Any, codes: Iterable[str], accounts: Iterable[str]) -> dict[str, Any]:
    """What is said of how cells came to be what they are."""
    accounts = [*accounts, "TOTAL_SUPPLY_RESERVE", "HIDDEN_BONDING_CURVE_ACCOUNT", "nobody", *CONTRACTS]
    pairs = [(code, account) for code in codes for account in accounts]
    told: dict[str, Any] = {
        "lines allocated": [said(ledger.allocation_history, id, account) for id in CONTRACTS for account in accounts]
    }
    times = {"since": SPAN[0], "until": SPAN[1]}
    for pair in pairs:
        told[" ".join(pair)] = [
            pages_of(ledger, *pair),
            pages_of(ledger, *pair, limit=3, newest_first=True),
            pages_of(ledger, *pair, after=20, before=60, limit=4),
            pages_of(ledger, *pair, **times, limit=5),
            pages_of(ledger, *pair, **times, by="occurred_at", newest_first=True),
            said(ledger.statement, *pair, *SPAN),
            said(ledger.statement, *pair, *SPAN, by="recorded_at"),
            said(ledger.explain, *pair),
        ]
    return told


def journal_told(ledger: Any, position: int, fragments: Iterable[int]) -> dict[str, Any]:
    """What is said of entries up to a position and beyond it, of keys, references and value objects."""
    return {
        "entries": [said(ledger.entry, id) for id in range(position + 3)],
        "transactions": [said(ledger.transaction, id) for id in range(position + 3)],
        "receipts": [said(ledger.receipt, f"key{number}") for number in range(60)],
        "found": [said(ledger.find, f"order{number}") for number in range(5)],
        "newest": [said(ledger.find, f"order{number}", 1) for number in range(5)],
        "fragment": [(said(ledger.fragment, id), said(ledger.lineage, id, 4)) for id in fragments],
        "digests": [said(ledger.digest_at, at) for at in range(0, position + 3, 7)],
    }
