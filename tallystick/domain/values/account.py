"""An account: whoever holds, named by a string in its one spelling.

Two spellings of one holder would be two accounts, and tokens and contracts have names of the same form. The constants are the
accounts that operations, and not people, move money through.
"""

from tallystick.domain.errors import InvalidAccount
from tallystick.domain.values.spelling import LENGTHS, NEVER_TAKEN, UNPRINTABLE, WHITE_SPACE, lowered, wrong_in

ACCOUNT_LENGTH_MAX = 128
ADDRESS_BYTES = 32


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
    """The account in its one spelling: itself, or an address or UUID in lower case; else `InvalidAccount`."""
    if type(account) is not str or not 1 <= len(account) <= ACCOUNT_LENGTH_MAX:
        raise _no_name(account)
    if account.isascii():
        if not account.isprintable() or " " in account:
            raise InvalidAccount(f"an account has printable characters and no white space: {account!r}")
        return account if len(account) not in LENGTHS or account.islower() else lowered(account)
    if WHITE_SPACE.search(account) or UNPRINTABLE.search(account):
        raise InvalidAccount(f"an account has printable characters and no white space: {account!r}")
    wrong = wrong_in(account)
    if wrong is not None:
        raise InvalidAccount(f"an account {wrong}")
    return account


def check_form(account: object) -> str:
    """The name itself, where some version took it for an account; else `InvalidAccount`. It may have another spelling now."""
    if type(account) is not str or not 1 <= len(account) <= ACCOUNT_LENGTH_MAX:
        raise _no_name(account)
    if account.isascii() and account.isprintable() and " " not in account:
        return account
    if NEVER_TAKEN.search(account):
        raise InvalidAccount(f"an account has printable characters and no white space: {account!r}")
    return account


def _no_name(account: object) -> InvalidAccount:
    if type(account) is not str:
        return InvalidAccount(f"an account is a str, not {account!r}")
    return InvalidAccount(f"an account has 1 to {ACCOUNT_LENGTH_MAX} characters, not {len(account)}: {account[:140]!r}")
