"""What the command line prints: one list of records, as a table for people or as JSON for machines.

A record is a plain dictionary. Amounts in it are exact integers; where a token has decimals, people get them written with
its point. When the output is no terminal a table becomes lines of tab-separated fields, so that nothing is ever cut off.
"""

import sys
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tallystick.domain.value_object.value_object import ValueObject
from tallystick.domain.values.token import Token
from tallystick.infrastructure.ledger.contract_view import ContractView
from tallystick.infrastructure.ledger.ledger import Ledger
from tallystick.infrastructure.proof.audit import AuditReport
from tallystick.projections.lines import Line
from tallystick.projections.shadow_spaces import ShadowSpace, ShadowSpaces

Record = dict[str, Any]

MONEY = frozenset({"available", "reserved", "total", "max", "reserve", "circulating", "amount", "change", "reserved_change"})
NUMBERS = MONEY | {"id", "position", "balance", "allocs_sum", "num_allocs", "sats", "sati"}


def balance_records(ledger: Ledger, tokens: Sequence[Token]) -> list[Record]:
    """The balances of every account that has something."""
    return [
        {
            "token": token.code,
            "account": account,
            "available": balance.available,
            "reserved": balance.reserved,
            "total": balance.total,
        }
        for token in tokens
        for account, balance in sorted(ledger.balances(token.code).items())
    ]


def supply_records(ledger: Ledger, tokens: Sequence[Token]) -> list[Record]:
    """The supply of each token."""
    return [{"token": token.code, **msgspec.structs.asdict(ledger.supply(token.code))} for token in tokens]


def contract_record(id: str, contract: ContractView | ShadowSpace) -> Record:
    """A contract's figures, in satoshis."""
    return {
        "contract": id,
        "backed_by": contract.backed_by or "",
        "balance": contract.balance,
        "allocs_sum": contract.allocs_sum,
        "num_allocs": contract.num_allocs,
    }


def contract_records(ledger: Ledger) -> list[Record]:
    """Every contract's figures, from one replay: many contracts are sooner replayed than loaded one by one."""
    return [contract_record(id, space) for id, space in ledger.replay(ShadowSpaces()).spaces.items()]


def allocation_records(contract: ContractView) -> list[Record]:
    """The allocations of a contract, in whole satoshis and exact in sati-satoshis."""
    return [
        {"contract": contract.id, "account": account, "sats": allocation.sats, "sati": allocation.sati}
        for account, allocation in sorted(contract.allocations().items())
    ]


def fragment_records(fragments: Iterable[ValueObject]) -> list[Record]:
    """Fragments with their state."""
    return [
        {"token": f.token, "owner": f.owner, "id": f.id, "amount": f.amount, "state": f.state.value, "hold": f.hold or ""}
        for f in fragments
    ]


def line_records(lines: Iterable[Line]) -> list[Record]:
    """The lines of an account."""
    return [
        {
            "position": line.position,
            "recorded_at": line.recorded_at.isoformat(),
            "kind": line.kind,
            "token": line.token,
            "account": line.account,
            "counterparty": line.counterparty or "",
            "change": line.change,
            "reserved_change": line.reserved_change,
            "available": line.available,
            "reserved": line.reserved,
            "hold": line.hold or "",
            "memo": line.memo,
        }
        for line in lines
    ]


def audit_record(report: AuditReport) -> Record:
    """A report, its findings as lines."""
    return {
        "ok": report.ok,
        "position": report.position,
        "digest": report.digest,
        "findings": [{"position": finding.position, "reason": finding.reason} for finding in report.findings],
    }


def print_json(content: Any) -> None:
    """One JSON document on standard output."""
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(content), indent=2).decode() + "\n")


def print_records(console: Console, records: Sequence[Record], tokens: Iterable[Token] = (), title: str = "") -> None:
    """A table; where the output is no terminal and the table has no title, lines of tab-separated fields under a header."""
    formats = {token.code: token.format for token in tokens}
    columns = list(records[0]) if records else []
    rows = [[_text(record, column, formats) for column in columns] for record in records]
    if not console.is_terminal and not title:
        for row in [columns, *rows] if columns else []:
            console.file.write("\t".join(row) + "\n")
        return
    table = Table(title=title, box=SIMPLE_HEAD, title_justify="left", title_style="bold")
    for column in columns:
        table.add_column(column, justify="right" if column in NUMBERS else "left", overflow="fold")
    for row in rows:
        table.add_row(*map(escape, row))
    console.print(table if columns else "nothing")


def _text(record: Record, column: str, formats: dict[str, Any]) -> str:
    value = record[column]
    if column in MONEY and record.get("token") in formats:
        return formats[record["token"]](value)
    return str(value)
