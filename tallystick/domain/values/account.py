"""An account: whoever holds, named by a string in its one normal form.

Two spellings of one holder would be two accounts, so where the form of a name has upper and lower case (32-byte addresses,
UUIDs) only lower case is an account. The constants are the accounts that operations, and not people, move money through.
"""

import re

from tallystick.domain.errors import InvalidAccount

ACCOUNT_LENGTH_MAX = 128
ADDRESS_BYTES = 32

_CASELESS_FORM = re.compile(r"0x[0-9a-fA-F]{64}|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def address(raw: bytes) -> str:
    """The account of a 32-byte address: "0x" and 64 lower-case hex digits."""
    if not isinstance(raw, (bytes, bytearray)) or len(raw) != ADDRESS_BYTES:
        raise InvalidAccount(f"an address is {ADDRESS_BYTES} bytes, not {raw!r}")
    return "0x" + raw.hex()


TOTAL_SUPPLY_RESERVE = address(b"\xff" * ADDRESS_BYTES)
HIDDEN_BONDING_CURVE_ACCOUNT = address(b"\x01" * ADDRESS_BYTES)
SEAT_COLLECTION_POOL = address(b"\x03" * ADDRESS_BYTES)
SEAT_DISTRIBUTION_POOL = address(b"\x04" * ADDRESS_BYTES)
DAO_RESERVED_ACCOUNT = address(b"\xfe" * ADDRESS_BYTES)
PREDEFINED = frozenset(
    (TOTAL_SUPPLY_RESERVE, HIDDEN_BONDING_CURVE_ACCOUNT, SEAT_COLLECTION_POOL, SEAT_DISTRIBUTION_POOL, DAO_RESERVED_ACCOUNT)
)


def check_account(account: object) -> str:
    """The account itself, where it is one; else `InvalidAccount`."""
    if type(account) is not str:
        raise InvalidAccount(f"an account is a str, not {account!r}")
    if not 1 <= len(account) <= ACCOUNT_LENGTH_MAX:
        raise InvalidAccount(f"an account has 1 to {ACCOUNT_LENGTH_MAX} characters, not {len(account)}: {account[:140]!r}")
    if not account.isprintable() or " " in account:
        raise InvalidAccount(f"an account has printable characters and no white space: {account!r}")
    if len(account) in (36, 66) and _CASELESS_FORM.fullmatch(account) and account != account.lower():
        raise InvalidAccount(f"an address or UUID is written in lower case: {account!r}")
    return account
