"""Where an application of the `eventsourcing` library keeps its events, as its environment says.

`TALLYSTICK_URL` is a ledger's URL. Without it, what the library's own SQLite and PostgreSQL modules go by is taken as well, so
that an application changes its persistence module and nothing else; and without that it is a journal in memory, as the
library's default is. A variable that begins with the application's name comes before one that does not.
"""

from pathlib import Path
from urllib.parse import quote, unquote, urlencode, urlsplit

from eventsourcing.persistence import InfrastructureFactoryError
from eventsourcing.utils import Environment

TALLYSTICK_URL = "TALLYSTICK_URL"
SQLITE_DBNAME = "SQLITE_DBNAME"
POSTGRES_DBNAME = "POSTGRES_DBNAME"


def event_store_url(environment: Environment) -> str | Path:
    """The URL or the path of the journal. Raises `InfrastructureFactoryError` where two are named."""
    url, file, database = (environment.get(name) or "" for name in (TALLYSTICK_URL, SQLITE_DBNAME, POSTGRES_DBNAME))
    if url:
        return url
    if file and database:
        raise InfrastructureFactoryError(f"{SQLITE_DBNAME} and {POSTGRES_DBNAME} name a store each: set {TALLYSTICK_URL}")
    if file:
        return _sqlite(file)
    return _postgres(environment, database) if database else "memory:"


def _sqlite(name: str) -> str | Path:
    if ":memory:" in name or "mode=memory" in name:
        return "memory:"
    return Path(unquote(urlsplit(name).path) if name.startswith("file:") else name)


def _postgres(environment: Environment, database: str) -> str:
    user, password, host, port, schema = (
        environment.get(f"POSTGRES_{name}") or "" for name in ("USER", "PASSWORD", "HOST", "PORT", "SCHEMA")
    )
    credentials = quote(user, safe="") + (f":{quote(password, safe='')}" if password else "")
    place = (f"{credentials}@" if credentials else "") + (f"[{host}]" if ":" in host else quote(host, safe=""))
    options = f"?{urlencode({'schema': schema})}" if schema else ""
    return f"postgresql://{place}{f':{port}' if port else ''}/{quote(database, safe='')}{options}"
