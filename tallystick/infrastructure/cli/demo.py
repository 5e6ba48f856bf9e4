"""The demonstration: a marketplace day on a new ledger, then everything forgotten, replayed and proved.

What it shows is what the ledger promises: money is split and held in escrow, what is not there cannot be spent, a repeated
request is not done twice, and whatever is in memory can be thrown away, because the journal makes it again.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.rule import Rule

from tallystick.domain.errors import AllocationsExceedBalance, DuplicateIdempotencyKey, InsufficientFunds, StorageUnavailable
from tallystick.domain.values.token import Token
from tallystick.infrastructure.cli.differences import differences
from tallystick.infrastructure.cli.printing.formats import print_table
from tallystick.infrastructure.cli.printing.visible import visible
from tallystick.infrastructure.cli.records import (
    allocation_records,
    balance_records,
    contract_records,
    decimals_of,
    fragment_records,
    supply_records,
)
from tallystick.infrastructure.ledger.ledger import Ledger
from tallystick.infrastructure.system.passwords import shown
from tallystick.projections.balances import Balances
from tallystick.projections.fragments import Fragments
from tallystick.projections.shadow_spaces import ShadowSpaces
from tallystick.projections.supply import SupplyReserves

USD = Token("USD", decimals=2, max_supply=1_000_000_00, unit=100_00)


def run_demo(url: str | Path, console: Console) -> bool:
    """Plays the day on a new ledger at `url`, and says whether every figure was the same after the replay.

    Raises `StorageUnavailable` where a ledger with tokens is there already.
    """
    with Ledger.open(url) as ledger:
        if ledger.tokens():
            place = shown(url) if isinstance(url, str) else url
            raise StorageUnavailable(f"there is a ledger at {place}: the demonstration wants a new one")
        _say(console, "A marketplace day")
        _deposits(ledger, console)
        _sale(ledger, console)
        _escrow(ledger, console)
        _refusals(ledger, console)
        _contract(ledger, console)
        before = _figures(ledger)
        _say(console, "The books at the end of the day")
        _show(ledger, console)
    _say(console, "All state is thrown away; the journal is replayed from event one")
    with Ledger.open(url, create=False) as ledger:
        after = _figures(ledger)
        projections = (Balances(), SupplyReserves(), Fragments(), ShadowSpaces())
        differing = [line for projection in projections for line in differences(ledger, ledger.replay(projection))]
        for line in differing:
            console.print(f"  {visible(line)}")
        same = before == after and not differing
        events = ledger.verify().position
        console.print(f"{events} events replayed: {'every figure is the same' if same else 'FIGURES DIFFER'}")
        report = ledger.audit()
        for finding in report.findings:
            console.print(f"  {visible(str(finding))}")
        verdict = "nothing to find" if report.ok else "findings above"
        console.print(f"audit: {verdict}; position {report.position}, digest {report.digest[:16]}…")
    return same and report.ok


def _deposits(ledger: Ledger, console: Console) -> None:
    ledger.register_token(USD)
    with ledger.atomic(idempotency_key="deposit-1") as tx:
        tx.mint("USD", "alice", 500_00, memo="deposit")
    with ledger.atomic() as tx:
        tx.mint("USD", "bob", 250_00, memo="deposit")
    console.print("alice deposits 500.00 and bob 250.00, in fragments of at most 100.00")


def _sale(ledger: Ledger, console: Console) -> None:
    with ledger.atomic() as tx:
        order = tx.money("USD", "alice", 100_00).slice(100_00)
        order.slice(70_00).transfer_to("seller", memo="sale")
        order.slice(20_00).transfer_to("platform", memo="fee")
        order.transfer_to("charity", memo="donation")
    console.print("alice pays 100.00: 70.00 to the seller, 20.00 to the platform, 10.00 to charity, all or nothing")


def _escrow(ledger: Ledger, console: Console) -> None:
    due = datetime.now(UTC) + timedelta(days=14)
    with ledger.atomic() as tx:
        hold = tx.reserve("USD", "bob", "marketplace", 200_00, due, memo="order escrow")
    with ledger.atomic() as tx:
        tx.settle("USD", "marketplace", "seller", 120_00, hold=hold, memo="delivered")
        tx.release(hold, 50_00, memo="returned")
    console.print("bob puts 200.00 in escrow; 120.00 are settled to the seller, 50.00 released, 30.00 stay held")


def _refusals(ledger: Ledger, console: Console) -> None:
    try:
        with ledger.atomic() as tx:
            tx.transfer("USD", "charity", "alice", 10_00)
            tx.transfer("USD", "bob", "alice", 1_000_00)
    except InsufficientFunds as error:
        console.print(f"an overdraft is refused, and with it the whole transaction: {error}")
    try:
        with ledger.atomic(idempotency_key="deposit-1") as tx:
            tx.mint("USD", "alice", 500_00, memo="deposit")
    except DuplicateIdempotencyKey as error:
        console.print(f"the first deposit is sent again and not done again: {error}")


def _contract(ledger: Ledger, console: Console) -> None:
    with ledger.atomic() as tx:
        fund = tx.register_contract("loan-fund", backed_by="USD")
        for investor, amount in (("alice", 200_00), ("seller", 100_00)):
            fund.fund(investor, amount)
            fund.alloc(investor)
            fund.shadow_up(investor, amount)
    console.print(
        "a contract is funded by alice with 200.00 and by the seller with 100.00, and mirrors it in their shadow space"
    )
    with ledger.atomic() as tx:
        fund = tx.contract("loan-fund")
        fund.fund("bob", 10_00, memo="interest")
        fund.shadow_up_all(10_00)
    shares = {
        account: USD.format(allocation.sats) for account, allocation in ledger.contract("loan-fund").allocations().items()
    }
    console.print(f"10.00 of interest raise all shares in proportion, in one step: {shares}, a fraction each beside")
    try:
        with ledger.atomic() as tx:
            tx.contract("loan-fund").shadow_up("alice", 1)
    except AllocationsExceedBalance as error:
        console.print(f"what the balance does not cover cannot be allocated: {error}")


def _show(ledger: Ledger, console: Console) -> None:
    tokens = ledger.tokens()
    decimals = decimals_of(tokens)
    fragments = [fragment for account in sorted(ledger.balances("USD")) for fragment in ledger.fragments("USD", account)]
    print_table(console, balance_records(ledger, tokens), "Balances")
    print_table(console, fragment_records(fragments, decimals), "Fragments")
    print_table(console, supply_records(ledger, tokens), "Supply")
    print_table(console, contract_records(ledger), "Contracts")
    print_table(console, allocation_records(ledger.contract("loan-fund"), decimals), "Allocations")


def _figures(ledger: Ledger) -> tuple[Any, ...]:
    balances = ledger.balances("USD")
    fragments = {account: ledger.fragments("USD", account) for account in balances}
    contract = ledger.contract("loan-fund")
    return balances, fragments, ledger.supply("USD"), ledger.holds("USD", "marketplace"), contract, contract.allocations()


def _say(console: Console, text: str) -> None:
    console.print(Rule(text, align="left") if console.is_terminal else f"\n== {text}")
