"""What goes between a client and a PostgreSQL server, piece by piece, so that somebody can strike at a counted one.

A piece is what one read of a socket gives, in either direction, on any connection. Whoever calls `carry` carries the wire on
its own thread, so that the process may be forked.
"""

import selectors
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import Literal, NamedTuple

PIECE_BYTES = 65_536
LOOK_SECONDS = 0.02
BACKEND_KEY = b"K\0\0\0\x0c"
"""How the message begins in which a server says which process answers; four bytes of its number follow."""

Fate = Literal["passes", "is lost"]


class Piece(NamedTuple):
    """Its number, from 1; whether it goes to the server; and the server's process at that end, 0 while it is not known."""

    number: int
    is_request: bool
    backend: int


class Wire:
    """Listens on a `port` of the loopback for connections to the server on `server_port`.

    `before` is told of each piece and says whether it passes; `after` is told of those that did.
    """

    def __init__(self, server_port: int, before: Callable[[Piece], Fate], after: Callable[[Piece], object]) -> None:
        self._server_port = server_port
        self._before = before
        self._after = after
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._other: dict[socket.socket, socket.socket] = {}
        self._clients: set[socket.socket] = set()
        self._backends: dict[socket.socket, int] = {}
        self._pieces = 0

    def carry(self, is_over: Callable[[], bool]) -> None:
        """Carries until it is over, which is asked every now and then; closes all then."""
        while not is_over():
            for key, _ in self._selector.select(LOOK_SECONDS):
                if key.fileobj is self._listener:
                    self._connect()
                elif isinstance(key.fileobj, socket.socket) and key.fileobj in self._other:
                    self._carry_piece(key.fileobj)
        while self._clients:
            self._cut(next(iter(self._clients)))
        self._selector.close()
        self._listener.close()

    def forget(self) -> None:
        """In a child: the wire is the parent's."""
        self._listener.close()

    def _connect(self) -> None:
        client, _ = self._listener.accept()
        try:
            server = socket.create_connection(("127.0.0.1", self._server_port))
        except OSError:
            client.close()
            return
        self._other |= {client: server, server: client}
        self._clients.add(client)
        for each in (client, server):
            self._selector.register(each, selectors.EVENT_READ)

    def _carry_piece(self, source: socket.socket) -> None:
        target = self._other[source]
        try:
            data = source.recv(PIECE_BYTES)
        except OSError:
            data = b""
        if not data:
            self._cut(source)
            return
        is_request = source in self._clients
        client = source if is_request else target
        found = -1 if is_request else data.find(BACKEND_KEY)
        if found >= 0 and client not in self._backends:
            (self._backends[client],) = struct.unpack_from("!I", data, found + len(BACKEND_KEY))
        self._pieces += 1
        piece = Piece(self._pieces, is_request, self._backends.get(client, 0))
        if self._before(piece) == "is lost":
            self._cut(source)
            return
        with suppress(OSError):
            target.sendall(data)
        self._after(piece)

    def _cut(self, end: socket.socket) -> None:
        """Closes both ends of a connection."""
        for each in (end, self._other[end]):
            self._selector.unregister(each)
            del self._other[each]
            self._clients.discard(each)
            self._backends.pop(each, None)
            each.close()
