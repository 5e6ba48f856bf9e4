"""What a journal in PostgreSQL asks its server. Each statement names its schema, for the session may be anybody's.

A page of rows ends where the bodies before one sum to a limit; the sums read no bodies, for PostgreSQL knows their lengths.
Where all of a page is within the limit, as most are, no running sum is made.
"""

HEAD = "SELECT last_position, digest, recorded_at FROM SCHEMA.commits ORDER BY first_position DESC LIMIT 1"
DIGEST = """
SELECT last_position, digest FROM SCHEMA.commits WHERE first_position <= %s ORDER BY first_position DESC LIMIT 1
"""
_BEGAN_AT = "(extract(epoch FROM transaction_timestamp()) * 1000000)::bigint"
TURN = f"""
pg_backend_pid(), {_BEGAN_AT}, session_user || ' as ' || current_setting('role'), current_setting('fsync') = 'on',
(extract(epoch FROM clock_timestamp()) * 1000000)::bigint, ledger.id, ledger.schema_version
"""
# What is set lasts as long as the transaction, whoever's the session is.
_BEGIN = """
BEGIN ISOLATION LEVEL READ COMMITTED;
SET LOCAL synchronous_commit = %(commit)s;
SET LOCAL lock_timeout = %(lock)s;
SET LOCAL statement_timeout = %(statement)s;
SET LOCAL idle_in_transaction_session_timeout = %(idle)s;
"""
BEGIN = _BEGIN + "SELECT * FROM SCHEMA.take_turn()"
"""Begins a transaction and waits for the turn: who it is, then which ledger, of which version, and its head."""
BEGIN_1 = f"""{_BEGIN}
SELECT pg_advisory_xact_lock(%(turn)s);
SELECT {TURN}, head.* FROM SCHEMA.ledger LEFT JOIN ({HEAD}) AS head ON true
"""
"""The same in a schema before version 3."""
# What is appended is filled in as `literals` write it.
APPEND = """
SELECT SCHEMA.append('%d', '%d', '%d', %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s);
COMMIT
"""
APPEND_LARGE = """
SELECT SCHEMA.append(%s, %s, %s, %s, %s, %s, %s, %s, %s::text[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bytea[],
    %s::text[], %s::bigint[])
"""
# Where a trigger of somebody else's swallows a row, the division by zero refuses all. What is filled in begins or goes on with
# the details and the metadata, where there are some.
APPEND_1 = """
WITH appended AS (INSERT INTO SCHEMA.commits VALUES ('%d', '%d', '%d', %s, %s, %s, %s%s) RETURNING 1),
    entered AS (
        INSERT INTO SCHEMA.streams SELECT entry.*, '%d' FROM unnest(%s::text[], %s::bigint[], %s::bigint[]) AS entry RETURNING 1
    ),
    used AS (INSERT INTO SCHEMA.keys SELECT key, '%d' FROM unnest(%s::text[]) AS key RETURNING 1)
SELECT pg_notify('%s', '%d'), 1 / ((SELECT count(*) FROM appended) = 1 AND (SELECT count(*) FROM entered) = '%d'
    AND (SELECT count(*) FROM used) = '%d')::integer;
%s COMMIT
"""
METADATA_1 = """
WITH added AS (INSERT INTO SCHEMA.metadata SELECT * FROM unnest(%s::bigint[], %s::bytea[], %s::text[]) RETURNING 1)
SELECT 1 / ((SELECT count(*) FROM added) = '%d')::integer;
DELETE FROM SCHEMA.metadata WHERE entry = ANY(%s::bigint[]);
"""
BEGIN_NOTHING = f"""
BEGIN;
SET LOCAL synchronous_commit = %s;
SELECT pg_logical_emit_message(true, 'tallystick', '');
SELECT pg_backend_pid(), {_BEGAN_AT}
"""
"""Begins a transaction that changes nothing, and whose commit waits for a standby as any other's does."""
# Who holds the turn, and since when, as far as this role may see it.
_HOLDER = """
SELECT pid, application_name, xact_start::text FROM pg_locks LEFT JOIN pg_stat_activity USING (pid)
WHERE granted AND pg_locks.database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND
"""
HOLDER = _HOLDER + "relation = 'SCHEMA.ledger'::regclass AND mode = 'ExclusiveLock' LIMIT 1"
HOLDER_1 = (
    _HOLDER
    + """
locktype = 'advisory' AND objsubid = 1 AND classid = (%(turn)s >> 32 & 4294967295)::oid AND objid = (%(turn)s & 4294967295)::oid
LIMIT 1
"""
)
METADATA = "SELECT entry, salt, content FROM SCHEMA.metadata WHERE entry = ANY(%s::bigint[])"
METADATA_ENTRIES = "SELECT entry FROM SCHEMA.metadata WHERE entry > %s ORDER BY entry LIMIT %s"
SCHEMA_VERSION = "SELECT schema_version FROM SCHEMA.ledger"
# In a schema of format 1 rows are read together with its version, which somebody may have raised meanwhile.
_ROW = "SELECT first_position, last_position, recorded_at, keys, transactions, body, digest, details FROM"
_ROW_1 = """
SELECT first_position, last_position, recorded_at, keys, transactions, body, digest,
    (SELECT schema_version FROM SCHEMA.ledger) FROM
"""
_PAGE_1 = """ (
    SELECT *, sum(octet_length(body)) OVER (ORDER BY first_position) - octet_length(body) AS bytes_before
    FROM SCHEMA.commits WHERE first_position > %s ORDER BY first_position LIMIT %s
) AS page WHERE bytes_before < %s ORDER BY first_position
"""
_PAGE = _PAGE_1.replace("octet_length(body)", "(octet_length(body) + coalesce(octet_length(details), 0))")
_AT = " SCHEMA.commits WHERE first_position <= %s ORDER BY first_position DESC LIMIT 1"
ROWS_1, ROWS = _ROW_1 + _PAGE_1, _ROW + _PAGE
ROW_AT_1, ROW_AT = _ROW_1 + _AT, _ROW + _AT
# The last condition repeats what `first_version <= lte` says in words of the primary key.
STREAM = """
SELECT stream, first_version, last_version, first_position FROM SCHEMA.streams
WHERE stream = %(stream)s AND last_version > %(gt)s AND first_version <= %(lte)s AND last_version <= coalesce(
    (SELECT last_version FROM SCHEMA.streams WHERE stream = %(stream)s AND last_version >= %(lte)s
    ORDER BY last_version LIMIT 1), %(lte)s)
"""
STREAM_ASCENDING = STREAM + "ORDER BY last_version LIMIT %(size)s"
STREAM_DESCENDING = STREAM + "ORDER BY last_version DESC LIMIT %(size)s"
STREAMS = """
SELECT stream, first_version, last_version, first_position FROM SCHEMA.streams WHERE (stream, last_version) > (%s, %s)
ORDER BY stream, last_version LIMIT %s
"""
USED_KEYS = """
SELECT key, first_position FROM SCHEMA.keys WHERE key > %s COLLATE "C" ORDER BY key LIMIT %s
"""
KEYS = "SELECT key, first_position FROM SCHEMA.keys WHERE key = ANY(%s::text[])"
BODIES = """
WITH page AS MATERIALIZED (
    SELECT first_position, last_position, body FROM SCHEMA.commits
    WHERE first_position >= coalesce((SELECT first_position FROM SCHEMA.commits WHERE first_position <= %(position)s
        ORDER BY first_position DESC LIMIT 1), 0) AND last_position >= %(position)s
    ORDER BY first_position LIMIT %(size)s
), total AS MATERIALIZED (SELECT coalesce(sum(octet_length(body)), 0) < %(bytes)s AS is_small FROM page)
SELECT * FROM page WHERE (SELECT is_small FROM total)
UNION ALL SELECT first_position, last_position, body FROM (
    SELECT *, sum(octet_length(body)) OVER (ORDER BY first_position) - octet_length(body) AS bytes_before
    FROM page WHERE NOT (SELECT is_small FROM total)
) AS large WHERE bytes_before < %(bytes)s ORDER BY first_position
"""
_PARTS = """
SELECT first_version, entries.last_version, first_position, coalesce(commits.last_position, first_position),
    CASE WHEN commits.last_position < first_position + %(small)s AND octet_length(body) <= %(bytes)s THEN body END
"""
_WITH_COMMITS = "AS entries LEFT JOIN SCHEMA.commits USING (first_position) ORDER BY 2"
PARTS_ASCENDING = f"{_PARTS} FROM ({STREAM_ASCENDING}) {_WITH_COMMITS}"
PARTS_DESCENDING = f"{_PARTS} FROM ({STREAM_DESCENDING}) {_WITH_COMMITS} DESC"
LAST_ENTRIES = """
SELECT entry.* FROM unnest(%s::text[]) AS wanted (stream) CROSS JOIN LATERAL (
    SELECT stream, first_version, last_version, first_position FROM SCHEMA.streams
    WHERE streams.stream = wanted.stream ORDER BY last_version DESC LIMIT 1
) AS entry
"""


def in_schema(query: str, schema: str) -> bytes:
    """The statement about the tables of that schema."""
    return query.replace("SCHEMA.", f'"{schema}".').encode()
