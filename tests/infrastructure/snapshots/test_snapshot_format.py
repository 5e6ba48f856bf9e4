"""The format of the books in a snapshot: which facts and which columns there are, and that the books come back of them."""

from typing import Any

import msgspec
import numpy as np
import pytest

from tallystick import SquareRootCurve, Token
from tallystick.domain.books.books import Books
from tallystick.domain.events import (
    AccountFrozen,
    ContractRegistered,
    DomainEvent,
    FragmentsMinted,
    FragmentsReserved,
    Minted,
    MintedMany,
    Reserved,
)
from tallystick.domain.token.registration import registration_of
from tallystick.infrastructure.snapshots.format import BooksFacts, books_of, columns_of, facts_of

SEED = 5
APP = Token("App", role="app", curve=SquareRootCurve(10, 7), owner="dev", accepts=("USD",))


@pytest.fixture
def books() -> Books:
    books = Books()
    events: list[DomainEvent] = [
        registration_of(Token("USD", decimals=2, unit=100)),
        registration_of(Token("WEI", max_supply=2**200)),
        registration_of(APP),
        ContractRegistered("pool", None),
        Minted("USD", "alice", 150),
        FragmentsMinted("USD", "alice", 7_000, [100, 50]),
        Reserved("USD", "alice", "court", 50, "hold"),
        FragmentsReserved("USD", "hold", [7_001]),
        Minted("WEI", "bob", 2**100),
        MintedMany("USD", 1, ["bob"], b"\0", b"\7"),
        AccountFrozen("bob", "USD", True, False, "court"),
        AccountFrozen("alice", None, False, True),
        ContractRegistered("e\u0301", None),
    ]
    for position, event in enumerate(events, 1):
        books.apply(event, position)
    books.forget(17)
    return books


def test_the_facts_as_json(books: Books) -> None:
    facts = msgspec.json.decode(msgspec.json.encode(facts_of(books.freeze(), SEED)))
    usd, wei, app = facts.pop("tokens")
    assert usd == {
        "registered": ["TokenRegistered", "USD", 2, 2**128 - 1, 100, "external", None, [], None, []],
        "reserve": 2**128 - 1 - 157,
        "distributions": 0,
        "anybody_holds": True,
        "seed": SEED,
        "reserved": [["hold", [[7_001, 50, 0, 1]]]],
    }
    assert (wei["anybody_holds"], wei["reserved"]) == (False, [])
    assert app["registered"] == ["TokenRegistered", "App", 0, 2**128 - 1, None, "app", "square_root", [10, 7], "dev", ["USD"]]
    assert facts == {
        "special": ["App", "pool", "e\u0301"],
        "contracts": {"pool": None, "e\u0301": None},
        "former_spellings": ["e\u0301"],
        "holds": msgspec.to_builtins(list(books.holds("USD", "court"))),
        "reversals": [],
        "freezes": [
            {
                "account": "bob",
                "token": "USD",
                "debits": True,
                "credits": False,
                "reason": "court",
                "position": 11,
                "recorded_at": 17,
            },
            {
                "account": "alice",
                "token": None,
                "debits": False,
                "credits": True,
                "reason": "",
                "position": 12,
                "recorded_at": 17,
            },
        ],
    }


def test_the_columns(books: Books) -> None:
    columns = dict(columns_of(books.freeze(), SEED))
    kinds = {name: (column.dtype.str, column.tolist()) for name, column in columns.items() if name[0] != "2"}
    assert {name: kind for name, kind in kinds.items() if "words" not in name and "slots" not in name} == {
        "0.starts": ("<u4", [0, 2, 4, 5]),
        "0.numbered": ("<u4", [2]),
        "0.available": ("<i8", [100, 0, 7]),
        "0.held": ("<i8", [0, 50]),
        "0.fragment_ids": ("<u8", [7_000]),
        "0.fragment_amounts": ("<u4", [100]),
        "0.fragment_counts": ("<u2", [1]),
        "0.fragment_starts": ("<u4", [0, 1, 1, 1]),
        "0.fragment_by_id": ("<u4", [0]),
        "1.starts": ("<u4", [0, 1]),
        "1.numbered": ("<u4", []),
        "1.available": ("|V13", [(2**100).to_bytes(13, "little")]),
    }
    assert columns["0.words"].tobytes() == b"alice\0\0\0court\0\0\0bob\0"


def test_the_books_come_back_and_leave_no_column(books: Books) -> None:
    frozen = books.freeze()
    columns = {name: np.array(column) for name, column in columns_of(frozen, SEED)}
    facts = msgspec.json.decode(msgspec.json.encode(facts_of(frozen, SEED)), type=BooksFacts)
    restored = Books()
    restored.restore(books_of(facts, columns))
    assert columns == {}
    assert said_by(restored) == said_by(books)
    assert msgspec.json.encode(facts_of(restored.freeze(), SEED)) == msgspec.json.encode(facts)


def test_a_column_that_is_missing_is_noticed(books: Books) -> None:
    frozen = books.freeze()
    facts, columns = facts_of(frozen, SEED), dict(columns_of(frozen, SEED))
    for name in columns:
        with pytest.raises(LookupError):
            Books().restore(books_of(facts, {other: column for other, column in columns.items() if other != name}))


def said_by(books: Books) -> list[Any]:
    accounts = ("alice", "bob", "court", "nobody")
    return [
        books.tokens(),
        list(books.special_names()),
        [(books.token_state(token.code).supply(), *books.token_state(token.code).balances()) for token in books.tokens()],
        [books.fragments("USD", account) for account in accounts],
        [books.number_of("USD", account) for account in accounts],
        list(books.holds("USD", "court")),
        books.is_contract("pool"),
        books.frozen(),
        [name in books.watched for name in (*accounts, "pool", "App")],
    ]
