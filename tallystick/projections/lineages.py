"""Lineages as users see them: where a fragment came from, and what it was made of, back to what was minted."""

from datetime import datetime

from tallystick.domain.entry.kinds import Kind
from tallystick.domain.values.result import Amount, Result


class FragmentOrigin(Result, frozen=True):
    """Where the fragment `id` began: `amount` for `owner`, in the smallest unit of `token`, in the entry `entry_id`.

    `transaction_id` is the movement that made it, of this `kind`; None where that is one of several rows of a batch, which
    does not say of which. The journal took it at `recorded_at`. `parents` are the ids of those that it was made of, the newest
    first; a fragment that has none was minted. `certain`: it was made of all of them. Where it is false, of a batch, it was
    made of one or more of them, or of none where the rows are mints. There are `parent_count` of them, of which the newest are
    named: as many as were asked for, or 100 where they are not certain.
    """

    id: int
    token: str
    owner: str
    amount: Amount
    entry_id: int
    transaction_id: int | None
    kind: Kind
    recorded_at: datetime
    parents: tuple[int, ...]
    parent_count: int
    certain: bool


class Lineage(Result, frozen=True):
    """The origin of a `fragment` and of its `ancestors`: its parents, theirs, and so on to what was minted, the newest first.

    `complete`: there are no others; else these are the newest.
    """

    fragment: FragmentOrigin
    ancestors: tuple[FragmentOrigin, ...]
    complete: bool
