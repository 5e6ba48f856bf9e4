"""A PgBouncer for the tests, in transaction mode, before a server of theirs: each transaction may have another session.

It belongs to a shell that waits for this process, as the server does.
"""

import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg

from tests.support.programs.postgres_server import PostgresServer, free_port, is_required, unprivileged_user

START_SECONDS = 60
_SUPERVISOR = '"$@" & read -r _; kill -KILL $!; wait $!'
_SETTINGS = """
[databases]
* = host={host} port={server_port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = trust
auth_file = {folder}/users
pool_mode = transaction
default_pool_size = {size}
max_client_conn = 200
server_reset_query =
"""


def find_pgbouncer() -> str | None:
    """The program: on the path, or where Debian's package has put it."""
    return shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin:/usr/local/sbin")


def no_pgbouncer_reason() -> str | None:
    """Why its tests are left out; None where they are run, also where they have to and it is missing."""
    if find_pgbouncer() is not None or is_required():
        return None
    return "PgBouncer was not found: no pgbouncer is on the path or in /usr/sbin, its tests are skipped"


class PgBouncer:
    """One that keeps up to `size` sessions for each database and user, of `users`."""

    def __init__(self, server: PostgresServer, size: int, users: tuple[str, ...] = ("tester",)) -> None:
        program = find_pgbouncer()
        if program is None:
            raise RuntimeError("PgBouncer is needed here: no pgbouncer is on the path or in /usr/sbin")
        self._server = server
        self.size = size
        self._command = [program, "-q"]
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="tallystick-bouncer-"))
        self.folder.chmod(0o755)
        settings = _SETTINGS.format(host=server.folder, server_port=server.port, port=self.port, folder=self.folder, size=size)
        (self.folder / "settings").write_text(settings)
        (self.folder / "users").write_text("".join(f'"{user}" ""\n' for user in users))
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def url(self, user: str = "tester") -> str:
        """An address that libpq takes."""
        return self._server.url(user=user, port=self.port)

    def start(self) -> None:
        """Starts it and waits until it answers."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                ["sh", "-c", _SUPERVISOR, "sh", *self._command, self.folder / "settings"],
                user=unprivileged_user(),
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
                    raise RuntimeError(f"it does not start: {error}\n{(self.folder / 'log').read_text()}") from error
                time.sleep(0.02)

    def stop(self) -> None:
        """Stops it at once, with all its connections."""
        if self._process is not None and self._process.stdin is not None:
            self._process.communicate(b"stop\n", timeout=START_SECONDS)
            self._process = None

    def remove(self) -> None:
        """Stops it and removes its files."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
