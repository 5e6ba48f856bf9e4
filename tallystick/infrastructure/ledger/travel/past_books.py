"""The books as they stood, out of the past index: the same questions as to the books, without what decides and changes.

What the index does not know is asked of books that were replayed up to there, which are made when that is asked first; so are
all questions where there is no index, or it turns out to be damaged.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec

from tallystick.domain.arithmetic.columns import listed
from tallystick.domain.batch.batch import numbered
from tallystick.domain.books.books import Books
from tallystick.domain.books.reading import refuse_token
from tallystick.domain.contract.contract import Allocation, Contract
from tallystick.domain.contract.contracts import Contracts
from tallystick.domain.errors import ContractNotFound, CorruptJournal, TokenNotFound
from tallystick.domain.events import AccountFrozen, AccountUnfrozen, AppUpdated, TokenRegistered
from tallystick.domain.memory.freezes import Freezes
from tallystick.domain.memory.spellings import Spellings
from tallystick.domain.value_object.value_object import FragmentState, ValueObject
from tallystick.domain.values.freeze import Freeze
from tallystick.domain.values.hold import OpenHold
from tallystick.domain.values.reversal import Reversal
from tallystick.domain.values.spelling import lowered
from tallystick.domain.values.token import Token, code_of
from tallystick.infrastructure.indexes.past.cells import AVAILABLE, CIRCULATING, CONTRACTS, FIGURES, HELD, SAID, Cells
from tallystick.infrastructure.indexes.past.following import Following
from tallystick.infrastructure.indexes.past.past_index import NoIndex, PastIndex
from tallystick.infrastructure.journal.format import Head, JournalRow, decode_events
from tallystick.infrastructure.journal.port import Journal
from tallystick.infrastructure.ledger.travel.past_holds import Opened, Parts, fragment_runs, open_holds
from tallystick.infrastructure.ledger.travel.past_token import PastToken
from tallystick.infrastructure.snapshots.contract_shelf import ContractShelf
from tallystick.infrastructure.snapshots.contract_snapshots import Anchor


class PastBooks:
    """The books as they stood at the end of a commit. `replayed` gives books that were replayed to there."""

    def __init__(self, index: PastIndex, journal: Journal, end: Head, in_memory: int, replayed: Callable[[], Books]) -> None:
        """`journal` ends at `end`; up to `in_memory` contracts stay loaded."""
        self._index = index
        self._journal = journal
        self._at = end.position
        self.replayed = replayed
        self._loaded = Contracts(ContractShelf(journal, lambda _: Anchor(end.position, end.digest, -1)), in_memory, {})
        self._made: dict[str, PastToken] = {}

    @property
    def _following(self) -> Following:
        """Books that followed the journal to there, or further. Raises `NoIndex`."""
        return self._index.reach(self._at)  # which may have been begun anew since it was asked last

    # Names.

    @property
    def spellings(self) -> "PastSpellings | Spellings":
        """How names are written."""
        try:
            return PastSpellings(self._following.books.spellings, self.replayed)
        except NoIndex:
            return self.replayed().spellings

    def spelled(self, name: object, /) -> str:
        """The name as the books write it; `InvalidAccount` where it can be none."""
        return self.spellings.of(name)

    def names_of(self, code: str) -> Sequence[str]:
        """A token's accounts by the numbers that batches gave them up to there, or further on."""
        try:
            return self._following.books.names_of(code)
        except NoIndex:
            return self.replayed().names_of(code)

    def number_of(self, code: str, account: str) -> int | None:
        """The number that batches gave an account of a token, if one did."""
        try:
            return self._following.books.number_of(code, account)
        except NoIndex:
            return self.replayed().number_of(code, account)

    # Tokens.

    def token_state(self, code: Any) -> Any:
        """The token's state; `TokenNotFound`."""
        made = self._made.get(code) if type(code) is str else None
        if made is None:
            try:
                made = self._token_state(code)
            except NoIndex:
                return self.replayed().token_state(code)
            self._made[made.code] = made
        return made

    def _token_state(self, code: Any) -> PastToken:
        following = self._following
        try:
            state = following.books.token_state(code)
        except TokenNotFound:
            refuse_token(code_of(code), self._knew_account)
        number = following.tokens[state.code]
        if not self._is_there(number):
            refuse_token(code_of(code), self._knew_account)
        token = self._as_it_was(number, state.token)
        return PastToken(self._index, number, self._at, state, token, lambda: self.replayed().token_state(state.code))

    def _knew_account(self, account: str) -> bool:
        """Whether the account had been named in a movement of any token."""
        following = self._following
        for code, number in list(following.tokens.items()):
            handle = following.books.token_state(code).handle_of(account)
            if handle is None:
                continue
            cells = (Cells.of(number, part).cell(handle) for part in (AVAILABLE, HELD))
            if any(self._index.value(cell, self._at) is not None for cell in cells):
                return True
        return False

    def _is_there(self, number: int) -> bool:
        return self._index.value(Cells.of(number, CIRCULATING).first, self._at) is not None

    def _as_it_was(self, number: int, token: Token) -> Token:
        """An app's owner, and what it accepts, are what was last said of them."""
        if token.role != "app":
            return token
        for event in self._said(number):
            if isinstance(event, AppUpdated | TokenRegistered) and event.token == token.code:
                return msgspec.structs.replace(token, owner=event.owner, accepts=event.accepts)
        raise NoIndex(f"nothing is known of {token.code}")

    def _said(self, number: int) -> Iterable[Any]:
        """What was said of a token, or of frozen accounts, the newest first."""
        for position in self._index.touched_back((Cells.of(number, SAID).first,), 0, self._at):
            yield from reversed(decode_events(self._row_at(position)))

    def token(self, code: str) -> Token | None:
        """The token registered under the code, if one was."""
        try:
            number = self._following.tokens.get(code)
            return None if number is None or not self._is_there(number) else self.token_state(code).token
        except NoIndex:
            return self.replayed().token(code)

    def tokens(self) -> list[Token]:
        """All tokens, in the order of their registration."""
        try:
            codes = list(self._following.tokens)
            return [self.token_state(code).token for code in codes[: self._count(len(codes), self._is_there)]]
        except NoIndex:
            return self.replayed().tokens()

    @staticmethod
    def _count(most: int, is_there: Callable[[int], bool]) -> int:
        """How many were there, of things that came in the order of their numbers."""
        low, high = 0, most
        while low < high:
            middle = (low + high) // 2
            if is_there(middle):
                low = middle + 1
            else:
                high = middle
        return low

    def settlement(self) -> Token | None:
        """The settlement token, once there was one."""
        try:
            settlement = self._following.books.settlement()
        except NoIndex:
            return self.replayed().settlement()
        return None if settlement is None else self.token(settlement.code)

    def is_app(self, code: str) -> bool:
        """Whether the code was an app's."""
        token = self.token(code)
        return token is not None and token.role == "app"

    # Contracts.

    def contract(self, id: Any) -> Any:
        """The contract as it stood; `ContractNotFound`."""
        try:
            return self._contract(id)
        except NoIndex:
            return self.replayed().contract(id)

    def _contract(self, id: Any) -> "PastContract":
        following = self._following
        given, number = id, following.contracts.number(id) if type(id) is str else None
        if number is None and type(id) is str:
            id = lowered(id)
            number = following.contracts.number(id)
        if number is None or not self._is_contract(number):
            raise ContractNotFound(contract=given)
        figures = [self._index.value(Cells.of(CONTRACTS).cell(FIGURES * number + place), self._at) for place in range(FIGURES)]
        backed_by = following.books.contracts.registered[id]
        return PastContract(id, backed_by, [figure or 0 for figure in figures], self._load)

    def _load(self, id: str) -> Contract:
        """The contract with its allocations, out of its own events up to there."""
        if id not in self._loaded.registered:
            self._loaded.registered[id] = self._following.books.contracts.registered[id]
        return self._loaded.get(id)

    def _is_contract(self, number: int) -> bool:
        return self._index.value(Cells.of(CONTRACTS).cell(FIGURES * number), self._at) is not None

    def is_contract(self, name: str, /) -> bool:
        """Whether a contract was registered under the name."""
        try:
            number = self._following.contracts.number(name)
            return number is not None and self._is_contract(number)
        except NoIndex:
            return self.replayed().is_contract(name)

    @property
    def contracts(self) -> Any:
        """The contracts that were registered, by id."""
        try:
            ids = list(self._following.books.contracts.registered)
            return Registered(dict.fromkeys(ids[: self._count(len(ids), self._is_contract)]))
        except NoIndex:
            return self.replayed().contracts

    # What is rare, or the journal tells.

    def frozen(self) -> list[Freeze]:
        """The freezes of accounts, the oldest first."""
        try:
            self._index.reach(self._at)
            positions = list(self._index.touched((Cells.of(CONTRACTS, SAID).first,), 0, self._at))
        except NoIndex:
            return self.replayed().frozen()
        freezes = Freezes(set())
        for position in positions:
            row = self._row_at(position)
            for at, event in numbered(decode_events(row), row.first_position):
                if isinstance(event, AccountFrozen | AccountUnfrozen):
                    freezes.apply(event, at)
            freezes.forget(row.recorded_at)
        return freezes.freeze()

    @property
    def reversals(self) -> "PastReversals":
        """What was taken back."""
        try:
            return PastReversals(self._following.books, self._at)
        except NoIndex:
            return PastReversals(self.replayed(), self._at)

    def hold(self, id: str) -> OpenHold | None:
        """The hold of this id, where it was open."""
        try:
            later = self._following.books.hold(id)
            if later is None:
                return self.replayed().hold(id)
            held = self._holds_of(later.token, later.authority) if later.position <= self._at else ()
            return next((hold for hold in held if hold.id == id), None)
        except NoIndex:
            return self.replayed().hold(id)

    def holds_found(
        self, token: str | None, authority: str | None, payer: str | None, due_before: int | None
    ) -> Sequence[OpenHold]:
        """The holds of this token, authority and payer that were open and fall due before then, oldest first; None is any."""
        try:
            codes = [each.code for each in self.tokens()] if token is None else [token]
            found = [
                hold for code in codes for keeper in self._keepers(code, authority) for hold in self._holds_of(code, keeper)
            ]
        except NoIndex:
            return self.replayed().holds_found(token, authority, payer, due_before)
        kept = [
            hold
            for hold in found
            if (payer is None or hold.payer == payer)
            and (due_before is None or (hold.expires_at is not None and hold.expires_at < due_before))
        ]
        return sorted(kept, key=attrgetter("position"))

    def _keepers(self, code: str, authority: str | None) -> Iterable[str]:
        """Who held something of a token for others, of the one that is named or of all."""
        state: Any = self.token_state(code)
        if authority is not None:
            return [authority] if state.held_of(authority) else []
        _, held = state.columns()
        return [state.names[handle] for handle, amount in enumerate(listed(held)) if amount]

    def _holds_of(self, code: str, authority: str) -> Iterable[OpenHold]:
        return open_holds(self._changes("holds", code, HELD, authority), Opened(self._row_at))

    def fragments(self, code: str, account: str) -> list[ValueObject]:
        """The account's fragments, live and held by it, smallest first; none where the token is not fragmented."""
        if self.token_state(code).token.unit is None:
            return []
        try:
            live = fragment_runs(self._changes("fragments", code, AVAILABLE, account))
            held = fragment_runs(self._changes("fragments", code, HELD, account))
        except NoIndex:
            return self.replayed().fragments(code, account)
        names, opened = self._following.books.token_state(code).names, Opened(self._row_at)
        found = [(run.amount, run.first, run.size, account, None) for run in live]
        found += [(run.amount, run.first, run.size, names[run.owner], opened.at(run.opened).hold) for run in held]
        return [
            ValueObject(id, code, owner, amount, FragmentState.RESERVED if hold else FragmentState.ALIVE, hold)
            for amount, first, size, owner, hold in sorted(found)
            for id in range(first, first + size)
        ]

    def _changes(self, kind: str, code: str, part: int, account: str) -> Parts:
        """The changes of an account's cell up to there."""
        following = self._following
        handle = following.books.token_state(code).handle_of(account)
        if handle is None:
            return []
        return self._index.changes(kind, Cells.of(following.tokens[code], part).cell(handle), self._at)

    def _row_at(self, position: int) -> JournalRow:
        row = self._journal.row_at(position)
        if row is None:
            raise CorruptJournal("no row holds it, and the journal goes on behind it", position=position)
        return row


