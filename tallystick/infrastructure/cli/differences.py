"""Comparing the books with projections that were rebuilt from event one: what differs, in words."""

from collections.abc import Iterator, Sequence
from typing import Any, cast

from tallystick.domain.cells import is_crossing
from tallystick.domain.decimal_point import written
from tallystick.domain.errors import InvalidRequest
from tallystick.infrastructure.cli.options import amount_given, units_given
from tallystick.infrastructure.ledger.ledger import Ledger
from tallystick.infrastructure.proof.audit import AuditReport
from tallystick.projections.balances import Balances
from tallystick.projections.fragments import Fragments
from tallystick.projections.invariants.invariants import Finding
from tallystick.projections.projection import Projection
from tallystick.projections.shadow_spaces import ShadowSpaces
from tallystick.projections.supply import SupplyReserves


def differences(ledger: Ledger, rebuilt: Projection) -> Iterator[str]:
    """Where the projection is not what the books say. What does not stand in the books, like transactions, does not differ."""
    if isinstance(rebuilt, Balances):
        yield from _of_balances(ledger, rebuilt)
    elif isinstance(rebuilt, SupplyReserves):
        for token in ledger.tokens():
            what = f"the supply reserve of {token.code}"
            yield from _difference(what, ledger.supply(token.code).reserve, rebuilt.state[token.code], token.decimals)
    elif isinstance(rebuilt, Fragments):
        yield from _of_fragments(ledger, rebuilt)
    elif isinstance(rebuilt, ShadowSpaces):
        yield from _of_contracts(ledger, rebuilt)


def with_locks(ledger: Ledger, report: AuditReport, locks: Sequence[str], units: Sequence[str] = ()) -> AuditReport:
    """The report, with a finding for each lock that is not all in circulation.

    One is "TOKEN=AMOUNT", among `locks` in the token's decimals and among `units` in smallest units.
    """
    findings = list(report.findings)
    wanted = [(lock, False) for lock in locks] + [(lock, True) for lock in units]
    for lock, in_units in wanted:
        code, equals, text = lock.rpartition("=")
        if not equals:
            raise InvalidRequest(f"a lock is written TOKEN=AMOUNT, not {lock!r}")
        token = ledger.token(code)
        locked = units_given(text, lock) if in_units else amount_given(token, text)
        circulating = ledger.supply(code).circulating
        if locked != circulating:
            stated = f"{token.format(circulating)} {code} are in circulation, and {token.format(locked)} are locked"
            findings.append(Finding(report.position, stated))
    return AuditReport(not findings, tuple(findings), report.position, report.digest)


def _of_balances(ledger: Ledger, rebuilt: Balances) -> Iterator[str]:
    for token in ledger.tokens():
        cells = rebuilt.state[token.code]
        for account in {*ledger.balances(token.code), *cells["available"], *cells["reserved"]}:
            derived = (cells["available"].get(account, 0), cells["reserved"].get(account, 0))
            if is_crossing(account):
                first, second = account.split(" ")
                stated = (ledger.state[first][second], 0)
                yield from _difference(f"state[{first}][{second}]", stated, derived, token.decimals)
                continue
            balance = ledger.balance(token.code, account)
            stated = (balance.available, balance.reserved)
            yield from _difference(f"the {token.code} of {account}", stated, derived, token.decimals)


def _of_fragments(ledger: Ledger, rebuilt: Fragments) -> Iterator[str]:
    stated = {
        fragment.id: [fragment.token, fragment.owner, fragment.amount, fragment.hold]
        for token in ledger.tokens()
        if token.unit is not None
        for account in ledger.balances(token.code)
        for fragment in ledger.fragments(token.code, account)
    }
    for id in {*stated, *rebuilt.state}:
        yield from _difference(f"fragment {id}", stated.get(id), rebuilt.state.get(id))


def _of_contracts(ledger: Ledger, rebuilt: ShadowSpaces) -> Iterator[str]:
    for id, contract in ledger.contracts().items():
        space = rebuilt.spaces[id]
        stated = (contract.balance, contract.allocs_sum, contract.num_allocs)
        yield from _difference(f"contract {id}", stated, (space.balance, space.allocs_sum, space.num_allocs))
        allocations = {account: allocation.sati for account, allocation in contract.allocations().items()}
        derived = dict(space.allocations.items())
        for account in {*allocations, *derived}:
            what = f"the allocation of {account} in contract {id}"
            yield from _difference(what, allocations.get(account), derived.get(account))


def _difference(what: str, stated: Any, derived: Any, decimals: int = 0) -> Iterator[str]:
    """A line, amounts in decimals, where they are not the same."""
    if stated != derived:
        yield f"{what}: {_shown(stated, decimals)}, replayed {_shown(derived, decimals)}"


def _shown(figures: Any, decimals: int) -> str:
    if isinstance(figures, tuple):
        return f"({', '.join(_shown(each, decimals) for each in cast(tuple[Any, ...], figures))})"
    return written(figures, decimals) if isinstance(figures, int) else str(figures)
