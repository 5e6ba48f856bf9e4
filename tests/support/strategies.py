"""All Hypothesis strategies: accounts, amounts around every boundary, and what a transaction may ask of money and contracts."""

from typing import Any

from hypothesis import strategies as st

from tallystick import FixedPriceCurve, LinearCurve, SquareRootCurve
from tallystick.domain.values.instant import from_microseconds

ACCOUNTS = ("alice", "bob", "carol", "dave", "0x" + "ab" * 20)
KEEPERS = ("keeper", "bob")

tokens = st.sampled_from(["PLN", "CENT", "WEI"])
accounts = st.sampled_from(ACCOUNTS)
keepers = st.sampled_from(KEEPERS)

ordinary = st.one_of(st.integers(1, 30), st.integers(1, 9_000))
boundaries = st.sampled_from([25_000, 2**31, 2**53, 2**62, 2**63 - 1, 2**63, 2**64, 2**200])
amounts = st.integers(0, 9).flatmap(lambda pick: ordinary if pick else boundaries)
"""Smallest units: mostly of the size of what accounts have, and around those at which machines change their mind."""

weights = st.dictionaries(accounts, st.integers(0, 9), min_size=1, max_size=4).filter(lambda found: any(found.values()))

picks = st.integers(0, 2**16)
"""Which of several things, whose number is only known at run time."""

freezes = st.sampled_from(
    [{"debits": True}, {"debits": False, "credits": True}, {"credits": True}, {"debits": False}, {"reason": "court"}]
)
"""What a freeze closes; one of them closes nothing."""

reversals = st.tuples(
    st.just("reverse"),
    st.sampled_from(["entry", "transaction", "transaction"]),
    picks,
    st.one_of(st.none(), st.none(), st.integers(1, 30), ordinary),
)
"""What is taken back: one of the newest entries or transactions, of the latter perhaps a part."""

direct_steps = st.one_of(
    st.tuples(st.just("mint"), accounts, amounts),
    st.tuples(st.just("burn"), accounts, amounts),
    st.tuples(st.just("transfer"), accounts, accounts, amounts),
    st.tuples(st.just("reserve"), accounts, keepers, amounts, st.one_of(st.none(), st.integers(0, 3))),
    st.tuples(st.just("settle"), keepers, accounts, amounts),
    st.tuples(st.just("settle_hold"), picks, accounts, amounts),
    st.tuples(st.just("release"), picks, st.one_of(st.none(), amounts)),
    st.tuples(st.just("expire"), st.integers(1, 3)),
    st.tuples(st.just("drain"), accounts, accounts),
    st.tuples(st.just("freeze"), st.sampled_from([*KEEPERS, *KEEPERS, *ACCOUNTS]), st.booleans(), freezes),
    st.tuples(st.just("unfreeze"), st.sampled_from([*ACCOUNTS, *KEEPERS]), st.booleans()),
    reversals,
    reversals,
)
"""One call that a block has and a ledger too: its name and arguments, the token left out."""

steps = st.one_of(
    direct_steps,
    st.tuples(st.just("split"), accounts, amounts, weights),
    st.tuples(st.just("balance"), accounts),
)
"""One call on a transaction: its name and arguments, the token left out."""

guards = st.sampled_from(["", "savepoint", "savepoint", "savepoint", "savepoint", "abandoned"])
plans = st.lists(st.tuples(tokens, steps, guards), min_size=1, max_size=8)
"""The calls of one transaction, each with its token and the savepoint it stands in, if it does."""


CONTRACTS = ("figure", "backed", "other")
HOLDERS = ("alice", "bob", "carol")

contracts = st.sampled_from(CONTRACTS)
holders = st.sampled_from(HOLDERS)
satoshis = st.one_of(st.integers(1, 9), st.integers(1, 2_000), st.sampled_from([2**31, 2**64, 2**130, 0, -5]))
shares = st.one_of(st.sampled_from([0, -5]), st.integers(1, 9), st.integers(1, 2_000))

