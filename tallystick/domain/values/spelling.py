"""One spelling a name: what people take for one holder is one, so of the ways in which a name can be written one is kept.

That is Unicode's NFC without characters that nobody sees, and lower case where upper case says nothing: in addresses, whose
letters are hex digits (some people write a check sum into their case), and in UUIDs. What is not seen is said by tables here
and not by the running Python, whose Unicode is another with every version; they have the places that Unicode keeps for such
characters too. Versions before this one took some of them, and every spelling of an address of 20 bytes.
"""

import re

ADDRESS_OR_UUID = re.compile(
    r"0[xX](?:[0-9a-fA-F]{40}|[0-9a-fA-F]{64})|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII
)
LENGTHS = frozenset((36, 42, 66))
"""How long those are."""
_BEGINNING = re.compile(r"0[xX][0-9a-fA-F]{0,64}|[0-9a-fA-F]{8}-[0-9a-fA-F-]{0,27}", re.ASCII)

_SPACES = "\u0009-\u000d\u001c-\u0020\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
_UNPRINTABLE = (
    "\u0000-\u0008\u000e-\u001b\u007f-\u0084\u0086-\u009f"  # controls
    "\ud800-\udfff"  # halves of characters
    "\ue000-\uf8ff\U000f0000-\U0010ffff"  # what everybody means something else by
    "\ufdd0-\ufdef" + "".join(f"{chr(plane << 16 | 0xFFFE)}{chr(plane << 16 | 0xFFFF)}" for plane in range(15))  # no characters
)
_UNSEEN = (
    "\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff0-\ufffb"
    "\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e00ff\U000e01f0-\U000e0fff"
)
_UNSEEN_AND_TAKEN_BEFORE = (
    "\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U00016fe4\U0001d159\U000e0100-\U000e01ef"
)
WHITE_SPACE = re.compile(f"[{_SPACES}]")
UNPRINTABLE = re.compile(f"[{_UNPRINTABLE}]")
NEVER_TAKEN = re.compile(f"[{_SPACES}{_UNPRINTABLE}{_UNSEEN}]")
"""What no version took in a name."""
UNSEEN = re.compile(f"[{_UNSEEN}{_UNSEEN_AND_TAKEN_BEFORE}]")


def lowered(name: str) -> str:
    """The name, in lower case where it is an address or a UUID."""
    if len(name) in LENGTHS and not name.islower() and ADDRESS_OR_UUID.fullmatch(name):
        return name.lower()
    return name


def lowered_beginning(prefix: str) -> str | None:
    """What begins addresses or UUIDs, in lower case; None where it does not, or is in lower case."""
    return prefix.lower() if _BEGINNING.fullmatch(prefix) and prefix != prefix.lower() else None


def is_plain(name: str) -> bool:
    """Whether one look says that the name of an account or a cell has one spelling: nearly all are ASCII, and no addresses."""
    return name.isascii() and (len(name) not in LENGTHS or name.islower()) and " " not in name


def wrong_in(name: str) -> str | None:
    """What is wrong with the spelling of a name that is not of ASCII alone, and what to write; None where nothing is."""
    from unicodedata import is_normalized, normalize  # not for every start to load

    found = UNSEEN.search(name)
    if found is not None:
        return f"has no invisible characters, and {name!a} has {_shown(found[0], found.start())}{_to_write(name)}"
    if is_normalized("NFC", name):
        return None
    normal = normalize("NFC", name)
    place = next((place for place, (one, other) in enumerate(zip(name, normal, strict=False)) if one != other), len(normal))
    return f"is in Unicode's form NFC, and {name!a} is not from {_shown(name[place], place)} on{_to_write(name)}"


def _shown(character: str, place: int) -> str:
    from unicodedata import name

    said = name(character, "")
    return f"U+{ord(character):04X}{f' ({said})' if said else ''} at place {place + 1}"


def _to_write(name: str) -> str:
    """The name as it is to be written, where anything is left of it."""
    from unicodedata import normalize

    better = normalize("NFC", UNSEEN.sub("", name))
    return f": write {better!r}" if better else ""
