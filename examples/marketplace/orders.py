"""What an order does to money, without a word of HTTP. Everything is in the ledger: an order has no table of its own.

A price is held in parts, one for each seller and one for the marketplace's fee. Shipping pays the parts out, cancelling gives
them back, and what is not shipped in time goes back by itself. Each step has a key, so a caller who got no answer asks again.
"""

from collections.abc import Callable
from datetime import timedelta

from tallystick import AsyncLedger, AsyncTransactionContext, Entry, HoldNotFound, NotFound, Receipt, Refused, Token

from .errors import OrderClosed, OrderNotFound
from .models import NewOrder, Refund

USD = Token("USD", decimals=2)
MARKETPLACE = "marketplace"
FEES = "marketplace:fees"
FEE_PERCENT = 10
SHIP_WITHIN = timedelta(days=14)


def customer_account(customer: str) -> str:
    """The account of a customer."""
    return f"customer:{customer}"


def seller_account(seller: str) -> str:
    """The account of a seller."""
    return f"seller:{seller}"


class Orders:
    """The orders of one ledger."""

    def __init__(self, ledger: AsyncLedger) -> None:
        self._ledger = ledger

    async def place(self, order: str, new: NewOrder) -> Receipt:
        """Takes the price from the customer and holds it in parts; the memo of each says who is to have it."""
        weights = {seller_account(seller): weight * (100 - FEE_PERCENT) for seller, weight in new.sellers.items()}
        weights[FEES] = sum(new.sellers.values()) * FEE_PERCENT

        def plan(tx: AsyncTransactionContext) -> None:
            money = tx.money(USD.code, customer_account(new.customer), new.price)
            for receiver, part in money.slices(weights).items():
                part.reserve(MARKETPLACE, expires_in=SHIP_WITHIN, memo=receiver)

        return await self._once("place", order, plan, new.model_dump())

    async def ship(self, order: str) -> Receipt:
        """Pays the parts out; `HoldExpired` where it is too late, `OrderClosed` where they went elsewhere."""
        parts = await self._parts(order)

        def plan(tx: AsyncTransactionContext) -> None:
            for hold, receiver, amount in parts:
                tx.settle(USD.code, MARKETPLACE, receiver, amount, hold, memo=f"order {order}")

        return await self._once("ship", order, plan)

    async def cancel(self, order: str) -> Receipt:
        """Gives the parts back to the customer; `OrderClosed` where they went elsewhere."""
        parts = await self._parts(order)

        def plan(tx: AsyncTransactionContext) -> None:
            for hold, _, _ in parts:
                tx.release(hold, memo=f"order {order} was cancelled")

        return await self._once("cancel", order, plan)

    async def refund(self, order: str, refund: str, asked: Refund) -> Receipt:
        """Takes back what shipping paid: all of it, what one seller got, or an amount of that."""
        shipped = await self._ledger.receipt(f"ship:{order}")
        if shipped is None:
            raise Refused(f"order {order!r} was not shipped, and there is nothing to refund")
        entry = transaction = None
        if asked.seller is None:
            entry = shipped.entry_id
        else:
            receiver = seller_account(asked.seller)
            paid = (await self._ledger.entry(shipped.entry_id)).transactions
            transaction = next((each.id for each in paid if each.receiver == receiver), None)
            if transaction is None:
                raise NotFound(f"order {order!r} paid nothing to {asked.seller!r}")
        return await self._ledger.reverse(
            entry=entry,
            transaction=transaction,
            amount=asked.amount,
            memo=f"refund {refund} of order {order}",
            idempotency_key=f"refund:{order}:{refund}",
            request=asked.model_dump(),
            reference=f"order:{order}",
            on_repeat="receipt",
        )

    async def entries(self, order: str) -> list[Entry]:
        """What became of an order, newest first."""
        found = await self._ledger.find(f"order:{order}")
        if not found:
            raise OrderNotFound(order=order)
        return found

    async def _parts(self, order: str) -> list[tuple[str, str, int]]:
        """What was held for an order: each hold, who is to have it, and how much it is."""
        placed = await self._ledger.receipt(f"place:{order}")
        if placed is None:
            raise OrderNotFound(order=order)
        parts = (await self._ledger.entry(placed.entry_id)).transactions
        return [(part.hold, part.memo, part.burned_amount) for part in parts if part.hold is not None]

    async def _once(
        self, step: str, order: str, plan: Callable[[AsyncTransactionContext], None], request: object = None
    ) -> Receipt:
        """Does a step of an order; done before, it gives the receipt of that."""
        try:
            receipt = await self._ledger.once(plan, f"{step}:{order}", request=request, reference=f"order:{order}")
        except HoldNotFound:
            raise OrderClosed(order=order) from None
        assert receipt is not None, "a step moves money"
        return receipt
