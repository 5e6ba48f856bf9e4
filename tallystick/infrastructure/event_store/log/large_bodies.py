"""The bodies of larger commits, in which the events of one stream are found by its name, with nothing else decoded.

A thousand aggregates saved at once are one commit. Who wants one of them would decode the others for nothing, each time that
more commits are read in turn than can be kept decoded. Their bodies take less room, and of those that are asked for often it
is remembered where in them the events of which name are.
"""

import re
import threading
from array import array
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Iterator

import msgspec

from tallystick.domain.errors import CorruptJournal
from tallystick.infrastructure.journal.format import Foreign
from tallystick.infrastructure.journal.port import Journal

KEPT_BYTES = 64 * 2**20
"""So many bytes of bodies are kept, or one body."""
OFTEN = 8
"""So many times a body is searched; from then on it is looked up where its events are, which costs as much as some searches."""

_BEFORE_NAME = b'["Foreign",'
_AFTER_STATE = b'"]'
_names = re.compile(rb'\["Foreign",("[^"]*",)').finditer
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(list[Foreign]).decode


class LargeBody:
    """The body of one commit.

    Without a backslash in it no text of it holds a quotation mark. So a name in quotation marks is a whole text, and the first
    text that ends before a bracket is an event's last.
    """

    def __init__(self, body: bytes, events: int) -> None:
        self.bytes = body
        self._events = events
        self._is_plain = b"\\" not in body
        self._times_asked = 0
        self._hashes: array[int] | None = None
        self._places = array("q")

    def events(self, stream: str) -> list[Foreign] | None:
        """Somebody else's events of this stream, in order; None where that is known only once all is decoded."""
        if self._hashes is None and self._times_asked >= OFTEN:
            self._index()
        if not self._is_plain:
            return None
        self._times_asked += 1
        name = _encode(stream) + b","
        found: list[bytes] = []
        places = self._searched(name) if self._hashes is None else self._looked_up(name, self._hashes)
        for place in places:
            end = self.bytes.find(_AFTER_STATE, place)
            if end < 0 or not self.bytes.endswith(_BEFORE_NAME, 0, place):
                return None
            found.append(self.bytes[place - len(_BEFORE_NAME) : end + len(_AFTER_STATE)])
        try:
            return _decode(b"[" + b",".join(found) + b"]") if found else None
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None

    def _searched(self, name: bytes) -> Iterator[int]:
        place = self.bytes.find(name)
        while place >= 0:
            yield place
            place = self.bytes.find(name, place + len(name))

    def _looked_up(self, name: bytes, hashes: "array[int]") -> Iterator[int]:
        wanted = hash(name)
        for index in range(bisect_left(hashes, wanted), len(hashes)):
            if hashes[index] != wanted:
                return
            if self.bytes.startswith(name, self._places[index]):
                yield self._places[index]

    def _index(self) -> None:
        """Puts down where the names are, unless there is something else among the events."""
        found = sorted([(hash(match[1]), match.start(1)) for match in _names(self.bytes)])
        self._is_plain = len(found) == self._events
        self._places = array("q", [place for _, place in found])
        self._hashes = array("q", [hashed for hashed, _ in found])


class LargeBodies:
    """The bodies of a journal by the positions at which their commits begin. May be used from several threads."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._lock = threading.Lock()
        self._kept: OrderedDict[int, LargeBody] = OrderedDict()
        self._kept_bytes = 0

    def events(self, stream: str, first_position: int) -> list[Foreign] | None:
        """What `LargeBody.events` finds in the commit that begins there. Raises `CorruptJournal` where none does."""
        with self._lock:
            body = self._kept.get(first_position)
            if body is not None:
                self._kept.move_to_end(first_position)
        if body is None:
            row = self._journal.row_at(first_position)
            if row is None:
                raise CorruptJournal("the entry of a stream leads nowhere", position=first_position)
            body = LargeBody(row.body, row.last_position - row.first_position + 1)
            self._keep(first_position, body)
        return body.events(stream)

    def _keep(self, first_position: int, body: LargeBody) -> None:
        with self._lock:
            if first_position not in self._kept:
                self._kept[first_position] = body
                self._kept_bytes += len(body.bytes)
            while self._kept_bytes > KEPT_BYTES and len(self._kept) > 1:
                self._kept_bytes -= len(self._kept.popitem(last=False)[1].bytes)
