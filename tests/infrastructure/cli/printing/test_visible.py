"""What is printed of a text: whatever could move a cursor, begin a row or turn what stands behind it is shown instead."""

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.infrastructure.cli.printing.visible import field, visible, visible_json


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("", ""),
        ("rent for May", "rent for May"),
        ("Æ, é, ß, 日本, ₿, 🏦", "Æ, é, ß, 日本, ₿, 🏦"),
        (":bank: [red]x[/red]", ":bank: [red]x[/red]"),
        ("C:\\temp", "C:\\temp"),
        ("a\nb", "a\\nb"),
        ("a\tb\rc", "a\\tb\\rc"),
        ("\x1b[2J\x1b]0;x\x07", "\\x1b[2J\\x1b]0;x\\x07"),
        ("a\x7f\x08\x0b\x0c", "a\\x7f\\x08\\x0b\\x0c"),
        ("\x9b2J\x85", "\\x9b2J\\x85"),
        ("a\u2028b\u2029c", "a\\u2028b\\u2029c"),
        ("\u202egnp.exe\u2066\u2069\u200f", "\\u202egnp.exe\\u2066\\u2069\\u200f"),
        ("al\u200bice\u2060\ufeff\u00ad", "al\\u200bice\\u2060\\ufeff\\xad"),
        ("\u3164\u115f\u034f\u2800", "\\u3164\\u115f\\u034f\\u2800"),
        ("a\U000e0041\U000e0100", "a\\U000e0041\\U000e0100"),
        ("no\u00a0break", "no\\xa0break"),
        ("half \ud800", "half \\ud800"),
        ("\0", "\\x00"),
    ],
)
def test_what_cannot_be_seen_is_written_as_an_escape(text: str, verdict: str) -> None:
    assert visible(text) == verdict


@given(st.text())
def test_nothing_is_left_that_acts_and_a_field_can_be_read_back(text: str) -> None:
    for shown in (visible(text), field(text)):
        assert len(shown.splitlines()) <= 1
        assert not [
            each for each in shown if unicodedata.category(each)[0] == "C" or unicodedata.category(each) in ("Zl", "Zp")
        ]
    ascii_form = "".join(each if each.isascii() else each.encode("unicode_escape").decode() for each in field(text))
    assert ascii_form.encode().decode("unicode_escape") == text


@given(st.recursive(st.text() | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_json_means_the_same(content: object) -> None:
    for ascii_only in (False, True):
        document = visible_json(json.dumps(content, ensure_ascii=False, indent=1), ascii_only=ascii_only)
        assert json.loads(document) == content
        assert all(each.isprintable() or each == "\n" for each in document)
        assert document.isascii() or not ascii_only
