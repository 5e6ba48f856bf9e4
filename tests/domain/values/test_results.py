"""Results are plain: as a dict, as JSON, with amounts as text or in decimals, in notebooks, pickled, and to pydantic."""

import copy
import json
import pickle
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from tallystick import (
    AuditReport,
    Backup,
    Balance,
    BatchReceipt,
    ContractView,
    FixedPriceCurve,
    InvalidRequest,
    Ledger,
    LedgerClosed,
    Token,
    Transaction,
)
from tallystick.domain.values.result import Result
from tallystick.projections.invariants.invariants import Finding

NOW = datetime(2026, 11, 26, tzinfo=UTC)
USD = Token("USD", decimals=2, max_supply=10**30)
WHEN = {"recorded_at": NOW}


@pytest.fixture(scope="module")
def results() -> Iterator[dict[str, Any]]:
    """One result of each kind, of a book of dollars."""
    with Ledger.open("memory:", clock=lambda: NOW, ids=lambda: "hold-1") as ledger:
        ledger.register_token(USD)
        ledger.register_token(Token("C", unit=100))
        with ledger.atomic() as tx:
            tx.mint("USD", "alice", 10**17, memo="<b>")
            tx.mint("C", "alice", 7)
            tx.reserve("USD", "alice", "keeper", 5)
            pool = tx.register_contract("pool")
            pool.balance_up(1234)
            pool.alloc("alice")
            pool.shadow_up("alice", 3)
        batch = ledger.transfer_many("USD", ["alice", "dave"], ["bob", "erin"], [150, 250], on_refusal="skip")
        yield {
            "balance": ledger.balance("USD", "alice"),
            "supply": ledger.supply("USD"),
            "hold": ledger.hold("hold-1"),
            "transaction": ledger.transaction(batch.transaction_ids[0]),
            "receipt": tx.receipt,
            "batch's receipt": batch,
            "refused row": batch.refused[0],
            "fragment": ledger.fragments("C", "alice")[0],
            "explanation of a refusal": batch.refused[0].reason.explanation,
            "lineage": ledger.lineage(ledger.fragments("C", "alice")[0].id),
            "allocation": ledger.allocation("pool", "alice"),
            "contract": ledger.contract("pool"),
            "report": ledger.audit(),
            "backup": Backup("/books/copy.db", 3, "ab"),
            "report of faults": AuditReport(False, (Finding(3, "it is <wrong>"),), 2, "ab"),
            "token": ledger.token("USD"),
            "app's token": Token("Shop", role="app", curve=FixedPriceCurve(7), accepts=("USD",)),
        }


ALICE = 10**17 - 5 - 150
ERROR = {
    "code": "insufficient_funds",
    "message": "dave has 0.00 USD to give of the 2.50 required",
    "token": "USD",
    "account": "dave",
}


