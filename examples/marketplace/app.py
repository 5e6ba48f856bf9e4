"""The service: `uvicorn --factory examples.marketplace.app:create_app`. Every answer is what the ledger answered."""

import os
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from secrets import compare_digest
from typing import Annotated, cast

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Path, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from tallystick import AsyncLedger, Balance, Entry, FrozenAccount, Hold, LedgerError, Receipt, Status

from .errors import ANSWERS, malformed, refused
from .models import Closing, Deposit, Month, Name, NewOrder, Refund, StatementLine
from .orders import USD, Orders, customer_account


@dataclass(frozen=True)
class Settings:
    """Where the ledger is, what the payment provider and the admins prove themselves with, and how often holds expire."""

    ledger: str = field(default_factory=lambda: os.environ.get("MARKETPLACE_LEDGER", "marketplace.db"))
    provider_token: str = field(default_factory=lambda: os.environ["MARKETPLACE_PROVIDER_TOKEN"])
    admin_token: str = field(default_factory=lambda: os.environ["MARKETPLACE_ADMIN_TOKEN"])
    expire_every: float = 60.0
    clock: Callable[[], datetime] | None = None


def create_app(settings: Settings | None = None) -> FastAPI:
    """The service, whose ledger is open while it runs."""
    used = Settings() if settings is None else settings

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        async with AsyncLedger.open(used.ledger, clock=used.clock) as ledger:
            await ledger.register_token(USD)
            ledger.expire_every(used.expire_every)
            app.state.ledger = ledger
            yield

    app = FastAPI(title="Marketplace", lifespan=lifespan, responses=ANSWERS)
    app.state.settings = used
    app.exception_handler(LedgerError)(refused)
    app.exception_handler(RequestValidationError)(malformed)
    for router in (provider, shop, admin):
        app.include_router(router)
    return app


def the_ledger(request: Request) -> AsyncLedger:
    """The ledger that the service has open."""
    return cast(AsyncLedger, request.app.state.ledger)


def the_orders(ledger: "Ledger") -> Orders:
    """The orders in it."""
    return Orders(ledger)


Ledger = Annotated[AsyncLedger, Depends(the_ledger)]
TheOrders = Annotated[Orders, Depends(the_orders)]
Bearer = Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())]


def provider_only(request: Request, given: Bearer) -> None:
    """401 for whoever is not the payment provider."""
    check(given, request.app.state.settings.provider_token)


def admins_only(request: Request, given: Bearer) -> None:
    """401 for whoever is no admin."""
    check(given, request.app.state.settings.admin_token)


def check(given: HTTPAuthorizationCredentials, token: str) -> None:
    """Compares in a time that does not tell how much of it was right."""
    if not compare_digest(given.credentials.encode(), token.encode()):
        raise HTTPException(401)


provider = APIRouter(tags=["provider"], dependencies=[Depends(provider_only)])
shop = APIRouter(tags=["shop"])
admin = APIRouter(prefix="/admin", tags=["admin"], dependencies=[Depends(admins_only)])


@provider.post("/webhooks/deposits")
async def deposit(event: Deposit, ledger: Ledger) -> Receipt:
    """Credits a customer, once an event: again it gives the same receipt, and with other contents it is refused."""
    return await ledger.mint(
        USD.code,
        customer_account(event.customer),
        event.amount,
        memo="deposit",
        idempotency_key=f"deposit:{event.id}",
        request=event.model_dump(mode="json"),
        occurred_at=event.occurred_at,
        reference=f"payment:{event.payment}",
        metadata=event.details or None,
        on_repeat="receipt",
    )


@shop.put("/orders/{order}")
async def place_order(order: Name, new: NewOrder, orders: TheOrders) -> Receipt:
    """Holds the price for the sellers and the marketplace, until it is shipped, cancelled, or too late."""
    return await orders.place(order, new)


@shop.post("/orders/{order}/ship")
async def ship_order(order: Name, orders: TheOrders) -> Receipt:
    """Pays the sellers and the fee."""
    return await orders.ship(order)


@shop.post("/orders/{order}/cancel")
async def cancel_order(order: Name, orders: TheOrders) -> Receipt:
    """Gives the price back."""
    return await orders.cancel(order)


@shop.put("/orders/{order}/refunds/{refund}")
async def refund_order(order: Name, refund: Name, asked: Refund, orders: TheOrders) -> Receipt:
    """Gives back what shipping paid, or a part of it."""
    return await orders.refund(order, refund, asked)


@shop.get("/orders/{order}")
async def see_order(order: Name, orders: TheOrders) -> list[Entry]:
    """What became of an order, newest first."""
    return await orders.entries(order)


@shop.get("/customers/{customer}/balance")
async def see_balance(customer: Name, ledger: Ledger) -> Balance:
    """What a customer can spend."""
    return await ledger.balance(USD.code, customer_account(customer))


@shop.get("/customers/{customer}/holds")
async def see_holds(customer: Name, ledger: Ledger) -> list[Hold]:
    """What is held of a customer's money, and until when."""
    return await ledger.holds(USD.code, payer=customer_account(customer))


@shop.get("/customers/{customer}/months/{month}")
async def see_month(
    customer: Name,
    month: Annotated[str, Path(pattern=r"^(19[7-9]\d|2\d{3})-(0[1-9]|1[0-2])$")],
    request: Request,
    ledger: Ledger,
    cursor: Annotated[int, Query(ge=0)] = 0,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
) -> Month:
    """A customer's lines of what happened in a month of UTC, page by page: go on at `next`.

    A deposit that the provider told of late is in the month in which it happened, with what the customer had once it was told.
    """
    since = datetime.fromisoformat(f"{month}-01").replace(tzinfo=UTC)
    until = since.replace(year=since.year + since.month // 12, month=since.month % 12 + 1)
    account = customer_account(customer)
    page = await ledger.history(USD.code, account, cursor, since=since, until=until, by="occurred_at", limit=limit)
    lines = [StatementLine.model_validate(line.to_dict(token=USD)) for line in page]
    # The position alone is the cursor: what the account had there comes from the journal, and not from whoever sends it back.
    following = None if page.next is None else request.url.include_query_params(cursor=page.next.position)
    return Month(lines=lines, next=None if following is None else f"{following.path}?{following.query}")


@admin.put("/frozen/{account}")
async def freeze(account: str, closing: Closing, ledger: Ledger) -> Receipt | None:
    """Closes an account; null where it is so already."""
    return await ledger.freeze(account, debits=closing.debits, credits=closing.credits, reason=closing.reason)


@admin.delete("/frozen/{account}")
async def unfreeze(account: str, ledger: Ledger) -> Receipt | None:
    """Opens it again; null where it was not closed."""
    return await ledger.unfreeze(account)


@admin.get("/frozen")
async def see_frozen(ledger: Ledger) -> list[FrozenAccount]:
    """What is closed, since when and why."""
    return await ledger.frozen()


@admin.get("/status")
async def see_status(ledger: Ledger) -> Status:
    """How the ledger is: for monitoring."""
    return await ledger.status()
