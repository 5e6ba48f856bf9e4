"""All Hypothesis strategies: accounts, amounts around every boundary, and what a transaction may ask of money and contracts."""

from hypothesis import strategies as st

from tallystick import FixedPriceCurve, LinearCurve, SquareRootCurve

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

steps = st.one_of(
    st.tuples(st.just("mint"), accounts, amounts),
    st.tuples(st.just("burn"), accounts, amounts),
    st.tuples(st.just("transfer"), accounts, accounts, amounts),
    st.tuples(st.just("split"), accounts, amounts, weights),
    st.tuples(st.just("reserve"), accounts, keepers, amounts, st.one_of(st.none(), st.integers(0, 3))),
    st.tuples(st.just("settle"), keepers, accounts, amounts),
    st.tuples(st.just("settle_hold"), picks, accounts, amounts),
    st.tuples(st.just("release"), picks, st.one_of(st.none(), amounts)),
    st.tuples(st.just("expire"), st.integers(1, 3)),
    st.tuples(st.just("balance"), accounts),
    st.tuples(st.just("drain"), accounts, accounts),
)
"""One call on a transaction: its name and arguments, the token left out."""

guards = st.sampled_from(["", "savepoint", "savepoint", "savepoint", "savepoint", "abandoned"])
plans = st.lists(st.tuples(tokens, steps, guards), min_size=1, max_size=8)
"""The calls of one transaction, each with its token and the savepoint it stands in, if it does."""


CONTRACTS = ("figure", "backed", "other")
HOLDERS = ("alice", "bob", "carol")

contracts = st.sampled_from(CONTRACTS)
holders = st.sampled_from(HOLDERS)
satoshis = st.one_of(st.integers(1, 9), st.integers(1, 2_000), st.sampled_from([2**31, 2**64, 2**130]))
shares = st.one_of(st.just(0), st.integers(1, 9), st.integers(1, 2_000))

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
    st.sampled_from(["add", "add", "remove", "change", "change", "scale", "scale", "scale", "get", "settle", "undo"]),
    st.sampled_from("abcd"),
    st.integers(1, 1_000),
    st.integers(0, 2_000),
)
"""One call on values that are scaled together: what, which, how much or the old sum, the new sum or how often."""

slopes = st.one_of(st.integers(1, 100), st.integers(1, 2**64 - 1))
curves = st.one_of(
    st.builds(SquareRootCurve, slopes),
    st.tuples(slopes, slopes).map(lambda ks: SquareRootCurve(max(ks), min(ks))),
    st.builds(FixedPriceCurve, slopes),
    st.builds(LinearCurve, slopes),
)
supplies = st.one_of(st.integers(0, 10**6), st.integers(0, 10**18), st.integers(0, 2**255))
payments = st.one_of(st.integers(0, 10**6), st.integers(0, 10**18), st.integers(0, 2**255))
"""Base units, of an app's token and of the settlement token."""