@pytest.mark.parametrize(
    ("name", "amounts", "in_decimals", "verdict"),
    [
        ("balance", "int", False, {"available": ALICE, "reserved": 0, "total": ALICE}),
        ("balance", "text", False, {"available": str(ALICE), "reserved": "0", "total": str(ALICE)}),
        ("balance", "int", True, {"available": "999999999999998.45", "reserved": "0.00", "total": "999999999999998.45"}),
        ("balance", "text", True, {"available": "999999999999998.45", "reserved": "0.00", "total": "999999999999998.45"}),
        ("supply", "text", False, {"max": str(10**30), "reserve": str(10**30 - 10**17), "circulating": str(10**17)}),
        ("hold", "int", False, {"id": "hold-1", "token": "USD", "payer": "alice", "authority": "keeper", "amount": 5,
                                "expires_at": None}),
        ("hold", "text", True, {"id": "hold-1", "token": "USD", "payer": "alice", "authority": "keeper", "amount": "0.05",
                                "expires_at": None}),
        ("transaction", "text", True, {"token": "USD", "sender": "alice", "receiver": "bob", "burned_amount": "1.50",
                                       "minted_amount": "1.50", "memo": "", "hold": None, **WHEN}),
        ("receipt", "text", True, {"transaction_ids": [3, 4, 6], "hold_ids": ["hold-1"], **WHEN}),
        ("batch's receipt", "text", False, {"accepted": 1, "transaction_ids": [11], **WHEN, "refused": [
            {"index": 1, "reason": {**ERROR, "required": "250", "available": "0"}}]}),
        ("refused row", "int", False, {"index": 1, "reason": {**ERROR, "required": 250, "available": 0}}),
        ("refused row", "int", True, {"index": 1, "reason": {**ERROR, "required": "2.50", "available": "0.00"}}),
        ("fragment", "text", False, {"token": "C", "owner": "alice", "amount": "7", "state": "alive", "hold": None}),
        ("explanation of a refusal", "int", True, {"token": "USD", "account": "dave", "required": "2.50", "available": "0.00",
                                                   "missing": "2.50", "held": "0.00", "holds": []}),
        ("lineage", "text", False, {"ancestors": [], "complete": True}),
        ("allocation", "text", False, {"sati": "300000000", "sats": "3"}),
        ("allocation", "int", True, {"sati": "0.0300000000", "sats": "0.03"}),
        ("contract", "text", False, {"balance": "1234", "allocs_sum": "3", "num_allocs": 1, "backed_by": None, "id": "pool"}),
        ("contract", "int", True, {"balance": "12.34", "allocs_sum": "0.03", "num_allocs": 1, "backed_by": None, "id": "pool"}),
        ("report of faults", "text", False, {"ok": False, "findings": [{"position": 3, "reason": "it is <wrong>"}],
                                             "position": 2, "digest": "ab"}),
        ("token", "text", True, {"code": "USD", "decimals": 2, "max_supply": "1" + "0" * 28 + ".00", "unit": None,
                                 "role": "external", "curve": None, "owner": None, "accepts": []}),
        ("app's token", "text", False, {"code": "Shop", "decimals": 0, "max_supply": str(2**128 - 1), "unit": None,
                                        "role": "app", "curve": {"name": "fixed_price", "parameters": [7]}, "owner": None,
                                        "accepts": ["USD"]}),
        ("balance", "decimal", False, "amounts are written as 'int' or 'text', not 'decimal'"),
        ("balance", ["int"], False, "amounts are written as 'int' or 'text'"),
        ("fragment", "int", True, "a ValueObject that is counted in C is not written in USD"),
        ("app's token", "int", True, "a Token that is counted in Shop is not written in USD"),
    ],
)  # fmt: skip
def test_to_dict(results: dict[str, Any], name: str, amounts: Any, in_decimals: bool, verdict: dict[str, Any] | str) -> None:
    def written() -> dict[str, Any]:
        return results[name].to_dict(amounts, USD) if in_decimals else results[name].to_dict(amounts=amounts)

    if isinstance(verdict, str):
        with pytest.raises(InvalidRequest, match=verdict):
            written()
        return
    found = written()
    assert {field: found[field] for field in verdict} == verdict
    assert tuple(found) == results[name].keys()
    assert json.loads(json.dumps(found, default=str))


@pytest.mark.parametrize("token", ["USD", 2, object()])
def test_decimals_are_those_of_a_token(results: dict[str, Any], token: Any) -> None:
    with pytest.raises(InvalidRequest, match="in the decimals of a Token, not of"):
        results["balance"].to_dict(token=token)


def test_a_refused_row_counted_in_another_token_is_not_written_in_this(results: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest, match="counted in USD is not written in TEA"):
        results["batch's receipt"].to_dict(token=Token("TEA"))


def test_each_is_a_dict_of_its_fields_and_cannot_be_changed(results: dict[str, Any]) -> None:
    for name, each in results.items():
        assert isinstance(each, Result), name
        fields = dict(each)
        assert list(fields) == list(each.keys())
        assert {**each} == fields == {field: getattr(each, field) for field in fields}
        for wrong, error in (("no_such", KeyError), ("_counted_in", KeyError), (0, TypeError)):
            with pytest.raises(error):
                each[wrong]
        with pytest.raises(AttributeError):
            setattr(each, next(iter(fields)), 1)
        for field, value in fields.items():
            assert f"{field}={value!r}" in repr(each), name


