"""Names and values: public names, accounts, tokens, amounts, errors."""

import inspect
import pickle
import re
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from string import Formatter

import pytest

import tallystick
from tallystick import (
    DAO_RESERVED_ACCOUNT,
    HIDDEN_BONDING_CURVE_ACCOUNT,
    TOTAL_SUPPLY_RESERVE,
    AsyncLedger,
    AsyncTransactionContext,
    InvalidAccount,
    InvalidAmount,
    InvalidToken,
    Ledger,
    LedgerError,
    Money,
    PlannedApp,
    PlannedContract,
    PlannedSeats,
    Token,
    TransactionContext,
    address,
)
from tallystick.domain import errors, events
from tallystick.domain.values.account import check_account
from tallystick.domain.values.amount import AMOUNT_MAX, check_amount


def test_public_names_are_those_listed() -> None:
    exported = {
        name
        for name in vars(tallystick)
        if not name.startswith("_") and name not in ("domain", "projections", "infrastructure", "recorders", "testing")
    }
    assert exported == set(tallystick.__all__)
    assert list(tallystick.__all__) == sorted(tallystick.__all__, key=lambda name: (not name.isupper(), name))


@pytest.mark.parametrize("room", ["domain", "projections", "infrastructure"])
def test_rooms_refuse_to_be_imported_under_another_name(room: str) -> None:
    with pytest.raises(ImportError, match=f"import tallystick.{room}"):
        __import__(room)


ADDRESS = "0x" + "ab" * 32
UUID = "123e4567-e89b-12d3-a456-426614174000"


@pytest.mark.parametrize(
    ("account", "verdict"),
    [
        ("a", True),
        ("a" * 128, True),
        ("a" * 129, False),
        ("", False),
        ("two words", False),
        ("tab\t", False),
        ("line\n", False),
        ("no\u00a0break", False),
        ("zero\u200bwidth", False),
        ("\ud800", False),
        ("Ærø-ß-🙂", True),
        (ADDRESS, True),
        (UUID, True),
        (7, False),
        (None, False),
        (b"alice", False),
        (["alice"], False),
    ],
)
def test_account(account: object, verdict: bool) -> None:
    if verdict:
        assert check_account(account) == account
        return
    with pytest.raises(InvalidAccount):
        check_account(account)


def test_address() -> None:
    assert address(b"\xff" * 32) == TOTAL_SUPPLY_RESERVE == "0x" + "f" * 64
    assert address(b"\x01" * 32) == HIDDEN_BONDING_CURVE_ACCOUNT
    assert address(b"\xfe" * 32) == DAO_RESERVED_ACCOUNT
    for wrong in (b"\xff" * 31, "0x", None):
        with pytest.raises(InvalidAccount):
            address(wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("amount", "verdict"),
    [
        (1, True),
        (AMOUNT_MAX, True),
        (0, False),
        (-1, False),
        (AMOUNT_MAX + 1, False),
        (1.0, False),
        (True, False),
        ("1", False),
        (None, False),
        (Decimal(1), False),
    ],
)
def test_amount(amount: object, verdict: bool) -> None:
    if verdict:
        assert check_amount(amount) == amount
        return
    with pytest.raises(InvalidAmount):
        check_amount(amount)


@pytest.mark.parametrize(
    ("decimals", "text", "verdict"),
    [
        (2, "19.99", 1999),
        (2, "19.9", 1990),
        (2, "19", 1900),
        (2, Decimal("0.01"), 1),
        (2, "0", 0),
        (0, "7", 7),
        (2, "1e3", None),
        (2, Decimal("1e3"), 100000),
        (18, "115792089237316195423570985008687907853269984665640564039457.584007913129639935", AMOUNT_MAX),
        (18, "115792089237316195423570985008687907853269984665640564039457.584007913129639936", None),
        (2, "19.999", None),
        (2, "-1", None),
        (2, "NaN", None),
        (2, "Infinity", None),
        (2, "1e999999999", None),
        (2, "1e-999999999", None),
        (2, "one", None),
        (2, "", None),
        (2, 19.99, None),
        (2, 19, None),
        (2, None, None),
    ],
)
def test_parse(decimals: int, text: object, verdict: int | None) -> None:
    token = Token("T", decimals=decimals)
    if verdict is None:
        with pytest.raises(InvalidAmount):
            token.parse(text)  # type: ignore[arg-type]
        return
    amount = token.parse(text)  # type: ignore[arg-type]
    assert amount == verdict
    assert type(amount) is int
    assert token.parse(token.format(amount)) == amount


@pytest.mark.parametrize(
    ("decimals", "amount", "verdict"),
    [(2, 1999, "19.99"), (2, 5, "0.05"), (2, 0, "0.00"), (0, 7, "7"), (2, -5, "-0.05"), (3, 10**30, "1" + "0" * 27 + ".000")],
)
def test_format(decimals: int, amount: int, verdict: str) -> None:
    assert Token("T", decimals=decimals).format(amount) == verdict


