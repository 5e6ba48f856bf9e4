"""What callers send. Amounts are in cents, as the ledger counts, and a text or a fraction is no amount."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
"""Of a customer, a seller, an order or a refund: plain, for it becomes a part of an account's name, a key and an address."""
Cents = Annotated[int, Field(strict=True, gt=0)]
Weight = Annotated[int, Field(strict=True, gt=0, le=1_000_000)]


class Body(BaseModel):
    """What a caller sends: a field that nobody knows is refused and not passed over."""

    model_config = ConfigDict(extra="forbid")


class Deposit(Body):
    """A payment provider's event: it took `amount` from a customer. The provider sends it again until it is answered."""

    id: str
    occurred_at: AwareDatetime
    customer: Name
    amount: Cents
    payment: str
    details: dict[str, Any] = {}


class NewOrder(Body):
    """What a customer pays for an order, and how the sellers share it."""

    customer: Name
    price: Cents
    sellers: Annotated[dict[Name, Weight], Field(min_length=1, max_length=20)]


class Refund(Body):
    """What of a shipped order is given back: of one seller an `amount`, or all of theirs; without a seller, everything."""

    seller: Name | None = None
    amount: Cents | None = None


class Closing(Body):
    """What is closed of an account that is frozen, and why."""

    debits: bool = True
    credits: bool = False
    reason: Annotated[str, Field(min_length=1)]


class StatementLine(BaseModel):
    """A line of a statement, for people: amounts in decimals, and what the customer had after it."""

    position: int
    kind: str
    counterparty: str | None
    change: str
    available: str
    memo: str
    reference: str | None
    occurred_at: datetime


class Month(BaseModel):
    """A page of a customer's month; `next` is the address of the next one, None at the end."""

    lines: list[StatementLine]
    next: str | None


class Problem(BaseModel):
    """Why a request was not done: the ledger's stable `code`, a sentence, and the figures that it speaks of."""

    code: str
    message: str
    fields: dict[str, Any]
