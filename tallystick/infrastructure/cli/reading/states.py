"""The commands that tell how a ledger stands: its tokens, who has something of one, and its contracts."""

from typing import Annotated

import typer

from tallystick.infrastructure.cli.ledger_argument import LedgerCommand
from tallystick.infrastructure.cli.options import URL
from tallystick.infrastructure.cli.printing.output import Output, printing
from tallystick.infrastructure.cli.reading.book import opened
from tallystick.infrastructure.cli.reading.options import At, By, Limit, OneToken, Prefix, Zone
from tallystick.infrastructure.cli.reading.records import ACCOUNT_COLUMNS, TOKEN_COLUMNS, readable, token_record
from tallystick.infrastructure.cli.records import CONTRACT_COLUMNS, allocation_records, contract_record, contract_records

states = typer.Typer()


@states.command(cls=LedgerCommand)
@printing
def tokens(out: Output, at: At = None, by: By = "recorded_at", tz: Zone = "UTC", url: URL = None) -> None:
    """The tokens that are registered, in the order in which they were."""
    with opened(url, "tokens", at, tz, by) as book:
        records = [token_record(token) for token in book.reads.tokens()]
    people = [readable(record) for record in records]
    out.document(records, people, out.text(people, TOKEN_COLUMNS), TOKEN_COLUMNS)


@states.command(cls=LedgerCommand)
@printing
def accounts(
    out: Output,
    token: OneToken,
    prefix: Prefix = "",
    limit: Limit = None,
    at: At = None,
    by: By = "recorded_at",
    tz: Zone = "UTC",
    url: URL = None,
) -> None:
    """The accounts that have something of a token, in the order of their names."""
    with opened(url, "balances", at, tz, by) as book:
        code = book.tokens(token)[0].code
        names = sorted(book.reads.balances(code, prefix, limit))
    out.records([{"token": code, "account": name} for name in names], ACCOUNT_COLUMNS)


@states.command(cls=LedgerCommand)
@printing
def contracts(out: Output, at: At = None, by: By = "recorded_at", tz: Zone = "UTC", url: URL = None) -> None:
    """Every contract: its balance, and what is allocated of it to how many accounts."""
    with opened(url, "contracts", at, tz, by) as book:
        out.records(contract_records(book.reads), CONTRACT_COLUMNS)


@states.command(cls=LedgerCommand)
@printing
def contract(
    out: Output,
    id: Annotated[str, typer.Argument(help="The contract's id.")],
    at: At = None,
    by: By = "recorded_at",
    tz: Zone = "UTC",
    url: URL = None,
) -> None:
    """A contract's figures, and what each account is allocated."""
    with opened(url, "contract", at, tz, by) as book:
        found, decimals = book.reads.contract(id), book.decimals()
        allocations = allocation_records(found, decimals)
    figures = contract_record(id, found, decimals)
    text = "\n".join(out.text(part) for part in ([figures], allocations) if part)
    nobody = {"account": "", "sats": None, "sati": None}
    rows = [{**figures, **each} for each in allocations or [nobody]]
    out.document({**figures, "allocations": allocations}, rows, text)
