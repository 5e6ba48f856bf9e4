"""What a ledger's address means: URLs, paths, and what was meant to be one or the other."""

import os
from pathlib import Path

import pytest

from tallystick import InvalidURL, Ledger, NotALedger, StorageUnavailable, Token
from tallystick.infrastructure.journal.address import open_journal


@pytest.mark.parametrize(
    ("address", "verdict"),
    [
        ("books.db", "books.db"),
        ("./books.db", "books.db"),
        ("books", "books"),
        ("{folder}/books.db", "books.db"),
        ("{folder}//books.db", "books.db"),
        ("folder/books.db", "folder/books.db"),
        ("./a:b.db", "a:b.db"),
        ("{folder}/a:b.db", "a:b.db"),
        ("./memory", "memory"),
        ("my books.db", "my books.db"),
        ("b\u00fccher.db", "b\u00fccher.db"),
        ("~/books.db", "books.db"),
        ("sqlite:///books.db", "books.db"),
        ("sqlite:///{folder}/books.db", "books.db"),
        ("sqlite:////{folder}/books.db", "books.db"),
        ("sqlite:///a%3Fb.db?durability=normal", "a?b.db"),
    ],
)
def test_a_path_is_a_file_of_sqlite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str, verdict: str) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "folder").mkdir()
    written = address.format(folder=tmp_path)
    with Ledger.open(written) as ledger:
        ledger.register_token(Token("USD"))
    assert (tmp_path / verdict).is_file()
    with Ledger.open(tmp_path / verdict, create=False) as ledger:
        assert [token.code for token in ledger.tokens()] == ["USD"]


@pytest.mark.parametrize(
    ("address", "verdict"),
    [
        ("", "which is no path"),
        (" ", "which is no path"),
        ("books.db\n", "which is no path"),
        ("a\0b.db", "which is no path"),
        ("books/", "which is a folder"),
        ("memory", "write 'memory:', and for a file of that name './memory'"),
        (":memory:", "write 'memory:'"),
        ("sqlite", "write 'memory:', and for a file of that name './sqlite'"),
        ("postgres//user@host/db", "write 'postgres:' with a colon"),
        ("postgresql//user@host/db", "write 'postgresql:' with a colon"),
        ("sqlite///books.db", "write 'sqlite:' with a colon"),
        ("books.db?durability=normal", "write 'sqlite:///books.db?durability=normal'"),
        ("books.db#part", "with options write"),
        ("sqlite:books.db", "write 'sqlite:///books.db', or 'sqlite:////books.db' from the root on"),
        ("sqlite:/books.db", "write 'sqlite:///books.db'"),
        ("sqlite://books.db", "write 'sqlite:///books.db'"),
        ("sqlite:", "a ledger's address is a path"),
        ("sqlite:///", "a ledger's address is a path"),
        ("sqlite:///a%00b.db", "a ledger's address is a path"),
        ("sqlite:///a.db#part", "a ledger's address is a path"),
        ("sqlite:///a.db?x=1", "takes ?durability=full"),
        ("sqlite:///a.db?durability=none", "takes ?durability=full"),
        ("postgres:user@host/db", "write 'postgres://' with two slashes"),
        ("postgresql:/user@host/db", "write 'postgresql://' with two slashes"),
        ("postgresql://host/db?durability=none", "durability"),
        ("mysql://host/db", "a ledger's address is a path"),
        ("http://host/books.db", "a ledger's address is a path"),
        ("file:///books.db", "a ledger's address is a path"),
        ("memory:two words", "for a file of that name write './memory:two words'"),
        ("a:b.db", "for a file of that name write './a:b.db'"),
        (5, "not 5"),
        (None, "not None"),
        (b"books.db", "not b'books.db'"),
    ],
)
def test_what_was_not_meant_as_a_path_says_what_to_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: object, verdict: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for read_only in (False, True):
        with pytest.raises(InvalidURL) as caught:
            Ledger.open(address, read_only=read_only)  # type: ignore[arg-type]
        assert verdict in str(caught.value)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("address", "read_only", "verdict"),
    [
        ("missing.db", False, StorageUnavailable),
        ("missing.db", True, StorageUnavailable),
        ("no/such/folder/books.db", True, StorageUnavailable),
        ("empty", True, NotALedger),
        ("text", True, NotALedger),
        (".", True, StorageUnavailable),
    ],
)
def test_what_is_no_ledger(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str, read_only: bool, verdict: type[Exception]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty").touch()
    Path("text").write_text("no database" * 100)
    for way in (Ledger.open, open_journal):
        with pytest.raises(verdict):
            way(address, create=False, read_only=read_only)
    assert sorted(os.listdir(tmp_path)) == ["empty", "text"]
