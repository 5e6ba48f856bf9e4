"""The journal's format: golden samples of every event type, the digest, and what JOURNAL.md says about both."""

import hashlib
import json
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tallystick import CorruptJournal, Ledger, Token
from tallystick.domain.batch.batch import positions_of
from tallystick.domain.events import (
    EVENT_TYPES,
    AccountFrozen,
    AccountUnfrozen,
    Allocated,
    AllShadowsLowered,
    AllShadowsRaised,
    AppUpdated,
    BalanceLowered,
    BalanceRaised,
    Burned,
    BurnedMany,
    ContractRegistered,
    Deallocated,
    Distributed,
    FragmentsBurned,
    FragmentsMinted,
    FragmentsMintedMany,
    FragmentsReleased,
    FragmentsReserved,
    ImportEnded,
    MetadataErased,
    Minted,
    MintedMany,
    Moved,
    MovedMany,
    NotedBurnedMany,
    NotedMintedMany,
    NotedMovedMany,
    Released,
    Reserved,
    RowNotes,
    RunsBurnedMany,
    RunsMintedMany,
    RunsReleasedMany,
    RunsReservedMany,
    Settled,
    ShadowLowered,
    ShadowRaised,
    TokenRegistered,
)
from tallystick.domain.values.amount import AMOUNT_MAX
from tallystick.infrastructure.journal.details import Details
from tallystick.infrastructure.journal.format import (
    GENESIS_DIGEST,
    Foreign,
    JournalEvent,
    JournalRow,
    Key,
    decode_counts,
    decode_events,
    decode_keys,
    digest_of,
    encode_events,
    make_row,
    stream_of,
)
from tallystick.infrastructure.journal.port import MetadataChange
from tallystick.infrastructure.journal.stores.sqlite.file import APPLICATION_ID, SCHEMA_VERSION
from tallystick.infrastructure.journal.stores.sqlite.journal import SQLiteJournal
from tests.support.suites.detail_cases import append_detailed, erased

JOURNAL_MD = files("tallystick.infrastructure").joinpath("JOURNAL.md").read_text(encoding="utf-8")

