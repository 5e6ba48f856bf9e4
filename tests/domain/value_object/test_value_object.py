"""A value object's states: which change each of them allows, by call and by event."""

import pickle
from collections.abc import Callable
from operator import methodcaller
from typing import Any

import msgspec
import pytest

from tallystick import FragmentState, IllegalTransition, InvalidAmount, Refused, ValueObject
from tallystick.domain.batch.batch import fragments_of
from tallystick.domain.batch.columns import pack
from tallystick.domain.events import (
    FragmentEvent,
    FragmentsBurned,
    FragmentsMinted,
    FragmentsMintedMany,
    FragmentsReleased,
    FragmentsReserved,
    RunsBurnedMany,
    RunsMintedMany,
    RunsReleasedMany,
    RunsReservedMany,
)

ALIVE = ValueObject.mint(7_000, "USD", "alice", 500)
RESERVED = ALIVE.reserve("hold")
BURNED = ALIVE.burn()
STATES = {fragment.state: fragment for fragment in (ALIVE, RESERVED, BURNED)}

Change = Callable[[ValueObject], ValueObject]


def test_a_fragment_is_minted_alive() -> None:
    assert ValueObject(7_000, "USD", "alice", 500, FragmentState.ALIVE) == ALIVE
    assert (RESERVED.state, RESERVED.hold, BURNED.state) == (FragmentState.RESERVED, "hold", FragmentState.BURNED)


@pytest.mark.parametrize("amount", [0, -1, 2**256, 1.0, True])
def test_what_is_no_amount_is_not_minted(amount: Any) -> None:
    with pytest.raises(InvalidAmount):
        ValueObject.mint(7_000, "USD", "alice", amount)


RESERVE: Change = methodcaller("reserve", "other")
RELEASE: Change = methodcaller("release")
BURN: Change = methodcaller("burn")


def by(event: FragmentEvent) -> Change:
    return methodcaller("apply", event)


@pytest.mark.parametrize(
    ("before", "change", "verdict"),
    [
        (ALIVE, RESERVE, (FragmentState.RESERVED, "other")),
        (ALIVE, RELEASE, "fragment 7000 of USD is alive and cannot be released"),
        (ALIVE, BURN, (FragmentState.BURNED, None)),
        (RESERVED, RESERVE, "fragment 7000 of USD is reserved under 'hold' and cannot be reserved under 'other'"),
        (RESERVED, RELEASE, (FragmentState.ALIVE, None)),
        (RESERVED, BURN, (FragmentState.BURNED, None)),
        (BURNED, RESERVE, "fragment 7000 of USD is burned and cannot be reserved under 'other'"),
        (BURNED, RELEASE, "fragment 7000 of USD is burned and cannot be released"),
        (BURNED, BURN, "fragment 7000 of USD is burned and cannot be burned"),
        (RESERVED.release(), RESERVE, (FragmentState.RESERVED, "other")),
        (RESERVED.burn(), BURN, "fragment 7000 of USD is burned and cannot be burned"),
        (ALIVE, by(FragmentsReserved("USD", "other", [1, 7_000])), (FragmentState.RESERVED, "other")),
        (ALIVE, by(FragmentsReleased("USD", "hold", [7_000])), "alive and cannot be released from 'hold'"),
        (ALIVE, by(FragmentsBurned("USD", [7_000, 7_001])), (FragmentState.BURNED, None)),
        (ALIVE, by(FragmentsMinted("USD", "bob", 6_999, [1, 2])), "alive and cannot be minted"),
        (ALIVE, by(FragmentsMintedMany("USD", 2, 6_999, b"\0\0", b"\1\2")), "alive and cannot be minted"),
        (RESERVED, by(FragmentsReserved("USD", "hold", [7_000])), "reserved under 'hold' and cannot be reserved under 'hold'"),
        (RESERVED, by(FragmentsReleased("USD", "hold", [7_000])), (FragmentState.ALIVE, None)),
        (RESERVED, by(FragmentsReleased("USD", "other", [7_000])), "under 'hold' and cannot be released from 'other'"),
        (RESERVED, by(FragmentsBurned("USD", [7_000])), (FragmentState.BURNED, None)),
        (RESERVED, by(FragmentsMinted("USD", "bob", 7_000, [1])), "reserved under 'hold' and cannot be minted"),
        (ALIVE, by(RunsReservedMany("USD", "other", [1, 6_990], [1, 11])), (FragmentState.RESERVED, "other")),
        (ALIVE, by(RunsBurnedMany("USD", [7_000], [1])), (FragmentState.BURNED, None)),
        (ALIVE, by(RunsReleasedMany("USD", "hold", [6_999], [2])), "alive and cannot be released from 'hold'"),
        (ALIVE, by(RunsMintedMany("USD", "bob", 6_990, [5, 2], [10, 1])), "alive and cannot be minted"),
        (RESERVED, by(RunsReleasedMany("USD", "hold", [6_999], [2])), (FragmentState.ALIVE, None)),
        (RESERVED, by(RunsReleasedMany("USD", "other", [6_999], [2])), "under 'hold' and cannot be released from 'other'"),
        (RESERVED, by(RunsReservedMany("USD", "other", [7_000], [2])), "'hold' and cannot be reserved under 'other'"),
        (BURNED, by(RunsBurnedMany("USD", [7_000], [2])), "burned and cannot be burned"),
        (BURNED, by(FragmentsReserved("USD", "other", [7_000])), "burned and cannot be reserved under 'other'"),
        (BURNED, by(FragmentsReleased("USD", "hold", [7_000])), "burned and cannot be released from 'hold'"),
        (BURNED, by(FragmentsBurned("USD", [7_000])), "burned and cannot be burned"),
        (BURNED, by(FragmentsMinted("USD", "alice", 7_000, [500])), "burned and cannot be minted"),
    ],
)
def test_a_change_is_made_or_refused(before: ValueObject, change: Change, verdict: Any) -> None:
    original = msgspec.structs.replace(before)
    if isinstance(verdict, str):
        with pytest.raises(IllegalTransition) as refusal:
            change(before)
        assert str(refusal.value).endswith(verdict)
        assert isinstance(refusal.value, Refused)
        assert refusal.value.fragment == 7_000
        assert pickle.loads(pickle.dumps(refusal.value)).fields == refusal.value.fields
    else:
        state, hold = verdict
        assert change(before) == msgspec.structs.replace(ALIVE, state=state, hold=hold)
    assert before == original


