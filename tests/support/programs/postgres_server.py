"""A PostgreSQL server for the tests: the one that `TALLYSTICK_POSTGRES` names, or one of their own in a temporary folder.

Their own server belongs to a shell that waits for this process: when it ends, in whatever way, the shell stops the server
and removes the folder.
"""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from itertools import count
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
from psycopg import sql
from psycopg.rows import TupleRow

START_SECONDS = 180
LOCK_SECONDS = 10
ENVIRONMENT = "TALLYSTICK_POSTGRES"

# A line says to stop; the end of the lines, that nobody is there any more.
_SUPERVISOR = 'folder="$1"; shift; "$@" & read -r _; gone=$?; kill -QUIT $!; wait $!; [ $gone = 0 ] || rm -rf "$folder"'
_UNUSED = count()


def find_binaries() -> Path | None:
    """The folder of `initdb` and `postgres`: on the path, or the newest one that Debian's packages have put there."""
    on_path = shutil.which("initdb")
    folders = [Path(on_path).resolve().parent] if on_path else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: int(folder.parent.name), reverse=True)
    return next((folder for folder in folders if (folder / "initdb").exists() and (folder / "postgres").exists()), None)


class PostgresServer:
    """A server: on a socket in its folder, and on a port of the loopback. `fsync` makes its commits durable and slow."""

    def __init__(self, binaries: Path, *, fsync: bool = False, folder: Path | None = None) -> None:
        self._binaries = binaries
        self._user = unprivileged_user()
        self._settings = ("fsync=on",) if fsync else ("fsync=off", "full_page_writes=off")
        self.folder = Path(tempfile.mkdtemp(prefix="tallystick-", dir=folder))
        if self._user is not None:
            account = pwd.getpwnam(self._user)
            os.chown(self.folder, account.pw_uid, account.pw_gid)
        self.port = free_port()
        initdb = [binaries / "initdb", "-D", self.data, "-U", "tester", "-A", "trust", "-E", "UTF8", "--locale=C", "-N"]
        done = subprocess.run(initdb, user=self._user, cwd="/", capture_output=True, text=True, check=False)
        if done.returncode:
            shutil.rmtree(self.folder)
            raise RuntimeError(f"initdb failed: {done.stdout}{done.stderr}")
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def data(self) -> Path:
        """The folder of the server's files."""
        return self.folder / "data"

    def url(self, database: str = "postgres", user: str = "tester", *, port: int | None = None) -> str:
        """An address that libpq takes: of the socket, or on the loopback of the server's port or a proxy's."""
        if port is None:
            return f"postgresql://{user}@/{database}?host={self.folder}&port={self.port}"
        return f"postgresql://{user}@127.0.0.1:{port}/{database}?sslmode=disable&gssencmode=disable"

    def start(self) -> None:
        """Starts it and waits until it answers."""
        options = [f"port={self.port}", "listen_addresses=127.0.0.1", f"unix_socket_directories={self.folder}"]
        options += ["shared_buffers=32MB", "max_connections=60", *self._settings]
        arguments = ["-D", self.data, *(part for option in options for part in ("-c", option))]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                ["sh", "-c", _SUPERVISOR, "sh", self.folder, self._binaries / "postgres", *arguments],
                user=self._user,
                cwd="/",
                start_new_session=True,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
            )
        end = time.monotonic() + START_SECONDS
        while True:
            try:
                psycopg.connect(self.url(), connect_timeout=5).close()
                return
            except psycopg.OperationalError as error:
                if time.monotonic() > end or self._process.poll() is not None:
                    raise RuntimeError(f"the server does not start: {error}\n{(self.folder / 'log').read_text()}") from error
                time.sleep(0.05)

    def stop(self) -> None:
        """Stops it at once, as a crash would."""
        if self._process is not None and self._process.stdin is not None:
            self._process.communicate(b"stop\n", timeout=START_SECONDS)
            self._process = None

    def remove(self) -> None:
        """Stops it and removes its files."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


class SchemaRemover:
    """Drops schemas, by one session: all others are slower the more there are. What somebody still uses is left there."""

    def __init__(self, server: str) -> None:
        self._server = server
        self._session = self._connect()

    def __call__(self, schema: str) -> None:
        """Drops the schema, if it is there, with all that is in it."""
        if self._session.closed or not self._drop(schema):
            self._session.close()
            self._session = self._connect()
            self._drop(schema)

    def close(self) -> None:
        """Ends the session."""
        self._session.close()

    def _connect(self) -> psycopg.Connection[TupleRow]:
        return psycopg.connect(self._server, autocommit=True, options=f"-c lock_timeout={LOCK_SECONDS}s")

    def _drop(self, schema: str) -> bool:
        """False where a test has ended the session."""
        try:
            self._session.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(schema)))
        except psycopg.errors.LockNotAvailable:
            return True
        except psycopg.OperationalError:
            return False
        return True


def ledger_url(server: str, cache: Path, *, durability: str = "normal", schema: str | None = None) -> str:
    """The address of a new ledger on a server, in a schema of its own."""
    options = f"schema={schema or unused_name()}&durability={durability}&cache={quote(str(cache))}"
    return f"{server}{'&' if '?' in server else '?'}{options}"


def unused_name() -> str:
    """A name that no schema, database or role of this session has."""
    return f"test_{os.getpid()}_{next(_UNUSED)}"


def is_required() -> bool:
    """Whether tests without a server fail."""
    return bool(os.environ.get("CI") or os.environ.get("TALLYSTICK_REQUIRE_POSTGRES"))


def needs_server(item: pytest.Item) -> bool:
    """Whether this is a test of PostgreSQL, by its fixtures or by the store it is given."""
    stores: dict[str, object] = getattr(getattr(item, "callspec", None), "params", {})
    fixtures = {"postgres", "postgres_server", "postgres_url", "own_server"}
    store = getattr(getattr(item, "cls", None), "store", None)
    places = (stores.get("url"), stores.get("shared_url"), stores.get("library"), store)
    return "postgres" in places or not fixtures.isdisjoint(getattr(item, "fixturenames", ()))


def no_server(reason: str) -> None:
    """Skips the test, or fails it where there has to be a server."""
    if is_required():
        pytest.fail(f"PostgreSQL is needed here: {reason}", pytrace=False)
    pytest.skip(f"PostgreSQL was not found: {reason}, its tests are skipped")


def unprivileged_user() -> str | None:
    """Whom a server runs as where this process is root, whom PostgreSQL refuses."""
    if os.geteuid() != 0:
        return None
    known = {account.pw_name for account in pwd.getpwall()}
    return "postgres" if "postgres" in known else "nobody"


def free_port() -> int:
    """A port of the loopback on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
