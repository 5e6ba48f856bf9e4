"""What is registered in one call and not in a block: tokens, what an app accepts, and an older book's cells."""

from collections.abc import Sequence
from typing import cast

from tallystick.domain.app.operations import Open, UpdateApp
from tallystick.domain.errors import InvalidRequest, InvalidToken
from tallystick.domain.operation import Operation
from tallystick.domain.token.operations import RegisterToken
from tallystick.domain.values.account import check_account
from tallystick.domain.values.amount import check_amount
from tallystick.domain.values.token import Token
from tallystick.infrastructure.commit.idempotency import make_request
from tallystick.infrastructure.ledger.core import LedgerCore


class Registrations:
    """The registrations of one ledger, each a commit."""

    def __init__(self, core: LedgerCore) -> None:
        self._core = core

    def register_token(self, token: Token) -> None:
        """Registers a token; one that is identical already is left as it is."""
        self._core.check_writable()
        self._core.commit([RegisterToken(_check_token(token))])

    def update_app(self, code: str, accepts: Sequence[str] | None = None, owner: str | None = None) -> None:
        """Changes which tokens an app accepts, and whose it is; None leaves it."""
        if isinstance(accepts, str) or not isinstance(accepts, Sequence | None):
            raise InvalidToken(f"what app {code!r} accepts is a sequence of codes, not {accepts!r}")
        self._core.check_writable()
        codes = None if accepts is None else tuple(check_account(token) for token in accepts)
        self._core.commit([UpdateApp(code, codes, None if owner is None else check_account(owner))])

    def take_over(
        self,
        tokens: Sequence[Token],
        cells: Sequence[tuple[str, str, int]],
        idempotency_key: str | None = None,
        only_empty: bool = False,
    ) -> None:
        """Registers `tokens` and moves amounts out of supply reserves into cells, empty ones if so asked, as one commit."""
        for given in (tokens, cells):
            if isinstance(given, str) or not isinstance(given, Sequence):
                raise InvalidRequest(f"tokens and cells are sequences, not {given!r}")
        operations: list[Operation] = [RegisterToken(_check_token(token), is_of_older_book=True) for token in tokens]
        operations += [_open_cell(cell, only_empty) for cell in cells]
        self._core.check_writable()
        request = make_request(idempotency_key, None)
        if request is not None:
            self._core.keeper.check_unused(request)
        self._core.commit(operations, request)


def _check_token(token: object) -> Token:
    if not isinstance(token, Token):
        raise InvalidToken(f"a token is registered by a Token, not {token!r}")
    return token


def _open_cell(cell: object, only_empty: bool) -> Open:
    if not isinstance(cell, tuple) or len(cast(tuple[object, ...], cell)) != 3:
        raise InvalidRequest(f"a cell is taken over as (first, second, amount), not {cell!r}")
    first, second, amount = cast(tuple[str, str, object], cell)
    return Open(first, second, check_amount(amount), "taken over", only_empty)
