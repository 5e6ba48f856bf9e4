"""Reading the books: what they answer to a decision, and to whoever asks for balances, holds, contracts and fragments."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NoReturn

from tallystick.domain.books.reversals import Reversals
from tallystick.domain.contract.contract import Contract
from tallystick.domain.contract.contracts import Contracts
from tallystick.domain.errors import TokenNotFound
from tallystick.domain.memory.freezes import Freezes
from tallystick.domain.memory.holding import Piece
from tallystick.domain.memory.spellings import Spellings
from tallystick.domain.token.holds import Holds
from tallystick.domain.token.special_handles import SpecialHandles
from tallystick.domain.token.token_state import TokenState
from tallystick.domain.value_object.fragments import ValueObjects
from tallystick.domain.value_object.value_object import ValueObject
from tallystick.domain.values.freeze import Freeze
from tallystick.domain.values.hold import OpenHold
from tallystick.domain.values.spelling import lowered
from tallystick.domain.values.token import Token, code_of


class BooksReading(ABC):
    """The answers. Whoever keeps the books says what is in them."""

    contracts: Contracts
    reversals: Reversals
    spellings: Spellings
    watched: set[str]
    _tokens: dict[str, TokenState]
    _settlement: str | None
    _special: dict[str, None]
    _special_handles: dict[str, SpecialHandles]
    _freezes: Freezes
    _fragments: dict[str, ValueObjects]
    _holds: Holds

    @abstractmethod
    def token_state(self, code: object) -> TokenState:
        """The token's aggregate; `TokenNotFound` where none is registered under the code, or under that of a `Token`."""

    def spelled(self, name: object, /) -> str:
        """The name as the books write it; `InvalidAccount` where it can be none."""
        return self.spellings.of(name)

    def _token_of(self, given: object) -> TokenState:
        """The same for a code that is not there as it is given."""
        code = code_of(given)
        state = self._tokens.get(code) or self._tokens.get(lowered(code)) if type(code) is str else None
        return self.no_token(code) if state is None else state

    def no_token(self, code: object) -> NoReturn:
        """Raises `TokenNotFound`."""
        refuse_token(code, self.knows_account)

    def token(self, code: str) -> Token | None:
        """The token registered under the code, if one is."""
        state = self._tokens.get(code)
        return None if state is None else state.token

    def tokens(self) -> list[Token]:
        """All tokens, in the order of their registration."""
        return [state.token for state in self._tokens.values()]

    def is_owed(self, account: str) -> bool:
        """Whether the account has paid into a hold that is open, and may get it back."""
        return self._holds.has_payer(account)

    def settlement(self) -> Token | None:
        """The settlement token, once there is one."""
        return self.token(self._settlement) if self._settlement is not None else None

    def special_names(self) -> Iterable[str]:
        """The apps and contracts, whose accounts are their own."""
        return self._special

    def freeze_of(self, account: str, token: str | None) -> Freeze | None:
        """The account's freeze in this token, or the one in all tokens for None."""
        return self._freezes.get(account, token)

    def freezes_of(self, account: str) -> Mapping[str | None, Freeze]:
        """The account's freezes by token."""
        return self._freezes.of(account)

    def is_frozen(self, account: str) -> bool:
        """Whether the account has a freeze."""
        return account in self._freezes.by_account

    def frozen(self) -> list[Freeze]:
        """All freezes, the oldest first."""
        return self._freezes.freeze()

    def knows_account(self, account: str) -> bool:
        """Whether the account was ever named in a movement of any token."""
        return any(state.knows(account) for state in self._tokens.values())

    def holder_of_anything(self, account: str) -> bool:
        """Whether the account has a cell above zero in any token."""
        return any(state.balance_of(account).total for state in self._tokens.values())

    def hold(self, id: str) -> OpenHold | None:
        """The open hold of this id."""
        return self._holds.get(id)

    def holds(self, code: str, authority: str) -> Iterator[OpenHold]:
        """The authority's open holds in a token, oldest first."""
        return self._holds.of(code, authority)

    def holds_found(
        self, token: str | None, authority: str | None, payer: str | None, due_before: int | None
    ) -> Sequence[OpenHold]:
        """The open holds of this token, authority and payer that fall due before then, oldest first; None is any."""
        return self._holds.found(token, authority, payer, due_before)

    def holds_paid(self, token: str, payer: str) -> Sequence[OpenHold]:
        """The open holds in a token into which the account paid, oldest first."""
        return self._holds.found(token, None, payer, None)

    def due(self, now: int, limit: int) -> list[OpenHold]:
        """Up to `limit` holds that are due at `now`."""
        return self._holds.due(now, limit)

    def reversed_amount(self, id: int) -> int:
        """How much of the movement with this id was taken back."""
        return self.reversals.amount_of(id)

    def is_app(self, code: str) -> bool:
        """Whether the code is an app's."""
        state = self._tokens.get(code)
        return state is not None and state.token.role == "app"

    def contract(self, id: object) -> Contract:
        """The contract's aggregate; `ContractNotFound` where none is registered under the id."""
        return self.contracts.get(id)

    def fragments(self, code: str, account: str) -> list[ValueObject]:
        """The account's fragments, live and held by it, smallest first; none where the token is not fragmented."""
        fragments = self._fragments.get(code)
        return fragments.of(account, (hold.id for hold in self.holds(code, account))) if fragments else []

    def pieces(self, code: str, firsts: Sequence[int], counts: Sequence[int]) -> Iterator[Piece]:
        """What is there of these runs of a token's fragments. Raises `KeyError` where one is neither live nor reserved."""
        return self._fragments[code].pieces(firsts, counts)

    def special_handles(self, code: str) -> SpecialHandles:
        """Which handles of a token are no ordinary accounts."""
        return self._special_handles[code]

    def names_of(self, code: str) -> Sequence[str]:
        """A token's accounts by the numbers that batches gave them."""
        return self._tokens[code].numbered_names

    def number_of(self, code: str, account: str) -> int | None:
        """The number that batches gave an account of a token, if one did."""
        state = self._tokens[code]
        handle = state.handle_of(account)
        return None if handle is None else state.numbering.number_of(handle)


def refuse_token(code: object, knows_account: Callable[[str], bool]) -> NoReturn:
    """Raises `TokenNotFound`, and says whether that is an account's name."""
    swapped = isinstance(code, str) and knows_account(code)
    raise TokenNotFound("; it is an account: arguments swapped?" if swapped else "", token=code)
