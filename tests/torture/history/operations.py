"""What a client of the ledger did, when it began and ended, and what it was answered.

Times are those of the machine's monotonic clock in nanoseconds, which all its processes share.
"""

from typing import Literal

import msgspec

TOKEN = "COIN"
ACCOUNTS = ("bank", "hot", "poor")
FUNDS = {"bank": 10**30, "hot": 10**15, "poor": 10**9}

Answer = Literal["done", "refused", "unknown"]


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """Which client did it, and when it began and ended by the clock."""

    by: str
    begin: int
    end: int


class Transfer(Operation, frozen=True, tag="transfer"):
    """A transfer under a key. If it was done, `entry` and `position` are those of its receipt.

    It is "refused" where the sender had too little. Of one that is "unknown", because it was cancelled or the store could not
    tell, the end says nothing. `told` is the sender's balance that its block was told before.
    """

    key: str
    sender: str
    receiver: str
    amount: int
    answer: Answer
    entry: int = 0
    position: int = 0
    told: int | None = None


class Read(Operation, frozen=True, tag="read"):
    """What these accounts had, read at once."""

    balances: dict[str, int]


History = list[Transfer | Read]


class Movement(msgspec.Struct, frozen=True):
    """A transfer as the journal has it, and its place there."""

    position: int
    sender: str
    receiver: str
    amount: int


class Row(msgspec.Struct, frozen=True):
    """A row of the journal: its last position and its movements."""

    last_position: int
    movements: list[Movement]