# Bytes that stand in journals: these lines are added to, and never changed.
GOLDEN: list[tuple[JournalEvent, str]] = [
    (
        TokenRegistered("USD", 2, 1_000_000, 10_000, "external"),
        '["TokenRegistered","USD",2,1000000,10000,"external",null,[],null,[]]',
    ),
    (
        TokenRegistered("TeaParty", 12, 2**128 - 1, None, "app", "square_root", (10, 7), "dev", ("USDT",)),
        f'["TokenRegistered","TeaParty",12,{2**128 - 1},null,"app","square_root",[10,7],"dev",["USDT"]]',
    ),
    (AppUpdated("TeaParty", "owner", ("USDT", "DAI")), '["AppUpdated","TeaParty","owner",["USDT","DAI"]]'),
    (Distributed("TeaParty", None, 5, 3, ("Other",), 1, "x"), '["Distributed","TeaParty",null,5,3,["Other"],1,"x"]'),
    (Minted("USD", "alice", 500, "deposit"), '["Minted","USD","alice",500,"deposit"]'),
    (Burned("USD", "alice", 500, "payout"), '["Burned","USD","alice",500,"payout"]'),
    (Moved("USD", "alice", "bob", 5), '["Moved","USD","alice","bob",5,""]'),
    (Moved("USD", "Ærø", "🙂", 5, 'say "hi"\n'), '["Moved","USD","Ærø","🙂",5,"say \\"hi\\"\\n"]'),
    (Reserved("USD", "alice", "court", 5, "h1", None, "case"), '["Reserved","USD","alice","court",5,"h1",null,"case"]'),
    (Reserved("USD", "alice", "court", 5, "h1", 17 * 10**14), '["Reserved","USD","alice","court",5,"h1",1700000000000000,""]'),
    (Settled("USD", "court", "bob", 5, "h1", "won"), '["Settled","USD","court","bob",5,"h1","won"]'),
    (Released("USD", "court", "alice", 5, "h1", True, "due"), '["Released","USD","court","alice",5,"h1",true,"due"]'),
    (FragmentsMinted("USD", "bob", 7_000, [100, 20]), '["FragmentsMinted","USD","bob",7000,[100,20]]'),
    (
        MovedMany("USD", 2, ["alice", "bob"], b"\x00\x01", b"\x01\x00", b"\x05\x07", "wages", bytes(range(32))),
        '["MovedMany","USD",2,["alice","bob"],"AAE=","AQA=","BQc=","wages","AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="]',
    ),
    (MintedMany("USD", 2, ["eve"], b"\x02\x00", b"\x05\x00\x00\x01"), '["MintedMany","USD",2,["eve"],"AgA=","BQAAAQ==","",""]'),
    (BurnedMany("USD", 1, [], b"\x02", b"\x05"), '["BurnedMany","USD",1,[],"Ag==","BQ==","",""]'),
    (
        NotedMovedMany(
            *("USD", 2, ["alice", "bob"], b"\x00\x01", b"\x01\x00", b"\x05\x07", "", bytes(32)),
            RowNotes(20_000, 86_400_000_000, b"\x00\x03", ["rent", "food"], b"", ["order 7", None], b"", ["a", "ø"]),
        ),
        '["NotedMovedMany","USD",2,["alice","bob"],"AAE=","AQA=","BQc=","","AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",'
        '[20000,86400000000,"AAM=",["rent","food"],"",["order 7",null],"",["a","ø"]]]',
    ),
    (
        NotedMintedMany(
            "USD", 3, ["eve"], bytes(3), b"\x05\x05\x05", notes=RowNotes(memos=["x", "y"], memo_rows=b"\x01\x00\x01")
        ),
        '["NotedMintedMany","USD",3,["eve"],"AAAA","BQUF","","",[0,0,"",["x","y"],"AQAB",[],"",[]]]',
    ),
    (
        NotedBurnedMany("USD", 1, [], b"\x02", b"\x05", "why", notes=RowNotes(17 * 10**14, 1, refs=["r"])),
        '["NotedBurnedMany","USD",1,[],"Ag==","BQ==","why","",[1700000000000000,1,"",[],"",["r"],"",[]]]',
    ),
    (FragmentsMintedMany("USD", 2, 7_000, b"\x00\x01", b"\x64\x14"), '["FragmentsMintedMany","USD",2,7000,"AAE=","ZBQ="]'),
    (FragmentsBurned("USD", [7_000, 7_001]), '["FragmentsBurned","USD",[7000,7001]]'),
    (FragmentsReserved("USD", "h1", [7_000]), '["FragmentsReserved","USD","h1",[7000]]'),
    (FragmentsReleased("USD", "h1", [7_000]), '["FragmentsReleased","USD","h1",[7000]]'),
    (RunsMintedMany("USD", "bob", 7_000, [100, 20], [90, 1]), '["RunsMintedMany","USD","bob",7000,[100,20],[90,1]]'),
    (RunsBurnedMany("USD", [7_000, 9_000], [91, 2]), '["RunsBurnedMany","USD",[7000,9000],[91,2]]'),
    (RunsReservedMany("USD", "h1", [7_000], [91]), '["RunsReservedMany","USD","h1",[7000],[91]]'),
    (RunsReleasedMany("USD", "h1", [7_000], [91]), '["RunsReleasedMany","USD","h1",[7000],[91]]'),
    (ContractRegistered("pool", None), '["ContractRegistered","pool",null]'),
    (ContractRegistered("pool", "BTC"), '["ContractRegistered","pool","BTC"]'),
    (BalanceRaised("pool", 5, "in"), '["BalanceRaised","pool",5,"in"]'),
    (BalanceLowered("pool", 5, "out"), '["BalanceLowered","pool",5,"out"]'),
    (Allocated("pool", "alice", "joins"), '["Allocated","pool","alice","joins"]'),
    (Deallocated("pool", "alice", 99_999_999, 1, "left"), '["Deallocated","pool","alice",99999999,1,"left"]'),
    (ShadowRaised("pool", "alice", 5, "stake"), '["ShadowRaised","pool","alice",5,"stake"]'),
    (ShadowLowered("pool", "alice", 5, "unstake"), '["ShadowLowered","pool","alice",5,"unstake"]'),
    (AllShadowsRaised("pool", 5, 50, 1, "yield"), '["AllShadowsRaised","pool",5,50,1,"yield"]'),
    (AllShadowsLowered("pool", 5, 50, 1, "loss"), '["AllShadowsLowered","pool",5,50,1,"loss"]'),
    (AccountFrozen("alice", "USD", True, False, "court"), '["AccountFrozen","alice","USD",true,false,"court"]'),
    (AccountFrozen("alice", None, False, True), '["AccountFrozen","alice",null,false,true,""]'),
    (AccountUnfrozen("alice", None), '["AccountUnfrozen","alice",null]'),
    (MetadataErased(7, "asked for"), '["MetadataErased",7,"asked for"]'),
    (ImportEnded("transfers", "May", 2), '["ImportEnded","transfers","May",2]'),
    (Foreign("order-1", 0, "shop:Order.Paid", b"\x00\xff{}"), '["Foreign","order-1",0,"shop:Order.Paid","AP97fQ=="]'),
]


