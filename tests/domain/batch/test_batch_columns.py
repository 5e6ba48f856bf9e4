"""The columns that a batch takes: Python's sequences, arrays of every integer type, Arrow's columns, what becomes an array."""

import warnings
from array import array
from collections import UserList
from decimal import Decimal
from typing import Any
from uuid import UUID

import numpy as np
import pyarrow as pa
import pytest

from tallystick import InvalidAccount, InvalidAmount, InvalidRequest, Ledger, Transactions

INTEGERS = [kind + width for kind in "<>" for width in ("i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8")]
ARROW_INTEGERS = [pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()]
TEXTS = [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string())]
NAMES = ["alice", "bob", "alice", "carol", "bob"]
AMOUNTS = [5, 2, 100, 1, 1]


@pytest.fixture
def url() -> str:
    """One store is enough: it is not asked before the columns were read."""
    return "memory:"


@pytest.fixture(autouse=True)
def funded(ledger: Ledger) -> Ledger:
    for token in ("PLN", "USD", "WEI"):
        ledger.mint_many(token, ["alice", "bob", "carol"], [1_000] * 3)
    return ledger


class Series:
    """A column of a library like pandas or polars."""

    def __init__(self, values: Any) -> None:
        self._values = values

    def __len__(self) -> int:
        return len(self._values)

    def __getitem__(self, index: Any) -> Any:
        return self._values[index]

    def to_numpy(self) -> Any:
        return np.asarray(self._values)


def moved(ledger: Ledger, token: str = "PLN") -> list[Any]:
    """What batches moved since everybody was funded."""
    transactions = ledger.replay(Transactions()).state.values()
    return [(t.sender, t.receiver, t.minted_amount) for t in transactions if t.token == token and t.sender is not None]


def check_moved(ledger: Ledger, senders: Any, amounts: Any, ids: Any = None) -> None:
    """A batch of these columns moves what NAMES and AMOUNTS say."""
    for token in ("PLN", "USD", "WEI"):
        receipt = ledger.transfer_many(token, senders, ["dave"] * 5, amounts, ids=ids if token == "PLN" else None)
        assert receipt.accepted == 5
        assert moved(ledger, token) == [(name, "dave", amount) for name, amount in zip(NAMES, AMOUNTS, strict=True)]
        assert all(type(amount) is int for _, _, amount in moved(ledger, token))
    assert ledger.audit().ok


# Python's and numpy's.


@pytest.mark.parametrize("make", [list, tuple, UserList, Series, np.array, lambda column: np.array(column, dtype=object)])
def test_sequences(ledger: Ledger, make: Any) -> None:
    check_moved(ledger, make(NAMES), make(AMOUNTS), make([9, 8, 7, 6, 5]))


@pytest.mark.parametrize("dtype", INTEGERS)
def test_arrays_of_integers(ledger: Ledger, dtype: str) -> None:
    handles = ledger.handles("PLN", NAMES)
    check_moved(ledger, NAMES, np.array(AMOUNTS, dtype=dtype), np.array([9, 8, 7, 6, 5], dtype=dtype))
    receipt = ledger.transfer_many("PLN", handles.astype(dtype), handles[::-1].astype(dtype), np.array(AMOUNTS, dtype=dtype))
    assert receipt.accepted == 5
    assert moved(ledger)[5:] == list(zip(NAMES, NAMES[::-1], AMOUNTS, strict=True))


def test_arrays_that_are_no_block_of_memory(ledger: Ledger) -> None:
    wide = np.zeros((5, 3), dtype=np.int64)
    wide[:, 1] = AMOUNTS
    backwards = np.array(AMOUNTS[::-1], dtype=np.uint16)[::-1]
    check_moved(ledger, np.array(NAMES[::-1])[::-1], wide[:, 1])
    assert ledger.burn_many("PLN", ["bob"] * 5, backwards).accepted == 5
    frozen = np.array(AMOUNTS)
    frozen.flags.writeable = False
    assert ledger.burn_many("PLN", ["bob"] * 5, frozen).accepted == 5


