"""The schema that a journal is kept in, in a PostgreSQL database: its tables, its triggers, and who may do what.

The tables are those of the SQLite file, and two more: `ledger`, one row that says which ledger this is, and `keys`, where
each idempotency key was used. A schema of version 1 has rows of format 1, and one of version 2 has those of format 2; from
version 3 on rows come by functions (`append_functions.py`), and the turn to write is another lock. `upgrade_schema` makes an
older one the newest, which its owner has to do.

Triggers refuse to change, delete or truncate, and to insert what does not follow the last row. They keep programs from
mistakes; a role that only may read and append, as `allow_to_append` makes it, cannot drop them, and inserts by those
functions and by nothing else.
"""

import hashlib
from typing import NamedTuple

import psycopg

from tallystick.domain.errors import NotALedger, SchemaTooNew, StorageUnavailable
from tallystick.infrastructure.journal.stores.postgres.address import PostgresAddress
from tallystick.infrastructure.journal.stores.postgres.append_functions import APPEND_FUNCTIONS
from tallystick.infrastructure.journal.stores.postgres.connection import LOCK_SECONDS, Connection, translated
from tallystick.infrastructure.journal.stores.postgres.schema_check import FOUND, NAMES, difference, version_of

DETAILED = 2
"""The first version of the schema in which rows may have details."""
GUARDED = SCHEMA_VERSION = 3
"""The first in which rows come by functions, and the newest."""

