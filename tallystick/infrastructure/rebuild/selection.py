"""What is to be rebuilt: the tables that come with the package, by name, and projections of a user's own."""

from collections.abc import Collection, Iterable
from copy import deepcopy
from typing import NamedTuple, cast

from tallystick.domain.errors import InvalidRequest
from tallystick.infrastructure.rebuild.given import Given, made
from tallystick.infrastructure.rebuild.rows.row_table import RowTable
from tallystick.infrastructure.rebuild.rows.row_tables import ROW_TABLES
from tallystick.infrastructure.system.loading import loaded
from tallystick.projections.all_holds import Holds
from tallystick.projections.balances import Balances
from tallystick.projections.fragments import Fragments
from tallystick.projections.projection import Projection
from tallystick.projections.shadow_spaces import ShadowSpaces
from tallystick.projections.supply import SupplyReserves
from tallystick.projections.tables import Table, tables_of
from tallystick.projections.tracked import TrackedBalances, TrackedFragments, TrackedHolds

SHIPPED: dict[str, type[Projection]] = {
    "balances": Balances,
    "supply": SupplyReserves,
    "shadow_spaces": ShadowSpaces,
    "allocations": ShadowSpaces,
    "fragments": Fragments,
    "holds": Holds,
}
"""The projection in which each table is."""
TRACKED: dict[type[Projection], type[Projection]] = {
    Balances: TrackedBalances,
    Fragments: TrackedFragments,
    Holds: TrackedHolds,
}
"""Which one of those it is that tables are kept current by; the others have few rows."""
NAMES = (*SHIPPED, *ROW_TABLES)
"""All tables that come with the package."""


class Wanted(NamedTuple):
    """A projection to be rebuilt, and under which names which of its tables: that of the name, or where it is a user's all."""

    projection: Projection
    names: tuple[str, ...]
    is_ours: bool

    def fresh(self, names: Collection[str]) -> "Wanted":
        """The same for those of its names that are among these, as it was when it was given: without events."""
        projection = type(self.projection)() if self.is_ours else deepcopy(self.projection)
        return Wanted(projection, tuple(name for name in self.names if name in names), self.is_ours)

    def tables(self) -> list[tuple[str, Table]]:
        """Its tables, each with the name under which it was asked for."""
        tables = tables_of(self.projection)
        if self.is_ours:
            return [(table.name, table) for table in tables if table.name in self.names]
        return [(self.names[0], table) for table in tables]


class Selection(NamedTuple):
    """What is to be rebuilt: projections, and row tables."""

    projections: list[Wanted]
    row_tables: list[RowTable]

    def of(self, names: Iterable[str]) -> "Selection":
        """What of it was asked for by these names, with projections to which no events were given yet."""
        wanted = set(names)
        projections = [each.fresh(wanted) for each in self.projections if not wanted.isdisjoint(each.names)]
        return Selection(projections, [ROW_TABLES[table.name]() for table in self.row_tables if table.name in wanted])

    def tracked(self) -> "Selection":
        """The same by projections that know which of their rows changed, where there are such."""
        return self._replace(
            projections=[
                each._replace(projection=TRACKED.get(type(each.projection), type(each.projection))()) if each.is_ours else each
                for each in self.projections
            ]
        )

    def versions(self) -> dict[str, int]:
        """The names by which it was asked for, each with the version of what it stands for."""
        versions = {name: each.projection.version for each in self.projections for name in each.names}
        return dict(sorted((versions | {table.name: table.version for table in self.row_tables}).items()))


def selected(given: Given | Iterable[Given]) -> Selection:
    """What is given, each once. Raises `InvalidRequest`."""
    ours: dict[type[Projection], set[str]] = {}
    theirs: dict[str, Wanted] = {}
    rows: dict[str, RowTable] = {}
    for each in cast(Iterable[Given], [given] if isinstance(given, str) or not isinstance(given, Iterable) else given):
        if isinstance(each, str) and each in SHIPPED:
            ours.setdefault(SHIPPED[each], set()).add(each)
        elif isinstance(each, str) and each in ROW_TABLES:
            rows[each] = ROW_TABLES[each]()
        elif isinstance(each, str) and ":" not in each:
            raise InvalidRequest(f"there is no table {each}: {', '.join(NAMES)}, or module:Class for one of your own")
        else:
            projection = made(loaded(each) if isinstance(each, str) else each)
            name = projection.name
            if name in NAMES or name in theirs:
                raise InvalidRequest(f"there is another projection called {name}: give it a name of its own")
            theirs[name] = Wanted(projection, (name,), False)
    if not ours and not theirs and not rows:
        raise InvalidRequest(f"nothing is named to be rebuilt: {', '.join(NAMES)}, or module:Class for one of your own")
    shipped = [Wanted(kind(), tuple(sorted(names)), True) for kind, names in ours.items()]
    return Selection([*shipped, *theirs.values()], list(rows.values()))
