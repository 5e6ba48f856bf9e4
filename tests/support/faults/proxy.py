"""A TCP proxy that fails on demand: it stands between a client and a server, and loses what a test tells it to."""

import socket
import struct
from contextlib import suppress
from threading import Event, Thread
from typing import Literal

Fault = Literal["request lost", "answer lost", "request silent", "answer silent", "request late"]
"""What happens to the next request: the connection is cut before the server has it, or once the server has answered; the
same two with silence in place of a cut; or the connection is cut and the server gets the request later, after `deliver`.
"""

READY = b"Z\0\0\0\x05"
"""How a PostgreSQL server's answer ends, but for the byte that says whether a transaction is open."""

WHOLE = (b"S\0\0\0\x04", b"S\0\0\0\x04H\0\0\0\x04")
"""How a request ends that the client has sent whole: it waits for the answer, and may ask to have it at once."""


class Proxy:
    """Listens on a `port` of the loopback. Connections go through to the server on `server_port` until a fault is armed."""

    def __init__(self, server_port: int) -> None:
        self._server_port = server_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._fault: Fault | None = None
        self._deliver = Event()
        self._sockets: list[socket.socket] = []
        self._silent: set[int] = set()
        self.connections = 0
        self.trips = 0
        self.refusing = False
        Thread(target=self._accept, daemon=True).start()

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._listener.getsockname()[1]

    def arm(self, fault: Fault) -> None:
        """The next request meets this fault, once."""
        self._deliver.clear()
        self._fault = fault

    def deliver(self) -> None:
        """Lets the server have the request that is late."""
        self._deliver.set()

    def keep_silent(self, port: int) -> None:
        """Notes that the client on this port waits for an answer in vain, from now on."""
        self._silent.add(port)

    def is_silent_to(self, port: int) -> bool:
        """Whether that client waits in vain: the server has not got its request, or has answered."""
        return port in self._silent

    def cut(self) -> None:
        """Cuts all connections."""
        for each in self._sockets:
            _cut(each)

    def close(self) -> None:
        """Cuts all connections and listens no more."""
        _cut(self._listener)
        self.deliver()
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self.refusing:
                _cut(client)
                continue
            try:
                server = socket.create_connection(("127.0.0.1", self._server_port))
            except OSError:
                _cut(client)
                continue
            self.connections += 1
            self._sockets += [client, server]
            _Passage(self, client, server)

    def take_fault(self) -> Fault | None:
        """The armed fault, which is disarmed by that."""
        fault, self._fault = self._fault, None
        return fault

    def wait_for_delivery(self) -> None:
        """Returns once the test lets the request through."""
        self._deliver.wait()


class _Passage:
    """One connection through the proxy, by a thread for each direction."""

    def __init__(self, proxy: Proxy, client: socket.socket, server: socket.socket) -> None:
        self._proxy = proxy
        self._client = client
        self._server = server
        self._port: int = client.getpeername()[1]
        self._fault: Fault | None = None
        self._answering = True
        for direction in (self._requests, self._answers):
            Thread(target=direction, daemon=True).start()

    def _requests(self) -> None:
        while data := _received(self._client):
            if self._answering:
                self._proxy.trips += 1
                self._answering = False
            self._fault = self._fault or self._proxy.take_fault()
            if self._fault == "request lost":
                _cut(self._client, self._server)
            elif self._fault == "request late":
                while not _is_whole(data) and (more := _received(self._client)):
                    data += more
                _cut(self._client)
                self._proxy.wait_for_delivery()
                _send(self._server, data)
            elif self._fault == "request silent":
                self._proxy.keep_silent(self._port)
            else:
                _send(self._server, data)
        if self._fault is None:
            _cut(self._server)

    def _answers(self) -> None:
        unread = b""
        while data := _received(self._server):
            self._answering = True
            unread = unread[-8:] + data
            if self._fault is None:
                _send(self._client, data)
            elif self._fault == "answer lost" and READY in unread:
                _cut(self._client, self._server)
            elif self._fault == "answer silent" and READY in unread:
                self._proxy.keep_silent(self._port)
        if self._fault is None:
            _cut(self._client)


def _is_whole(request: bytes) -> bool:
    """Whether the client has sent all of it: statements in one text say how long that is, others end with a wish to be told."""
    if request[:1] == b"Q":
        return len(request) > int.from_bytes(request[1:5], "big")
    return request.endswith(WHOLE)


def _received(source: socket.socket) -> bytes:
    try:
        return source.recv(65_536)
    except OSError:
        return b""


def _send(target: socket.socket, data: bytes) -> None:
    with suppress(OSError):
        target.sendall(data)


def _cut(*sockets: socket.socket) -> None:
    """Resets connections, as a machine does that was started anew."""
    for each in sockets:
        with suppress(OSError):
            each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            each.shutdown(socket.SHUT_RDWR)
        each.close()