class PastSpellings:
    """How names were written: as they are later, but for names with several spellings, as older journals have them."""

    def __init__(self, later: Spellings, replayed: Callable[[], Books]) -> None:
        self._later = later
        self._replayed = replayed

    def of(self, name: object) -> str:
        """The name as the books wrote it; `InvalidAccount` where it can be none."""
        spelled = self._later.of(name)
        return self._replayed().spellings.of(name) if spelled in self._later.former else spelled

    def of_perhaps(self, given: Any) -> Any:
        """The same of what need be no name."""
        spelled = self._later.of_perhaps(given)
        is_former = type(spelled) is str and spelled in self._later.former
        return self._replayed().spellings.of_perhaps(given) if is_former else spelled


class Registered(NamedTuple):
    """The ids of contracts, in the order of their registration."""

    registered: Mapping[str, object]


class PastReversals:
    """What was taken back up to a position, of books that know what was taken back later too."""

    def __init__(self, books: Books, at: int) -> None:
        self._books = books
        self._at = at

    def of(self, id: int) -> list[Reversal]:
        """What had taken the movement back, the oldest first."""
        return [reversal for reversal in self._books.reversals.of(id) if reversal.position <= self._at]


class PastContract:
    """A contract's figures as they stood; its allocations are loaded when they are asked for."""

    def __init__(self, id: str, backed_by: str | None, figures: Sequence[int], load: Callable[[str], Contract]) -> None:
        self.id = id
        self.backed_by = backed_by
        self.balance, self.allocs_sum, self.num_allocs = figures
        self._load = load

    def sati_of(self, account: str) -> int | None:
        """What the account was allocated, in sati-satoshis."""
        return self._load(self.id).sati_of(account)

    def allocations(self) -> Iterable[tuple[str, Allocation]]:
        """What every account was allocated."""
        return self._load(self.id).allocations()