contract_steps = st.one_of(
    st.tuples(st.just("register")),
    st.tuples(st.just("balance_up"), satoshis),
    st.tuples(st.just("balance_down"), satoshis),
    st.tuples(st.just("fund"), holders, satoshis),
    st.tuples(st.just("defund"), holders, satoshis),
    st.tuples(st.just("alloc"), holders),
    st.tuples(st.just("dealloc"), holders, st.booleans()),
    st.tuples(st.just("dealloc"), holders, st.just(True)),
    st.tuples(st.just("drain"), holders),
    st.tuples(st.just("shadow_up"), holders, satoshis),
    st.tuples(st.just("shadow_down"), holders, satoshis),
    st.tuples(st.just("shadow_up_all"), shares),
    st.tuples(st.just("shadow_up_all"), shares),
    st.tuples(st.just("shadow_down_all"), shares),
    st.tuples(st.just("shadow_down_all"), shares),
    st.tuples(st.just("drain"), holders),
    st.tuples(st.just("figures")),
    st.tuples(st.just("allocation"), holders),
)
"""One call on a contract: its name and arguments, the contract left out."""

contract_plans = st.lists(st.tuples(contracts, contract_steps, guards), min_size=1, max_size=10)
"""The calls of one transaction on contracts, each with its contract and the savepoint it stands in, if it does."""

scalings = st.tuples(
    st.sampled_from(["add", "add", "remove", "change", "change", "scale", "scale", "scale", "get", "forget", "undo"]),
    st.sampled_from("abcd"),
    st.integers(1, 1_000),
    st.integers(0, 2_000),
)
"""One call on values that are scaled together: what, which, how much or the old sum, the new sum or how often."""

slopes = st.one_of(st.integers(1, 100), st.integers(1, 2**64 - 1))
scales = st.one_of(st.just(()), st.tuples(st.integers(0, 77), st.integers(0, 77)), st.sampled_from([(0, 0), (2, 2), (18, 6)]))
"""The decimals of an app's token and of the settlement token, or none."""

curves = st.one_of(
    st.builds(lambda k, scale: SquareRootCurve(k, k, *scale), slopes, scales),
    st.builds(lambda k, other, scale: SquareRootCurve(max(k, other), min(k, other), *scale), slopes, slopes, scales),
    st.builds(lambda price, scale: FixedPriceCurve(price, *scale), slopes, scales),
    st.builds(lambda slope, scale: LinearCurve(slope, *scale), slopes, scales),
)
supplies = st.one_of(st.integers(0, 10**6), st.integers(0, 10**18), st.integers(0, 2**255))
payments = st.one_of(st.integers(0, 10**6), st.integers(0, 10**18), st.integers(0, 2**255))
"""Base units, of an app's token and of the settlement token."""


USERS = ("alice", "bob", "carol")
APPS = ("GlobalToken", "TeaParty", "Fixed")

users = st.sampled_from(USERS)
apps = st.sampled_from(APPS)
wrong = st.sampled_from([0, -5])
teas = st.one_of(st.integers(1, 50), st.integers(1, 10**6), st.integers(1, 10**13), st.just(10**16), wrong)
trades = st.one_of(st.integers(1, 10**7), st.integers(10**9, 10**13))
names = st.sampled_from([*USERS, *APPS])
cells = st.one_of(st.tuples(st.sampled_from(["TEA", "USDT", *APPS]), names), st.tuples(users, apps))
movements = st.one_of(
    st.tuples(st.just("move"), cells, cells, teas),
    st.builds(lambda user, app, amount: ("move", ("TEA", user), (user, app), amount), users, apps, teas),
    st.builds(lambda user, app, amount: ("move", (user, app), ("TEA", user), amount), users, apps, teas),
)

