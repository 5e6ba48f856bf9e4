"""What a journal in PostgreSQL asks its server.

A page of rows ends where the bodies before one sum to a limit; the sums read no bodies, for PostgreSQL knows their lengths.
Where all of a page is within the limit, as most are, no running sum is made.
"""

HEAD = "SELECT last_position, digest, recorded_at FROM commits ORDER BY first_position DESC LIMIT 1"
_WITH_APPENDED_1 = "WITH appended AS (INSERT INTO commits VALUES (%s, %s, %s, %s, %s, %s, %s)),"
_WITH_APPENDED = "WITH appended AS (INSERT INTO commits VALUES (%s, %s, %s, %s, %s, %s, %s, %s)),"
_SERVER_TIME = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
BEGIN = "BEGIN; SELECT pg_advisory_xact_lock({lock}); " + HEAD.replace(" FROM", f", {_SERVER_TIME} FROM")
_ENTERED = """
    entered AS (INSERT INTO streams SELECT * FROM unnest(%s::text[], %s::bigint[], %s::bigint[], %s::bigint[])),
    used AS (INSERT INTO keys SELECT key, %s FROM unnest(%s::text[]) AS key)
SELECT pg_notify(%s, %s)
"""
APPEND_1 = _WITH_APPENDED_1 + _ENTERED
APPEND = _WITH_APPENDED + _ENTERED
ADD_METADATA = "INSERT INTO metadata SELECT * FROM unnest(%s::bigint[], %s::bytea[], %s::text[])"
ERASE_METADATA = "DELETE FROM metadata WHERE entry = ANY(%s::bigint[])"
METADATA = "SELECT entry, salt, content FROM metadata WHERE entry = ANY(%s::bigint[])"
METADATA_ENTRIES = "SELECT entry FROM metadata WHERE entry > %s ORDER BY entry LIMIT %s"
SCHEMA_VERSION = "SELECT schema_version FROM ledger"
# In a schema of format 1 rows are read together with its version, which somebody may have raised meanwhile.
_ROW = "SELECT first_position, last_position, recorded_at, keys, transactions, body, digest, details FROM"
_ROW_1 = """
SELECT first_position, last_position, recorded_at, keys, transactions, body, digest, (SELECT schema_version FROM ledger) FROM
"""
_PAGE_1 = """ (
    SELECT *, sum(octet_length(body)) OVER (ORDER BY first_position) - octet_length(body) AS bytes_before
    FROM commits WHERE first_position > %s ORDER BY first_position LIMIT %s
) AS page WHERE bytes_before < %s ORDER BY first_position
"""
_PAGE = _PAGE_1.replace("octet_length(body)", "(octet_length(body) + coalesce(octet_length(details), 0))")
_AT = " commits WHERE first_position <= %s ORDER BY first_position DESC LIMIT 1"
ROWS_1, ROWS = _ROW_1 + _PAGE_1, _ROW + _PAGE
ROW_AT_1, ROW_AT = _ROW_1 + _AT, _ROW + _AT
# The last condition repeats what `first_version <= lte` says in words of the primary key.
STREAM = """
SELECT stream, first_version, last_version, first_position FROM streams
WHERE stream = %(stream)s AND last_version > %(gt)s AND first_version <= %(lte)s AND last_version <= coalesce(
    (SELECT last_version FROM streams WHERE stream = %(stream)s AND last_version >= %(lte)s
    ORDER BY last_version LIMIT 1), %(lte)s)
"""
STREAM_ASCENDING = STREAM + "ORDER BY last_version LIMIT %(size)s"
STREAM_DESCENDING = STREAM + "ORDER BY last_version DESC LIMIT %(size)s"
STREAMS = """
SELECT stream, first_version, last_version, first_position FROM streams WHERE (stream, last_version) > (%s, %s)
ORDER BY stream, last_version LIMIT %s
"""
KEYS = "SELECT key, first_position FROM keys WHERE key = ANY(%s::text[])"
BODIES = """
WITH page AS MATERIALIZED (
    SELECT first_position, last_position, body FROM commits
    WHERE first_position >= coalesce((SELECT first_position FROM commits WHERE first_position <= %(position)s
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
PARTS_ASCENDING = f"{_PARTS} FROM ({STREAM_ASCENDING}) AS entries LEFT JOIN commits USING (first_position) ORDER BY 2"
PARTS_DESCENDING = f"{_PARTS} FROM ({STREAM_DESCENDING}) AS entries LEFT JOIN commits USING (first_position) ORDER BY 2 DESC"
LAST_ENTRIES = """
SELECT entry.* FROM unnest(%s::text[]) AS wanted (stream) CROSS JOIN LATERAL (
    SELECT stream, first_version, last_version, first_position FROM streams
    WHERE streams.stream = wanted.stream ORDER BY last_version DESC LIMIT 1
) AS entry
"""
