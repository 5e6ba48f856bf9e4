"""The marketplace: its README is true against the service as it is started, and every route does what it says."""

import asyncio
import json
import os
import re
import shlex
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from examples.marketplace.app import Settings, create_app
from examples.marketplace.orders import FEES, USD
from tallystick import Ledger

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "examples" / "marketplace" / "README.md").read_text()
COMMANDS = re.findall(r"^(curl .*)\n# (\d+) (.*)$", README, re.MULTILINE)
SERVED_AT = "http://127.0.0.1:8000"
PROVIDER = {"Authorization": "Bearer provider"}
ADMIN = {"Authorization": "Bearer admin"}
START = datetime(2030, 3, 31, 12, tzinfo=UTC)
TOO_LONG = 60.0
"""What does not come within so many seconds does not come."""


class Clock:
    """A clock that a test sets."""

    now = START

    def __call__(self) -> datetime:
        return self.now


class Shop:
    """The service, as its callers see it."""

    def __init__(self, app: Any, client: httpx2.AsyncClient) -> None:
        self.app = app
        self.client = client

    async def deposit(self, id: str, amount: int, **others: Any) -> httpx2.Response:
        event = {"id": id, "occurred_at": START.isoformat(), "customer": "ann", "amount": amount, "payment": "p"} | others
        return await self.client.post("/webhooks/deposits", json=event, headers=PROVIDER)

    async def order(self, id: str, price: int, **others: Any) -> httpx2.Response:
        return await self.client.put(f"/orders/{id}", json={"customer": "ann", "price": price, "sellers": {"bert": 1}} | others)

    async def available(self, account: str = "customer:ann") -> int:
        return (await self.app.state.ledger.balance("USD", account)).available

    async def expired(self) -> int:
        """How many holds the first round of expiry gave back, once it has ended."""
        async with asyncio.timeout(TOO_LONG):
            while not (status := (await self.client.get("/admin/status", headers=ADMIN)).json()["expiry"])["runs"]:
                pass
        return status["released"]


@asynccontextmanager
async def opened(url: str | Path, clock: Clock | None = None) -> AsyncGenerator[Shop]:
    app = create_app(Settings(str(url), "provider", "admin", clock=Clock() if clock is None else clock))
    transport = httpx2.ASGITransport(app)
    async with app.router.lifespan_context(app), httpx2.AsyncClient(transport=transport, base_url="http://shop") as client:
        yield Shop(app, client)


def play(url: str | Path, scene: Callable[[Shop], Awaitable[None]], clock: Clock | None = None) -> None:
    async def played() -> None:
        async with opened(url, clock) as shop:
            await scene(shop)
            assert (await shop.app.state.ledger.audit()).ok

    asyncio.run(played())


