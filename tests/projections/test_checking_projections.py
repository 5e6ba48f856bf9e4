"""`tallystick.testing`: projections that are right pass, and of those that are wrong it says what is."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from itertools import count
from typing import Any

import pytest

from tallystick import Balances, Fragments, Ledger, ShadowSpaces, SupplyReserves, Token, Transactions
from tallystick.events import Minted, Moved
from tallystick.projections.projection import digest
from tallystick.testing import ProjectionFault, check_projection, sample_ledger
from tests.infrastructure.ledger.replays.test_replays import Told, ToldInColumns
from tests.support.suites.movement_sums import check_sums


class Received:
    """What accounts received in dollars; right, however it is given its events."""

    name, version = "received", 1

    def __init__(self) -> None:
        self.state: Any = {}

    def apply(self, position: int, recorded_at: int, event: Any, /) -> None:
        if isinstance(event, Moved) and event.token == "USD":
            self.add(event.receiver, event.amount)

    def add(self, account: str, amount: int) -> None:
        self.state[account] = self.state.get(account, 0) + amount

    def apply_columns(self, position: int, recorded_at: int, batch: Any, /) -> None:
        if batch.token == "USD" and batch.senders is not None and batch.receivers is not None:
            for receiver, amount in zip(batch.receivers.tolist(), batch.amounts, strict=True):
                self.add(batch.names[receiver], int(amount))


@pytest.mark.parametrize(
    "kind", [Balances, SupplyReserves, ShadowSpaces, Fragments, Transactions, Received, Told, ToldInColumns]
)
def test_those_that_are_right(kind: Any) -> None:
    assert check_projection(kind).state


def test_it_gives_what_was_replayed() -> None:
    with sample_ledger() as ledger:
        assert check_projection(Received, ledger).state == ledger.replay(Received()).state
        view = ledger.as_of(100)
        assert check_projection(Received, view).state == view.replay(Received()).state


class PassesOverColumns(Received):
    def apply_columns(self, position: int, recorded_at: int, batch: Any, /) -> None:
        pass


class PassesOverCommits(Received):
    def apply_commit(self, first_position: int, recorded_at: int, events: Sequence[Any], /) -> None:
        for event in events[:1]:
            self.apply(first_position, recorded_at, event)


class OfFloats(Received):
    def add(self, account: str, amount: int) -> None:
        self.state[account] = amount / 2


class OfSets(Received):
    def add(self, account: str, amount: int) -> None:
        self.state.setdefault("accounts", {})[account] = {amount}


class OfDecimals(Received):
    def add(self, account: str, amount: int) -> None:
        self.state.setdefault(account, []).append((Decimal(amount),))


numbers = count()


class Counted(Received):
    def add(self, account: str, amount: int) -> None:
        self.state[account] = next(numbers)


class Shared(Received):
    kept: dict[str, int] = {}  # noqa: RUF012

    def __init__(self) -> None:
        self.state = self.kept

    def add(self, account: str, amount: int) -> None:
        self.state[account] = amount


class CountsCalls(Received):
    """Its state depends on how many pieces the events come in."""

    def apply_entry(self, entry: Any, /) -> None:
        self.state["first"] = self.state.get("first", entry.position)

    def __deepcopy__(self, memo: Any) -> "CountsCalls":
        return CountsCalls()


class Nameless(Received):
    name: Any = None  # type: ignore[assignment]


class Unversioned(Received):
    version: Any = "1"  # type: ignore[assignment]


@pytest.mark.parametrize(
    ("make", "verdict"),
    [
        (PassesOverColumns, "it comes to another state if all events are given to `apply` one by one"),
        (PassesOverCommits, "it comes to another state if all events are given to `apply` one by one"),
        (OfFloats, r"state\['bob'\] is not plain: "),
        (OfSets, r"state\['accounts'\]\['bob'\] is not plain: \{640\}"),
        (OfDecimals, r"state\['bob'\]\[0\]\[0\] is not plain: Decimal\('1250'\)"),
        (Counted, "it is not deterministic"),
        (Shared, "a new one has something in its state that an earlier one left there"),
        (CountsCalls, "one that was kept at position 1 and goes on comes to another state"),
        (Nameless, "its name is a str and its version an int, not None and 1"),
        (Unversioned, "its name is a str and its version an int, not 'received' and '1'"),
    ],
)
def test_those_that_are_wrong(make: Callable[[], Any], verdict: str) -> None:
    with pytest.raises(ProjectionFault, match=verdict):
        check_projection(make)


def test_the_sample_is_the_same_every_time_and_has_everything() -> None:
    with sample_ledger() as one, sample_ledger() as other:
        assert [batch.to_pylist() for batch in one.movements()] == [batch.to_pylist() for batch in other.movements()]
        assert digest(one.replay(ToldInColumns())) == digest(other.replay(ToldInColumns()))
        assert one.audit().ok
        check_sums(one)
        kinds = {kind for batch in one.movements() for kind in batch.column("kind").to_pylist()}
        assert kinds == {
            *("mint", "burn", "transfer", "reserve", "settle", "release", "expire", "buy", "sell", "deposit", "refund", "pay"),
            *("consume_deposit", "distribution", "contract"),
        }
        assert max(balance.total for balance in one.balances("WEI").values()) > 2**128
        assert one.fragments("FRAG", "carol")


def test_a_sample_that_cannot_be_made_is_closed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[bool] = []
    close = Ledger.close

    def noted(ledger: Ledger) -> None:
        closed.append(True)
        close(ledger)

    monkeypatch.setattr(Ledger, "close", noted)
    monkeypatch.setattr("tallystick.testing._money", lambda ledger: ledger.register_token(Token("USD")))
    with pytest.raises(Exception, match="USD"):
        sample_ledger()
    assert closed == [True]


def test_what_is_told_of_an_event_is_what_is_minted_too() -> None:
    """`Minted` of a batch's rows comes to `apply` where there are no columns."""

    class Mints:
        name, version = "mints", 1

        def __init__(self) -> None:
            self.state = 0

        def apply(self, position: int, recorded_at: int, event: Any, /) -> None:
            self.state += isinstance(event, Minted)

    assert check_projection(Mints).state > 60
