"""Addresses without their passwords, for whatever is shown: messages, the errors behind them, and what is logged.

An address that is written wrongly is shown too, and then nobody can say where in it the password is. So what might be one is
left out: whatever stands before the last "@", and the values of options. What a library says of an address is kept, without the
parts of the address in which a password could stand.
"""

import re
from collections.abc import Collection
from urllib.parse import unquote

HIDDEN = "***"

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:/*")
_PORT = re.compile(r"([^/:?\[\]]*|\[[^\]]*\]):(?!\d*(?:[/?#]|$))[^/?#]*")
_PORT_OF = re.compile(r"^[^/:?]*:(?!\d*(?:[/?#]|$))([^/?#]*)")
_SECRET_OPTION = re.compile(r"(?i)(?:pass|pwd|secret|token|credential)[a-z_]*\s*=")
_CREDENTIALS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*:/{1,3})[^\s'\"]*@")
_SECRET_VALUE = re.compile(r"(?i)((?:passw|pwd|secret)[a-z_]*\s*=\s*)(?:'(?:\\.|[^'\\])*'|[^\s&'\"]+)")
_SEPARATORS = re.compile(r"[@/?#:&=]")
_NO_SECRETS = ("durability=full", "durability=normal")


def shown(address: object) -> str:
    """The address as it may be shown, however it is written."""
    text = address if isinstance(address, str) else repr(address)
    scheme = found[0] if (found := _SCHEME.match(text)) is not None else ""
    credentials, at, rest = text[len(scheme) :].rpartition("@")
    if at and ("?" in credentials or "=" in credentials):
        return f"{scheme}{HIDDEN}"  # the "@" may be one of an option
    place, mark, options = rest.partition("?")
    if _SECRET_OPTION.search(place):
        return f"{scheme}{HIDDEN}"
    if scheme and not scheme.startswith(("sqlite:", "memory:")) and "/" in scheme:
        place = _PORT.sub(rf"\1:{HIDDEN}", place, count=1)
    return f"{scheme}{HIDDEN if at else ''}{at}{place}{mark}{'&'.join(map(_shown_option, options.split('&')))}"


def masked(text: str) -> str:
    """A text in which addresses may stand, without what looks like a password in them."""
    return _SECRET_VALUE.sub(rf"\1{HIDDEN}", _CREDENTIALS.sub(rf"\1{HIDDEN}@", text))


def secrets_of(address: str) -> frozenset[str]:
    """The parts of an address that may be a password or a piece of one, as they are written and as they are meant."""
    scheme = found[0] if (found := _SCHEME.match(address)) is not None else ""
    body = address[len(scheme) :]
    credentials, at, _ = body.rpartition("@")
    given = [credentials.partition(":")[2]] if at else _PORT_OF.findall(body)
    given += [option.partition("=")[2] for option in body.partition("?")[2].split("&") if _SECRET_OPTION.match(option)]
    parts = [part for each in given for part in (each, *_SEPARATORS.split(each))]
    return frozenset(part for each in parts for part in (each, unquote(each)) if part)


def without(text: str, secrets: Collection[str]) -> str:
    """The text without these; one of three characters or fewer is only left out where it stands alone."""
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) > 3:
            text = text.replace(secret, HIDDEN)
        else:
            text = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", lambda found: HIDDEN, text)
    return text


def hide_in(error: BaseException, secrets: Collection[str]) -> None:
    """Takes these out of what an error and all that are chained to it say, and out of what libraries keep with their errors;
    one that still says one of them is unchained.
    """
    chain: list[BaseException] = [error]
    for each in chain:  # which grows meanwhile
        for name, kept in list(vars(each).items()):
            if without(repr(kept), secrets) != repr(kept):
                setattr(each, name, None)
        each.args = tuple(without(said, secrets) if isinstance(said, str) else said for said in each.args)
        chain += [other for other in (each.__cause__, each.__context__) if other is not None and other not in chain]
    for each in chain:
        if each.__cause__ is not None and _tells(each.__cause__, secrets):
            each.__cause__ = None
        if each.__context__ is not None and _tells(each.__context__, secrets):
            each.__context__ = None


def _tells(error: BaseException, secrets: Collection[str]) -> bool:
    return any(without(text, secrets) != text for text in (str(error), repr(error)))


def _shown_option(option: str) -> str:
    name, equals, _ = option.partition("=")
    if not equals:
        return HIDDEN if option else ""
    return option if option in _NO_SECRETS else f"{name}={HIDDEN}"