def row_of(body: str | bytes, first_position: int = 1, events: int = 1) -> JournalRow:
    content = body.encode() if isinstance(body, str) else body
    return make_row(GENESIS_DIGEST, first_position, 0, (), (events,), content)


@pytest.mark.parametrize(("event", "sample"), GOLDEN)
def test_golden_sample(event: JournalEvent, sample: str) -> None:
    assert encode_events([event]).decode() == f"[{sample}]"
    (decoded,) = decode_events(row_of(f"[{sample}]", events=positions_of(event)))
    assert decoded == event
    assert type(decoded) is type(event)


@pytest.mark.parametrize("kind", [*EVENT_TYPES, Foreign])
def test_every_type_has_a_golden_sample(kind: type[JournalEvent]) -> None:
    assert kind in {type(event) for event, _ in GOLDEN}


OLD: list[tuple[str, JournalEvent]] = [
    ('["TokenRegistered","USD",2,1000000,10000,"external"]', TokenRegistered("USD", 2, 1_000_000, 10_000, "external")),
    (f'["TokenRegistered","TEA",0,{2**128 - 1},null,"settlement"]', TokenRegistered("TEA", 0, 2**128 - 1, None, "settlement")),
    ('["Distributed","TeaParty","TeaParty",5,3]', Distributed("TeaParty", "TeaParty", 5, 3)),
    ('["Minted","USD","alice",500]', Minted("USD", "alice", 500, "")),
    ('["Burned","USD","alice",500]', Burned("USD", "alice", 500, "")),
    ('["Moved","USD","alice","bob",5]', Moved("USD", "alice", "bob", 5, "")),
    ('["Reserved","USD","alice","court",5,"h1"]', Reserved("USD", "alice", "court", 5, "h1", None, "")),
    ('["Settled","USD","court","bob",5,"h1"]', Settled("USD", "court", "bob", 5, "h1", "")),
    ('["Released","USD","court","alice",5,"h1"]', Released("USD", "court", "alice", 5, "h1", False, "")),
    ('["MovedMany","USD",1,[],"AA==","AQ==","BQ=="]', MovedMany("USD", 1, [], b"\x00", b"\x01", b"\x05", "", b"")),
    ('["MintedMany","USD",1,[],"AA==","BQ=="]', MintedMany("USD", 1, [], b"\x00", b"\x05", "", b"")),
    ('["BurnedMany","USD",1,[],"AA==","BQ=="]', BurnedMany("USD", 1, [], b"\x00", b"\x05", "", b"")),
    ('["AccountFrozen","alice",null,true,false]', AccountFrozen("alice", None, True, False, "")),
    ('["NotedMovedMany","USD",1,[],"AA==","AQ==","BQ=="]', NotedMovedMany("USD", 1, [], b"\x00", b"\x01", b"\x05")),
    ('["NotedMintedMany","USD",1,[],"AA==","BQ=="]', NotedMintedMany("USD", 1, [], b"\x00", b"\x05")),
    (
        '["NotedBurnedMany","USD",1,[],"AA==","BQ==","","",[5,1]]',
        NotedBurnedMany("USD", 1, [], b"\x00", b"\x05", "", b"", RowNotes(5, 1, b"", [], b"", [], b"", [])),
    ),
    ('["BalanceRaised","pool",5]', BalanceRaised("pool", 5, "")),
    ('["BalanceLowered","pool",5]', BalanceLowered("pool", 5, "")),
    ('["Allocated","pool","alice"]', Allocated("pool", "alice", "")),
    ('["Deallocated","pool","alice",0,0]', Deallocated("pool", "alice", 0, 0, "")),
    ('["ShadowRaised","pool","alice",5]', ShadowRaised("pool", "alice", 5, "")),
    ('["ShadowLowered","pool","alice",5]', ShadowLowered("pool", "alice", 5, "")),
    ('["AllShadowsRaised","pool",5,50]', AllShadowsRaised("pool", 5, 50, 1, "")),
    ('["AllShadowsLowered","pool",5,50]', AllShadowsLowered("pool", 5, 50, 1, "")),
]


