"""Sweeping: a contract's own account begins empty, so dust that lies under its name is moved away before it is registered.

Anybody can send a unit to a name, and must not keep a contract from being registered under it thereby. But an account that is
somebody's is not swept: one that ever gave something, or is allocated something by a contract. The books do not know that, so
the journal is read for it when the call is made, outside every lock; what the account has then it must still have, or more,
when the contract is registered.
"""

from collections.abc import Mapping
from typing import Protocol, cast

from tallystick.domain.checks import check_credits, check_party
from tallystick.domain.errors import Conflict, InvalidAccount, InvalidRequest, NameInUse
from tallystick.domain.events import Moved
from tallystick.domain.operation import Operation
from tallystick.domain.values.amount import check_amount
from tallystick.domain.values.token import AnyToken, code_of
from tallystick.domain.view import View

SWEPT = "swept"
"""The memo of what is swept."""


class Sweep(Operation, frozen=True):
    """To whom is moved what lies under a contract's name, by token `at_most` so much, and what lay there when it was `seen`.

    `is_somebodys`: whether the account ever gave something or is allocated something.
    """

    to: str
    at_most: tuple[tuple[str, int], ...]
    seen: tuple[tuple[str, int], ...]
    is_somebodys: bool


class PastOfNames(Protocol):
    """What reads the journal."""

    def is_somebodys(self, account: str) -> bool:
        """Whether anything ever left what the account can spend or was held by it, or a contract allocates it something."""
        ...


def sweep_asked(view: View, id: str, sweep_to: object, at_most: object) -> Sweep:
    """The sweep of what lies under the name now, which is taken for nobody's yet.

    `InvalidRequest` where one is given without the other or `at_most` is no mapping, `InvalidAccount`, `InvalidAmount`,
    `TokenNotFound` where a token is unknown.
    """
    if sweep_to is None or not isinstance(at_most, Mapping):
        raise InvalidRequest("what lies under a contract's name is swept by sweep_to=account and at_most={token: amount}")
    limits: dict[str, int] = {}
    for token, amount in cast(Mapping[AnyToken, int], at_most).items():
        code = view.token_state(code_of(token)).token.code
        if code in limits:
            raise InvalidRequest(f"at_most names {code} twice")
        limits[code] = check_amount(amount, "at_most")
    return Sweep(view.spelled(sweep_to), tuple(limits.items()), _held(view, id), False)


def swept(view: View, id: str, sweep: Sweep) -> list[Moved]:
    """The movements of a sweep.

    `NameInUse` where the account is somebody's, holds something for others, or has more of a token than may be swept;
    `Conflict` where it has given something since it was seen; `InvalidAccount`, `AccountIsFrozen` where the receiver's credits
    are.
    """
    held, limits = _held(view, id), dict(sweep.at_most)
    if held and sweep.is_somebodys:
        raise NameInUse("it is an account that gave something or is allocated something, and so is somebody's", name=id)
    now = dict(held)
    for code, amount in sweep.seen:
        if now.get(code, 0) < amount:
            raise Conflict(subject=f"what {id} has of {code}", told=amount, now=now.get(code, 0))
    for code, amount in held:
        state = view.token_state(code)
        if state.held_of(id) or amount > limits.get(code, 0):
            most = f"{limits.get(code, 0)} of it may be swept"
            raise NameInUse(f"it is an account that has {amount + state.held_of(id)} of {code}, and {most}", name=id)
        if sweep.to == id:
            raise InvalidAccount(f"{id} becomes a contract, and what lies there is swept to another account")
        check_party(view, state.token, sweep.to)
        check_credits(view, code, sweep.to)
    return [Moved(code, id, sweep.to, amount, SWEPT) for code, amount in held]


def _held(view: View, id: str) -> tuple[tuple[str, int], ...]:
    """What of each token the account can spend, of those of which it has something."""
    states = [view.token_state(token.code) for token in view.tokens()]
    return tuple((state.token.code, state.available_of(id)) for state in states if state.available_of(id) or state.held_of(id))
