"""What users hold shows its documented names and nothing else: a ledger, a block, and what they give, awaited or not."""

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest

import tallystick
from tallystick import (
    AsyncLedger,
    Backup,
    EntryHeader,
    Exported,
    ExportedTable,
    Followed,
    HoldInTheWay,
    InsufficientFunds,
    Ledger,
    Rebuilt,
    RebuiltTable,
    ReplayCheck,
    StateDifference,
    Token,
    Trade,
)

TOKENS = (Token("USD", unit=10), Token("TEA", role="settlement"), Token("TeaParty", role="app"))
BLOCK = """app balance burn contract expire freeze mint money move receipt register_contract release require reserve reverse
rollback save savepoint seats settle topup transfer unfreeze withdraw"""
BOOKS = """allocation allocation_history allocations allocations_of app as_of atomic audit backup balance balances balances_of
bisect burn burn_many check_rebuilt check_replay close column contract contract_ids contracts diff digest_at duckdb
entry erase expire expire_every explain export find fork fragment fragments freeze frozen handles history hold holds
index_past is_contract lineage mint mint_many movements once open project rebuild receipt register_token release
replay replay_diff reserve reverse run settle snapshot state statement status supply take_over token tokens total
transaction transfer transfer_many unfreeze update_app verify"""
APP = "accepts buy buy_exactly code deposit owner pay price quote_buy quote_sell refund reserve sell supply"
HELD = {
    "ledger": f"{BOOKS} follow",
    "ledger for asyncio": f"{BOOKS} blocking",
    "ledger that is being opened": "",
    "block": BLOCK,
    "block for asyncio": BLOCK,
    "savepoint": "",
    "money": "burn owner remaining reserve slice slices split token transfer_to",
    "slice": "burn owner remaining reserve slice slices split token transfer_to",
    "app": "buy buy_exactly code consume_deposit deposit distribute_dividend distribute_income pay refund sell withdraw_income",
    "app as it stands": APP,
    "app as it stands for asyncio": APP,
    "seats": "collect_memory_tax pay_public_service share_distribution_pool share_income",
    "contract": """alloc allocation allocs_sum balance balance_down balance_up dealloc defund fund id num_allocs
    shadow_down shadow_down_all shadow_up shadow_up_all""",
    "double map": "get items keys values",
    "its row": "get items keys values",
    "double map for asyncio": "",
    "its row for asyncio": "",
    "contract's view": "allocation allocations allocs_sum backed_by balance id num_allocs",
    "contract's view for asyncio": "allocation allocations allocs_sum backed_by balance id num_allocs",
    "contracts": "get items keys values",
    "receipt": "entry_id hold_id hold_ids occurred_at position recorded_at repeated trades transaction_ids",
    "entry": """id key last_position metadata occurred_at position recorded_at reference reversed_by reverses
    transactions""",
    "header of an entry": "has_metadata id key last_position occurred_at position recorded_at reference reverses",
    "trade": "account app paid received side transaction_id",
    "batch's receipt": "accepted entry_id position recorded_at refused transaction_ids",
    "balance": "available reserved total",
    "supply": "circulating max reserve",
    "fragment": "amount apply burn hold id mint minted_by owner release reserve state token",
    "fragment as recorded": """after amount apply burn ended_in held_in hold id mint minted_by minted_in owner release reserve
    state token""",
    "explanation of a refusal": "account available held holds missing required rule token",
    "hold in the way": "authority expires_at id position remaining",
    "lineage": "ancestors complete fragment",
    "origin of a fragment": "amount certain entry_id id kind owner parent_count parents recorded_at token transaction_id",
    "frozen account": "account credits debits position reason recorded_at token",
    "hold": "amount authority expires_at id is_due is_open legs memo payer position remaining reserved_at token",
    "leg": "amount kind receiver recorded_at transaction_id",
    "allocation": "sati sats",
    "line": """account available change counterparty entry_id hold kind memo occurred_at position recorded_at
    reference reserved reserved_change token transaction_id""",
    "page of lines": "count index next to_dict",
    "next page": "account available keys position reserved token version",
    "transaction": """burned_amount entry_id hold id kind memo minted_amount occurred_at position receiver recorded_at
    reference sender token""",
    "view": """allocation allocation_history allocations allocations_of app audit backup balance balances balances_of column
    contract contract_ids contracts digest_at duckdb entry explain export find fragment fragments frozen history hold holds
    is_contract
    lineage movements position receipt recorded_at replay state statement status supply token tokens total transaction
    verify""",
    "view by occurred time": "balance balances column position supply total",
    "view for asyncio": """allocation allocation_history allocations allocations_of app audit backup balance balances
    balances_of blocking column contract contract_ids contracts digest_at duckdb entry explain export find fragment fragments
    frozen history hold holds is_contract lineage movements position receipt recorded_at replay state statement status supply
    token tokens total transaction verify""",
    "view by occurred time for asyncio": "balance balances column position supply total",
    "allocation line": """account allocation change contract entry_id kind memo occurred_at position recorded_at reference""",
    "statement": "account by closing lines opening since token until",
    "explanation": "account balance complete token transactions",
    "difference": "account after available before reserved token",
    "audit's report": "digest findings ok position",
    "backup": "digest path position",
    "rebuild's report": "position tables version",
    "rebuilt table": "name rows",
    "export's report": "format position tables",
    "exported table": "name path rows",
    "where kept tables stand": "head lag position recorded_at written",
    "check of a replay": "against differences digest journals_part_at ok position projection reason",
    "difference of two replays": "differences entry event position recorded_at",
    "difference of states": "first in_first in_second path second",
    "bisection": "calls entries position recorded_at",
    "status": "expiry head index lag past queue snapshots",
    "status of the expiry": "is_running last_error released runs",
    "status of the head": "digest position recorded_at",
    "status of the index": "folder position",
    "status of the snapshots": "folder is_being_written position",
    "status of the past": "folder is_extended position",
    "token": "accepts code curve decimals format is_same max_supply owner parse role unit",
}
"""What is held, and its public names."""
RESULTS = (
    "contract's view",
    "contract's view for asyncio",
    "receipt",
    "batch's receipt",
    "balance",
    "supply",
    "fragment",
    "fragment as recorded",
    "explanation of a refusal",
    "hold in the way",
    "lineage",
    "origin of a fragment",
    "hold",
    "allocation",
    "allocation line",
    "transaction",
    "audit's report",
    "backup",
    "rebuild's report",
    "rebuilt table",
    "export's report",
    "exported table",
    "where kept tables stand",
    "check of a replay",
    "difference of two replays",
    "difference of states",
    "bisection",
    "status",
    "status of the head",
    "status of the index",
    "status of the snapshots",
    "status of the past",
    "status of the expiry",
    "token",
    "entry",
    "header of an entry",
    "trade",
    "line",
    "statement",
    "explanation",
    "difference",
    "leg",
    "frozen account",
    "app as it stands",
    "app as it stands for asyncio",
)
"""What is plain, and shows `keys` and `to_dict` too."""