# The README.


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the service, started as the README says, on a port that is free."""
    (exported,) = re.findall(r"^export (.*)$", README, re.MULTILINE)
    (started,) = re.findall(r"^(uvicorn .*)$", README, re.MULTILINE)
    variables = dict(each.split("=", 1) for each in shlex.split(exported))
    variables["MARKETPLACE_LEDGER"] = str(tmp_path_factory.mktemp("service") / variables["MARKETPLACE_LEDGER"])
    command = [sys.executable, "-m", *shlex.split(started), "--port", "0"]
    with subprocess.Popen(command, cwd=ROOT, env=os.environ | variables, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        said: list[str] = []
        for line in process.stderr:
            said.append(line)
            if found := re.search(r"Uvicorn running on (http://[\d.:]+)", line):
                yield found[1]
                break
        else:
            pytest.fail("".join(said))
        process.terminate()
        process.stderr.read()
        assert process.wait(TOO_LONG) in (0, -15)
    with Ledger.open(variables["MARKETPLACE_LEDGER"], read_only=True) as ledger:
        assert ledger.audit().ok


def has(answer: Any, wanted: Any) -> bool:
    """Whether an answer is what is wanted, or has it as a part."""
    if isinstance(wanted, dict):
        return isinstance(answer, dict) and all(name in answer and has(answer[name], each) for name, each in wanted.items())
    if isinstance(wanted, list):
        return isinstance(answer, list) and len(answer) == len(wanted) and all(map(has, answer, wanted))
    return type(answer) is type(wanted) and answer == wanted


@pytest.mark.parametrize(
    ("answer", "wanted", "verdict"),
    [
        ({"a": 1, "b": [{"c": 2, "d": 3}]}, {"b": [{"c": 2}]}, True),
        ({"a": 1}, {"a": True}, False),
        ({"a": 1}, {"b": 1}, False),
        ([1, 2], [1], False),
        (None, {}, False),
    ],
)
def test_what_an_answer_has(answer: Any, wanted: Any, verdict: bool) -> None:
    assert has(answer, wanted) is verdict


def test_the_readme_is_true(service: str) -> None:
    assert len(COMMANDS) == README.count("curl ") > 15
    for command, status, shown in COMMANDS:
        words = shlex.split(command)[1:]
        request: dict[str, Any] = {"method": "GET", "headers": {}}
        while words:
            word = words.pop(0)
            if word == "-X":
                request["method"] = words.pop(0)
            elif word == "-H":
                name, value = words.pop(0).split(": ")
                request["headers"][name] = value
            elif word == "--json":
                request["json"] = json.loads(words.pop(0))
            else:
                assert word.startswith(SERVED_AT), command
                request["url"] = service + word.removeprefix(SERVED_AT)
        if "json" in request and request["method"] == "GET":
            request["method"] = "POST"  # as curl does
        answer = httpx2.request(**request, timeout=TOO_LONG)
        assert answer.status_code == int(status), (command, answer.text)
        assert has(answer.json(), json.loads(shown)), (command, answer.text)


def test_the_readme_of_the_whole_leads_here() -> None:
    assert "(examples/marketplace/README.md)" in (ROOT / "README.md").read_text()


# The routes.


def test_every_route_is_described(tmp_path: Path) -> None:
    described = create_app(Settings(str(tmp_path / "books.db"), "provider", "admin")).openapi()
    routes = {
        f"{method.upper()} {path}": route for path, found in described["paths"].items() for method, route in found.items()
    }
    assert sorted(routes) == [
        "DELETE /admin/frozen/{account}",
        "GET /admin/frozen",
        "GET /admin/status",
        "GET /customers/{customer}/balance",
        "GET /customers/{customer}/holds",
        "GET /customers/{customer}/months/{month}",
        "GET /orders/{order}",
        "POST /orders/{order}/cancel",
        "POST /orders/{order}/ship",
        "POST /webhooks/deposits",
        "PUT /admin/frozen/{account}",
        "PUT /orders/{order}",
        "PUT /orders/{order}/refunds/{refund}",
    ]
    assert all(route["summary"] and route["description"] and "422" in route["responses"] for route in routes.values())
    assert {"Receipt", "Balance", "Hold", "Entry", "FrozenAccount", "Status"} <= {
        str(schema.get("title")) for schema in described["components"]["schemas"].values()
    }


def test_a_webhook_is_credited_once(url: str | Path) -> None:
    async def scene(shop: Shop) -> None:
        late = {"occurred_at": "2030-03-01T00:00:00+01:00", "details": {"card": "4242"}}
        answers = await asyncio.gather(*(shop.deposit("e", 500, **late) for _ in range(20)))
        assert {answer.status_code for answer in answers} == {200}
        receipts = [answer.json() for answer in answers]
        assert Counter(receipt.pop("repeated") for receipt in receipts) == {True: 19, False: 1}
        assert all(receipt == receipts[0] for receipt in receipts)
        assert receipts[0]["occurred_at"] == "2030-02-28T23:00:00Z"
        again = await shop.deposit("e", 501, **late)
        assert (again.status_code, again.json()["code"]) == (409, "idempotency_mismatch")
        assert again.json()["fields"]["receipt"]["entry_id"] == receipts[0]["entry_id"]
        assert await shop.available() == 500
        (entry,) = await shop.app.state.ledger.find("payment:p")
        assert (entry.metadata, entry.key) == ({"card": "4242"}, "deposit:e")

    play(url, scene)


@pytest.mark.parametrize(
    ("method", "path", "headers", "body", "status", "code"),
    [
        ("POST", "/webhooks/deposits", {}, {}, 401, None),
        ("POST", "/webhooks/deposits", ADMIN, {}, 401, None),
        ("GET", "/admin/frozen", PROVIDER, None, 401, None),
        ("GET", "/admin/status", {}, None, 401, None),
        ("PUT", "/admin/frozen/customer:ann", PROVIDER, {"reason": "x"}, 401, None),
        ("POST", "/webhooks/deposits", PROVIDER, {}, 422, "invalid_request"),
        ("PUT", "/orders/1", {}, {"customer": "ann", "price": 0, "sellers": {"bert": 1}}, 422, "invalid_request"),
        ("PUT", "/orders/1", {}, {"customer": "ann", "price": "5", "sellers": {"bert": 1}}, 422, "invalid_request"),
        ("PUT", "/orders/1", {}, {"customer": "ann", "price": 5.0, "sellers": {"bert": 1}}, 422, "invalid_request"),
        ("PUT", "/orders/1", {}, {"customer": "ann", "price": 5, "sellers": {}}, 422, "invalid_request"),
        ("PUT", "/orders/1", {}, {"customer": "ann", "price": 5, "sellers": {"no body": 1}}, 422, "invalid_request"),
        ("PUT", "/orders/1", {}, {"customer": "ann", "price": 5, "sellers": {"bert": 1}, "x": 1}, 422, "invalid_request"),
        ("PUT", "/orders/1", {}, {"customer": "ann", "price": 2**256, "sellers": {"bert": 1}}, 422, "invalid_amount"),
        ("PUT", "/orders/1", {}, {"customer": "ann", "price": 5, "sellers": {"bert": 1}}, 409, "insufficient_funds"),
        ("POST", "/orders/1/ship", {}, None, 404, "order_not_found"),
        ("POST", "/orders/1/cancel", {}, None, 404, "order_not_found"),
        ("GET", "/orders/1", {}, None, 404, "order_not_found"),
        ("GET", "/orders/%ff", {}, None, 422, "invalid_request"),
        ("PUT", "/orders/1/refunds/r", {}, {}, 409, "refused"),
        ("GET", "/customers/ann/months/2030-13", {}, None, 422, "invalid_request"),
        ("GET", "/customers/ann/months/1969-12", {}, None, 422, "invalid_request"),
        ("GET", "/customers/ann/months/2030-01?cursor=-1", {}, None, 422, "invalid_request"),
        ("PUT", "/admin/frozen/customer:ann", ADMIN, {"reason": ""}, 422, "invalid_request"),
        ("PUT", "/admin/frozen/customer:ann", ADMIN, {"reason": "x", "debits": False}, 422, "invalid_request"),
        ("PUT", "/admin/frozen/no body", ADMIN, {"reason": "x"}, 422, "invalid_account"),
        ("DELETE", "/admin/frozen/customer:ann", ADMIN, None, 200, None),
    ],
)
def test_what_is_refused(method: str, path: str, headers: dict[str, str], body: Any, status: int, code: str | None) -> None:
    async def scene(shop: Shop) -> None:
        answer = await shop.client.request(method, path, headers=headers, json=body)
        assert answer.status_code == status, answer.text
        if code is not None:
            assert set(answer.json()) == {"code", "message", "fields"}
            assert answer.json()["code"] == code

    play("memory:", scene)


@pytest.mark.parametrize("wrong", ["NaN", '"\\ud800"', '{"a": Infinity}', "1" * 5000])
def test_what_json_cannot_repeat_is_answered(wrong: str) -> None:
    async def scene(shop: Shop) -> None:
        event = {"id": "e", "occurred_at": START.isoformat(), "customer": "ann", "amount": 5, "payment": "p"}
        for name in (*event, "details"):
            text = json.dumps(event | {name: "wrong"}).replace('"wrong"', wrong)
            headers = PROVIDER | {"content-type": "application/json"}
            answer = await shop.client.post("/webhooks/deposits", content=text, headers=headers)
            assert answer.status_code in (400, 422), (name, answer.text)

    play("memory:", scene)


def test_an_order_is_placed_and_shipped_once(url: str | Path) -> None:
    async def scene(shop: Shop) -> None:
        await shop.deposit("e", 100_00)
        sellers = {"bert": 2, "carla": 1}
        placed = await asyncio.gather(*(shop.order("1", 10_01, sellers=sellers) for _ in range(20)))
        assert {answer.status_code for answer in placed} == {200}
        assert await shop.available() == 89_99
        held = (await shop.client.get("/customers/ann/holds")).json()
        assert [(hold["memo"], hold["amount"]) for hold in held] == [("seller:bert", 601), ("seller:carla", 300), (FEES, 100)]
        assert {hold["expires_at"] for hold in held} == {"2030-04-14T12:00:00Z"}
        assert (await shop.order("1", 10_02, sellers=sellers)).json()["code"] == "idempotency_mismatch"

        shipped = await asyncio.gather(*(shop.client.post("/orders/1/ship") for _ in range(20)))
        assert Counter((answer.status_code, answer.json()["repeated"]) for answer in shipped) == {
            (200, False): 1,
            (200, True): 19,
        }
        assert [await shop.available(account) for account in ("seller:bert", "seller:carla", FEES)] == [601, 300, 100]
        assert (await shop.client.post("/orders/1/cancel")).json()["code"] == "order_closed"
        entries = (await shop.client.get("/orders/1")).json()
        assert [entry["key"] for entry in entries] == ["ship:1", "place:1"]
        assert [each["kind"] for each in entries[0]["transactions"]] == ["settle"] * 3

    play(url, scene)


def test_a_cent_that_leaves_no_fee(url: str | Path) -> None:
    async def scene(shop: Shop) -> None:
        await shop.deposit("e", 1)
        assert (await shop.order("1", 1)).status_code == 200
        assert (await shop.client.post("/orders/1/ship")).status_code == 200
        assert [await shop.available(account) for account in ("seller:bert", FEES)] == [1, 0]

    play(url, scene)


def test_an_order_is_cancelled(url: str | Path) -> None:
    async def scene(shop: Shop) -> None:
        await shop.deposit("e", 100_00)
        await shop.order("1", 30_00)
        for repeated in (False, True):
            answer = await shop.client.post("/orders/1/cancel")
            assert (answer.status_code, answer.json()["repeated"]) == (200, repeated)
        answer = await shop.client.post("/orders/1/ship")
        assert (answer.status_code, answer.json()["code"]) == (409, "order_closed")
        assert await shop.available() == 100_00

    play(url, scene)


def test_refunds(url: str | Path) -> None:
    async def scene(shop: Shop) -> None:
        await shop.deposit("e", 100_00)
        await shop.order("1", 30_00, sellers={"bert": 2, "carla": 1})
        await shop.client.post("/orders/1/ship")
        table: list[tuple[str, dict[str, Any], int, str | None, int]] = [
            ("a", {"seller": "bert", "amount": 5_00}, 200, None, 75_00),
            ("a", {"seller": "bert", "amount": 5_00}, 200, None, 75_00),
            ("a", {"seller": "bert", "amount": 6_00}, 409, "idempotency_mismatch", 75_00),
            ("b", {"seller": "bert", "amount": 13_01}, 409, "already_reversed", 75_00),
            ("c", {"seller": "dora"}, 404, "not_found", 75_00),
            ("d", {"amount": 1_00}, 422, "invalid_request", 75_00),
            ("e", {"seller": "carla"}, 200, None, 84_00),
            ("f", {}, 200, None, 100_00),
            ("g", {}, 409, "already_reversed", 100_00),
        ]
        for refund, body, status, code, available in table:
            answer = await shop.client.put(f"/orders/1/refunds/{refund}", json=body)
            assert (answer.status_code, answer.json().get("code")) == (status, code), answer.text
            assert await shop.available() == available
        assert [await shop.available(account) for account in ("seller:bert", "seller:carla", FEES)] == [0, 0, 0]

    play(url, scene)


def test_a_hundred_orders_at_once_are_served_while_there_is_money(url: str | Path) -> None:
    async def scene(shop: Shop) -> None:
        await shop.deposit("e", 60_00)
        answers = await asyncio.gather(*(shop.order(str(number), 1_00) for number in range(100)))
        assert Counter(answer.status_code for answer in answers) == {200: 60, 409: 40}
        assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {"insufficient_funds"}
        assert (await shop.app.state.ledger.balance("USD", "marketplace")).reserved == 60_00

    play(url, scene)


def test_what_is_not_shipped_in_time_goes_back(tmp_path: Path) -> None:
    clock = Clock()

    async def scene() -> None:
        async with opened(tmp_path / "books.db", clock) as shop:
            await shop.deposit("e", 100_00)
            await shop.order("1", 30_00)
            assert await shop.expired() == 0
            clock.now = START + timedelta(days=14)
            answer = await shop.client.post("/orders/1/ship")
            assert (answer.status_code, answer.json()["code"]) == (409, "hold_expired")
            assert answer.json()["fields"]["expires_at"] == answer.json()["fields"]["now"] == "2030-04-14T12:00:00+00:00"
        async with opened(tmp_path / "books.db", clock) as shop:
            assert await shop.expired() == 2
            assert await shop.available() == 100_00
            assert (await shop.client.post("/orders/1/cancel")).json()["code"] == "order_closed"
            clock.now += timedelta(days=401)
            answer = await shop.order("2", 30_00)
            assert (answer.status_code, answer.json()["code"]) == (503, "clock_leap")
            assert answer.headers["retry-after"] == "1"

    asyncio.run(scene())


def test_pages_of_a_month_joined_are_the_month(url: str | Path) -> None:
    async def scene(shop: Shop) -> None:
        for number in range(10):
            await shop.deposit(f"e{number}", 10_00 + number, occurred_at=(START - timedelta(days=6 * number)).isoformat())
            await shop.order(str(number), 3_00, sellers={"bert": 1, "carla": 1})

        async def month(name: str, limit: int) -> list[dict[str, Any]]:
            address, lines = f"/customers/ann/months/{name}?limit={limit}", list[dict[str, Any]]()
            while address is not None:
                page = (await shop.client.get(address)).json()
                assert not lines or page["lines"][0]["position"] > lines[-1]["position"]
                lines += page["lines"]
                address = page["next"]
            return lines

        found = {name: await month(name, 500) for name in ("2030-01", "2030-02", "2030-03", "2030-04")}
        assert [len(lines) for lines in found.values()] == [0, 4, 36, 0]
        for name, lines in found.items():
            for limit in (1, 2, 3, 7, 35, 36):
                assert await month(name, limit) == lines
        whole = sorted((line for lines in found.values() for line in lines), key=lambda line: line["position"])
        had = 0
        for line in whole:
            had += USD.parse(line["change"].lstrip("-")) * (-1 if line["change"].startswith("-") else 1)
            assert USD.format(had) == line["available"]
        assert had == await shop.available()
        assert {line["kind"] for line in found["2030-02"]} == {"mint"}

    play(url, scene)


def test_a_freeze(url: str | Path) -> None:
    async def scene(shop: Shop) -> None:
        await shop.deposit("e", 100_00)
        await shop.order("1", 30_00)
        address = "/admin/frozen/customer:ann"
        closing = {"reason": "case 12", "credits": True}
        first = await shop.client.put(address, json=closing, headers=ADMIN)
        assert (first.status_code, (await shop.client.put(address, json=closing, headers=ADMIN)).json()) == (200, None)
        (frozen,) = (await shop.client.get("/admin/frozen", headers=ADMIN)).json()
        assert (frozen["account"], frozen["reason"], frozen["position"]) == (
            "customer:ann",
            "case 12",
            first.json()["entry_id"],
        )
        for answer in (await shop.order("2", 1_00), await shop.deposit("f", 1)):
            assert (answer.status_code, answer.json()["code"]) == (409, "account_is_frozen")
        assert (await shop.client.post("/orders/1/ship")).status_code == 200  # it was agreed to before
        assert (await shop.client.delete(address, headers=ADMIN)).json()["entry_id"]
        assert (await shop.client.get("/admin/frozen", headers=ADMIN)).json() == []
        assert (await shop.order("2", 1_00)).status_code == 200

    play(url, scene)


def test_a_restart_keeps_all(shared_url: str | Path) -> None:
    paths = ("/orders/1", "/orders/2", "/customers/ann/balance", "/customers/ann/holds", "/customers/ann/months/2030-03")

    async def seen(shop: Shop) -> list[Any]:
        answers = [await shop.client.get(path) for path in paths] + [await shop.client.get("/admin/frozen", headers=ADMIN)]
        assert {answer.status_code for answer in answers} == {200}
        return [answer.json() for answer in answers]

    async def scene() -> None:
        async with opened(shared_url) as shop:
            await shop.deposit("e", 100_00, details={"a": [1]})
            await shop.order("1", 30_00)
            await shop.order("2", 20_00)
            await shop.client.post("/orders/1/ship")
            await shop.client.put("/orders/1/refunds/r", json={"seller": "bert", "amount": 1})
            await shop.client.put("/admin/frozen/seller:bert", json={"reason": "x"}, headers=ADMIN)
            before = await seen(shop)
        async with opened(shared_url) as shop:
            assert await seen(shop) == before
            assert (await shop.deposit("e", 100_00, details={"a": [1]})).json()["repeated"]
            assert (await shop.order("1", 30_00)).json()["repeated"]
            assert (await shop.client.post("/orders/2/ship")).status_code == 200

    asyncio.run(scene())
