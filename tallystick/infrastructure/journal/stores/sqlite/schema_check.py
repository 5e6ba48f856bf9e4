"""Comparing the schema of a file with ours: what somebody else has put there could keep a row from being kept, and say nothing.

Our tables have to be as we make them, and a trigger on them has to be one of ours. One of ours may be missing, for they keep
programs from mistakes and whoever mended something may have dropped them. What somebody else keeps in the same file, tables
and views of their own and indexes on ours, is theirs.
"""

import sqlite3
from collections.abc import Mapping
from functools import cache

TABLES = ("commits", "streams", "metadata")
_DETAILS = ",detailsTEXT)STRICT"
"""How the table of commits ends in a schema of format 2, and as it stands there after an upgrade."""


def difference(connection: sqlite3.Connection, schema: str) -> str | None:
    """What in the file's schema is not as `schema`, the text of the newest one, makes it; None where all is."""
    found = _objects(connection)
    expected = _expected(schema)
    for name, (kind, _, _) in found.items():
        if name in expected and kind != expected[name][0]:
            return f"{name} is a {kind} there"
    for name in TABLES:
        table = expected[name]
        may_be_missing = name == "metadata" and not found.get("commits", table)[2].endswith(_DETAILS)
        known = {table[2], table[2].replace(_DETAILS, ")STRICT")} if name == "commits" else {table[2]}
        if name not in found:
            if not may_be_missing:
                return f"it has no table {name}"
        elif found[name][2] not in known:
            return f"the table {name} is not as a ledger has it"
    for name, (kind, table, text) in found.items():
        if kind == "trigger" and table in TABLES and (name not in expected or text != expected[name][2]):
            return f"somebody else's trigger {name} is on the table {table}"
    return None


def _objects(connection: sqlite3.Connection) -> Mapping[str, tuple[str, str, str]]:
    """The kind of each object by its name, its table, and its text without white space, quotes or case."""
    rows = connection.execute("SELECT CAST(name AS BLOB), type, tbl_name, ifnull(sql, '') FROM sqlite_schema").fetchall()
    return {_plain(name): (_plain(kind), _plain(table), _plain(text)) for name, kind, table, text in rows}


def _plain(text: bytes) -> str:
    return "".join(text.decode(errors="replace").split()).replace('"', "")


@cache
def _expected(schema: str) -> Mapping[str, tuple[str, str, str]]:
    connection = sqlite3.connect(":memory:")
    try:
        connection.text_factory = bytes
        connection.executescript(schema)
        return _objects(connection)
    finally:
        connection.close()