@pytest.mark.parametrize(("sample", "event"), OLD)
def test_fields_that_an_old_event_lacks_have_their_defaults(sample: str, event: JournalEvent) -> None:
    assert decode_events(row_of(f"[{sample}]")) == [event]


def test_old_samples_cover_every_default() -> None:
    with_defaults = {kind for kind in (*EVENT_TYPES, Foreign) if any(default is not None for _, default in fields_of(kind))}
    assert with_defaults == {type(event) for _, event in OLD}


@pytest.mark.parametrize("amount", [1, 2**53 + 1, 2**63 - 1, 2**63, 2**64 - 1, 2**64, 2**128 - 1, AMOUNT_MAX - 1, AMOUNT_MAX])
def test_amounts_are_exact(amount: int) -> None:
    events: list[JournalEvent] = [
        TokenRegistered("WEI", 18, amount, amount, "external"),
        Minted("WEI", "alice", amount),
        Burned("WEI", "alice", amount),
        Moved("WEI", "alice", "bob", amount),
        Reserved("WEI", "alice", "court", amount, "h1"),
        Settled("WEI", "court", "bob", amount, "h1"),
        Released("WEI", "court", "alice", amount, "h1"),
        FragmentsMinted("WEI", "alice", 1, [amount, amount]),
        BalanceRaised("pool", amount),
        Deallocated("pool", "alice", amount, amount),
        AllShadowsLowered("pool", amount, amount),
    ]
    body = encode_events(events)
    assert str(amount).encode() in body
    assert decode_events(row_of(body, events=len(events))) == events


def test_streams() -> None:
    assert {stream_of(event) for event, _ in GOLDEN} == {"USD", "TeaParty", "pool", "order-1", " accounts"}


# Rows.

BODY = b'[["TokenRegistered","USD",2,1000000,null,"external"],["Minted","USD","alice",500,"deposit"]]'
DIGEST = "055b87e977512faca900e9c20ed0d04dee49d823e82fc7d0a9a20ef38c948081"


def test_known_digests() -> None:
    row = make_row(GENESIS_DIGEST, 1, 1_700_000_000_000_000, [Key("deposit-1", None, 0)], [2], BODY)
    assert row == (1, 2, 1_700_000_000_000_000, b'[["deposit-1",null,0]]', b"[2]", BODY, bytes.fromhex(DIGEST), None)
    assert decode_keys(row) == [Key("deposit-1", None, 0)]
    assert decode_counts(row) == [2]
    following = make_row(row.digest, 3, 1_700_000_000_000_001, (), [1], b'[["FragmentsBurned","USD",[1]]]')
    assert (following.first_position, following.last_position) == (3, 3)
    assert following.digest.hex() == "7c06f759627ad047e6955e1182debcf3af236220d50a760878fcf99f6d98de1d"


def test_details_are_the_eighth_string_of_a_digest() -> None:
    rows = [make_row(GENESIS_DIGEST, 1, 7, (), [2], BODY, details) for details in (None, b"", b"[]", b'[[0,{"ref":"x"}]]')]
    assert len({row.digest for row in rows}) == 4
    for row in rows:
        columns = [bytes(32), b"1", b"2", b"7", b"[]", b"[2]", BODY, *([] if row.details is None else [row.details])]
        by_hand = hashlib.sha256(b"".join(len(column).to_bytes(8, "big") + column for column in columns))
        assert row.digest == by_hand.digest() == digest_of(GENESIS_DIGEST, row)