leasts = st.sampled_from([None, None, 1, 10**6])
app_steps = st.one_of(
    st.tuples(st.just("topup"), st.sampled_from(["TEA", "USDT"]), users, teas),
    st.tuples(st.just("withdraw"), st.sampled_from(["TEA", "USDT", "TeaParty"]), users, teas),
    st.tuples(st.just("transfer"), st.sampled_from(["TEA", *APPS]), users, st.sampled_from([*USERS, "TeaParty"]), teas),
    st.tuples(st.just("reserve"), st.sampled_from(["TEA", *APPS]), users, teas),
    movements,
    st.tuples(st.just("deposit"), apps, users, teas),
    st.tuples(st.just("refund"), apps, users, teas),
    st.tuples(st.just("consume_deposit"), apps, users, teas),
    st.tuples(st.just("pay"), apps, users, teas, st.sampled_from([None, "TEA", "USDT", *APPS])),
    st.tuples(st.just("buy"), apps, users, trades, leasts),
    st.tuples(st.just("buy"), apps, users, trades, st.none()),
    st.tuples(st.just("sell"), apps, users, trades, leasts),
    st.tuples(st.just("withdraw_income"), apps, st.sampled_from(["USDT", "TEA"]), teas),
    st.tuples(st.just("collect_memory_tax"), apps, teas),
    st.tuples(st.just("share_income"), st.dictionaries(users, st.one_of(st.just(0), teas), min_size=1)),
    st.tuples(st.just("pay_public_service"), users, teas),
    st.tuples(st.just("balance"), st.sampled_from(["TEA", *APPS]), users),
)
"""One call on apps and seats, with all its arguments."""

distributions = st.one_of(
    st.none(),
    st.tuples(st.just("distribute_income"), apps),
    st.tuples(st.just("distribute_dividend"), apps),
    st.tuples(st.just("share_distribution_pool"), apps, teas),
)
app_plans = st.tuples(st.lists(st.tuples(st.none(), app_steps, guards), max_size=8), distributions).map(
    lambda plan: [*plan[0], *([] if plan[1] is None else [(None, plan[1], "savepoint")])]
)
"""The calls of one transaction on apps; what is distributed comes last, for the model does not know who takes turns."""

holdings = st.one_of(st.just(10), st.integers(1, 100), st.integers(1, 2**70))
"""What somebody has who shares in a distribution; often as much as others."""

narrow_holdings = st.one_of(st.integers(1, 100), st.integers(1, 2**31), st.integers(1, 2**56))
wholes = st.one_of(st.integers(1, 100), st.integers(1, 2**31), st.integers(1, 2**63 - 1))
"""What is shared, as long as it fits a column."""

allocations = st.one_of(st.integers(0, 100), st.integers(0, 10**14), st.integers(0, 2**62), st.integers(0, 2**90))
sums = st.one_of(st.integers(1, 1_000), st.integers(1, 10**12), st.integers(1, 2**63))
scaling_steps = st.lists(
    st.one_of(st.tuples(sums, sums), sums.map(lambda old: (old, old + 1)), sums.map(lambda old: (old, old - 1))), max_size=8
)
"""Values in sati-satoshis, and the old and new sums by which they are scaled."""

CROWD = (*ACCOUNTS, "erin", "frank", "grace")
"""Accounts for batches: some have money to begin with, and some are first named by a batch."""

crowd = st.sampled_from(CROWD)
batch_amounts = st.integers(0, 19).flatmap(lambda pick: st.none() if pick < 4 else ordinary if pick < 18 else boundaries)
"""Smallest units; None for all that the sender has when the batch begins."""

transfer_rows = st.lists(st.tuples(crowd, crowd, batch_amounts), min_size=1, max_size=14)
supply_rows = st.lists(st.tuples(crowd, batch_amounts), min_size=1, max_size=10)
row_ids = st.one_of(st.integers(0, 40), st.sampled_from([2**63, 2**64, 2**64 + 1, 2**127, 2**128 - 1]))
batch_ids = st.one_of(st.none(), st.just("ascending"), st.just("ascending"), st.lists(row_ids, min_size=14, max_size=14))
"""No ids, ids above all that were used, or some out of any order that may have been used before."""

on_refusals = st.sampled_from(["abort", "skip", "skip"])
memos = st.sampled_from(["", "rent", 'æ "quoted" Many",'])


