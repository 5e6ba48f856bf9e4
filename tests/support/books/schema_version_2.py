"""A schema of version 2 in PostgreSQL, as it was before rows came by functions: made out of a new one."""

import psycopg

_BACK = """
DROP FUNCTION take_turn, append, check_row, entries_of, readable;
CREATE OR REPLACE FUNCTION allow_to_append(role regrole) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM {schema}.allow_to_read(role);
    EXECUTE format('GRANT INSERT ON {schema}.commits, {schema}.streams, {schema}.keys, {schema}.metadata TO %s', role);
    EXECUTE format('GRANT DELETE ON {schema}.metadata TO %s', role);
END $$;
ALTER TABLE ledger DISABLE TRIGGER only_append;
UPDATE ledger SET schema_version = 2;
ALTER TABLE ledger ENABLE TRIGGER only_append;
"""


def make_version_2(database: psycopg.Connection, schema: str) -> None:
    """Takes from a schema of the newest version, in which the connection is, what version 3 brought."""
    database.execute(_BACK.format(schema=schema).encode())
