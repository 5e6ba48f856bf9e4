"""What batches of transfers cost, a usual batch at a time, in each form in which they are given and on each kind of token."""

from collections.abc import Callable, Iterator
from functools import partial

from tallystick.domain.arithmetic.columns import listed
from tallystick.domain.values.token import Token
from tallystick.infrastructure.benchmarks.baselines.bare import SAME_BYTES
from tallystick.infrastructure.benchmarks.baselines.batch_baselines import COLUMNS, ONE_BY_ONE, ROW_BY_ROW
from tallystick.infrastructure.benchmarks.baselines.eventsourcing_application import EVENTSOURCING
from tallystick.infrastructure.benchmarks.baselines.umadb_server import UMADB
from tallystick.infrastructure.benchmarks.inputs.batch_books import ROWS, BatchBooks, Rows
from tallystick.infrastructure.benchmarks.measuring.timing import Figure, Point, Work
from tallystick.infrastructure.benchmarks.measuring.workload import Settings, Workload
from tallystick.infrastructure.benchmarks.places.arena import Arena
from tallystick.infrastructure.ledger.batch_receipt import BatchReceipt

ACCOUNTS = (1_000, 10_000, 100_000, 1_000_000)
USUAL_ACCOUNTS = 10_000
ALL = (SAME_BYTES, ROW_BY_ROW, ONE_BY_ONE, EVENTSOURCING, UMADB, COLUMNS)
SQLITE_AND_OURS = (SAME_BYTES, ROW_BY_ROW, ONE_BY_ONE)
FRAGMENTED = Token("FRAGMENTED", decimals=2, unit=100_00)
FRAGMENTED_FUNDS = 1_000_00
WIDE = Token("WIDE", max_supply=2**256 - 1)
WIDE_FUNDS = 2**200
WIDER_BY = 2**64


def from_lists(settings: Settings) -> Iterator[Figure]:
    """Lists of names and amounts, among few accounts and many."""
    for accounts in ACCOUNTS:
        with Arena(settings, accounts // settings.scale) as arena:
            baselines = ALL if accounts == USUAL_ACCOUNTS else SQLITE_AND_OURS
            point = Point("accounts", accounts // settings.scale, "lists")
            size, books = _accounts(arena.books), arena.books
            yield arena.compare("batches of lists", size, books.by_kept_names, baselines, point=point)
            yield arena.compare("batches of lists, names made anew", size, books.by_new_names, (SAME_BYTES, ROW_BY_ROW))


def from_handles(settings: Settings) -> Iterator[Figure]:
    """Arrays of handles and amounts, among few accounts and many."""
    for accounts in ACCOUNTS:
        with Arena(settings, accounts // settings.scale) as arena:
            point = Point("accounts", accounts // settings.scale, "handles")
            size, ours = _accounts(arena.books), arena.books.by_handles
            yield arena.compare("batches of handles", size, ours, (SAME_BYTES, COLUMNS), point=point)


def with_ids(settings: Settings) -> Iterator[Figure]:
    """Lists and arrays with ids in the order of time, among few accounts and many."""
    for accounts in ACCOUNTS:
        with Arena(settings, accounts // settings.scale) as arena:
            size, books = _accounts(arena.books), arena.books
            for name, line, ours in (
                ("batches of lists with ids", "lists with ids", books.by_kept_names_with_ids),
                ("batches of handles with ids", "handles with ids", books.by_handles_with_ids),
            ):
                point = Point("accounts", accounts // settings.scale, line)
                yield arena.compare(name, size, ours, (SAME_BYTES, ROW_BY_ROW), point=point, ids=True)


def with_notes(settings: Settings) -> Iterator[Figure]:
    """Lists with a memo and a time a row: a hundred memos that repeat, and each its own; and with a reference and an id too."""
    with Arena(settings, USUAL_ACCOUNTS // settings.scale) as arena:
        size, books = _accounts(arena.books), arena.books
        for name, ours in (
            ("batches without notes", books.by_kept_names),
            ("batches with memos that repeat and times", partial(books.by_kept_names_with_notes, memos=100)),
            ("batches with a memo of its own and times", books.by_kept_names_with_notes),
            ("batches with all notes and ids", partial(books.by_kept_names_with_notes, everything=True)),
        ):
            yield arena.compare(name, size, ours, (SAME_BYTES,))


def of_fragments(settings: Settings) -> Iterator[Figure]:
    """Transfers of a fragmented token."""
    with Arena(settings, USUAL_ACCOUNTS // settings.scale, FRAGMENTED, FRAGMENTED_FUNDS) as arena:
        ours = arena.books.by_kept_names
        yield arena.compare("batches of a fragmented token", _accounts(arena.books), ours, SQLITE_AND_OURS)


def of_wide_amounts(settings: Settings) -> Iterator[Figure]:
    """Amounts above 2**63."""
    with Arena(settings, USUAL_ACCOUNTS // settings.scale, WIDE, WIDE_FUNDS, wider_by=WIDER_BY) as arena:
        books = arena.books

        def ours(rows: Rows) -> Work:
            amounts = [amount + WIDER_BY for amount in listed(rows.amounts)]
            return partial(books.transfer, books.kept(rows.senders), books.kept(rows.receivers), amounts)

        yield arena.compare("batches of wide amounts", _accounts(books), ours, SQLITE_AND_OURS)


def with_refusals(settings: Settings) -> Iterator[Figure]:
    """Batches of which each hundredth row is refused and passed over."""
    with Arena(settings, USUAL_ACCOUNTS // settings.scale, penniless=100) as arena:
        ours = arena.books.by_kept_names
        yield arena.compare("batches with 1 % refused", _accounts(arena.books), ours, SQLITE_AND_OURS)


def of_supply(settings: Settings) -> Iterator[Figure]:
    """Minting and burning."""
    with Arena(settings, USUAL_ACCOUNTS // settings.scale) as arena:
        size, books = _accounts(arena.books), arena.books
        for name, call in (("batches of mints", books.ledger.mint_many), ("batches of burns", books.ledger.burn_many)):

            def ours(rows: Rows, call: Callable[..., BatchReceipt] = call) -> Work:
                work = partial(call, books.token, books.kept(rows.receivers), listed(rows.amounts))
                return lambda: work().accepted

            yield arena.compare(name, size, ours, (SAME_BYTES, ROW_BY_ROW))


def _accounts(books: BatchBooks) -> str:
    return f"{len(books.names):,} accounts"


WORKLOADS = (
    Workload("batch-lists", f"batches of {ROWS:,} transfers, lists of str and int", from_lists, ALL, plotted=True),
    Workload("batch-handles", "the same as arrays of handles", from_handles, (SAME_BYTES, COLUMNS), plotted=True),
    Workload("batch-ids", "the same with an id each, in the order of time", with_ids, (SAME_BYTES, ROW_BY_ROW), plotted=True),
    Workload("batch-notes", "the same with a memo and a time each, and with all that a row can say", with_notes, (SAME_BYTES,)),
    Workload("batch-fragments", "the same of a fragmented token", of_fragments, SQLITE_AND_OURS),
    Workload("batch-wide", "the same of amounts above 2**63", of_wide_amounts, SQLITE_AND_OURS),
    Workload("batch-refused", "the same with each hundredth row refused", with_refusals, SQLITE_AND_OURS),
    Workload("batch-supply", f"batches of {ROWS:,} mints and burns", of_supply, (SAME_BYTES, ROW_BY_ROW)),
)