def test_a_digest_covers_every_column_and_where_it_ends() -> None:
    row = JournalRow(1, 2, 3, b"[4]", b"[5]", b"[6]", b"")
    changed = [
        row._replace(first_position=2),
        row._replace(last_position=3),
        row._replace(recorded_at=4),
        row._replace(keys=b"[5]"),
        row._replace(transactions=b"[6]"),
        row._replace(body=b"[7]"),
        row._replace(first_position=12, last_position=3),
        row._replace(keys=b"[4", transactions=b"][5]"),
        row._replace(transactions=b"[5][", body=b"6]"),
    ]
    digests = {digest_of(GENESIS_DIGEST, version) for version in (row, *changed)} | {digest_of(b"\x01" * 32, row)}
    assert len(digests) == len(changed) + 2
    assert digest_of(GENESIS_DIGEST, row._replace(digest=b"other")) in digests


@pytest.mark.parametrize(
    ("decode", "column", "content"),
    [
        (decode_events, "body", b""),
        (decode_events, "body", b"{}"),
        (decode_events, "body", b"[]"),
        (decode_events, "body", b'["Moved"]'),
        (decode_events, "body", b'[["Moved","USD","alice","bob",5]'),
        (decode_events, "body", b'[["Moved","USD","alice","bob"]]'),
        (decode_events, "body", b'[["Moved","USD","alice","bob","5"]]'),
        (decode_events, "body", b'[["Moved","USD","alice","bob",5.5]]'),
        (decode_events, "body", b'[["Moved","USD","alice","bob",true]]'),
        (decode_events, "body", b'[["Teleported","USD"]]'),
        (decode_events, "body", b'[["Foreign","order",1,"topic","not base64"]]'),
        (decode_events, "body", b'[["FragmentsBurned","USD",["7"]]]'),
        (decode_events, "body", b'[["Moved","\xff","alice","bob",5]]'),
        (decode_events, "body", b'[["FragmentsBurned","USD",[1]],["FragmentsBurned","USD",[2]]]'),
        (decode_keys, "keys", b"["),
        (decode_keys, "keys", b"[[1,null,0]]"),
        (decode_keys, "keys", b'[["key",null,"0"]]'),
        (decode_counts, "transactions", b"]"),
        (decode_counts, "transactions", b"[2]"),
        (decode_counts, "transactions", b"[]"),
        (decode_counts, "transactions", b"[0,1]"),
        (decode_counts, "transactions", b"[-1,2]"),
        (decode_counts, "transactions", b'["1"]'),
    ],
)
def test_what_cannot_be_read_is_a_corrupt_journal_at_its_position(
    decode: Callable[[JournalRow], object], column: str, content: bytes
) -> None:
    row = row_of('[["Moved","USD","alice","bob",5]]', first_position=41)._replace(**{column: content})
    with pytest.raises(CorruptJournal) as caught:
        decode(row)
    assert caught.value.position == 41
    assert "41" in str(caught.value)


# JOURNAL.md.


def fields_of(kind: type[msgspec.Struct]) -> list[tuple[str, str | None]]:
    """Each field's name, with its default as JSON where it has one."""
    return [
        (field.name, None if field.default is msgspec.NODEFAULT else msgspec.json.encode(field.default).decode())
        for field in msgspec.structs.fields(kind)
    ]


def documented_types() -> dict[str, tuple[list[tuple[str, str | None]], str]]:
    """The rows of the table of event types: fields with defaults, and since."""
    section = JOURNAL_MD.split("## Events")[1].split("\n## ")[0]
    rows: dict[str, tuple[list[tuple[str, str | None]], str]] = {}
    for name, fields, since in re.findall(r"^\| `(\w+)` \| (.*?) \| .* \| (\d+) \|$", section, re.MULTILINE):
        parts = [field.partition("=") for field in re.findall(r"`([^`]*)`", fields)]
        rows[name] = [(part[0], part[2] if part[1] else None) for part in parts], since
    return rows


@pytest.mark.parametrize("kind", [*EVENT_TYPES, Foreign])
def test_every_type_is_in_the_table(kind: type[msgspec.Struct]) -> None:
    fields, since = documented_types()[kind.__name__]
    assert fields == fields_of(kind)
    assert 1 <= int(since) <= SCHEMA_VERSION
    if kind is not Foreign:
        assert f"Since {since}." in (kind.__doc__ or "")


def test_the_table_has_no_other_types() -> None:
    assert set(documented_types()) == {kind.__name__ for kind in (*EVENT_TYPES, Foreign)}


