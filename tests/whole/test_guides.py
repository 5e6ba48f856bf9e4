"""The map and the guide are true: what they name is there, every room is on the map, and public paths give what they gave."""

import re
from pathlib import Path

import pytest

import tallystick
import tallystick.domain.events as events
import tallystick.infrastructure.recorders as recorders

ROOT = Path(tallystick.__file__).resolve().parents[1]
GUIDES = (
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "README.md",
    "SECURITY.md",
    "CHANGELOG.md",
    "tallystick/infrastructure/JOURNAL.md",
    "tallystick/infrastructure/EVENTSOURCING.md",
    "docs/USING.md",
    "docs/SPEED.md",
    "docs/POSTGRES.md",
    "docs/TORTURE.md",
)
PATH = re.compile(r"(?:tallystick|tests|docs)/[\w/.-]*|\b(?:pyproject\.toml|requirements\.lock|Makefile|[A-Z]+\.md)\b(?!\])")
"""How a path of the project is written in a text."""


def paths_in(guide: str) -> list[str]:
    return sorted({path.rstrip(".") for path in PATH.findall((ROOT / guide).read_text())})


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("see `tallystick/domain/events.py`, then", ["tallystick/domain/events.py"]),
        ("in tests/support/.", ["tests/support/"]),
        ("[the map](ARCHITECTURE.md)", ["ARCHITECTURE.md"]),
        ("[SPEED.md](docs/SPEED.md)", ["docs/SPEED.md"]),
        ("`tallystick replay` and tests", []),
    ],
)
def test_how_a_path_is_found_in_a_text(text: str, verdict: list[str]) -> None:
    assert [path.rstrip(".") for path in PATH.findall(text)] == verdict


@pytest.mark.parametrize("guide", GUIDES)
def test_every_path_that_a_guide_names_is_there(guide: str) -> None:
    folder = (ROOT / guide).parent
    missing = [path for path in paths_in(guide) if not (ROOT / path).exists() and not (folder / path).exists()]
    assert not missing


def test_the_guides_name_many_paths() -> None:
    assert len(paths_in("ARCHITECTURE.md")) > 40
    assert len(paths_in("CONTRIBUTING.md")) > 60


def rooms() -> list[str]:
    """The folders of the package that hold code, but for those within another room of one concept."""
    folders = {path.parent.relative_to(ROOT) for path in (ROOT / "tallystick").rglob("*.py")}
    return sorted(f"{folder}/" for folder in folders if 1 < len(folder.parts) <= 3)


@pytest.mark.parametrize("room", rooms())
def test_every_room_is_on_the_map(room: str) -> None:
    assert f"`{room}`" in (ROOT / "ARCHITECTURE.md").read_text()


def test_folders_are_small() -> None:
    counts = {folder: len(list(folder.glob("*.py"))) for top in ("tallystick", "tests") for folder in (ROOT / top).rglob("*")}
    assert {str(folder.relative_to(ROOT)): count for folder, count in counts.items() if count > 15} == {}


def test_changes_that_people_make_are_described() -> None:
    titles = re.findall(r"^## (.+)$", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE)
    wanted = ("projection", "command", "operation", "new event", "new field", "key of the details", "result", "importer")
    wanted += ("curve", "store", "snapshot's format", "HTTP")
    assert [word for word in wanted if not any(word in title for title in titles)] == []


EVENTS = """AllShadowsLowered AllShadowsRaised Allocated AllocationEvent AppEvent AppUpdated BATCHES BalanceEvent BalanceLowered
BalanceRaised BatchEvent Burned BurnedMany ContractChange ContractEvent ContractRegistered Deallocated Distributed DomainEvent
EVENT_TYPES Event FragmentEvent FragmentsBurned FragmentsMinted FragmentsMintedMany FragmentsReleased FragmentsReserved Minted
MintedMany MoneyEvent Moved MovedMany RECORDED Released Reserved Settled ShadowLowered ShadowRaised TokenRegistered"""
RECORDERS = """JournalAggregateRecorder JournalFactory JournalMapper JournalProcessRecorder JournalRecorder
JournalTrackingRecorder"""


def test_public_paths_give_what_they_gave() -> None:
    assert set(EVENTS.split()) <= set(vars(events))
    assert set(recorders.__all__) == set(RECORDERS.split())
    assert all(hasattr(recorders, name) for name in recorders.__all__)
