"""Comparing a schema with ours: what somebody else has put there could keep a row from being kept, and say nothing.

Our tables and the functions that append have to be as we make them, and a trigger on our tables has to be one of ours. One of
ours may be missing or disabled, for they keep programs from mistakes and whoever mended something may have had to. Other tables
and functions in the schema are somebody else's, and indexes on our tables may be.
"""

import re
from collections.abc import Collection, Mapping

from tallystick.infrastructure.journal.stores.postgres.append_functions import FUNCTIONS

FOUND = """
SELECT 'table', relname::text, concat_ws(' ', relkind, relpersistence,
    (SELECT '(' || string_agg(concat(attname, ' ', format_type(atttypid, atttypmod), CASE WHEN attnotnull THEN '!' END,
            CASE WHEN attcollation <> 0 AND attcollation <> 'pg_catalog."default"'::regcollation THEN ' of ' || collname END,
            CASE WHEN attgenerated <> '' OR attidentity <> '' THEN ' generated' END), ', ' ORDER BY attnum) || ')'
        FROM pg_attribute LEFT JOIN pg_collation ON pg_collation.oid = attcollation
        WHERE attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped),
    (SELECT string_agg(pg_get_constraintdef(oid), ', ' ORDER BY contype) FROM pg_constraint
        WHERE conrelid = pg_class.oid AND contype IN ('c', 'f', 'p', 'u', 'x')),
    CASE WHEN relrowsecurity THEN 'with policies' END,
    CASE WHEN relkind = 'r' AND EXISTS (SELECT FROM pg_rewrite WHERE ev_class = pg_class.oid) THEN 'with rules' END,
    CASE WHEN EXISTS (SELECT FROM pg_inherits WHERE pg_class.oid IN (inhparent, inhrelid)) THEN 'with heirs' END)
FROM pg_class WHERE relnamespace = '{schema}'::regnamespace AND relname = ANY(%(tables)s)
UNION ALL
SELECT 'trigger', tgname || ' on ' || relname, concat_ws(' ', tgtype,
    (SELECT concat(CASE WHEN pronamespace <> relnamespace THEN 'elsewhere.' END, proname)
        FROM pg_proc WHERE pg_proc.oid = tgfoid),
    CASE WHEN tgqual IS NOT NULL OR tgconstraint <> 0 OR tgattr <> '' THEN 'sometimes' END)
FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid
WHERE relnamespace = '{schema}'::regnamespace AND relname = ANY(%(tables)s) AND NOT tgisinternal
UNION ALL
SELECT 'function', proname::text, string_agg(concat(prosecdef, proconfig, prosrc), ' or ') FROM pg_proc
WHERE pronamespace = '{schema}'::regnamespace AND proname = ANY(%(functions)s) GROUP BY proname
UNION ALL
SELECT 'version', '', schema_version::text FROM {schema}.ledger
"""
"""Kind, name and description of what is there, and the version that says what should be."""

_TABLES = {
    "ledger": "r p (id uuid!, schema_version integer!, single boolean!) CHECK (single), PRIMARY KEY (single)",
    "commits": "r p (first_position bigint!, last_position bigint!, recorded_at bigint!, keys text!, transactions text!, "
    "body text!, digest bytea!, details text) PRIMARY KEY (first_position)",
    "streams": "r p (stream text! of C, last_version bigint!, first_version bigint!, first_position bigint!) "
    "PRIMARY KEY (stream, last_version)",
    "keys": "r p (key text! of C, first_position bigint!) PRIMARY KEY (key)",
    "metadata": "r p (entry bigint!, salt bytea!, content text!) PRIMARY KEY (entry)",
}
_INSERT_ROW, _INSERT_DELETE_ROW, _CHANGE, _CHANGE_METADATA = 7, 15, 58, 50
"""When a trigger fires, as PostgreSQL writes it."""
_TRIGGERS = {
    "commits_follow_each_other on commits": f"{_INSERT_ROW} commits_follow_each_other",
    "streams_follow_each_other on streams": f"{_INSERT_ROW} streams_follow_each_other",
    "metadata_is_of_the_newest_commit on metadata": f"{_INSERT_DELETE_ROW} metadata_is_of_the_newest_commit",
    **{f"only_append on {table}": f"{_CHANGE} only_append" for table in ("ledger", "commits", "streams", "keys")},
    "only_append on metadata": f"{_CHANGE_METADATA} only_append",
}
_TRIGGER_FUNCTIONS = {said.split()[1] for said in _TRIGGERS.values()}
_SEARCH_PATH = '{"search_path=pg_catalog, pg_temp"}'
_FUNCTION = re.compile(r"CREATE (?:OR REPLACE )?FUNCTION \S+?\.(\w+)\((.*?)\$\$(.*?)\$\$", re.DOTALL)

NAMES = {"tables": list(_TABLES), "functions": sorted({*FUNCTIONS, *_TRIGGER_FUNCTIONS})}
"""What `FOUND` is asked about."""

Found = Collection[tuple[str, str, str]]


def version_of(found: Found) -> int | None:
    """The version that the schema says it has; None where it says none, or several."""
    versions = [said for kind, _, said in found if kind == "version"]
    return int(versions[0]) if len(versions) == 1 else None


def difference(found: Found, functions: str, *, has_details: bool) -> str | None:
    """What of that is not as we make it, None where all is; `functions` is the SQL that makes those of the schema's version."""
    tables = dict(_TABLES)
    if not has_details:
        del tables["metadata"]
        tables["commits"] = tables["commits"].replace(", details text", "")
    made = _functions(functions)
    there = {(kind, name) for kind, name, _ in found}
    for kind, name, said in found:
        if kind == "table" and said != tables.get(name, said):
            return f"the table {name} is not as a ledger has it: {said}"
        if kind == "trigger" and said != _TRIGGERS.get(name):
            return f"somebody else's trigger is there, {name}"
        if kind == "function" and said != made.get(name, said):
            return f"the function {name} is not as a ledger has it"
    required = [("table", name) for name in tables] + [("function", name) for name in FUNCTIONS if name in made]
    missing = [f"it has no {kind} {name}" for kind, name in required if (kind, name) not in there]
    return missing[0] if missing else None


def _functions(text: str) -> Mapping[str, str]:
    """What `FOUND` says of the functions that the SQL makes."""
    said: dict[str, str] = {}
    for name, head, body in _FUNCTION.findall(text):
        said[name] = f"{'t' if 'SECURITY DEFINER' in head else 'f'}{_SEARCH_PATH if 'search_path' in head else ''}{body}"
    return said