def held_in_a_block(tx: Any) -> dict[str, Any]:
    """What a block gives; of the token USD and of the app TeaParty."""
    tx.mint("USD", "alice", 100)
    money = tx.money("USD", "alice", 10)
    part = money.slice(4)
    held = {"block": tx, "money": money, "slice": part, "app": tx.app("TeaParty"), "seats": tx.seats}
    held |= {"contract": tx.register_contract("pool"), "savepoint": tx.savepoint()}
    held["contract"].balance_up(5)
    held["contract"].alloc("alice")
    tx.freeze("carol")
    part.transfer_to("bob")
    money.reserve("keeper")
    tx.settle("USD", "keeper", "bob", 1)
    return held


def held() -> dict[str, Any]:
    """What users of a ledger hold, of a ledger that is left open for it."""
    ledger = Ledger.open("memory:")
    for token in TOKENS:
        ledger.register_token(token)
    with ledger.atomic() as tx:
        found = held_in_a_block(tx)
    (hold,) = ledger.holds("USD", "keeper")
    return found | {
        "ledger": ledger,
        "app as it stands": ledger.app("TeaParty"),
        "double map": ledger.state,
        "its row": ledger.state["USD"],
        "contract's view": ledger.contract("pool"),
        "contracts": ledger.contracts(),
        "receipt": tx.receipt,
        "batch's receipt": ledger.transfer_many("USD", ["alice"], ["bob"], [1]),
        "balance": ledger.balance("USD", "alice"),
        "supply": ledger.supply("USD"),
        "fragment": ledger.fragments("USD", "alice")[0],
        "fragment as recorded": ledger.fragment(ledger.fragments("USD", "alice")[0].id),
        "explanation of a refusal": InsufficientFunds(token="USD", account="a", required=2, available=1).explanation,
        "hold in the way": HoldInTheWay("hold-1", "keeper", 1, None, 7),
        "lineage": ledger.lineage(ledger.fragments("USD", "alice")[0].id),
        "origin of a fragment": ledger.lineage(ledger.fragments("USD", "alice")[0].id).fragment,
        "hold": hold,
        "frozen account": ledger.frozen()[0],
        "leg": ledger.hold(hold.id).legs[0],
        "allocation": ledger.allocation("pool", "alice"),
        "transaction": ledger.transaction(tx.receipt.transaction_ids[0]),  # type: ignore[union-attr]
        "line": ledger.history("USD", "alice")[0],
        "page of lines": ledger.history("USD", "alice"),
        "next page": ledger.history("USD", "alice", limit=1).next,
        "audit's report": ledger.audit(),
        "backup": Backup("copy.db", 3, "ab"),
        "rebuild's report": Rebuilt(1, 3, (RebuiltTable("balances", 2),)),
        "rebuilt table": RebuiltTable("balances", 2),
        "export's report": Exported(3, "csv", (ExportedTable("balances", 2, "balances.csv"),)),
        "exported table": ExportedTable("balances", 2, "balances.csv"),
        "where kept tables stand": Followed(3, 5, None, 2),
        "check of a replay": ReplayCheck(True, "balances", 3, "ledger", "ab", None, "", ()),
        "difference of two replays": ledger.replay_diff("balances", "supply_reserves"),
        "difference of states": StateDifference("state['USD']", 1, 2),
        "bisection": ledger.bisect(lambda view: view.position > 1),
        "status": ledger.status(),
        "status of the head": ledger.status().head,
        "status of the expiry": ledger.status().expiry,
        "status of the index": ledger.status().index,
        "status of the snapshots": ledger.status().snapshots,
        "status of the past": ledger.status().past,
        "token": ledger.token("USD"),
        "entry": ledger.entry(tx.receipt.entry_id),  # type: ignore[union-attr]
        "view": ledger.as_of(ledger.status().head.position),
        "view by occurred time": ledger.as_of(ledger.status().head.recorded_at, by="occurred_at"),
        "statement": ledger.statement("USD", "alice"),
        "explanation": ledger.explain("USD", "alice"),
        "difference": ledger.diff(1, ledger.status().head.position)[0],
        "allocation line": ledger.allocation_history("pool", "alice")[0],
        "header of an entry": EntryHeader(1, 1, 2, ledger.status().head.recorded_at, ledger.status().head.recorded_at),
        "trade": Trade("TeaParty", "buy", "alice", 5, 7, 1),
    }