_TABLES = """
CREATE TABLE {schema}.ledger (
    id uuid NOT NULL,
    schema_version integer NOT NULL,
    single boolean PRIMARY KEY DEFAULT true CHECK (single)
);
CREATE TABLE {schema}.commits (
    first_position bigint PRIMARY KEY,
    last_position bigint NOT NULL,
    recorded_at bigint NOT NULL,
    keys text NOT NULL,
    transactions text NOT NULL,
    body text {compression} NOT NULL,
    digest bytea NOT NULL,
    details text {compression}
);
CREATE TABLE {schema}.streams (
    stream text COLLATE "C" NOT NULL,
    last_version bigint NOT NULL,
    first_version bigint NOT NULL,
    first_position bigint NOT NULL,
    PRIMARY KEY (stream, last_version)
);
CREATE TABLE {schema}.keys (
    key text COLLATE "C" PRIMARY KEY,
    first_position bigint NOT NULL
);
"""
_METADATA = """
CREATE TABLE {schema}.metadata (
    entry bigint PRIMARY KEY,
    salt bytea NOT NULL,
    content text {compression} NOT NULL
);
CREATE FUNCTION {schema}.metadata_is_of_the_newest_commit() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    newest {schema}.commits;
BEGIN
    SELECT * INTO newest FROM {schema}.commits ORDER BY first_position DESC LIMIT 1;
    IF TG_OP = 'INSERT' AND NEW.entry BETWEEN newest.first_position AND newest.last_position THEN
        RETURN NEW;
    ELSIF TG_OP = 'DELETE' AND position('["MetadataErased",' || OLD.entry || ',' IN newest.body) > 0 THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'metadata is of the newest commit, and is erased by one that says so'
        USING ERRCODE = 'object_not_in_prerequisite_state';
END $$;
CREATE TRIGGER metadata_is_of_the_newest_commit BEFORE INSERT OR DELETE ON {schema}.metadata
    FOR EACH ROW EXECUTE FUNCTION {schema}.metadata_is_of_the_newest_commit();
CREATE TRIGGER only_append BEFORE UPDATE OR TRUNCATE ON {schema}.metadata
    FOR EACH STATEMENT EXECUTE FUNCTION {schema}.only_append();
"""
_FUNCTIONS = """
CREATE FUNCTION {schema}.commits_follow_each_other() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    last bigint := (SELECT last_position FROM {schema}.commits ORDER BY first_position DESC LIMIT 1);
BEGIN
    IF NEW.last_position < NEW.first_position OR NEW.first_position <> coalesce(last, 0) + 1 THEN
        RAISE EXCEPTION 'a commit begins after the last position' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE FUNCTION {schema}.streams_follow_each_other() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    last bigint := (SELECT last_version FROM {schema}.streams WHERE stream = NEW.stream ORDER BY last_version DESC LIMIT 1);
BEGIN
    IF NEW.last_version < NEW.first_version OR NEW.first_version <= last THEN
        RAISE EXCEPTION 'a stream goes on after its last version' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE FUNCTION {schema}.only_append() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the journal is append-only' USING ERRCODE = 'object_not_in_prerequisite_state';
END $$;
"""
_ROLES = """
CREATE OR REPLACE FUNCTION {schema}.allow_to_read(role regrole) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('GRANT USAGE ON SCHEMA {schema} TO %s', role);
    EXECUTE format('GRANT SELECT ON {schema}.ledger, {schema}.commits, {schema}.streams, {schema}.keys TO %s', role);
    EXECUTE format('GRANT SELECT ON {schema}.metadata TO %s', role);
END $$;
CREATE OR REPLACE FUNCTION {schema}.allow_to_append(role regrole) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM {schema}.allow_to_read(role);
    EXECUTE format('GRANT EXECUTE ON FUNCTION {schema}.take_turn, {schema}.append TO %s', role);
END $$;
REVOKE ALL ON FUNCTION {schema}.take_turn, {schema}.append, {schema}.check_row FROM PUBLIC;
"""
_TRIGGERS = """
CREATE TRIGGER commits_follow_each_other BEFORE INSERT ON {schema}.commits
    FOR EACH ROW EXECUTE FUNCTION {schema}.commits_follow_each_other();
CREATE TRIGGER streams_follow_each_other BEFORE INSERT ON {schema}.streams
    FOR EACH ROW EXECUTE FUNCTION {schema}.streams_follow_each_other();
"""
_ONLY_APPEND = """
CREATE TRIGGER only_append BEFORE UPDATE OR DELETE OR TRUNCATE ON {schema}.{table}
    FOR EACH STATEMENT EXECUTE FUNCTION {schema}.only_append();
"""
_ADD_DETAILS = "ALTER TABLE {schema}.commits ADD COLUMN details text {compression}"
_RAISE_VERSION = f"""
ALTER TABLE {{schema}}.ledger DISABLE TRIGGER only_append;
UPDATE {{schema}}.ledger SET schema_version = {SCHEMA_VERSION};
ALTER TABLE {{schema}}.ledger ENABLE TRIGGER only_append;
"""
_INSERT = "INSERT INTO {schema}.ledger (id, schema_version) VALUES (gen_random_uuid(), %s) RETURNING id"
_ALLOWED = """
SELECT acl.grantee::regrole::text, bool_or(acl.privilege_type = 'INSERT') FROM pg_class, aclexplode(relacl) AS acl
WHERE pg_class.oid = '{schema}.commits'::regclass AND acl.grantee <> relowner AND acl.grantee <> 0 GROUP BY 1
"""
_ALLOW = "SELECT {schema}.{allow}(%s)"
_NO_INSERTS = """
REVOKE INSERT, UPDATE, DELETE, TRUNCATE
ON {schema}.ledger, {schema}.commits, {schema}.streams, {schema}.keys, {schema}.metadata FROM {role}
"""
_PATIENCE = f"SELECT set_config('lock_timeout', '{LOCK_SECONDS}s', true)".encode()
_IS_THERE = "SELECT oid FROM pg_namespace WHERE nspname = %s"
_HAS_TABLES = "SELECT 1 FROM pg_class WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = %s) LIMIT 1"
_HAS_LZ4 = "SELECT 'lz4' = ANY(enumvals) FROM pg_settings WHERE name = 'default_toast_compression'"


class Identity(NamedTuple):
    """Which ledger a schema holds: its id, 32 hex digits, which no other ledger has."""

    id: str

    @property
    def lock(self) -> int:
        """The advisory lock that its writers take before version 3, a signed number of 64 bits."""
        return int.from_bytes(bytes.fromhex(self.id)[:8], "big", signed=True)

    @property
    def channel(self) -> str:
        """The channel on which each commit's last position is notified."""
        return f"tallystick_{self.id}"


def identity_of(address: PostgresAddress, connection: Connection) -> Identity | None:
    """The ledger in the schema; None where that is empty or missing. Raises `NotALedger`, `SchemaTooNew`."""
    if not connection.execute(_HAS_TABLES, (address.schema,)).fetchall():
        return None
    try:
        rows = connection.execute(_text("SELECT id, schema_version FROM {schema}.ledger", address)).fetchall()
    except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn):
        rows = []
    if len(rows) != 1:
        raise NotALedger(f"{address.name} has tables and is no ledger")
    id, version = rows[0]
    if version > SCHEMA_VERSION:
        raise SchemaTooNew(f"{address.name} has schema {version}, and this version reads up to {SCHEMA_VERSION}")
    return Identity(id.hex)


