"""A file has one name: one that has another, or is mounted, is not used; and it stays the same wherever a process goes."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tallystick import Ledger, StorageUnavailable, Token
from tallystick.infrastructure.journal.stores.sqlite.journal import SQLiteJournal
from tallystick.infrastructure.system import file_at_path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Of a ledger in which alice has 5 USD."""
    with Ledger.open(tmp_path / "books.db") as ledger:
        ledger.register_token(Token("USD"))
        mint(ledger, 5)
    return tmp_path / "books.db"


def mint(ledger: Ledger, amount: int = 1) -> None:
    ledger.mint("USD", "alice", amount)


def alice(ledger: Ledger) -> int:
    return ledger.balance("USD", "alice").total


@pytest.mark.parametrize("opened_as", ["books.db", "other.db", "link.db"])
@pytest.mark.parametrize("read_only", [False, True])
def test_a_file_with_two_names_is_opened_under_none(path: Path, opened_as: str, read_only: bool) -> None:
    os.link(path, path.with_name("other.db"))
    path.with_name("link.db").symlink_to("other.db")
    before = sorted(each.name for each in path.parent.iterdir())
    with pytest.raises(StorageUnavailable, match=r"has 2 names \(hard links\)"):
        Ledger.open(path.with_name(opened_as), read_only=read_only)
    assert {each.name for each in path.parent.iterdir()} - set(before) <= {"other.db.lock", "other.db.turn"}
    path.with_name("other.db").unlink()
    with Ledger.open(path) as ledger:
        assert alice(ledger) == 5


USES: dict[str, Callable[[Ledger, Path], Any]] = {
    "commit": lambda ledger, _: mint(ledger),
    "balance": lambda ledger, _: alice(ledger),
    "history": lambda ledger, _: ledger.history("USD", "alice"),
    "verify": lambda ledger, _: ledger.verify(),
    "registration": lambda ledger, _: ledger.register_token(Token("EUR")),
    "batch": lambda ledger, _: ledger.mint_many("USD", ["alice"], [1]),
    "backup": lambda ledger, path: ledger.backup(path.with_name("backup.db")),
    "reopen": lambda ledger, _: ledger._core.journal.reopen(),  # type: ignore[attr-defined]
}


@pytest.mark.parametrize("use", USES.values(), ids=USES.keys())
def test_a_second_name_is_noticed_while_it_is_used(path: Path, use: Callable[[Ledger, Path], Any]) -> None:
    other = path.with_name("other.db")
    with Ledger.open(path) as ledger:
        mint(ledger)
        os.link(path, other)
        with pytest.raises(StorageUnavailable, match="names"):
            use(ledger, path)
        other.unlink()
        mint(ledger)
        assert alice(ledger) == 7
        assert ledger.audit().ok


def test_what_was_recorded_under_one_name_is_never_missing(path: Path) -> None:
    """Two ledgers under two names: neither takes what the other does not know of."""
    other = path.with_name("other.db")
    with Ledger.open(path) as ledger:
        mint(ledger)
        os.link(path, other)
        with pytest.raises(StorageUnavailable):
            Ledger.open(other)
        with pytest.raises(StorageUnavailable):
            mint(ledger)
    other.unlink()
    with Ledger.open(path) as anew:
        assert alice(anew) == 6


@pytest.mark.parametrize("link", ["symbolic to the file", "symbolic to the folder", "through ..", "a chain"])
def test_symbolic_links_are_one_name(path: Path, link: str, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = path.parent
    (folder / "link.db").symlink_to(path)
    (folder / "chain.db").symlink_to("link.db")
    (folder / "folder").symlink_to(folder)
    ways = {
        "symbolic to the file": folder / "link.db",
        "symbolic to the folder": folder / "folder" / "books.db",
        "through ..": folder / "folder" / ".." / folder.name / "books.db",
        "a chain": folder / "chain.db",
    }
    with Ledger.open(path) as ledger, Ledger.open(ways[link]) as through:
        mint(through)
        mint(ledger)
        assert alice(through) == alice(ledger) == 7
        through.snapshot()
        assert (folder / "books.db.cache").is_dir()
    assert not [each for each in folder.iterdir() if each.name.startswith(("link.db.", "link.db-", "chain.db.", "chain.db-"))]


@pytest.mark.parametrize("name", ["books.db", "my books.db", "back\\slash.db", "tab\tand\nline.db", "b\u00fccher.db"])
def test_a_file_that_is_itself_mounted_is_not_used(
    path: Path, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the kernel writes it: fields between spaces, in which spaces, tabs, ends of lines and backslashes are octal."""
    named = path.rename(path.with_name(name)) if name != path.name else path
    written = (
        os.fsencode(named).replace(b"\\", b"\\134").replace(b" ", b"\\040").replace(b"\t", b"\\011").replace(b"\n", b"\\012")
    )
    mounts = tmp_path / "mountinfo"
    mounts.write_bytes(b"36 35 98:0 / / rw,noatime shared:1 - ext4 /dev/root rw\n")
    monkeypatch.setattr(file_at_path, "_MOUNTS", str(mounts))
    with Ledger.open(named) as ledger:
        assert alice(ledger) == 5
    with mounts.open("ab") as file:
        file.write(b"62 61 0:45 /books.db " + written + b" rw,relatime - tmpfs tmpfs rw\n")
    for read_only in (False, True):
        with pytest.raises(StorageUnavailable, match="is itself a mount point"):
            Ledger.open(named, read_only=read_only)
    mounts.unlink()  # a system that does not say
    with Ledger.open(named) as ledger:
        mint(ledger)


@pytest.mark.parametrize(
    "address", ["sqlite:///books.db", "sqlite:///./books.db", "sqlite:///../home/books.db", Path("books.db")]
)
def test_a_ledger_stays_in_its_file_wherever_the_process_goes(
    tmp_path: Path, address: str | Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ("home", "away", "nowhere"):
        (tmp_path / folder).mkdir()
    with Ledger.open(tmp_path / "away" / "books.db") as other:
        other.register_token(Token("OTHER"))
    monkeypatch.chdir(tmp_path / "home")
    with Ledger.open(address) as ledger:
        ledger.register_token(Token("USD"))
        for minted, place in enumerate(("home", "away", "nowhere", "gone", "/"), 1):
            monkeypatch.chdir(tmp_path / ("nowhere" if place == "gone" else place))
            if place == "gone":
                shutil.rmtree(tmp_path / "nowhere")
            mint(ledger)
            ledger._core.journal.reopen()  # type: ignore[attr-defined]
            assert alice(ledger) == minted
            assert ledger.verify().ok
        ledger.snapshot()
    files = {str(each.relative_to(tmp_path)) for each in tmp_path.glob("*/*")}
    assert {"home/books.db", "away/books.db", "home/books.db.cache"} <= files
    assert not {"away/books.db.cache", "away/books.db-wal", "home/books.db-wal"} & files
    with Ledger.open(tmp_path / "home" / "books.db") as anew:
        assert alice(anew) == 5
        assert anew.audit().ok
    with Ledger.open(tmp_path / "away" / "books.db") as other:
        assert [token.code for token in other.tokens()] == ["OTHER"]


def test_a_relative_path_from_no_folder_is_unavailable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with pytest.raises(StorageUnavailable, match="gone"):
        SQLiteJournal(Path("books.db"))
