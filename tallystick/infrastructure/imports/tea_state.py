"""Importing an older state: balances, deposits and bonding reserves that lie in maps of their own become the double map.

The file is a JSON object: `tea_state.ft_state[token][account]`, `tea_state.ft_deposit_state[app][account]`,
`bonding_state[app]`, all in smallest units as numbers or strings of digits, and `tokens[code]` with `role` and `max_supply`
and, where they apply, `decimals`, `unit`, `owner`, `accepts`, and `curve` as {"name": ..., "parameters": [...]}. All of it
is one commit, or none.
"""

import hashlib
import json
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from tallystick.domain.errors import DuplicateIdempotencyKey, InvalidAmount, InvalidCurve, InvalidRequest, MeaninglessCell
from tallystick.domain.values.account import HIDDEN_BONDING_CURVE_ACCOUNT
from tallystick.domain.values.amount import check_amount
from tallystick.domain.values.curve import CURVES, UnresolvedCurve, make_curve
from tallystick.domain.values.token import Token
from tallystick.infrastructure.imports.fields import as_number
from tallystick.infrastructure.imports.files import open_text
from tallystick.infrastructure.imports.report import ImportReport, Progress
from tallystick.infrastructure.imports.rows.desk import ImportDesk
from tallystick.infrastructure.ledger.ledger import Ledger

Balances = dict[str, dict[str, Any]]


class _Balances(msgspec.Struct, forbid_unknown_fields=True):
    ft_state: Balances = {}
    ft_deposit_state: Balances = {}


class _Curve(msgspec.Struct):
    name: str
    parameters: list[int] = []


class _Token(msgspec.Struct, forbid_unknown_fields=True):
    role: str = "external"
    max_supply: Any = 2**128 - 1
    decimals: int = 0
    unit: int | None = None
    curve: _Curve | None = None
    owner: str | None = None
    accepts: list[str] = []


class _State(msgspec.Struct, forbid_unknown_fields=True):
    tea_state: _Balances = msgspec.field(default_factory=_Balances)
    bonding_state: dict[str, Any] = {}
    tokens: dict[str, _Token] = {}
    key_state: Any = None
    """Keys are no money: they are passed over."""


class OldCell(NamedTuple):
    """A cell of the double map, and what lies in it."""

    first: str
    second: str
    amount: int


def import_tea_state(ledger: Ledger, path: Path, progress: Progress | None = None) -> ImportReport:
    """Registers the file's tokens and opens its cells, which are to be empty, as one commit; a second run changes nothing.

    Raises `InvalidRequest` where the file cannot be read, and what `Ledger.take_over` raises, naming the cell.
    """
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    try:
        with open_text(path, "strict") as text:
            state = msgspec.convert(json.loads(text.read(), object_pairs_hook=_unique), type=_State)
    except (msgspec.ValidationError, ValueError, RecursionError) as error:
        raise InvalidRequest(f"{path} is no older state: {error}") from error
    tokens = [_token(code, found) for code, found in state.tokens.items()]
    code = ImportDesk(ledger).code
    cells = list(_cells(state, {*map(code, state.tokens), *(token.code for token in ledger.tokens())}, code))
    opened = [cell for cell in cells if cell.amount]
    report = ImportReport(
        rows=len(cells), tokens=len(tokens), mints=len(opened), skipped=len(cells) - len(opened), batches=1, name=digest
    )
    key = f"import:tea-state:{digest}"
    try:
        ledger.take_over(tokens, opened, idempotency_key=key, only_empty=True)
        report.recorded = len(opened)
    except DuplicateIdempotencyKey as error:
        report.known, report.batches_before, report.imported_at = len(opened), 1, error.receipt.recorded_at
    if progress is not None:
        progress(len(cells))
    return report


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON in which no name stands twice, for one of two balances would be lost."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError(f"a name stands twice among {', '.join(name for name, _ in pairs)[:200]}")
    return found


def _cells(state: _State, tokens: Collection[str], code: Callable[[str], str]) -> Iterator[OldCell]:
    for token, balances in state.tea_state.ft_state.items():
        for account, amount in balances.items():
            if code(token) not in tokens:
                raise MeaninglessCell(f"{token!r} is no token", first=token, second=account)
            yield _cell(token, account, amount)
    for app, deposits in state.tea_state.ft_deposit_state.items():
        for account, amount in deposits.items():
            if code(account) in tokens:
                raise MeaninglessCell(f"{account!r} is a token, and tokens deposit nothing", first=account, second=app)
            yield _cell(account, app, amount)
    for app, amount in state.bonding_state.items():
        yield _cell(app, HIDDEN_BONDING_CURVE_ACCOUNT, amount)


def _cell(first: str, second: str, amount: object) -> OldCell:
    amount = as_number(amount)
    try:
        return OldCell(first, second, 0 if type(amount) is int and not amount else check_amount(amount))
    except InvalidAmount as error:
        raise InvalidAmount(f"state[{first}][{second}]: {error}") from error


def _token(code: str, found: _Token) -> Token:
    curve = None if found.curve is None else make_curve(found.curve.name, found.curve.parameters, CURVES)
    if isinstance(curve, UnresolvedCurve) and curve.name in CURVES:
        raise InvalidCurve(f"token {code!r}: no curve {curve.name} has the parameters {curve.parameters}")
    supply = as_number(found.max_supply)
    return Token(code, found.decimals, supply, found.unit, found.role, curve, found.owner, tuple(found.accepts))  # pyright: ignore[reportArgumentType]