async def held_by_a_task() -> dict[str, Any]:
    """The same of a ledger for asyncio, where a block gives what any block gives."""
    opening = AsyncLedger.open("memory:")
    async with opening as ledger:
        for token in TOKENS:
            await ledger.register_token(token)
        async with ledger.atomic() as tx:
            found = held_in_a_block(tx)
        return found | {
            "block for asyncio": found.pop("block"),
            "ledger for asyncio": ledger,
            "ledger that is being opened": opening,
            "app as it stands for asyncio": await ledger.app("TeaParty"),
            "double map for asyncio": ledger.state,
            "its row for asyncio": ledger.state["USD"],
            "contract's view for asyncio": await ledger.contract("pool"),
            "contracts for asyncio": await ledger.contracts(),
            "view for asyncio": await ledger.as_of((await ledger.status()).head.position),
            "view by occurred time for asyncio": await ledger.as_of((await ledger.status()).head.recorded_at, "occurred_at"),
            "receipt": tx.receipt,
        }


@pytest.fixture(scope="module")
def everything_held() -> list[tuple[str, Any]]:
    found = [*held().items(), *asyncio.run(held_by_a_task()).items()]
    return [(name, each) for name, each in found if name != "contracts for asyncio"]  # that is a dict


def names_of(thing: object) -> list[str]:
    return [name for name in dir(thing) if not name.startswith("_")]


def test_what_users_hold_shows_its_documented_names_and_nothing_else(everything_held: list[tuple[str, Any]]) -> None:
    assert {name for name, _ in everything_held} == set(HELD)
    for name, each in everything_held:
        plain = "keys to_dict" if name in RESULTS else ""
        assert names_of(each) == sorted(f"{HELD[name]} {plain}".split()), name


def test_every_name_that_users_see_is_documented(everything_held: list[tuple[str, Any]]) -> None:
    """By a docstring of its own; a field by the docstring of its class, which names it."""
    for name, each in everything_held:
        assert type(each).__doc__, name
        for seen in names_of(each):
            attribute = getattr(type(each), seen, None)
            if callable(attribute) or isinstance(attribute, property):
                assert attribute.__doc__, f"{name}: {seen}"
            else:
                assert re.search(rf"\b{seen}\b", type(each).__doc__ or ""), f"{name}: {seen}"


def test_names_in_the_documents_are_there(everything_held: list[tuple[str, Any]]) -> None:
    """What the README and the guides call on a ledger or in a block."""
    folder = Path(tallystick.__file__).parent
    guides = (folder.parent / "docs").glob("*.md")
    files = (folder.parent / "README.md", folder / "infrastructure" / "EVENTSOURCING.md", *guides)
    text = "".join(file.read_text() for file in files)
    for name, known in (("ledger", HELD["ledger"]), ("tx", BLOCK)):
        called = set(re.findall(rf"\b{name}\.(\w+)", text))
        assert len(called) > 9
        assert called <= {*known.split()}, name