@pytest.mark.parametrize("before", STATES.values(), ids=lambda fragment: fragment.state.value)
@pytest.mark.parametrize(
    "event",
    [
        FragmentsBurned("EUR", [7_000]),
        FragmentsBurned("USD", [6_999, 7_001]),
        FragmentsReserved("USD", "other", [7_001]),
        FragmentsReleased("USD", "hold", []),
        RunsBurnedMany("USD", [6_990, 7_001], [10, 5]),
        RunsReservedMany("EUR", "other", [7_000], [1]),
        RunsReleasedMany("USD", "hold", [], []),
        RunsMintedMany("USD", "bob", 6_990, [5, 2], [9, 1]),
        RunsMintedMany("USD", "bob", 7_001, [5], [9]),
        FragmentsMinted("USD", "bob", 6_998, [1, 2]),
        FragmentsMinted("USD", "bob", 7_001, [1, 2]),
        FragmentsMintedMany("USD", 2, 6_998, b"\0\0", b"\1\2"),
        FragmentsMintedMany("USD", 2, 7_001, b"\0\0", b"\1\2"),
    ],
)
def test_events_of_others_leave_it_as_it_is(before: ValueObject, event: FragmentEvent) -> None:
    assert before.apply(event) is before


def test_an_event_of_minting_begins_its_fragments() -> None:
    minted = ValueObject.minted_by(FragmentsMinted("USD", "alice", 7_000, [500, 20]))
    assert minted == [ALIVE, ValueObject(7_001, "USD", "alice", 20, FragmentState.ALIVE)]
    many = FragmentsMintedMany("USD", 2, 7_000, pack([1, 0]), pack([500, 20]))
    rows = [fragment for row in fragments_of(many, ["bob", "alice"]) for fragment in ValueObject.minted_by(row)]
    assert rows == [ALIVE, ValueObject(7_001, "USD", "bob", 20, FragmentState.ALIVE)]


def test_no_way_leads_out_of_burned() -> None:
    """Every state is reached from a minted fragment, and nothing is from a burned one."""
    reached, waiting = {FragmentState.ALIVE}, [ALIVE]
    while waiting:
        before = waiting.pop()
        for change in (RESERVE, RELEASE, BURN):
            try:
                after = change(before)
            except IllegalTransition:
                continue
            assert before.state is not FragmentState.BURNED
            if after.state not in reached:
                reached.add(after.state)
                waiting.append(after)
    assert reached == set(FragmentState)


@pytest.mark.parametrize("field", ["id", "token", "owner", "amount", "state", "hold"])
def test_a_value_object_never_changes(field: str) -> None:
    with pytest.raises(AttributeError):
        setattr(ALIVE, field, None)