def test_every_column_is_in_the_tables(journal: Path) -> None:
    section = JOURNAL_MD.split("## Tables")[1].split("\n## ")[0]
    connection = sqlite3.connect(journal)
    columns = [
        (name, kind.lower())
        for table in ("commits", "metadata", "streams")
        for _, name, kind, *_ in connection.execute(f"PRAGMA table_info({table})")
    ]
    connection.close()
    assert re.findall(r"^\| `(\w+)` \| (\w+)", section, re.MULTILINE) == columns


def test_identifiers_are_those_of_the_database() -> None:
    assert f"0x{APPLICATION_ID:X} ({APPLICATION_ID})" in JOURNAL_MD
    assert f"`user_version` {SCHEMA_VERSION}" in JOURNAL_MD


def test_the_worked_example() -> None:
    ((example, digest),) = re.findall(r"```json\n(.*?)```.*?```\n(\w{64})\n```", JOURNAL_MD, re.DOTALL)
    columns: dict[str, Any] = json.loads(example)
    text = {name: value.encode() if isinstance(value, str) else value for name, value in columns.items()}
    assert digest_of(GENESIS_DIGEST, JournalRow(**text, digest=b"")).hex() == digest == DIGEST
    by_hand = b"".join(
        len(content).to_bytes(8, "big") + content
        for content in (bytes(32), *(str(value).encode() for value in columns.values()))
    )
    assert hashlib.sha256(by_hand).hexdigest() == digest


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    ((code),) = re.findall(r"```python\n(.*?)```", JOURNAL_MD, re.DOTALL)
    path = tmp_path_factory.mktemp("script") / "check.py"
    path.write_text(code)
    return path


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """A journal with a commit at position 6, the fourth."""
    path = tmp_path / "books with a space.db"
    with Ledger.open(path) as ledger:
        ledger.register_token(Token("USD", decimals=2, unit=500_00))
        ledger.register_token(Token("WEI", decimals=18, max_supply=AMOUNT_MAX))
        for number in range(10):
            with ledger.atomic(idempotency_key=f"deposit-{number}", request={"number": number}) as tx:
                tx.mint("USD", "Ærø", 500_00, memo='"deposit"')
                tx.mint("WEI", "alice", AMOUNT_MAX // 10)
        for number in range(2):
            with ledger.atomic(occurred_at=OCCURRED, reference="fæktura 7", metadata={"name": f"Zoë {number}"}) as tx:
                tx.burn("USD", "Ærø", 500_00)
    return path


OCCURRED = datetime(2020, 2, 29, tzinfo=UTC)


def last_entries(journal: Path) -> list[int]:
    """The first positions of the two entries with details."""
    with closing(sqlite3.connect(journal)) as connection:
        found = connection.execute("SELECT first_position FROM commits WHERE details IS NOT NULL ORDER BY 1").fetchall()
    return [position for (position,) in found]


def check(script: Path, journal: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-I", "-S", str(script), str(journal)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_the_script_needs_the_standard_library_alone(script: Path) -> None:
    assert set(re.findall(r"^(?:import|from) (\w+)", script.read_text(), re.MULTILINE)) <= sys.stdlib_module_names


def test_the_script_agrees_with_the_ledger(script: Path, journal: Path) -> None:
    with Ledger.open(journal) as ledger:
        report = ledger.verify()
        running = check(script, journal)  # beside an open ledger
    done = check(script, journal)
    assert report.ok
    assert (done.returncode, done.stdout) == (0, f"{report.position} {report.digest}\n"), done.stderr
    assert running.stdout == done.stdout


def test_the_script_agrees_about_runs_of_fragments(script: Path, tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "books.db") as ledger:
        ledger.register_token(Token("USD", decimals=2, unit=500_00))
        ledger.mint("USD", "alice", 500_000_00)
        ledger.transfer("USD", "alice", "bob", 400_000_00)
        report = ledger.verify()
    done = check(script, tmp_path / "books.db")
    assert (done.returncode, done.stdout) == (0, f"{report.position} {report.digest}\n"), done.stderr


def test_the_script_accepts_an_empty_journal(script: Path, tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "empty.db"):
        pass
    assert check(script, tmp_path / "empty.db").stdout == f"0 {GENESIS_DIGEST.hex()}\n"


TAMPERINGS = [
    ("UPDATE commits SET body = replace(body, '50000', '50001') WHERE first_position = 6", 6),
    ("UPDATE commits SET body = replace(body, ',', ', ') WHERE first_position = 6", 6),
    ("UPDATE commits SET keys = '[]' WHERE first_position = 6", 6),
    ("UPDATE commits SET transactions = '[1,2]' WHERE first_position = 6", 6),
    ("UPDATE commits SET recorded_at = recorded_at + 1 WHERE first_position = 6", 6),
    ("UPDATE commits SET last_position = last_position + 1 WHERE first_position = 6", 6),
    ("UPDATE commits SET digest = zeroblob(32) WHERE first_position = 6", 6),
    ("UPDATE commits SET details = '[]' WHERE first_position = 6", 6),
    ("DELETE FROM commits WHERE first_position = 6", 6),
    ("DELETE FROM commits WHERE first_position = 1", 1),
    ("UPDATE commits SET body = (SELECT body FROM commits WHERE first_position = 9) WHERE first_position = 6", 6),
]


def tamper(journal: Path, statement: str) -> None:
    connection = sqlite3.connect(journal, isolation_level=None)
    triggers = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'").fetchall()
    for (name,) in triggers:
        connection.execute(f"DROP TRIGGER {name}")
    assert connection.execute(statement).rowcount == 1
    connection.close()


@pytest.mark.parametrize(("statement", "position"), TAMPERINGS)
def test_the_script_finds_what_was_tampered_with(script: Path, journal: Path, statement: str, position: int) -> None:
    tamper(journal, statement)
    done = check(script, journal)
    assert done.returncode == 1
    assert done.stderr.startswith(f"position {position}:"), done.stderr
    with Ledger.open(journal) as ledger:
        (finding,) = ledger.verify().findings
    assert finding.position == position


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE commits SET details = replace(details, 'fæktura 7', 'fæktura 8') WHERE first_position = {}",
        "UPDATE commits SET details = '[]' WHERE first_position = {}",
        "UPDATE commits SET details = NULL WHERE first_position = {}",
        "UPDATE metadata SET content = replace(content, 'Zoë', 'Zoe') WHERE entry = {}",
        "UPDATE metadata SET salt = zeroblob(16) WHERE entry = {}",
        "DELETE FROM metadata WHERE entry = {}",
    ],
)
@pytest.mark.parametrize("number", [0, 1])
def test_the_script_finds_details_and_metadata_that_were_changed(
    script: Path, journal: Path, statement: str, number: int
) -> None:
    position = last_entries(journal)[number]
    tamper(journal, statement.format(position))
    done = check(script, journal)
    assert (done.returncode, done.stderr.partition(":")[0]) == (1, f"position {position}")
    with Ledger.open(journal) as ledger:
        assert [finding.position for finding in ledger.verify().findings] == [position]


