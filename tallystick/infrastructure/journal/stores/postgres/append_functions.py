"""The functions by which rows come into a schema from version 3 on: one takes the turn to write, one appends.

They run as whoever owns the tables, with names that nobody can put others in the place of. So a role that may append needs no
right to a table but to read it, and the turn is a lock on the table `ledger` that no other role can take.

A row has to follow the last one. Of a role that does not own the tables more is asked, `check_row`: that its digest is that of
its bytes and the digest before, that it can be read, counts what it says it counts, and has the entries of streams that its
events have. Whoever owns them could do all that past any function, and so is not asked. That what events say is so nobody
checks here.

No function has a backslash in it, for what that means is a setting of the session's.
"""

from tallystick.domain.events import ACCOUNTS_STREAM, BATCHES, BOOK_EVENTS, EVENT_TYPES
from tallystick.infrastructure.journal.stores.postgres.statements import TURN

_FOREIGN = '"Foreign"'


def _tags(types: tuple[type, ...]) -> str:
    """Tags as they stand in a body, for `ANY`."""
    return "ARRAY[" + ", ".join([f"'\"{each.__name__}\"'" for each in types]) + "]"


TAKE_TURN = f"""
CREATE OR REPLACE FUNCTION {{schema}}.take_turn(
    OUT backend integer, OUT began_at bigint, OUT role text, OUT fsync boolean, OUT server_time bigint,
    OUT id uuid, OUT version integer, OUT last_position bigint, OUT last_digest bytea, OUT last_time bigint
) LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    LOCK TABLE {{schema}}.ledger IN EXCLUSIVE MODE;
    SELECT {TURN} INTO backend, began_at, role, fsync, server_time, id, version FROM {{schema}}.ledger;
    SELECT newest.last_position, newest.digest, newest.recorded_at INTO last_position, last_digest, last_time
    FROM {{schema}}.commits AS newest ORDER BY newest.first_position DESC LIMIT 1;
END $$;
"""
# PostgreSQL reads no JSON with U+0000 in it, and a stream's name is stored with two backslashes for one and \0 for U+0000. So
# characters that nothing is written with stand for these in between.
_READABLE = """
CREATE OR REPLACE FUNCTION {schema}.readable(content text) RETURNS json LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN position(chr(92) IN content) = 0 THEN content
        ELSE replace(replace(content, repeat(chr(92), 2), chr(92) || 'ufdd0'), chr(92) || 'u0000', chr(92) || 'ufdd1')
    END::json
$$;
"""
_ENTRIES_OF = f"""
CREATE OR REPLACE FUNCTION {{schema}}.entries_of(
    body text, OUT stream text, OUT positions bigint, OUT is_foreign boolean, OUT first_version bigint, OUT last_version bigint
) RETURNS SETOF record LANGUAGE sql STABLE AS $$
    SELECT replace(replace(stream, chr(64976), repeat(chr(92), 2)), chr(64977), chr(92) || '0'),
        sum(positions)::bigint, bool_and(is_foreign), min(version), max(version)
    FROM (
        SELECT CASE WHEN tag = ANY({_tags(BOOK_EVENTS)}) THEN '{ACCOUNTS_STREAM}'
            WHEN json_typeof(event -> 1) = 'string' AND (tag = ANY({_tags(EVENT_TYPES)}) OR tag = '{_FOREIGN}')
            THEN event ->> 1 END,
            CASE WHEN tag = ANY({_tags(BATCHES)})
                THEN CASE WHEN (event -> 2)::text ~ '^[1-9][0-9]{{{{0,17}}}}$' THEN (event -> 2)::text::bigint END
            ELSE 1 END,
            tag = '{_FOREIGN}',
            CASE WHEN tag = '{_FOREIGN}' AND (event -> 2)::text ~ '^[0-9]{{{{1,18}}}}$' THEN (event -> 2)::text::bigint END
        FROM (SELECT event, (event -> 0)::text AS tag FROM json_array_elements({{schema}}.readable(body)) AS event) AS tagged
    ) AS said (stream, positions, is_foreign, version)
    GROUP BY stream, is_foreign
$$;
"""
_CHECK_ROW = """
CREATE OR REPLACE FUNCTION {schema}.check_row(
    row_first bigint, row_last bigint, row_time bigint, row_keys text, row_transactions text, row_body text, row_digest bytea,
    row_details text, streams text[], last_versions bigint[], first_versions bigint[], salts bytea[], contents text[],
    digest_before bytea, time_before bigint
) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    wrong text;
    number bigint;
    numbers integer := 0;
    digested bytea;
BEGIN
    digested := int8send(octet_length(digest_before)) || digest_before
        || int8send(length(row_first::text)) || convert_to(row_first::text, 'UTF8')
        || int8send(length(row_last::text)) || convert_to(row_last::text, 'UTF8')
        || int8send(length(row_time::text)) || convert_to(row_time::text, 'UTF8')
        || int8send(octet_length(row_keys)) || convert_to(row_keys, 'UTF8')
        || int8send(octet_length(row_transactions)) || convert_to(row_transactions, 'UTF8')
        || int8send(octet_length(row_body)) || convert_to(row_body, 'UTF8');
    IF row_details IS NOT NULL THEN
        digested := digested || int8send(octet_length(row_details)) || convert_to(row_details, 'UTF8');
    END IF;
    IF row_digest <> sha256(digested) THEN
        wrong := 'its digest is not that of its bytes and the digest before';
    ELSIF row_time > greatest(time_before, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint + 86400000000) THEN
        wrong := 'it is recorded more than a day after the server''s clock';
    ELSIF row_transactions !~ '^[[][1-9][0-9]{{0,17}}(,[1-9][0-9]{{0,17}})*[]]$' THEN
        wrong := 'its transactions cannot be read';
    ELSE
        SELECT count(*), sum(n::numeric) INTO numbers, number
        FROM unnest(string_to_array(substr(row_transactions, 2, length(row_transactions) - 2), ',')) AS n;
        IF number <> row_last - row_first + 1 THEN
            wrong := 'its transactions do not sum to its positions';
        END IF;
    END IF;
    IF row_keys <> '[]' AND EXISTS (
        SELECT FROM json_array_elements(row_keys::json) AS used WHERE CASE
            WHEN json_typeof(used) = 'array' AND json_array_length(used) = 3 AND json_typeof(used -> 0) = 'string'
                AND (used -> 1)::text ~ '^(null|"[0-9a-f]*")$' AND (used -> 2)::text ~ '^(0|[1-9][0-9]{{0,8}})$'
            THEN char_length(used ->> 0) BETWEEN 1 AND 256 AND (used -> 2)::text::integer < numbers
        END IS NOT TRUE
    ) THEN
        wrong := 'its keys cannot be read';
    END IF;
    IF row_details IS NOT NULL AND row_details <> '[]' AND EXISTS (
        SELECT FROM (
            SELECT said, lag(said) OVER (ORDER BY place) AS before
            FROM json_array_elements({schema}.readable(row_details)) WITH ORDINALITY AS each_one (said, place)
        ) AS details WHERE CASE
            WHEN json_typeof(said) = 'array' AND json_array_length(said) = 2 AND json_typeof(said -> 1) = 'object'
                AND (said -> 0)::text ~ '^(null|0|[1-9][0-9]{{0,8}})$'
            THEN CASE (said -> 0)::text WHEN 'null' THEN true
                ELSE (said -> 0)::text::integer < numbers
                    AND (before IS NULL OR (before -> 0)::text = 'null'
                        OR (said -> 0)::text::integer > (before -> 0)::text::integer) END
                AND NOT EXISTS (
                    SELECT FROM json_each(said -> 1) AS property (name, content) WHERE CASE name
                        WHEN 'at' THEN content::text ~ '^(0|[1-9][0-9]{{0,17}})$'
                        WHEN 'ref' THEN json_typeof(content) = 'string'
                        WHEN 'meta' THEN content::text ~ '^"[0-9a-f]{{64}}"$'
                        WHEN 'reverses' THEN
                            content::text ~ '^[[]([[](0|[1-9][0-9]{{0,17}}),[1-9][0-9]{{0,17}}[]](,(?=[[]))?)*[]]$'
                        WHEN 'seal' THEN content::text ~ '^[[][1-9][0-9]{{0,17}},"[0-9a-f]{{64}}"[]]$'
                    END IS NOT TRUE
                )
        END IS NOT TRUE
    ) THEN
        wrong := 'its details cannot be read';
    END IF;
    IF EXISTS (
        SELECT FROM unnest(salts, contents) AS added (salt, content) WHERE octet_length(salt) <> 16
            OR position('"' || encode(sha256(salt || convert_to(content, 'UTF8')), 'hex') || '"' IN row_details) = 0
            OR row_details IS NULL
    ) OR (
        SELECT count(*) <> coalesce(cardinality(salts), 0) FROM json_array_elements({schema}.readable(row_details)) AS said
        WHERE said -> 1 -> 'meta' IS NOT NULL
    ) THEN
        wrong := 'its metadata is not that of its details';
    END IF;
    IF (
        SELECT coalesce(sum(positions), 0) <> row_last - row_first + 1 OR bool_or(stream IS NULL OR positions IS NULL)
            OR bool_or(is_foreign AND first_version IS NULL) OR count(*) <> count(DISTINCT stream)
        FROM {schema}.entries_of(row_body)
    ) THEN
        wrong := 'its events cannot be read, or are not as many as it says';
    ELSIF EXISTS (
        SELECT FROM (
            SELECT entry.stream,
                CASE WHEN is_foreign THEN entry.last_version ELSE coalesce(newest.last_version, 0) + positions END,
                CASE WHEN is_foreign THEN entry.first_version ELSE coalesce(newest.last_version, 0) + 1 END
            FROM {schema}.entries_of(row_body) AS entry LEFT JOIN LATERAL (
                SELECT last_version FROM {schema}.streams WHERE stream = entry.stream ORDER BY last_version DESC LIMIT 1
            ) AS newest ON true
        ) AS derived (stream, last_version, first_version)
        FULL JOIN unnest(streams, last_versions, first_versions) AS given (stream, last_version, first_version)
            USING (stream, last_version, first_version)
        WHERE derived.stream IS NULL OR given.stream IS NULL
    ) THEN
        wrong := 'its entries of streams are not those of its events';
    END IF;
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION 'a row is not appended: %', wrong USING ERRCODE = 'invalid_parameter_value';
    END IF;
END $$;
"""
_APPEND = """
CREATE OR REPLACE FUNCTION {schema}.append(
    row_first bigint, row_last bigint, row_time bigint, row_keys text, row_transactions text, row_body text, row_digest bytea,
    row_details text, streams text[], last_versions bigint[], first_versions bigint[],
    added bigint[], salts bytea[], contents text[], erased bigint[]
) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    ledger uuid;
    digest_before bytea := decode(repeat('00', 32), 'hex');
    position_before bigint := 0;
    time_before bigint := 0;
    inserted integer;
BEGIN
    LOCK TABLE {schema}.ledger IN EXCLUSIVE MODE;
    SELECT id INTO ledger FROM {schema}.ledger;
    SELECT last_position, digest, recorded_at INTO position_before, digest_before, time_before
    FROM {schema}.commits ORDER BY first_position DESC LIMIT 1;
    IF NOT FOUND THEN
        position_before := 0; digest_before := decode(repeat('00', 32), 'hex'); time_before := 0;
    END IF;
    IF (row_first = position_before + 1 AND row_last >= row_first AND row_time >= time_before
            AND octet_length(row_digest) = 32) IS NOT TRUE THEN
        RAISE EXCEPTION 'a row does not follow the last one' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF NOT pg_has_role(session_user, current_user, 'MEMBER') THEN
        PERFORM {schema}.check_row(row_first, row_last, row_time, row_keys, row_transactions, row_body, row_digest, row_details,
            streams, last_versions, first_versions, salts, contents, digest_before, time_before);
    END IF;
    INSERT INTO {schema}.commits
    VALUES (row_first, row_last, row_time, row_keys, row_transactions, row_body, row_digest, row_details);
    GET DIAGNOSTICS inserted = ROW_COUNT;
    IF inserted = 1 THEN
        INSERT INTO {schema}.streams SELECT entry.*, row_first FROM unnest(streams, last_versions, first_versions) AS entry;
        GET DIAGNOSTICS inserted = ROW_COUNT;
        inserted := 1 + inserted - coalesce(cardinality(streams), 0);
    END IF;
    IF inserted = 1 AND row_keys <> '[]' THEN
        INSERT INTO {schema}.keys SELECT used ->> 0, row_first FROM json_array_elements(row_keys::json) AS used;
        GET DIAGNOSTICS inserted = ROW_COUNT;
        inserted := 1 + inserted - json_array_length(row_keys::json);
    END IF;
    IF inserted = 1 AND cardinality(salts) > 0 THEN
        INSERT INTO {schema}.metadata SELECT * FROM unnest(added, salts, contents);
        GET DIAGNOSTICS inserted = ROW_COUNT;
        inserted := 1 + inserted - cardinality(salts);
    END IF;
    IF inserted <> 1 OR current_setting('session_replication_role') = 'replica' THEN
        RAISE EXCEPTION 'a row was not kept: a trigger or a rule of somebody else''s swallows what is inserted'
            USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    IF cardinality(erased) > 0 THEN
        DELETE FROM {schema}.metadata WHERE entry = ANY(erased);
    END IF;
    PERFORM pg_notify('tallystick_' || replace(ledger::text, '-', ''), row_last::text);
END $$;
"""
APPEND_FUNCTIONS = TAKE_TURN + _READABLE + _ENTRIES_OF + _CHECK_ROW + _APPEND
"""Made together, and by an upgrade."""
FUNCTIONS = ("take_turn", "readable", "entries_of", "check_row", "append")
