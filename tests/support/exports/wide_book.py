"""A book of all models, with amounts of up to 255 bits beside the others."""

from pathlib import Path

from tallystick import Token
from tests.support.books.varied_book import VariedBook


def wide_book(url: str | Path, seed: int, commits: int = 120) -> VariedBook:
    """The book, of which sums go beyond 2**128 and 2**255."""
    book = VariedBook(url, seed)
    for _ in book.play(commits):
        pass
    ledger = book.ledger
    ledger.register_token(Token("BIG", max_supply=2**256 - 1))
    for amount in (2**255, 2**254 + 1, 2**128 + 3, 10**38, 10**38 - 1):
        ledger.mint("BIG", "eve", amount)
        ledger.transfer("BIG", "eve", "fay", amount)
    ledger.mint_many("BIG", ["gus", "hal"] * 40, [2**130 + each for each in range(80)])
    ledger.reserve("BIG", "fay", "gus", 2**254 + 7)
    return book