def test_columns_are_left_as_they_are(ledger: Ledger) -> None:
    handles, amounts, ids = ledger.handles("PLN", NAMES), np.array(AMOUNTS), np.array([9, 8, 7, 6, 5], dtype=np.uint64)
    copies = handles.copy(), amounts.copy(), ids.copy()
    ledger.transfer_many("PLN", handles, handles, amounts, ids=ids, on_refusal="skip")
    for column, copy in zip((handles, amounts, ids), copies, strict=True):
        assert (column == copy).all()


def test_unsigned_integers_above_all_signed_ones(ledger: Ledger) -> None:
    amounts = np.array([2**63, 2**64 - 1, 3], dtype=np.uint64)
    assert ledger.mint_many("WEI", ["dave"] * 3, amounts).accepted == 3
    assert ledger.balance("WEI", "dave").total == 2**63 + 2**64 + 2
    receipt = ledger.transfer_many("PLN", ["alice"] * 3, ["bob"] * 3, amounts, ids=amounts, on_refusal="skip")
    assert [row.reason.fields["required"] for row in receipt.refused] == [2**63, 2**64 - 1]


def test_wide_amounts_of_every_kind(ledger: Ledger) -> None:
    wide = [2**255, 1, 2**64]
    for column in (wide, tuple(wide), np.array(wide, dtype=object), Series(np.array(wide, dtype=object))):
        before = ledger.balance("WEI", "dave").total
        assert ledger.mint_many("WEI", ["dave"] * 3, column).accepted == 3
        assert ledger.balance("WEI", "dave").total - before == sum(wide)
        ledger.burn_many("WEI", ["dave"] * 3, column)


@pytest.mark.parametrize("column", [array("q", AMOUNTS), range(1, 6), memoryview(array("q", AMOUNTS)), bytearray(AMOUNTS)])
def test_other_sequences_of_integers(ledger: Ledger, column: Any) -> None:
    ledger.transfer_many("PLN", NAMES, ["dave"] * 5, column)
    assert [amount for _, _, amount in moved(ledger)] == list(column)


# Arrow's.


def chunked(values: list[Any], type: Any) -> Any:
    """A chunked array of uneven chunks, one of them empty; each has a dictionary of its own."""
    return pa.chunked_array([pa.array(part, type) for part in (values[:1], [], values[1:3], values[3:])], type)


@pytest.mark.parametrize("text", TEXTS, ids=str)
@pytest.mark.parametrize("make", [pa.array, chunked, lambda values, type: pa.array(["bob", *values, "bob"], type)[1:-1]])
def test_arrow_names(ledger: Ledger, make: Any, text: Any) -> None:
    assert ledger.handles("PLN", make(NAMES, text)).tolist() == ledger.handles("PLN", NAMES).tolist()
    check_moved(ledger, make(NAMES, text), AMOUNTS)


@pytest.mark.parametrize("type", [*ARROW_INTEGERS, pa.decimal128(38, 0), pa.decimal256(76, 0)], ids=str)
@pytest.mark.parametrize("make", [pa.array, chunked, lambda values, type: pa.array([0, *values, 0], type)[1:-1]])
def test_arrow_numbers(ledger: Ledger, make: Any, type: Any) -> None:
    check_moved(ledger, NAMES, make(AMOUNTS, type), make([9, 8, 7, 6, 5], type))
    if pa.types.is_integer(type):
        receipt = ledger.burn_many("PLN", make(ledger.handles("PLN", NAMES).tolist(), type), make(AMOUNTS, type))
        assert receipt.accepted == 5


def test_arrow_numbers_of_any_width(ledger: Ledger) -> None:
    amounts = pa.array([Decimal(10**37), Decimal(3)], pa.decimal128(38, 0))
    assert ledger.mint_many("WEI", ["dave"] * 2, amounts).accepted == 2
    assert ledger.balance("WEI", "dave").total == 10**37 + 3
    assert ledger.mint_many("WEI", ["dave"], pa.array([2**64 - 1], pa.uint64())).accepted == 1


