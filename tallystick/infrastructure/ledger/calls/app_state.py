"""An app as it stands: `ledger.app(code)`, its figures, what a trade would bring, and the calls by which one deals with it."""

from collections.abc import Callable
from typing import Any, ClassVar, Self, TypeVar

from tallystick.domain.app.decisions import bought_for, paid_for, price_of
from tallystick.domain.cells import bonding_cell
from tallystick.domain.checks import app_of
from tallystick.domain.errors import LedgerClosed
from tallystick.domain.values.amount import check_amount
from tallystick.domain.values.result import Amount, Result
from tallystick.domain.values.token import AnyToken
from tallystick.infrastructure.ledger.calls.direct_calls import AppCalls, Make
from tallystick.infrastructure.ledger.calls.options import CallOptions
from tallystick.infrastructure.ledger.core import LedgerCore

Way = TypeVar("Way")


class AppFigures(Result, frozen=True, eq=False):
    """An app's figures as they stood when it was asked for, in smallest units.

    `code` is its token's, and its account; `owner` gets its spread and income; `accepts` are the further tokens that it takes
    in payment. `price` is what one whole token costs about, in settlement units, rounded down, None where no curve can say;
    `supply` is what of its token is in circulation, and `reserve` what its curve holds of the settlement token. Two are equal
    whose figures are. A copy that was pickled has its figures, and no ledger to ask.
    """

    _counted_in: ClassVar[str | None] = None

    code: str
    owner: str | None
    accepts: tuple[str, ...]
    price: Amount | None
    supply: Amount
    reserve: Amount

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={self[name]!r}' for name in self.keys())})"

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self._figures() == other._figures()

    def __hash__(self) -> int:
        return hash(self._figures())

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self._figures()

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def _figures(self) -> tuple[Any, ...]:
        return tuple(self[name] for name in self.keys())

    def _asked(self, way: Way | None) -> Way:
        """The way to the ledger, which a copy that was pickled has not."""
        if way is None:
            raise LedgerClosed(f"this copy of the figures of app {self.code!r} has no ledger to ask, or to deal with")
        return way


class AppReads:
    """What a ledger answers about apps."""

    def __init__(self, core: LedgerCore) -> None:
        self._core = core
        self._books = core.books

    def figures(self, code: AnyToken) -> AppFigures:
        """The app's figures; `TokenNotFound` or `NotAnApp`."""
        books = self._books
        with self._core.locked():
            self._core.reach_head()
            app = app_of(books, books.token_state(code).code)
            settlement = books.settlement()
            held = bonding_cell(app.code)
            reserve = 0 if settlement is None else books.token_state(settlement.code).available_of(held)
            supply = app.max_supply - books.token_state(app.code).reserve
            return AppFigures(app.code, app.owner, app.accepts, price_of(books, app), supply, reserve)

    def quote_buy(self, code: str, payment: int) -> int:
        """How much of the app's token the payment would buy now."""
        payment = check_amount(payment)
        with self._core.locked():
            self._core.reach_head()
            return bought_for(self._books, app_of(self._books, code), payment)[0]

    def quote_sell(self, code: str, amount: int) -> int:
        """What the amount of the app's token would bring now."""
        amount = check_amount(amount)
        with self._core.locked():
            self._core.reach_head()
            return paid_for(self._books, app_of(self._books, code), amount)


class AppState(AppFigures, AppCalls, frozen=True, eq=False):
    """An app's figures as they stood when it was asked for, and its calls, which act on it as it is by then.

    `code` is its token's, and its account; `owner` gets its spread and income; `accepts` are the further tokens that it takes
    in payment. `price` is what one whole token costs about, in settlement units, rounded down, None where no curve can say;
    `supply` is what of its token is in circulation, and `reserve` what its curve holds of the settlement token.
    """

    _reads: AppReads | None = None
    _execute: Callable[..., Any] | None = None

    def quote_buy(self, payment: int) -> int:
        """How many units of the app's token `payment` settlement units would buy now. Refusals as `buy`, but the payer's."""
        return self._asked(self._reads).quote_buy(self.code, payment)

    def quote_sell(self, amount: int) -> int:
        """How many settlement units `amount` of the app's token would bring now. Refusals as `sell`, but the seller's.

        `InsufficientFunds` where there is less in circulation.
        """
        return self._asked(self._reads).quote_sell(self.code, amount)

    def _call(self, options: CallOptions, make: Make, *arguments: Any) -> Any:
        return self._asked(self._execute)(options, make, *arguments)