def of_rows(values: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    """A column for as many rows as a batch may have."""
    return st.lists(values, min_size=14, max_size=14)


batch_notes = st.fixed_dictionaries(
    {
        "memo": st.one_of(memos, of_rows(memos), of_rows(st.text(st.characters(exclude_categories=["Cs"]), max_size=5))),
        "occurred_at": st.one_of(st.none(), of_rows(st.integers(0, 17 * 10**14).map(from_microseconds))),
        "references": st.one_of(st.none(), of_rows(st.sampled_from([None, "order 7", "ø"]))),
        "ids are text": st.booleans(),
    }
)
"""What rows say beside what they move, as one value or as columns."""

metadata = st.sampled_from([None, None, None, {}, {"name": "Zoë", "lines": [1, 2.5, None, True, {"n": 10**40}]}])

entry_details = st.fixed_dictionaries(
    {
        "occurred": st.sampled_from([None, None, None, None, -1000, -30, -1, 0, 24, 25]),
        "reference": st.sampled_from([None, None, "order 7", "ø"]),
        "metadata": metadata,
    }
)
"""What a block says of its entry: by how many hours it happened later than it is recorded, its reference and metadata."""

singles = st.one_of(
    st.tuples(st.just("transfer"), crowd, crowd, batch_amounts),
    st.tuples(st.just("mint"), crowd, ordinary),
    st.tuples(st.just("burn"), crowd, ordinary),
    st.tuples(st.just("reserve"), crowd, keepers, ordinary),
    st.tuples(st.just("settle"), keepers, crowd, ordinary),
    st.tuples(st.just("release"), picks),
)
"""What goes on between batches: one call of an ordinary transaction, the token left out."""

words = st.one_of(st.integers(0, 3), st.integers(0, 2**64 - 1))
pairs = st.lists(st.tuples(words, words), min_size=1, max_size=30)
"""Pairs of 64-bit words, some of which share a key."""

run_steps = st.lists(
    st.one_of(
        st.tuples(st.just("add"), pairs),
        st.tuples(st.just("add"), pairs),
        st.tuples(st.just("ask"), pairs),
        st.tuples(st.sampled_from(["wait", "load", "save"]), st.just([])),
    ),
    max_size=40,
)
"""What is done with a set of pairs: adding, asking, waiting for the background, and saving it, to go on with what is loaded."""

keys = st.one_of(
    st.sampled_from(["a", "b", "ü", "k" * 256]), st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=8)
)
key_steps = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.lists(keys, max_size=12)),
        st.tuples(st.just("add"), st.lists(keys, max_size=12)),
        st.tuples(st.just("ask"), st.lists(keys, max_size=12)),
        st.tuples(st.sampled_from(["wait", "load", "save"]), st.just([])),
    ),
    max_size=40,
)
"""The same with idempotency keys."""

account_names = st.one_of(
    st.text(st.characters(exclude_categories=["C"], exclude_characters="\n"), min_size=1, max_size=128),
    st.text("ab ", min_size=1, max_size=9),
)
"""Names as they stand in a token's cells: printable characters, and between two names a space."""

seeds = st.integers(0, 2**64 - 1)

plain_fragments = st.lists(
    st.tuples(st.one_of(st.integers(0, 99), st.integers(0, 2**64 - 1)), st.one_of(ordinary, boundaries), st.integers(0, 9)),
    unique_by=lambda fragment: fragment[0],
    max_size=20,
)
"""Fragments: ids, each of which stands once, amounts and the handles of owners."""

# Streams of applications.

words = st.text(st.sampled_from(" /%aA0\x1f\u00a0é-"), max_size=4)
stream_names = st.lists(st.tuples(words, st.sampled_from(["events", "snapshots", "notes", "a/b"]), words), max_size=6)

# The past.

past_plans = st.fixed_dictionaries(
    {
        "seed": seeds,
        "bucket": st.sampled_from([1, 5, 24, 60]),
        "dense_factor": st.sampled_from([0, 1, 3]),
        "worth": st.sampled_from([0, 0, 0, 50]),
    }
)
"""Which book is played, how soon its past index has full buckets and dense columns, and from where on it is asked."""
