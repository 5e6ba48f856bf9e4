"""The events: what happened, as it stands in the journal.

This module is the table of event types. A type's name is its tag in the journal and its fields are stored in this order,
so the table only grows: new types, and new fields at the end, with a default. Every event names its token or its contract
first; that aggregate is the stream it belongs to. Those of `BOOK_EVENTS` are of the book as a whole, and have a stream of their
own. Amounts are whole smallest units of the token, or whole satoshis of a
contract, times are microseconds since 1970 in UTC. Those of `RECORDED` move money and are each one transaction in the books,
and those of `BATCHES` as many as they have rows; the `Fragments...` ones that follow say which value objects of a fragmented
token carried it.
"""

from typing import TYPE_CHECKING, Annotated, ClassVar

import msgspec

Count = Annotated[int, msgspec.Meta(ge=1)]
ACCOUNTS_STREAM = " accounts"
"""The stream of the events of the book as a whole. No token, contract or application has a stream of this name."""


class Event(msgspec.Struct, frozen=True, array_like=True, tag=True, gc=False):
    """The base of a token's events. `stream`: the token, whose stream it belongs to."""

    token: str

    if TYPE_CHECKING:

        @property
        def stream(self) -> str: ...


class ContractEvent(msgspec.Struct, frozen=True, array_like=True, tag=True, gc=False):
    """The base of a contract's events. `stream`: the contract, whose stream it belongs to."""

    contract: str

    if TYPE_CHECKING:

        @property
        def stream(self) -> str: ...


class BookEvent(msgspec.Struct, frozen=True, array_like=True, tag=True, gc=False):
    """The base of events that are no token's and no contract's."""

    stream: ClassVar[str] = ACCOUNTS_STREAM


# One attribute for the stream of any event, which is the field itself and so as fast: rows are counted by it.
type.__setattr__(Event, "stream", Event.token)
type.__setattr__(ContractEvent, "stream", ContractEvent.contract)


class ForeignEvent(msgspec.Struct, frozen=True, array_like=True, tag=True, gc=False):
    """The base of what stands in a journal between these events and is none: somebody else's, which moves no money."""


class TokenRegistered(Event, frozen=True):
    """A token exists from here on; all of `max_supply` lies in its supply reserve. Fields as in `Token`. Since 1."""

    decimals: int
    max_supply: int
    unit: int | None
    role: str
    curve: str | None = None
    parameters: tuple[int, ...] = ()
    owner: str | None = None
    accepts: tuple[str, ...] = ()


class AppUpdated(Event, frozen=True):
    """The app accepts these tokens and has this owner from here on. Since 1."""

    owner: str | None
    accepts: tuple[str, ...]


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


class Distributed(Event, frozen=True):
    """`amount` of `source`'s, or out of the supply reserve where that is None, went to all holders in proportion.

    A holder is whoever can spend some of the token and is not in `excluded`. With `rounding` 1, each gets the floor of the
    exact share, and one unit more goes to each of the largest remainders; ties are taken in the order of names, beginning
    at the index (`turn` modulo the number of those tied); with 2, which is since format 2, the units that are left go by
    systematic sampling over the remainders. `turn` counts the token's distributions from 0. Since 1.
    """

    source: str | None
    amount: int
    turn: int
    excluded: tuple[str, ...] = ()
    rounding: int = 1
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


class MovedMany(Event, frozen=True):
    """`count` moves, one after another, each at a position of its own and in a row of each column.

    `names` get the token's next account numbers, from 0 on, and `senders` and `receivers` name accounts by their numbers.
    Columns are as in `columns`; `ids` are the callers' ids of the moves, or nothing. Since 1.
    """

    count: Count
    names: list[str]
    senders: bytes
    receivers: bytes
    amounts: bytes
    memo: str = ""
    ids: bytes = b""


class MintedMany(Event, frozen=True):
    """`count` mints to `accounts`, in columns likewise. Since 1."""

    count: Count
    names: list[str]
    accounts: bytes
    amounts: bytes
    memo: str = ""
    ids: bytes = b""


class BurnedMany(Event, frozen=True):
    """`count` burns from `accounts`, in columns likewise. Since 1."""

    count: Count
    names: list[str]
    accounts: bytes
    amounts: bytes
    memo: str = ""
    ids: bytes = b""


