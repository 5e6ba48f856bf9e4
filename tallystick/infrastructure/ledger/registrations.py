"""What is registered in one call and not in a block: tokens, what an app accepts, and an older book's cells."""

from collections.abc import Iterable
from typing import cast

import msgspec

from tallystick.domain.app.operations import Open, UpdateApp
from tallystick.domain.books.books import Books
from tallystick.domain.errors import InvalidAccount, InvalidRequest, InvalidToken
from tallystick.domain.operation import Operation
from tallystick.domain.token.operations import RegisterToken
from tallystick.domain.values.amount import check_amount
from tallystick.domain.values.token import AnyToken, Token, code_of, codes_of
from tallystick.infrastructure.commit.idempotency import make_request
from tallystick.infrastructure.ledger.core import LedgerCore


class Registrations:
    """The registrations of one ledger, each a commit."""

    def __init__(self, core: LedgerCore) -> None:
        self._core = core

    def register_token(self, token: Token) -> None:
        """Registers a token; one that is identical already is left as it is."""
        self._core.check_writable()
        self._core.commit([RegisterToken(self._spelled(_check_token(token)))])

    def update_app(self, code: AnyToken, accepts: Iterable[AnyToken] | None = None, owner: str | None = None) -> None:
        """Changes which tokens an app accepts, and whose it is; None leaves it."""
        app, spelled = code_of(code), self._core.books.spelled
        given = None if accepts is None else codes_of(accepts, f"what app {app!r} accepts")
        self._core.check_writable()
        codes = None if given is None else tuple(map(spelled, given))
        self._core.commit([UpdateApp(app, codes, None if owner is None else spelled(owner))])

    def take_over(
        self,
        tokens: Iterable[Token],
        cells: Iterable[tuple[AnyToken, AnyToken, int]],
        idempotency_key: str | None = None,
        only_empty: bool = False,
    ) -> None:
        """Registers `tokens` and moves amounts out of supply reserves into cells, empty ones if so asked, as one commit."""
        for given in (tokens, cells):
            if isinstance(given, str) or not isinstance(given, Iterable):
                raise InvalidRequest(f"tokens and cells are iterables of them, not {given!r}")
        operations: list[Operation] = [
            RegisterToken(self._spelled(_check_token(token)), is_of_older_book=True) for token in tokens
        ]
        operations += [_open_cell(self._core.books, cell, only_empty) for cell in cells]
        self._core.check_writable()
        request = make_request(idempotency_key, None)
        if request is not None:
            self._core.keeper.check_unused(request)
        self._core.commit(operations, request)

    def _spelled(self, token: Token) -> Token:
        """The token with all names as the books write them; `InvalidToken` where one can be none."""
        spelled = self._core.books.spelled
        try:
            code, owner = spelled(token.code), None if token.owner is None else spelled(token.owner)
            accepts = tuple(map(spelled, token.accepts))
        except InvalidAccount as error:
            raise InvalidToken(f"token {token.code!r}: its names are formed like an account's: {error}") from None
        if (code, owner, accepts) == (token.code, token.owner, token.accepts):
            return token
        return msgspec.structs.replace(token, code=code, owner=owner, accepts=accepts)


def _check_token(token: object) -> Token:
    if not isinstance(token, Token):
        raise InvalidToken(f"a token is registered by a Token, not {token!r}")
    return token


def _open_cell(books: Books, cell: object, only_empty: bool) -> Open:
    if not isinstance(cell, tuple) or len(cast(tuple[object, ...], cell)) != 3:
        raise InvalidRequest(f"a cell is taken over as (first, second, amount), not {cell!r}")
    first, second, amount = cast(tuple[object, object, object], cell)
    try:
        names = books.spelled(code_of(first)), books.spelled(code_of(second))
    except InvalidAccount as error:
        raise InvalidAccount(f"state[{first}][{second}]: {error}") from error
    return Open(*names, check_amount(amount), "taken over", only_empty)
