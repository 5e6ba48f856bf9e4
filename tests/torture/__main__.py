"""All harnesses one after another: `python -m tests.torture`, or `make torture`.

It prints a table, with what was found above it, and exits with 1 if anything was. A seed says what is attacked, where and when;
it is printed, and with the same one the same is done again, but for what threads and processes do at the same time.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import SystemRandom

from tests.support.programs.memory import keep_folders_in_memory
from tests.support.programs.postgres_server import PostgresServer, find_binaries, is_required, ledger_url
from tests.torture import histories, kills, past_kills, postgres_kills, power_cuts, rebuild_kills, worlds
from tests.torture.findings import Report, table

SHOWN_MAX = 20
TURNS_OF_POSTGRES = 4
"""In how many turns of each process on a file there is one on PostgreSQL, where each takes longer."""
NAMES = ("kills", "postgres-kills", "past-kills", "rebuild-kills", "power-cuts", "worlds", "histories")


def main(arguments: list[str] | None = None) -> int:
    """Runs what is asked for; gives the exit code."""
    options = _options(arguments)
    keep_folders_in_memory()
    print(f"seed {options.seed}", flush=True)
    reports: list[Report] = []
    with tempfile.TemporaryDirectory(prefix="torture-") as folder, _server(options.only) as server:
        for report in _reports(options, Path(folder), server):
            reports.append(report)
            print(f"{report.harness}: {report.tries} tries in {report.seconds:.0f} s; {report.notes}", flush=True)
            for finding in report.found[:SHOWN_MAX]:
                print(f"  {finding.kind}, try {finding.number}: {finding.text}", flush=True)
            if len(report.found) > SHOWN_MAX:
                print(f"  and {len(report.found) - SHOWN_MAX} more", flush=True)
    print(f"\n{table(reports)}")
    return 1 if any(report.found for report in reports) else 0


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__)
    parser.add_argument("--kills", type=int, default=300, help="how many writers to a file are killed")
    parser.add_argument("--postgres-kills", type=int, default=50, help="how often a client or its server's process is")
    parser.add_argument("--past-kills", type=int, default=50, help="how many processes that index the past are killed")
    parser.add_argument("--rebuild-kills", type=int, default=40, help="how many rebuilds into each kind of place are killed")
    parser.add_argument("--journal", type=Path, help="a ledger's file for these, in place of a small book of all models")
    parser.add_argument("--power-cuts", type=int, default=300, help="how many images of a power cut are opened")
    parser.add_argument("--worlds", type=int, default=300, help="how many random worlds are played")
    parser.add_argument("--turns", type=int, default=1000, help="how many turns each of eight processes makes on one file")
    parser.add_argument("--seed", type=int, default=SystemRandom().randrange(10**6), help="what is done (default: at random)")
    parser.add_argument("--first", type=int, default=0, help="the number of the first try, to see one again")
    parser.add_argument("--only", choices=NAMES, nargs="+", default=list(NAMES), help="these harnesses alone")
    return parser.parse_args(arguments)


def _reports(options: argparse.Namespace, folder: Path, server: PostgresServer | None) -> Iterator[Report]:
    """What each harness found, as it ends."""
    seed, first = options.seed, options.first

    def killed_on(server: PostgresServer) -> Report:
        return postgres_kills.run(options.postgres_kills, seed, folder, server, first=first)

    def histories_on(server: PostgresServer) -> Report:
        place = folder / "histories"
        place.mkdir()
        url = ledger_url(server.url(), place / "cache", durability="full", schema="histories")
        return histories.run(options.turns // TURNS_OF_POSTGRES, seed, url, place, store="PostgreSQL")

    on_files: list[tuple[str, Callable[[], Report]]] = [
        ("kills", lambda: kills.run(options.kills, seed, folder, first=first)),
        ("past-kills", lambda: past_kills.run(options.past_kills, seed, folder, first=first)),
        ("rebuild-kills", lambda: rebuild_kills.run_on_files(options.rebuild_kills, seed, folder, book=options.journal)),
        ("power-cuts", lambda: power_cuts.run(options.power_cuts, seed, folder, first=first)),
        ("worlds", lambda: worlds.run(options.worlds, seed, folder, first=first)),
        ("histories", lambda: histories.run_on_file(options.turns, seed, folder)),
    ]

    def rebuilt_on(server: PostgresServer) -> Report:
        return rebuild_kills.run_on_server(options.rebuild_kills, seed, folder, server.url(), book=options.journal)

    on_servers = [("postgres-kills", killed_on), ("rebuild-kills", rebuilt_on), ("histories", histories_on)]
    for name, run in on_files:
        if name in options.only:
            yield run()
    for name, run_on in on_servers:
        if name in options.only and server is not None:
            yield run_on(server)


@contextmanager
def _server(only: list[str]) -> Iterator[PostgresServer | None]:
    """A PostgreSQL server whose commits are durable; none where nobody asks for it, or where its programs are not installed."""
    binaries = find_binaries()
    if not {"postgres-kills", "rebuild-kills", "histories"} & set(only):
        yield None
    elif binaries is None:
        print(
            "PostgreSQL was not found: no initdb is on the path or in /usr/lib/postgresql, and nothing is tried on it",
            flush=True,
        )
        if is_required():
            sys.exit(1)
        yield None
    else:
        server = PostgresServer(binaries, fsync=True)
        try:
            yield server
        finally:
            server.remove()


if __name__ == "__main__":
    sys.exit(main())