def open_schema(address: PostgresAddress, connection: Connection, *, create: bool) -> Identity:
    """The ledger in the schema, made where there is none and `create` allows it.

    Raises `NotALedger`, also where somebody has changed the schema, `SchemaTooNew`, `StorageFull`, `StorageUnavailable`.
    """
    try:
        found = identity_of(address, connection)
        if found is None and not create:
            raise NotALedger(f"{address.name} is no ledger")
        if found is None:
            return _make_schema(address, connection)
        check_schema(address, connection)
        return found
    except psycopg.Error as error:
        raise translated(address, error) from error


def check_schema(address: PostgresAddress, connection: Connection) -> int:
    """The schema's version; `NotALedger` where what is there is not what we make of that version.

    One statement asks, so that it is of one moment whoever upgrades it meanwhile.
    """
    found = connection.execute(_text(FOUND, address), NAMES).fetchall()
    version = version_of(found)
    if version is None:
        raise NotALedger(f"{address.name} has tables and is no ledger")
    parts = [_FUNCTIONS, *([_METADATA] if version >= DETAILED else []), *([APPEND_FUNCTIONS] if version >= GUARDED else [])]
    functions = b"".join([_text(part, address, compression="") for part in parts]).decode()
    differs = difference(found, functions, has_details=version >= DETAILED)
    if differs is not None:
        raise NotALedger(f"{address.name} has not the schema of a ledger: {differs}; it is not used before that is mended")
    return version


def upgrade_schema(address: PostgresAddress, connection: Connection) -> bool:
    """Makes it a schema of the newest version, which its owner may do; false where it is one.

    Nobody appends meanwhile. Raises `StorageUnavailable`.
    """
    try:
        with connection.transaction():
            connection.execute(_PATIENCE)
            identity = identity_of(address, connection)
            if identity is None:
                raise NotALedger(f"{address.name} is no ledger")
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (identity.lock,))
            version = check_schema(address, connection)
            if version >= SCHEMA_VERSION:
                return False
            compression = _compression(connection)
            details = (_ADD_DETAILS, _METADATA) if version < DETAILED else ()
            for part in (*details, _RAISE_VERSION, APPEND_FUNCTIONS, _ROLES):
                connection.execute(_text(part, address, compression=compression))
            _allow_again(address, connection)
    except psycopg.errors.InsufficientPrivilege as error:
        reason = f"{address.name} can be upgraded by its owner alone, and nothing was changed: {str(error).strip()}"
        raise StorageUnavailable(reason) from error
    except psycopg.Error as error:
        raise translated(address, error) from error
    return True


def _allow_again(address: PostgresAddress, connection: Connection) -> None:
    """Who might read or append before may do so after it, and inserts past the functions no more."""
    for name, may_insert in connection.execute(_text(_ALLOWED, address)).fetchall():
        allow = "allow_to_append" if may_insert else "allow_to_read"
        connection.execute(_text(_ALLOW, address, allow=allow), (name,))
        connection.execute(_text(_NO_INSERTS, address, role=name))
    connection.execute(_text(_NO_INSERTS, address, role="PUBLIC"))


def _compression(connection: Connection) -> str:
    return "COMPRESSION lz4" if connection.execute(_HAS_LZ4).fetchall() == [(True,)] else ""


def _text(part: str, address: PostgresAddress, **names: str) -> bytes:
    """A part of the SQL above with the schema's name in it, which is one of letters, digits and '_'."""
    return part.format(schema=f'"{address.schema}"', **names).encode()


def _make_schema(address: PostgresAddress, connection: Connection) -> Identity:
    turn = int.from_bytes(hashlib.sha256(f"tallystick schema {address.schema}".encode()).digest()[:8], "big", signed=True)
    with connection.transaction():
        connection.execute(_PATIENCE)
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (turn,))
        found = identity_of(address, connection)
        if found is not None:
            return found
        if not connection.execute(_IS_THERE, (address.schema,)).fetchall():
            connection.execute(_text("CREATE SCHEMA {schema}", address))
        compression = _compression(connection)
        for part in (_TABLES, _FUNCTIONS, _METADATA, APPEND_FUNCTIONS, _ROLES, _TRIGGERS):
            connection.execute(_text(part, address, compression=compression))
        for table in ("ledger", "commits", "streams", "keys"):
            connection.execute(_text(_ONLY_APPEND, address, table=table))
        id = connection.execute(_text(_INSERT, address), (SCHEMA_VERSION,)).fetchall()[0][0]
    return Identity(id.hex)
