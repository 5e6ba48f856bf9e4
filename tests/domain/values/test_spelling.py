"""One spelling a name: what is lowered, what is refused, and what is told to be written instead."""

import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick import InvalidAccount, InvalidToken, Ledger, Token
from tallystick.domain.memory.spellings import Spellings
from tallystick.domain.values.account import check_account, check_form
from tallystick.domain.values.spelling import NEVER_TAKEN, is_plain

SHORT, LONG = "0x" + "Ab" * 20, "0x" + "cD" * 32
UUID = "123E4567-E89B-12d3-A456-426614174000"


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ("Alice", "Alice"),
        ("ALICE@EXAMPLE.COM", "ALICE@EXAMPLE.COM"),
        (SHORT, SHORT.lower()),
        (LONG, LONG.lower()),
        (SHORT.upper(), SHORT.lower()),
        (UUID, UUID.lower()),
        (SHORT + "0", SHORT + "0"),
        (SHORT[:-1] + "g", SHORT[:-1] + "g"),
        (SHORT[2:], SHORT[2:]),
        (UUID.replace("-", ""), UUID.replace("-", "")),
        ("0x" + "1" * 40, "0x" + "1" * 40),
        ("0x" + "\u0661" * 40, "0x" + "\u0661" * 40),
        ("Zoë", "Zoë"),
        ("Ærø-ß-🙂", "Ærø-ß-🙂"),
        ("각", "각"),
        ("ﬁ", "ﬁ"),  # NFC keeps it, and so do we
        ("\uff21lice", "\uff21lice"),
    ],
)
def test_what_is_written(given: str, written: str) -> None:
    assert check_account(given) == written
    assert check_account(written) == written


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("cafe\u0301", r"NFC, and 'cafe\\u0301' is not from U\+0065 .* at place 4 on: write 'café'"),
        ("\u1112\u1161\u11ab", r"from U\+1112 .* at place 1 on: write '한'"),
        ("5\u2126", r"U\+2126 \(OHM SIGN\) at place 2 on: write '5Ω'"),
        ("❤\ufe0f", r"no invisible characters, and .* has U\+FE0F \(VARIATION SELECTOR-16\) at place 2: write '❤'"),
        ("bank\u200b", r"U\+200B .* at place 5: write 'bank'"),
        ("👩\u200d💻", r"U\+200D .*: write '👩💻'"),
        ("a\u2800", r"U\+2800 .*: write 'a'"),
        ("\u3164", r"U\+3164 \(HANGUL FILLER\) at place 1$"),
        ("e\u034f\u0301", r"U\+034F .*: write 'é'"),
        ("x\U000e0041", r"U\+E0041"),
        ("x\u2065", r"U\+2065 at place 2: write 'x'"),
        ("\ufeffalice", r"U\+FEFF .* at place 1: write 'alice'"),
        ("a\u2003b", "no white space"),
        ("a\x85b", "no white space"),
        ("a\x7fb", "printable"),
        ("a\ue000", "printable"),
        ("a\ufffe", "printable"),
        ("a\U0010ffff", "printable"),
        ("a\udc80", "printable"),
    ],
)
def test_what_is_refused_says_what_to_write(given: str, said: str) -> None:
    with pytest.raises(InvalidAccount, match=said):
        check_account(given)


def test_the_tables_have_all_that_python_does_not_print() -> None:
    """Whatever the running Python knows as invisible is in them, and what any version took is taken by `check_form`."""
    for number in range(sys.maxunicode + 1):
        letter = chr(number)
        kind = unicodedata.category(letter)
        if letter.isprintable() and letter != " ":
            assert not NEVER_TAKEN.search(letter), hex(number)
        if kind in ("Cc", "Cs", "Co", "Zs", "Zl", "Zp"):
            assert NEVER_TAKEN.search(letter), hex(number)
        if kind == "Cf" and not 0x600 <= number <= 0x8FF and number not in (0x110BD, 0x110CD):
            assert NEVER_TAKEN.search(letter), hex(number)


@given(st.text(min_size=1, max_size=40))
def test_a_name_is_written_once_and_for_all(name: str) -> None:
    spellings = Spellings()
    try:
        written = spellings.of(name)
    except InvalidAccount:
        spellings.note(name)
        assert not is_plain(name) or name.isascii()
        return
    assert spellings.of(written) == written
    assert unicodedata.is_normalized("NFC", written)
    assert check_form(written) == written
    assert written == name or written == name.lower()
    spellings.note(written)
    assert not spellings.former


@given(st.text(st.characters(exclude_characters=" "), min_size=1, max_size=40))
def test_a_name_that_a_journal_has_is_that_one(name: str) -> None:
    spellings = Spellings()
    spellings.note(name)
    if spellings.former:
        assert spellings.former == {name}
        assert spellings.of(name) == name
        assert spellings.of_perhaps(name) == name


def test_both_names_of_a_cell_are_noted() -> None:
    spellings = Spellings()
    spellings.note(f"{SHORT} Te\u0301a", "alice", "", UUID.lower())
    assert spellings.former == {SHORT, "Te\u0301a"}


@pytest.mark.parametrize(
    ("names", "registered"),
    [
        ({"code": SHORT}, {"code": SHORT.lower()}),
        ({"code": "T", "role": "app", "owner": UUID}, {"owner": UUID.lower()}),
        ({"code": "T", "role": "app", "accepts": [SHORT]}, {"accepts": (SHORT.lower(),)}),
        ({"code": "e\u0301"}, None),
        ({"code": "a\ufe0f"}, None),
        ({"code": "T", "role": "app", "owner": "e\u0301"}, None),
        ({"code": "T", "role": "app", "accepts": ("a\u2800",)}, None),
        ({"code": "0X" + "FF" * 32}, None),
    ],
)
def test_tokens_are_registered_under_one_spelling(names: dict[str, object], registered: dict[str, object] | None) -> None:
    token = Token(**names)  # type: ignore[arg-type]
    with Ledger.open("memory:") as ledger:
        if registered is None:
            with pytest.raises(InvalidToken):
                ledger.register_token(token)
            assert ledger.tokens() == []
            return
        for _ in range(2):
            ledger.register_token(token)
        (found,) = ledger.tokens()
        assert {name: getattr(found, name) for name in registered} == registered
        assert ledger.token(token) == ledger.token(token.code) == found