@pytest.mark.parametrize("make", [pa.array, chunked])
def test_arrow_ids(ledger: Ledger, make: Any) -> None:
    ids = [UUID(int=k << 100 | 0x100) for k in (9, 8, 7, 6, 5)]
    check_moved(ledger, NAMES, AMOUNTS, make([id.bytes for id in ids], pa.binary(16)))
    receipt = ledger.transfer_many("PLN", NAMES, NAMES, AMOUNTS, ids=ids, on_refusal="skip")
    assert len(receipt.refused) == 5


@pytest.mark.parametrize("type", [pa.string(), pa.int64(), pa.dictionary(pa.int8(), pa.string())], ids=str)
def test_arrow_columns_of_nothing(ledger: Ledger, type: Any) -> None:
    for nothing in (pa.array([], type), pa.chunked_array([], type)):
        assert ledger.transfer_many("PLN", nothing, nothing, pa.array([], pa.int64())).accepted == 0


@pytest.mark.parametrize(
    ("senders", "amounts", "ids", "verdict", "row"),
    [
        (pa.array(["alice", None, "bob"]), None, None, InvalidAccount, 1),
        (chunked(["alice", "bob", None], pa.string()), None, None, InvalidAccount, 2),
        (chunked(["alice", "bob", None], pa.dictionary(pa.int8(), pa.string())), None, None, InvalidAccount, 2),
        (pa.DictionaryArray.from_arrays(pa.array([0, 1, 0]), pa.array(["alice", None])), None, None, InvalidAccount, 1),
        (pa.array(["alice", "bob", "a b"]), None, None, InvalidAccount, 2),
        (pa.array(["alice", "alice", "TeaParty "]).dictionary_encode(), None, None, InvalidAccount, 2),
        (pa.array([b"alice"] * 3), None, None, InvalidAccount, 0),
        (pa.nulls(3), None, None, InvalidAccount, 0),
        (pa.array([0, 1, 99]), None, None, InvalidAccount, 2),
        (pa.array([0, 1, 1]).dictionary_encode(), None, None, InvalidAccount, 0),
        (None, pa.array([1, None, 3]), None, InvalidAmount, 1),
        (None, chunked([1, 2, None], pa.int8()), None, InvalidAmount, 2),
        (None, pa.array([1, 2, 0]), None, InvalidAmount, 2),
        (None, pa.array([1.0, 2.0, 3.0]), None, InvalidAmount, 0),
        (None, pa.array([True] * 3), None, InvalidAmount, 0),
        (None, pa.array(["1"] * 3), None, InvalidAmount, 0),
        (None, pa.array([1, None, 3], pa.decimal128(38, 0)), None, InvalidAmount, 1),
        (None, pa.array([1, -1, 3], pa.decimal128(38, 0)), None, InvalidAmount, 1),
        (None, pa.array([1, 2, 3], pa.decimal128(38, 2)), None, InvalidAmount, 0),
        (None, pa.array([[1], [2], [3]]), None, InvalidAmount, 0),
        (None, None, pa.array([b"x" * 15] * 3, pa.binary(15)), InvalidRequest, 0),
        (None, None, pa.array([b"x" * 16, None, None], pa.binary(16)), InvalidRequest, 1),
        (None, None, pa.array([1, 2, -3]), InvalidRequest, 2),
    ],
)
def test_arrow_rows_that_are_none(
    ledger: Ledger, senders: Any, amounts: Any, ids: Any, verdict: type[Exception], row: int
) -> None:
    position, columns = ledger.verify().position, (["alice"] * 3 if senders is None else senders, ["bob"] * 3)
    with pytest.raises(verdict) as caught:
        ledger.transfer_many("PLN", *columns, [1] * 3 if amounts is None else amounts, ids=ids)
    assert type(caught.value) is verdict
    assert caught.value.fields["row"] == row  # type: ignore[attr-defined]
    assert ledger.verify().position == position


# What goes wrong.


def test_names_that_no_row_has(ledger: Ledger) -> None:
    names = pa.DictionaryArray.from_arrays(pa.array([1, 2, 0]), pa.array(["", "alice", "bob"]))[:2]
    assert ledger.transfer_many("PLN", names, ["carol"] * 2, [1, 1]).accepted == 2


def test_a_null_among_ids(ledger: Ledger) -> None:
    with pytest.raises(InvalidRequest) as caught:
        ledger.mint_many("PLN", ["alice"] * 3, [1] * 3, ids=pa.array([0, 1, None]))
    assert caught.value.fields["row"] == 2


