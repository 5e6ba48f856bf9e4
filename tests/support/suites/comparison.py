"""What a ledger says of its books and of its journal, compared with the plain model of `tests/machines/test_machine.py`."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tallystick import AlreadyReversed, Balances, Fragments, FragmentState, Ledger, SupplyReserves, Token
from tallystick.infrastructure.ledger.transaction import TransactionContext
from tests.support.strategies import CROWD, KEEPERS

START = datetime(2030, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
NAMES = sorted({*CROWD, *KEEPERS})


def compare_books(ledger: Ledger, model: Any, tokens: tuple[Token, ...]) -> None:
    """Balances, fragments, supplies, holds and freezes."""
    for token in tokens:
        _compare_token(ledger, model, token)
    _compare_holds(ledger, model)
    frozen = {(each.account, each.token): (each.debits, each.credits, each.reason) for each in ledger.frozen()}
    assert frozen == model.freezes


def _compare_token(ledger: Ledger, model: Any, token: Token) -> None:
    code = token.code
    balances = ledger.balances(code)
    for account in {*balances, *NAMES}:
        balance = ledger.balance(code, account)
        assert (balance.available, balance.reserved) == (model.available[code, account], model.held(code, account))
        assert balances.get(account) == (balance if balance.total else None)
    for keeper in KEEPERS:
        found = [(hold.id, hold.payer, hold.remaining) for hold in ledger.holds(code, keeper)]
        assert found == [(id, hold[2], hold[3]) for id, hold in model.holds.items() if hold[:2] == [code, keeper]]
    if token.unit is not None:
        for account in NAMES:
            _compare_fragments(ledger, code, account)
    total = sum(balance.total for balance in balances.values())
    assert ledger.supply(code).reserve == model.reserve[code] == token.max_supply - total


def _compare_fragments(ledger: Ledger, code: str, account: str) -> None:
    fragments = ledger.fragments(code, account)
    live = [fragment.amount for fragment in fragments if fragment.state is FragmentState.ALIVE]
    assert sum(live) == ledger.balance(code, account).available
    assert all(live)
    for hold in ledger.holds(code, account):
        assert sum(fragment.amount for fragment in fragments if fragment.hold == hold.id) == hold.remaining
    assert len({fragment.id for fragment in fragments}) == len(fragments)


def _compare_holds(ledger: Ledger, model: Any) -> None:
    """What is found by each filter, and how every hold was drawn from."""
    for found, named in (
        (ledger.holds(), lambda hold: True),
        (ledger.holds(authority="keeper"), lambda hold: hold[1] == "keeper"),
        (ledger.holds(payer="alice"), lambda hold: hold[2] == "alice"),
        (ledger.holds("CENT", payer="bob"), lambda hold: (hold[0], hold[2]) == ("CENT", "bob")),
        (ledger.holds(due_before=START + (model.hour + 1) * HOUR), lambda hold: (hold[4] or 10**6) <= model.hour),
    ):
        assert [hold.id for hold in found] == [id for id, hold in model.holds.items() if named(hold)]
        for hold in found:
            assert (hold.amount, tuple((leg.kind, leg.receiver, leg.amount) for leg in hold.legs)) == model.told[hold.id]


def compare_entry(ledger: Ledger, model: Any, id: int) -> None:
    """One entry: what was said of it, its movements, and what takes back what."""
    entry, said = ledger.entry(id), model.entries[id]
    recorded = START + said.hour * HOUR
    assert (entry.id, entry.position, entry.key, entry.reference) == (id, id, said.key, said.reference)
    assert (entry.metadata, entry.recorded_at, entry.occurred_at) == (said.metadata, recorded, said.occurred_at or recorded)
    assert list(entry.reverses) == sorted(m.reverses for m in map(model.movements.get, said.ids) if m.reverses)
    taken_by = {m.entry for m in model.movements.values() if m.reverses in said.ids}
    assert list(entry.reversed_by) == sorted(taken_by)
    assert [each.id for each in entry.transactions] == list(said.ids)
    for each in entry.transactions:
        m = model.movements[each.id]
        assert (each.kind, each.token, each.sender, each.receiver) == (m.kind, m.token, m.sender, m.receiver)
        assert {each.burned_amount, each.minted_amount} - {0} == {m.amount}
        assert (each.hold, each.memo, each.entry_id, each.recorded_at) == (m.hold, m.memo, m.entry, recorded)
        assert (each.occurred_at, each.reference) == (_occurred(m), m.reference)


def compare_left(ledger: Ledger, model: Any, ids: Iterable[int]) -> None:
    """How much of these movements can still be taken back, which whoever asks for more is told."""
    with ledger.atomic() as tx:
        for id in ids:
            if model.movements[id].kind not in ("release", "expire"):
                check_left(tx, id, model.left(id))


def check_left(tx: TransactionContext, id: int, left: int) -> None:
    with pytest.raises(AlreadyReversed) as refused:
        tx.reverse(transaction=id, amount=2**256 - 1)
    assert refused.value.left == left


def compare_journal(ledger: Ledger, model: Any) -> None:
    """Every entry, by id, by reference and by key, every line, and what a replay makes of it all."""
    for id in model.entries:
        compare_entry(ledger, model, id)
    references = {m.reference for m in model.movements.values()} | {entry.reference for entry in model.entries.values()}
    for reference in references - {None}:
        assert [entry.id for entry in ledger.find(reference)] == model.found(reference)
        assert [entry.id for entry in ledger.find(reference, 2)] == model.found(reference)[:2]
    for key, receipt in model.receipts.items():
        assert ledger.receipt(key) == receipt
        assert ledger.entry(receipt.entry_id).key == key
    for id, told in model.told.items():
        hold = ledger.hold(id)
        assert (hold.amount, tuple((leg.kind, leg.receiver, leg.amount) for leg in hold.legs)) == told
    compare_left(ledger, model, model.taken)
    _compare_replays(ledger, model)


def compare_lines(ledger: Ledger, model: Any, token: str, account: str, since: int, hours: int) -> None:
    """The lines of an account, and those of so many hours by either time."""
    lines = list(ledger.history(token, account))
    whole = {id: m for id, m in model.movements.items() if m.token == token and account in (m.sender, m.receiver)}
    assert _changes(lines) == {id: _change(m, account) for id, m in whole.items()}
    balance = ledger.balance(token, account)
    assert (sum(line.change for line in lines), sum(line.reserved_change for line in lines)) == (
        balance.available,
        balance.reserved,
    )
    if lines:
        assert (lines[-1].available, lines[-1].reserved) == (balance.available, balance.reserved)
    for line in lines:
        m = whole[line.position]
        assert (line.kind, line.entry_id, line.memo, line.reference) == (m.kind, m.entry, m.memo, m.reference)
        assert (line.hold, line.occurred_at, line.recorded_at) == (m.hold, _occurred(m), START + m.hour * HOUR)
    first, last = START + since * HOUR, START + (since + hours) * HOUR
    for by in ("recorded_at", "occurred_at"):
        shown = list(ledger.history(token, account, since=first, until=last, by=by))
        assert {line.position for line in shown} == {
            id for id, m in whole.items() if first <= (START + m.hour * HOUR if by == "recorded_at" else _occurred(m)) < last
        }


def _occurred(m: Any) -> datetime:
    return m.occurred_at or START + m.hour * HOUR


def _changes(lines: list[Any]) -> dict[int, tuple[int, int]]:
    found: dict[int, tuple[int, int]] = {}
    for line in lines:
        change, reserved = found.get(line.position, (0, 0))
        found[line.position] = (change + line.change, reserved + line.reserved_change)
    return found


def _change(m: Any, account: str) -> tuple[int, int]:
    """What a movement added to what the account can spend, and to what it holds for others."""
    spent = m.sender == account and m.kind not in ("settle", "release", "expire")
    got = m.receiver == account and m.kind != "reserve"
    kept = m.receiver == account and m.kind == "reserve"
    paid_out = m.sender == account and m.kind in ("settle", "release", "expire")
    return (got - spent) * m.amount, (kept - paid_out) * m.amount


def _compare_replays(ledger: Ledger, model: Any) -> None:
    balances = ledger.replay(Balances()).state
    for (code, account), amount in model.available.items():
        assert balances[code]["available"].get(account, 0) == amount
    assert ledger.replay(SupplyReserves()).state == model.reserve
    fragments = {f.id: [f.token, f.owner, f.amount, f.hold] for account in NAMES for f in ledger.fragments("CENT", account)}
    assert ledger.replay(Fragments()).state == fragments
