"""What goes with an idempotency key: requests that say the same are one, and what JSON cannot say is none."""

import asyncio
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from enum import IntEnum
from typing import Any

import numpy as np
import pytest

from tallystick import AsyncLedger, IdempotencyMismatch, InvalidRequest, Ledger, Token
from tallystick.infrastructure.commit.request_digest import digest_of

NAN, INFINITY = float("nan"), float("inf")


@dataclass
class Order:
    price: Any
    note: Any = None


class Size(IntEnum):
    SMALL = 5


def book() -> Ledger:
    ledger = Ledger.open("memory:")
    ledger.register_token(Token("USD"))
    return ledger


@pytest.mark.parametrize(
    "request_given",
    [
        NAN,
        INFINITY,
        -INFINITY,
        [NAN],
        (1, (2, [NAN])),
        {"a": {"b": [None, NAN]}},
        {1.5, NAN},
        {NAN: 1},
        Order(NAN),
        Order([{"x": -INFINITY}]),
        Decimal("NaN"),
        [Decimal("Infinity")],
        Order(Decimal("sNaN")),
        np.float64("nan"),
        np.array([1.5]),
        object(),
        {"a": {1j}},
        {(1, 2): 3},
    ],
)
def test_what_is_no_request(request_given: Any) -> None:
    calls: list[Callable[[Ledger], Any]] = [
        lambda ledger: ledger.atomic("k", request_given),
        lambda ledger: ledger.mint("USD", "alice", 1, idempotency_key="k", request=request_given),
        lambda ledger: ledger.run(lambda tx: tx.mint("USD", "alice", 1), "k", request=request_given),
        lambda ledger: ledger.once(lambda tx: tx.mint("USD", "alice", 1), "k", request=request_given),
    ]
    with book() as ledger:
        for call in calls:
            with pytest.raises(InvalidRequest, match="JSON"):
                call(ledger)
        assert ledger.receipt("k") is None
        assert ledger.supply("USD").circulating == 0


def test_what_is_no_request_when_it_is_awaited() -> None:
    async def play() -> None:
        async with AsyncLedger.open("memory:") as ledger:
            await ledger.register_token(Token("USD"))
            with pytest.raises(InvalidRequest, match="NaN"):
                await ledger.mint("USD", "alice", 1, idempotency_key="k", request={"rate": NAN})
            with pytest.raises(InvalidRequest, match="NaN"):
                await ledger.run(lambda tx: tx.mint("USD", "alice", 1), "k", request=[INFINITY])

    asyncio.run(play())


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ({"n": 5}, {"n": np.int64(5)}, True),
        ({"n": 5}, {"n": Size.SMALL}, True),
        ([1, 2], (np.uint8(1), 2), True),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, True),
        (Order(5), {"note": None, "price": 5}, False),  # its fields are as they are declared
        (Order(5), Order(np.int64(5)), True),
        ({"text": "NaN"}, {"text": "NaN"}, True),
        (["Infinity", "null", None], ["Infinity", "null", None], True),
        (timedelta(1), "P1D", True),
        (2**200, 2**200, True),
        ({"n": 5}, {"n": 6}, False),
        ({"n": None}, {"n": "null"}, False),
        ({"n": "NaN"}, {"n": None}, False),
        ({"to": "0xAB"}, {"to": "0xab"}, False),  # a request is as it is given
        (5, 5.0, False),
        (True, 1, False),
    ],
)
def test_which_requests_say_the_same(first: Any, second: Any, same: bool) -> None:
    assert (digest_of(first) == digest_of(second)) is same
    with book() as ledger:
        receipt = ledger.mint("USD", "alice", 1, idempotency_key="k", request=first)
        if same:
            again = ledger.mint("USD", "alice", 1, idempotency_key="k", request=second, on_repeat="receipt")
            assert (again.entry_id, again.repeated) == (receipt.entry_id, True)
        else:
            with pytest.raises(IdempotencyMismatch):
                ledger.mint("USD", "alice", 1, idempotency_key="k", request=second, on_repeat="receipt")


@pytest.mark.parametrize("given", [None, 5, "Zoë", [1, 2.5, None, "null"], {"a": {"b": [True, "NaN"]}}])
def test_a_digest_is_that_of_the_json(given: Any) -> None:
    """It stands in journals, so it is the same for ever."""
    written = json.dumps(given, separators=(",", ":"), ensure_ascii=False, sort_keys=True)
    assert digest_of(given) == hashlib.sha256(written.encode()).hexdigest()
