"""The job: `python -m examples.nightly.nightly books.db --into postgresql://... --into lake/ --alert 'mail -s Books ops'`.

For each place it checks that the tables which were in use all day are still what the journal says, works all of them out anew,
and has readers see the new ones once they were checked too. Whatever differs is told to the command of `--alert`, on its
standard input; readers keep what they had. It exits with 0, with 1 if something differed, and with 3 if a place could not be
reached.
"""

import argparse
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from tallystick import CorruptJournal, InvalidRequest, Ledger, RebuildDiffers, StorageError

from .volumes import DailyVolumes

TABLES: tuple[Any, ...] = ("balances", "supply", "holds", "transactions", "entries", DailyVolumes)
FINE, DIFFERS, FAILED = 0, 1, 3


def main(arguments: Sequence[str] | None = None) -> int:
    """One night; gives the exit code."""
    parser = argparse.ArgumentParser(description="Rebuilds the tables of a ledger in every place that is named.")
    parser.add_argument("ledger")
    parser.add_argument("--into", action="append", required=True, help="an SQLite file, a folder, or postgresql://...")
    parser.add_argument("--alert", help="a command that is given what was wrong on its standard input")
    options = parser.parse_args(arguments)
    code, problems = FINE, list[str]()
    try:
        with Ledger.open(options.ledger, read_only=True) as ledger:
            for into in options.into:
                ended, told = night(ledger, into)
                code = max(code, ended)
                problems += told
    except (StorageError, CorruptJournal) as error:
        code, problems = FAILED, [*problems, f"the ledger cannot be read: {error}"]
    if problems:
        alert(problems, options.alert)
    return code


def night(ledger: Ledger, into: str) -> tuple[int, list[str]]:
    """Checks, rebuilds and switches in one place: the exit code, and what was wrong."""
    problems = list[str]()
    place = re.sub("//[^@/]*@", "//", into)  # no password goes into a log
    code = FINE
    try:
        try:
            ledger.check_rebuilt(TABLES, into)
        except InvalidRequest:
            print(f"{place}: nothing is in use there yet", file=sys.stderr)
        except RebuildDiffers as error:
            code = DIFFERS
            problems.append(f"{place}: what readers have had differs: {error}")
        built = ledger.rebuild(TABLES, into, keep=3)
    except RebuildDiffers as error:
        return DIFFERS, [*problems, f"{place}: the new tables differ, and readers keep the old ones: {error}"]
    except StorageError as error:
        return FAILED, [*problems, f"{place}: {error}"]
    rows = {table.name: table.rows for table in built.tables}
    print(json.dumps({"into": place, "position": built.position, "version": built.version, "rows": rows}))
    return code, problems


def alert(problems: Sequence[str], command: str | None) -> None:
    """Tells somebody."""
    text = "".join(f"{problem}\n" for problem in problems)
    sys.stderr.write(text)
    if command is not None:
        subprocess.run(shlex.split(command), input=text, text=True, check=True)


if __name__ == "__main__":
    sys.exit(main())
