"""The seats in a transaction's hands: what `tx.seats` gives. Amounts are in the settlement token's smallest unit."""

from collections.abc import Mapping

from tallystick.domain.app.handle import Planning
from tallystick.domain.app.operations import CollectMemoryTax, PayPublicService, ShareDistributionPool, ShareIncome
from tallystick.domain.errors import InvalidAccount, InvalidAmount
from tallystick.domain.limits import check_operations
from tallystick.domain.values.amount import check_amount, check_amount_or_none
from tallystick.domain.values.memo import check_memo
from tallystick.domain.values.token import AnyToken, code_of


class PlannedSeats:
    """Taxes and pools. Shares come whatever is frozen; what a frozen account would pay, or be paid for a service, is
    `AccountIsFrozen`.
    """

    def __init__(self, plan: Planning) -> None:
        self._plan = plan

    def collect_memory_tax(self, app: AnyToken, amount: int, *, memo: str = "") -> None:
        """Moves some of an app's income into the collection pool: `NotAnApp`, `InsufficientFunds`."""
        self._plan.propose_newest(CollectMemoryTax(code_of(app), check_amount(amount), check_memo(memo)))

    def share_income(self, taxes: Mapping[str, int], *, memo: str = "") -> None:
        """Shares the collection pool equally among maintainers, less the tax of each, which goes to the distribution pool.

        A tax above the share is taken from the maintainer: `InsufficientFunds`. What does not divide stays in the pool.
        `PlanTooLarge` where the maintainers are too many.
        """
        if not isinstance(taxes, Mapping) or not taxes:
            raise InvalidAmount(f"income is shared by a mapping of maintainers to their taxes, not {taxes!r}")
        check_operations(len(taxes), "maintainers")
        pairs = tuple((self._plan.spelled(name), check_amount_or_none(tax, "a tax")) for name, tax in taxes.items())
        if len(dict(pairs)) < len(pairs):
            raise InvalidAccount("a maintainer is named twice: an address is the same one in any case")
        self._plan.propose_newest(ShareIncome(pairs, check_memo(memo)))

    def pay_public_service(self, receiver: str, amount: int, *, memo: str = "") -> None:
        """Pays out of the distribution pool, and what it lacks out of the DAO's reserve: `InsufficientFunds`."""
        self._plan.propose_newest(PayPublicService(self._plan.spelled(receiver), check_amount(amount), check_memo(memo)))

    def share_distribution_pool(self, app: AnyToken, amount: int, *, memo: str = "") -> None:
        """Buys an app's token out of the distribution pool for its holders: `NotAnApp`, `InsufficientFunds`, `NoHolders`,
        and what buying is refused for.
        """
        self._plan.propose_newest(ShareDistributionPool(code_of(app), check_amount(amount), check_memo(memo)))