class RowNotes(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What rows of a batch say beside what they move; whatever none of them says is left at its default.

    Where `unit` is not 0, they have times: of `unit` microseconds each, the first is `at`, and `times` is a column of how much
    each is above the one before it, zigzag: 2 * d, or -2 * d - 1 where it is below; nothing where all are the same. Texts
    stand once each, and each row's by its number in them; numbers are left out where every row has the one text there is, or
    each its own in order. A row without a reference has null. `id_texts` are the rows' ids where they are text, in order.
    """

    at: int = 0
    unit: int = 0
    times: bytes = b""
    memos: list[str] = []
    memo_rows: bytes = b""
    refs: list[str | None] = []
    ref_rows: bytes = b""
    id_texts: list[str] = []


class NotedMovedMany(MovedMany, frozen=True):
    """`MovedMany` whose rows have memos, times, references or ids of their own. Since 2."""

    notes: RowNotes = RowNotes()


class NotedMintedMany(MintedMany, frozen=True):
    """`MintedMany` likewise. Since 2."""

    notes: RowNotes = RowNotes()


class NotedBurnedMany(BurnedMany, frozen=True):
    """`BurnedMany` likewise. Since 2."""

    notes: RowNotes = RowNotes()


class RunsMintedMany(Event, frozen=True):
    """`owner` got live fragments with ids from `first_id` on: `counts[0]` of `amounts[0]`, then `counts[1]` of `amounts[1]`,
    and so on. `FragmentsMinted` of many. Since 2.
    """

    owner: str
    first_id: int
    amounts: list[int]
    counts: list[int]


class RunsBurnedMany(Event, frozen=True):
    """These fragments ended: `counts[0]` with ids from `first_ids[0]` on, and so on. `FragmentsBurned` of many. Since 2."""

    first_ids: list[int]
    counts: list[int]


class RunsReservedMany(Event, frozen=True):
    """These live fragments lie under `hold` from here on. `FragmentsReserved` of many. Since 2."""

    hold: str
    first_ids: list[int]
    counts: list[int]


class RunsReleasedMany(Event, frozen=True):
    """These fragments, which lay under `hold`, are live again. `FragmentsReleased` of many. Since 2."""

    hold: str
    first_ids: list[int]
    counts: list[int]


class FragmentsMintedMany(Event, frozen=True):
    """`count` live fragments, with the ids `first_id`, `first_id + 1`, and so on, of `amounts`, for the `owners` of these
    numbers; both are columns. Since 1.
    """

    count: Count
    first_id: int
    owners: bytes
    amounts: bytes


class ContractRegistered(ContractEvent, frozen=True):
    """A contract exists from here on, with a balance of 0 and nobody allocated. `backed_by`: the token that its balance is
    counted in and made of, None where the balance is only a figure. Since 1.
    """

    backed_by: str | None


class BalanceRaised(ContractEvent, frozen=True):
    """`amount` was added to the contract's balance. Since 1."""

    amount: int
    memo: str = ""


class BalanceLowered(ContractEvent, frozen=True):
    """`amount` was taken from the contract's balance. Since 1."""

    amount: int
    memo: str = ""


class Allocated(ContractEvent, frozen=True):
    """`account` got an allocation of 0. Since 1."""

    account: str
    memo: str = ""


class Deallocated(ContractEvent, frozen=True):
    """`account` lost its allocation, of `dropped` sati-satoshis; `sum_dropped` satoshis left `allocs_sum`. Since 1."""

    account: str
    dropped: int
    sum_dropped: int
    memo: str = ""


class ShadowRaised(ContractEvent, frozen=True):
    """`amount` was added to the account's allocation and to `allocs_sum`. Since 1."""

    account: str
    amount: int
    memo: str = ""


class ShadowLowered(ContractEvent, frozen=True):
    """`amount` was taken from the account's allocation and from `allocs_sum`. Since 1."""

    account: str
    amount: int
    memo: str = ""


class AllShadowsRaised(ContractEvent, frozen=True):
    """Every allocation a got a * `amount` / `allocs_sum` more, the sum as it was before, and then `amount` was added to it.

    `rounding` 1: the quotient is rounded down to whole sati-satoshis. Since 1.
    """

    amount: int
    allocs_sum: int
    rounding: int = 1
    memo: str = ""


class AllShadowsLowered(ContractEvent, frozen=True):
    """Every allocation a lost a * `amount` / `allocs_sum`, rounded likewise; `amount` was taken from the sum. Since 1."""

    amount: int
    allocs_sum: int
    rounding: int = 1
    memo: str = ""


class AccountFrozen(BookEvent, frozen=True):
    """From here on no money leaves what `account` can spend of `token`, or of any token where that is None (`debits`), or none
    comes to it (`credits`), but for what nobody chose. It takes the place of a freeze of the same account and token. Since 2.
    """

    account: str
    token: str | None
    debits: bool
    credits: bool
    reason: str = ""


class AccountUnfrozen(BookEvent, frozen=True):
    """The freeze of `account` in `token`, or that in all tokens where it is None, ended. Since 2."""

    account: str
    token: str | None


class MetadataErased(BookEvent, frozen=True):
    """The metadata that lay beside the entry with this id were erased. Since 2."""

    entry: int
    reason: str


class ImportEnded(BookEvent, frozen=True):
    """The import of a file under this name came to its end, and the books refused so many of its rows, for good. Since 2."""

    kind: str
    name: str
    refused: int


FreezeEvent = AccountFrozen | AccountUnfrozen
AppEvent = AppUpdated | Distributed
MoneyEvent = Minted | Burned | Moved | Reserved | Settled | Released
NotedBatchEvent = NotedMovedMany | NotedMintedMany | NotedBurnedMany
BatchEvent = MovedMany | MintedMany | BurnedMany | NotedBatchEvent
RunEvent = RunsMintedMany | RunsBurnedMany | RunsReservedMany | RunsReleasedMany
PlainFragmentEvent = FragmentsMinted | FragmentsBurned | FragmentsReserved | FragmentsReleased
FragmentEvent = FragmentsMinted | FragmentsMintedMany | FragmentsBurned | FragmentsReserved | FragmentsReleased | RunEvent
BalanceEvent = BalanceRaised | BalanceLowered
AllocationEvent = Allocated | Deallocated | ShadowRaised | ShadowLowered | AllShadowsRaised | AllShadowsLowered
ContractChange = ContractRegistered | BalanceEvent | AllocationEvent
DomainEvent = (
    TokenRegistered
    | AppEvent
    | MoneyEvent
    | BatchEvent
    | FragmentEvent
    | ContractChange
    | FreezeEvent
    | MetadataErased
    | ImportEnded
)

RECORDED = (Minted, Burned, Moved, Reserved, Settled, Released)
NOTED_BATCHES = (NotedMovedMany, NotedMintedMany, NotedBurnedMany)
BATCHES = (MovedMany, MintedMany, BurnedMany, *NOTED_BATCHES)
RUN_EVENTS = (RunsMintedMany, RunsBurnedMany, RunsReservedMany, RunsReleasedMany)
FRAGMENT_EVENTS = (FragmentsMinted, FragmentsMintedMany, FragmentsBurned, FragmentsReserved, FragmentsReleased, *RUN_EVENTS)
CONTRACT_EVENTS = (
    ContractRegistered,
    BalanceRaised,
    BalanceLowered,
    Allocated,
    Deallocated,
    ShadowRaised,
    ShadowLowered,
    AllShadowsRaised,
    AllShadowsLowered,
)
BOOK_EVENTS = (AccountFrozen, AccountUnfrozen, MetadataErased, ImportEnded)
FORMAT_2_EVENTS = (*BOOK_EVENTS, *NOTED_BATCHES, *RUN_EVENTS)
"""Types that came with format 2 of the journal: the row of one has `details`, so that no older version passes over it."""
EVENT_TYPES: tuple[type[Event | ContractEvent | BookEvent], ...] = (
    TokenRegistered,
    AppUpdated,
    *RECORDED,
    *BATCHES,
    Distributed,
    *FRAGMENT_EVENTS,
    *CONTRACT_EVENTS,
    *BOOK_EVENTS,
)