def test_only_a_refused_row_is_taken_apart_as_a_tuple(results: dict[str, Any]) -> None:
    index, reason = results["refused row"]
    assert (index, str(reason)) == (1, ERROR["message"])
    with pytest.raises(TypeError, match="got by its name"):
        list(results["balance"])


def test_pickled_and_copied_they_are_the_same(results: dict[str, Any]) -> None:
    for name, each in results.items():
        for again in (pickle.loads(pickle.dumps(each)), copy.copy(each), copy.deepcopy(each)):
            assert type(again) is type(each)
            assert repr(again) == repr(each)
            assert again.to_dict() == each.to_dict()
            if "refused" not in dict(again) and name != "refused row":  # errors are equal to none but themselves
                assert again == each


def test_a_pickled_contract_has_its_figures_and_no_ledger_to_ask(results: dict[str, Any]) -> None:
    one: ContractView = results["contract"]
    for figures in (copy.copy(one), copy.deepcopy(one)):
        assert figures.allocation("alice") == results["allocation"]
    again: ContractView = pickle.loads(pickle.dumps(one))
    for ask in (again.allocations, lambda: again.allocation("alice")):
        with pytest.raises(LedgerClosed, match="pool"):
            ask()
    assert one == ContractView(1234, 3, 1) != ContractView(1234, 3, 2)
    assert hash(one) == hash(again)


def test_a_table_in_a_notebook_shows_every_field_escaped(results: dict[str, Any]) -> None:
    for each in results.values():
        table = each._repr_html_()
        assert table.startswith(f"<table><caption>{type(each).__name__}</caption>")
        assert all(f"<th>{field}</th>" in table for field in dict(each))
        assert "<wrong>" not in table
        assert len(table) < 3000
    memo = Transaction(1, "USD", None, "alice", 0, 5, "<script>" * 100, NOW, 1)
    assert "&lt;script&gt;" in memo._repr_html_()
    assert len(memo._repr_html_()) < 2000


class Page(BaseModel):
    """What a service answers with."""

    balance: Balance
    transactions: list[Transaction]
    batch: BatchReceipt | None = None


def test_they_are_fields_of_a_pydantic_model(results: dict[str, Any]) -> None:
    page = Page(balance=results["balance"], transactions=[results["transaction"]], batch=results["batch's receipt"])
    assert page.balance is results["balance"]
    found = json.loads(page.model_dump_json())
    assert found["balance"] == {"available": ALICE, "reserved": 0, "total": ALICE}
    assert found["transactions"][0]["recorded_at"] == "2026-11-26T00:00:00Z"
    assert found["batch"]["transaction_ids"] == [11]
    assert found["batch"]["refused"][0]["reason"]["code"] == "insufficient_funds"
    assert Page.model_validate_json(json.dumps({**found, "batch": None})) == page.model_copy(update={"batch": None})
    for wrong in ({"available": "x"}, {"available": 1, "reserved": 0}, 5, None):
        with pytest.raises(ValidationError):
            Page(balance=wrong, transactions=[])  # type: ignore[arg-type]
    schema = Page.model_json_schema(mode="serialization")
    assert {"Balance", "BatchReceipt", "RefusedRow", "Transaction"} <= set(schema["$defs"])
    assert schema["$defs"]["Balance"]["title"] == "Balance"


def test_pydantic_writes_each_and_takes_it_back(results: dict[str, Any]) -> None:
    for name, each in results.items():
        adapter = TypeAdapter(type(each))
        assert adapter.validate_python(each) is each
        written = adapter.dump_python(each, mode="json")
        assert list(written) == list(each.keys())
        assert adapter.json_schema(mode="serialization")["title"] == type(each).__name__
        if name not in ("batch's receipt", "refused row", "app's token"):  # no error or curve is made of what is said of it
            assert adapter.validate_json(adapter.dump_json(each)) == adapter.validate_python(written) == each


def test_pydantic_is_not_imported_by_the_package() -> None:
    program = "import sys, tallystick; tallystick.Balance(1, 0, 1).to_dict(); sys.exit('pydantic' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