@pytest.mark.parametrize("amount", [1.0, True, "1"])
def test_format_wants_an_int(amount: object) -> None:
    with pytest.raises(InvalidAmount):
        Token("T").format(amount)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fields", "verdict"),
    [
        ({"code": "USD"}, True),
        ({"code": "USD", "decimals": 77, "max_supply": AMOUNT_MAX, "unit": AMOUNT_MAX}, True),
        ({"code": "TEA", "role": "settlement"}, True),
        ({"code": "two words"}, False),
        ({"code": 5}, False),
        ({"code": "USD", "decimals": -1}, False),
        ({"code": "USD", "decimals": 78}, False),
        ({"code": "USD", "decimals": 2.0}, False),
        ({"code": "USD", "decimals": True}, False),
        ({"code": "USD", "max_supply": 0}, False),
        ({"code": "USD", "max_supply": AMOUNT_MAX + 1}, False),
        ({"code": "USD", "unit": 0}, False),
        ({"code": "USD", "unit": 1.5}, False),
        ({"code": "USD", "role": "other"}, False),
        ({"code": "TEA", "role": "settlement", "unit": 5}, False),
    ],
)
def test_token(fields: dict[str, object], verdict: bool) -> None:
    if verdict:
        assert Token(**fields).code == fields["code"]  # type: ignore[arg-type]
        return
    with pytest.raises(InvalidToken):
        Token(**fields)  # type: ignore[arg-type]


def error_classes() -> list[type[LedgerError]]:
    return [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, LedgerError)]


@pytest.mark.parametrize("kind", error_classes())
def test_errors_have_a_code_and_are_drawn_in_the_tree(kind: type[LedgerError]) -> None:
    assert kind.code == kind.code.lower()
    assert kind.__name__ in (errors.__doc__ or "")
    assert kind.__name__ in tallystick.__all__


@pytest.mark.parametrize("kind", error_classes())
def test_errors_declare_the_fields_that_their_rule_names(kind: type[LedgerError]) -> None:
    declared = {name for base in kind.__mro__ for name in inspect.get_annotations(base)}
    named = {re.split(r"[.\[]", name)[0] for _, name, _, _ in Formatter().parse(kind.rule) if name}
    assert named - {"reason"} <= declared


def test_error_bases() -> None:
    assert errors.InsufficientFunds.code == "insufficient_funds"
    assert issubclass(errors.InvalidRequest, ValueError)
    assert issubclass(errors.NotFound, LookupError)


def test_errors_name_ids_and_survive_pickling() -> None:
    with Ledger.open("memory:") as ledger:
        ledger.register_token(Token("USD"))
        with pytest.raises(errors.InsufficientFunds) as caught, ledger.atomic() as tx:
            tx.transfer("USD", "alice", "bob", 5)
    error = caught.value
    assert (error.token, error.account, error.required, error.available) == ("USD", "alice", 5, 0)
    assert str(error) == "alice has 0 USD to give of the 5 required"
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), again.account) == (type(error), str(error), "alice")


def test_every_event_is_in_the_module_of_events() -> None:
    assert {kind.__name__ for kind in events.EVENT_TYPES} | {"EVENT_TYPES", "DomainEvent"} == set(tallystick.events.__all__)
    assert all(getattr(tallystick.events, name) is getattr(events, name) for name in tallystick.events.__all__)


def test_the_library_of_event_stores_is_imported_only_where_it_is_used(tmp_path: Path) -> None:
    program = """
import sys, tallystick
from tallystick.__main__ import main
sys.argv = ["tallystick", *sys.argv[1:]]
try:
    main()
except SystemExit as done:
    assert not done.code, done.code
assert "eventsourcing" not in sys.modules
"""
    url = str(tmp_path / "books.db")
    for arguments in (["--version"], ["demo", "--url", url], ["balances", "--url", url], ["import", "--help"]):
        subprocess.run([sys.executable, "-c", program, *arguments], check=True, timeout=60, stdout=subprocess.DEVNULL)


def test_recorders_are_imported_only_where_they_are_used() -> None:
    program = """
import sys, tallystick
tallystick.events.Minted("USD", "alice", 5)
assert "eventsourcing" not in sys.modules
import tallystick.recorders
import tallystick.infrastructure.recorders as recorders
assert tallystick.recorders.__all__ == recorders.__all__
assert tallystick.recorders.JournalFactory is recorders.JournalFactory
from eventsourcing.application import Application
assert type(Application({"PERSISTENCE_MODULE": "tallystick.recorders", "TALLYSTICK_URL": "memory:"}).recorder).__module__
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


ACTING = (Ledger, AsyncLedger, TransactionContext, AsyncTransactionContext, PlannedApp, PlannedSeats, PlannedContract, Money)


def test_parameters_have_one_name_for_one_thing() -> None:
    """Who acts with an app is its `account`, who pays into escrow the `payer`; `owner` is whose an app is, or money in hand."""
    found: dict[str, set[str]] = {}
    for kind in ACTING:
        for name, call in inspect.getmembers(kind, inspect.isfunction):
            if not name.startswith("_"):
                found[f"{kind.__name__}.{name}"] = set(inspect.signature(call).parameters) - {"self"}
    assert len(found) > 80
    strangers = {"user", "buyer", "seller", "holder", "to", "from_", "recipient", "wallet", "keeper"}
    assert {name: names & strangers for name, names in found.items() if names & strangers} == {}
    assert {name for name, names in found.items() if "owner" in names} == {
        "Ledger.update_app",
        "AsyncLedger.update_app",
        "TransactionContext.money",
        "AsyncTransactionContext.money",
    }
    for app in ("buy", "buy_exactly", "sell", "pay", "deposit", "refund", "consume_deposit"):
        assert "account" in found[f"PlannedApp.{app}"]
    assert {"payer", "authority"} <= found["TransactionContext.reserve"]
    assert found["Ledger.handles"] == found["AsyncLedger.handles"] == {"token", "names"}
