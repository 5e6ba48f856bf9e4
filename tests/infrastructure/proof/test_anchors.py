"""Digests that were kept elsewhere find a journal that was cut or written anew; those that were not kept prove nothing."""

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tallystick import AsyncLedger, InvalidPosition, InvalidRequest, Ledger, Token
from tests.support.programs.command_line import run

NOTHING = "0" * 64


def write(path: Path, amounts: list[int]) -> None:
    with Ledger.open(path) as ledger:
        ledger.register_token(Token("USD"))
        for amount in amounts:
            ledger.mint_many("USD", ["alice", "bob", "carol"], [amount, 2, 3])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A journal of 10 positions, of which the last commit has 8 to 10."""
    write(tmp_path / "books.db", [5, 6, 7])
    return tmp_path / "books.db"


@pytest.fixture
def anchors(path: Path) -> list[tuple[int, str]]:
    """The digests of all positions."""
    with Ledger.open(path) as ledger:
        return [(position, ledger.digest_at(position)) for position in range(11)]


def test_the_digest_at_a_position_is_that_of_its_commit(path: Path, anchors: list[tuple[int, str]]) -> None:
    digests = [digest for _, digest in anchors]
    assert digests[0] == NOTHING
    assert [len(set(part)) for part in (digests[1:2], digests[2:5], digests[5:8], digests[8:])] == [1] * 4
    assert len(set(digests)) == 5
    with Ledger.open(path) as ledger:
        assert ledger.status().head.digest == digests[10]
        report = ledger.verify(anchors)
        assert report.ok
        assert report.digest == digests[10]
        assert ledger.verify().ok
        assert ledger.verify(expect=iter(anchors[3:5])).ok
        assert ledger.verify(expect=[(3, anchors[3][1].upper())]).ok


def cut(path: Path) -> None:
    path.unlink()
    write(path, [5, 6])


def written_anew(path: Path) -> None:
    path.unlink()
    write(path, [5, 6, 8])


def written_anew_from_the_beginning(path: Path) -> None:
    path.unlink()
    write(path, [4, 6, 7])


def emptied(path: Path) -> None:
    path.unlink()
    Ledger.open(path).close()


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda path: None, []),
        (cut, [8, 9, 10]),
        (written_anew, [8, 9, 10]),
        (written_anew_from_the_beginning, list(range(2, 11))),
        (emptied, list(range(1, 11))),
    ],
)
def test_a_journal_that_was_changed_as_a_whole_is_found(
    path: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[Path], None], found: list[int]
) -> None:
    clock = "tallystick.infrastructure.commit.bookkeeper.system_time"
    monkeypatch.setattr(clock, lambda: 1_800_000_000_000_000)  # else each is another journal
    path.unlink()
    write(path, [5, 6, 7])
    with Ledger.open(path) as ledger:
        anchors = [(position, ledger.digest_at(position)) for position in range(11)]
    shutil.rmtree(f"{path}.cache", ignore_errors=True)
    change(path)
    with Ledger.open(path) as ledger:
        assert ledger.verify().ok
        assert ledger.audit().ok
        assert [finding.position for finding in ledger.verify(anchors).findings] == found
    done = run("verify", "--url", path, *(part for at, digest in anchors for part in ("--expect", f"{at}:{digest}")))
    assert done.returncode == (4 if found else 0)


@pytest.mark.parametrize("position", [11, 2**63 - 1, 2**63, 10**30, -1, 1.0, True, "1", None])
def test_positions_that_the_journal_has_not(path: Path, position: Any) -> None:
    with Ledger.open(path) as ledger, pytest.raises(InvalidPosition):
        ledger.digest_at(position)


@pytest.mark.parametrize(
    "expect",
    [
        *("12:00", 5, None, [5], [(5,)], [(5, NOTHING, 1)], [("5", NOTHING)], [(-1, NOTHING)], [(True, NOTHING)]),
        *([(5, "ab")], [(5, NOTHING + "00")], [(5, "x" * 64)], [(5, b"0" * 32)], [(5, None)], [(2**63, NOTHING)]),
        [(5, " " + NOTHING[1:])],
    ],
)
def test_what_is_no_anchor_is_refused(path: Path, expect: Any) -> None:
    with Ledger.open(path) as ledger, pytest.raises(InvalidRequest):
        ledger.verify(expect=expect)


def test_awaited(path: Path, anchors: list[tuple[int, str]]) -> None:
    async def ask() -> None:
        async with AsyncLedger.open(path) as ledger:
            assert await ledger.digest_at(10) == anchors[10][1]
            assert (await ledger.verify(expect=anchors)).ok
            assert not (await ledger.verify(expect=[(10, NOTHING)])).ok

    asyncio.run(ask())


def test_a_file_of_anchors(path: Path, tmp_path: Path) -> None:
    file, lines = tmp_path / "anchors.txt", ["# kept by the accountant", ""]
    lines.append(run("anchor", "--url", path).stdout.rstrip("\n"))
    with Ledger.open(path) as ledger:
        ledger.mint("USD", "alice", 1)
    lines.append(run("anchor", "--url", path).stdout.rstrip("\n"))
    file.write_text("\n".join(lines))
    assert [line.split(":")[0] for line in lines[2:]] == ["10", "11"]
    assert run("verify", "--anchors", file, "--url", path).returncode == 0
    assert run("verify", "--anchors", file, "--anchors", file, "--expect", lines[2].split()[0], "--url", path).returncode == 0
    done = run("verify", "--anchors", file, "--expect", f"3:{NOTHING}", "--url", path)
    assert (done.returncode, done.stdout.count("was expected here")) == (4, 1)


@pytest.mark.parametrize(
    ("content", "verdict"),
    [
        (f"5:{NOTHING}\n5-{NOTHING}\n", "line 2"),
        (f"x:{NOTHING}", "line 1"),
        ("5:12", "64 hexadecimal digits"),
        (f"{10**30}:{NOTHING}", "line 1"),
        (b"\xff\xfe", "cannot be read"),
        (None, "cannot be read"),
    ],
)
def test_files_that_are_none(path: Path, tmp_path: Path, content: str | bytes | None, verdict: str) -> None:
    file = tmp_path / "anchors.txt"
    if content is not None:
        file.write_bytes(content.encode() if isinstance(content, str) else content)
    done = run("verify", "--anchors", file, "--url", path)
    assert done.returncode == 2
    assert verdict in done.stderr


def test_an_anchor_of_an_empty_journal(tmp_path: Path) -> None:
    Ledger.open(tmp_path / "empty.db").close()
    assert run("anchor", "--url", tmp_path / "empty.db").stdout == f"0:{NOTHING}\n"
