"""The events: what happened, as it stands in the journal.

This module is the table of event types. A type's name is its tag in the journal and its fields are stored in this order,
so the table only grows: new types, and new fields at the end, with a default. Every event names its token first; that
token's aggregate is the stream it belongs to. Amounts are whole smallest units of the token, times are microseconds since
1970 in UTC. Those of `RECORDED` move money and are each one transaction in the books; the `Fragments...` ones that follow
say which value objects of a fragmented token carried it.
"""

import msgspec


class Event(msgspec.Struct, frozen=True, array_like=True, tag=True, gc=False):
    """The base of all events."""

    token: str


class TokenRegistered(Event, frozen=True):
    """A token exists from here on; all of `max_supply` lies in its supply reserve. Fields as in `Token`. Since 1."""

    decimals: int
    max_supply: int
    unit: int | None
    role: str


class Minted(Event, frozen=True):
    """`amount` left the supply reserve for `account`. Since 1."""

    account: str
    amount: int
    memo: str = ""


class Burned(Event, frozen=True):
    """`amount` went from `account` back into the supply reserve. Since 1."""

    account: str
    amount: int
    memo: str = ""


class Moved(Event, frozen=True):
    """`amount` went from `sender` to `receiver`. Since 1."""

    sender: str
    receiver: str
    amount: int
    memo: str = ""


class Reserved(Event, frozen=True):
    """`amount` left what `payer` can spend and is held by `authority` under `hold`, to `expires_at` if not None. Since 1."""

    payer: str
    authority: str
    amount: int
    hold: str
    expires_at: int | None = None
    memo: str = ""


class Settled(Event, frozen=True):
    """`amount` of what `authority` held under `hold` went to `receiver`. Since 1."""

    authority: str
    receiver: str
    amount: int
    hold: str
    memo: str = ""


class Released(Event, frozen=True):
    """`amount` of what `authority` held under `hold` went back to `payer`; `expired`: because it was due. Since 1."""

    authority: str
    payer: str
    amount: int
    hold: str
    expired: bool = False
    memo: str = ""


class FragmentsMinted(Event, frozen=True):
    """`owner` got live fragments of these amounts, with the ids `first_id`, `first_id + 1`, and so on. Since 1."""

    owner: str
    first_id: int
    amounts: list[int]


class FragmentsBurned(Event, frozen=True):
    """These fragments ended, live or reserved. Since 1."""

    ids: list[int]


class FragmentsReserved(Event, frozen=True):
    """These live fragments are from here on held under `hold`. Since 1."""

    hold: str
    ids: list[int]


class FragmentsReleased(Event, frozen=True):
    """These fragments, held under `hold`, live again for their payer. Since 1."""

    hold: str
    ids: list[int]


MoneyEvent = Minted | Burned | Moved | Reserved | Settled | Released
FragmentEvent = FragmentsMinted | FragmentsBurned | FragmentsReserved | FragmentsReleased
DomainEvent = TokenRegistered | MoneyEvent | FragmentEvent

RECORDED = (Minted, Burned, Moved, Reserved, Settled, Released)
EVENT_TYPES: tuple[type[Event], ...] = (
    TokenRegistered,
    *RECORDED,
    FragmentsMinted,
    FragmentsBurned,
    FragmentsReserved,
    FragmentsReleased,
)
