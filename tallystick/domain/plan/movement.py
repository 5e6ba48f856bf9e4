"""What moving between two cells of the double map means: the operation that the table of cells names for it.

Between accounts of one token it is a transfer; from a user's account into their deposit to an app a deposit, and back a
refund. Every other pair belongs to an operation of its own.
"""

from typing import cast

from tallystick.domain.app.operations import Deposit, Refund
from tallystick.domain.cells import SPECIAL_ACCOUNTS, Cell, Names, check_holder, is_crossing, locate
from tallystick.domain.errors import InvalidAccount, InvalidRequest, MeaninglessCell
from tallystick.domain.operation import Operation
from tallystick.domain.token.operations import Transfer
from tallystick.domain.values.account import HIDDEN_BONDING_CURVE_ACCOUNT
from tallystick.domain.values.token import code_of


def movement(names: Names, source: object, target: object, amount: int, memo: str) -> Operation:
    """The operation that moves `amount` from the cell of one pair of names to that of another.

    `MeaninglessCell` for a pair that is counted in nothing, or in another token than the other; `InvalidAccount` for cells
    that other operations touch alone.
    """
    giver, taker = _pair(names, source), _pair(names, target)
    gives, takes = locate(names, *giver), locate(names, *taker)
    if gives.token.code != takes.token.code:
        reason = f"it is counted in {takes.token.code} and state[{giver[0]}][{giver[1]}] in {gives.token.code}"
        raise MeaninglessCell(reason, first=taker[0], second=taker[1])
    for pair, cell in ((giver, gives), (taker, takes)):
        _check_movable(pair, cell)
    if not is_crossing(gives.name) and not is_crossing(takes.name):
        return Transfer(gives.token.code, gives.name, takes.name, amount, memo)
    if not is_crossing(gives.name) and taker[0] == gives.name:
        return Deposit(taker[1], taker[0], amount, memo)
    if not is_crossing(takes.name) and giver[0] == takes.name:
        return Refund(giver[1], giver[0], amount, memo)
    raise InvalidAccount(f"a deposit comes from its user and goes back to its user, not {giver} to {taker}")


def _pair(names: Names, pair: object) -> tuple[str, str]:
    if not isinstance(pair, tuple) or len(cast(tuple[object, ...], pair)) != 2:
        raise InvalidRequest(f"a cell is named by a pair of names, not {pair!r}")
    first, second = cast(tuple[object, object], pair)
    return names.spelled(code_of(first)), names.spelled(code_of(second))


def _check_movable(pair: tuple[str, str], cell: Cell) -> None:
    if pair[1] == HIDDEN_BONDING_CURVE_ACCOUNT:
        raise InvalidAccount(f"state[{pair[0]}][{pair[1]}]: {SPECIAL_ACCOUNTS[HIDDEN_BONDING_CURVE_ACCOUNT]}")
    if not is_crossing(cell.name):
        check_holder(cell.token, cell.name)
