"""Where an event store of the `eventsourcing` library is: what its URL means, and the store opened there."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

from tallystick.domain.errors import InvalidRequest, InvalidURL, StorageUnavailable
from tallystick.infrastructure.imports.event_store.port import EventsourcingStore, IdType
from tallystick.infrastructure.imports.event_store.sqlite import EventsourcingSQLite
from tallystick.infrastructure.journal.stores.postgres.address import SCHEMES
from tallystick.infrastructure.system.passwords import shown

_FORMS = "'sqlite:///relative.db', 'sqlite:////absolute.db', a path or 'postgresql://user@host/database?schema=name'"


def open_eventsourcing_store(
    url: str | Path, application: str | None = None, id_type: IdType | None = None
) -> EventsourcingStore:
    """The store of `application` at `url`.

    In SQLite nothing says whose store it is, so the application is needed, and its ids are taken for UUIDs unless `id_type`
    is "text". In PostgreSQL the application is needed where several are there, and `id_type` has to be the ids' own if given.
    Raises `InvalidURL`, `InvalidRequest`, `NotAnEventStore`, `StorageUnavailable`.
    """
    if id_type not in (None, "uuid", "text"):
        raise InvalidRequest(f"an id type is 'uuid' or 'text', not {id_type!r}")
    if isinstance(url, str) and url.startswith(SCHEMES):
        return _open_postgres(url, application, id_type)
    path = url if isinstance(url, Path) else _path_of(url)
    if application is None:
        raise InvalidRequest(f"{path} does not say whose events it has: the application has to be named")
    return EventsourcingSQLite(path, application, id_type or "uuid")


def _path_of(url: str) -> Path:
    parts = urlsplit(url) if url.startswith("sqlite:///") else None
    if parts is None or parts.query or parts.fragment or len(parts.path) < 2:
        raise InvalidURL(f"an event store's address is {_FORMS}, not {shown(url)!r}")
    return Path(unquote(parts.path[1:]))


def _open_postgres(url: str, application: str | None, id_type: IdType | None) -> EventsourcingStore:
    try:
        from tallystick.infrastructure.imports.event_store.postgres import EventsourcingPostgres
    except ImportError as error:
        reason = 'PostgreSQL needs psycopg: pip install "tallystick[postgres]"'
        raise StorageUnavailable(f"the event store cannot be opened. {reason} ({error})") from error
    return EventsourcingPostgres(url, application, id_type)