def test_the_script_knows_what_was_erased(script: Path, journal: Path) -> None:
    entry = last_entries(journal)[0]
    with closing(SQLiteJournal(journal)) as store:
        append_detailed(store, body=erased(entry), metadata=MetadataChange(erased=[entry]), positions=1)
    assert check(script, journal).returncode == 0


def test_the_script_leaves_a_later_version_alone(script: Path, journal: Path) -> None:
    with closing(sqlite3.connect(journal)) as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    assert check(script, journal).stderr == f"this script reads versions 1 and 2, and not {SCHEMA_VERSION + 1}\n"


def test_every_name_of_details_is_in_the_table() -> None:
    section = JOURNAL_MD.split("## Details")[1].split("\n## ")[0]
    names = re.findall(r"^\| `(\w+)` \| .* \| 2 \|$", section, re.MULTILINE)
    assert names == [field.name for field in msgspec.structs.fields(Details)]


def test_a_cut_off_tail_shows_only_against_a_note(script: Path, journal: Path) -> None:
    noted = check(script, journal).stdout
    connection = sqlite3.connect(journal)
    (last,) = connection.execute("SELECT max(first_position) FROM commits").fetchone()
    connection.close()
    tamper(journal, f"DELETE FROM commits WHERE first_position = {last}")
    done = check(script, journal)
    assert done.returncode == 0
    assert done.stdout != noted
    assert int(done.stdout.split()[0]) == last - 1