def test_a_null_among_handles(ledger: Ledger) -> None:
    with pytest.raises(InvalidAccount):
        ledger.transfer_many("PLN", pa.array([0, 1, None]), ["bob"] * 3, [1] * 3)


@pytest.mark.parametrize("place", ["senders", "amounts", "ids"])
def test_masked_arrays(ledger: Ledger, place: str) -> None:
    masked = np.ma.array([1, 6], mask=[False, True])
    usual = {"senders": ["alice"] * 2, "amounts": [1] * 2, "ids": None, place: masked}
    with pytest.raises(InvalidRequest):
        ledger.transfer_many("PLN", receivers=["bob"] * 2, **usual)


@pytest.mark.parametrize("place", ["senders", "amounts", "ids"])
def test_tables_that_become_arrays(ledger: Ledger, place: str) -> None:
    usual = {"senders": ["alice"] * 2, "amounts": [1] * 2, "ids": None, place: Series([[1], [2]])}
    with pytest.raises(InvalidRequest):
        ledger.transfer_many("PLN", receivers=["bob"] * 2, **usual)


@pytest.mark.parametrize("kind", ["datetime64[ns]", "timedelta64[ns]"])
def test_times_are_no_amounts(ledger: Ledger, kind: str) -> None:
    with pytest.raises(InvalidAmount):
        ledger.mint_many("PLN", ["alice"] * 2, np.array([5, 6], dtype=kind))


@pytest.mark.parametrize("ids", [[True], np.array([True])])
def test_a_bool_is_no_id(ledger: Ledger, ids: Any) -> None:
    with pytest.raises(InvalidRequest):
        ledger.mint_many("PLN", ["alice"], [1], ids=ids)


@pytest.mark.parametrize("token", ["WEI"])
def test_numpys_integers_in_a_list(ledger: Ledger, token: str) -> None:
    outcomes: list[object] = []
    for wide in (2**62, 2**64):
        try:
            outcomes.append(ledger.mint_many(token, ["alice"] * 2, [np.int64(3), wide]).accepted)
        except InvalidAmount as error:
            outcomes.append(error.fields["row"])
    assert outcomes[0] == outcomes[1]


def test_a_subclass_of_str_is_the_account_of_its_text(ledger: Ledger) -> None:
    class Name(str):
        __slots__ = ()

    ledger.mint_many("PLN", ["alice", Name("alice"), np.str_("nobody yet")[:6]], [1, 1, 1])
    ledger.mint_many("PLN", [Name("somebody"), np.str_("else")], [1, 1])
    assert {type(name) for name in ledger.balances("PLN")} == {str}
    assert ledger.audit().ok


def test_infinity_is_refused_without_a_warning(ledger: Ledger) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(InvalidAmount) as caught:
            ledger.mint_many("PLN", ["alice"] * 2, np.array([1, np.inf]))
    assert caught.value.fields["row"] == 1


def test_arrow_dictionaries_of_all_kinds(ledger: Ledger) -> None:
    views = pa.DictionaryArray.from_arrays(pa.array([0, 0]), pa.array(["alice"], pa.string_view()))
    amounts, ids = pa.array([5, 6]).dictionary_encode(), pa.array([7, 8]).dictionary_encode()
    assert ledger.mint_many("PLN", views, amounts, ids=ids).accepted == 2
    assert ledger.balance("PLN", "alice").total == 1_011
    wrong = pa.DictionaryArray.from_arrays(pa.array([0, 3, 2, 1]), pa.array(["alice", " ", "carol", "x y"]))
    with pytest.raises(InvalidAccount) as caught:
        ledger.mint_many("PLN", wrong, [5, 6, 7, 8])
    assert caught.value.fields["row"] == 1


@pytest.mark.parametrize("buffer", [memoryview(np.zeros((1, 1), dtype=np.int64)), memoryview(np.zeros((), dtype=np.int64))])
def test_buffers_are_no_columns(ledger: Ledger, buffer: Any) -> None:
    with pytest.raises(InvalidRequest):
        ledger.mint_many("PLN", buffer, [5])
