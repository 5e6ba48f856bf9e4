"""The port to where tables are written: what a run of a rebuild asks of every sink.

A build is one set of tables, all of the journal up to one position, under a version of its own: the table `balances` of build 7
lies as `balances__7`, and its readers read `balances`, which shows one build or another. So a build grows beside the tables
in use and takes their place at once. What was written of each of its tables, and how far the journal is in that, is noted in
chunks, each in one step with the rows that it tells of.
"""

from collections.abc import Generator, Mapping, Sequence
from types import TracebackType
from typing import Any, ClassVar, Literal, NamedTuple, Protocol, Self

from tallystick.projections.tables import Shape

State = Literal["building", "differs", "complete"]
"""Of a build: not all there yet; found to differ from the journal; or all there, and found to agree with it."""


class Build(NamedTuple):
    """A build of these `names`: all events up to position `upto`, where the journal has this `digest`, begun at a time.

    `names` has for each projection its version too.
    """

    version: int
    names: Mapping[str, int]
    upto: int
    digest: str
    state: State
    begun_at: str


class Chunk(NamedTuple):
    """So many `rows` that were written in one step, their digest, and up to which position the journal is in the table then."""

    rows: int
    upto: int
    digest: str


class BuiltTable(NamedTuple):
    """A table of a build: of which projection, its shape, whether readers see it, and up to where it has the journal.

    That is where the build has it, or if the table was kept current since, another `upto` with another `digest`.
    """

    projection: str
    shape: Shape
    is_live: bool
    upto: int
    digest: str


class Replaced(NamedTuple):
    """Of a table of what there is: the rows of these numbers go, the rows of `batch` come, and then there are `rows`.

    The numbers of those that come begin with `first`.
    """

    shape: Shape
    gone: Sequence[int]
    batch: Any
    first: int
    rows: int


class Grown(NamedTuple):
    """Of a table of what happened: rows that come behind the others.

    They are a chunk of their own, or `extend` the last one, of which `chunk` then tells as a whole.
    """

    shape: Shape
    batch: Any
    chunk: Chunk
    extends: bool


class Step(NamedTuple):
    """What happened to these `tables` of a build until the journal stood at position `upto`, where it has this `digest`."""

    version: int
    tables: Sequence[str]
    upto: int
    digest: str
    changes: Sequence[Replaced | Grown]


CHANGED = ""
"""The digest of a chunk whose rows were replaced since it was written."""


class Sink(Protocol):
    """Where tables are written, for one run at a time. What fails is a `StorageError`."""

    keeps_current: ClassVar[bool]
    """Whether rows that stand there can be replaced by others: `numbers` and `advance`."""

    def builds(self) -> list[Build]:
        """All builds that there are, oldest first."""
        ...

    def tables(self, version: int) -> dict[str, BuiltTable]:
        """The tables of a build by name, as far as they were created and not dropped."""
        ...

    def begin(self, names: Mapping[str, int], upto: int, digest: str, begun_at: str) -> Build:
        """A new build, of a version that no other ever had."""
        ...

    def create(self, version: int, projection: str, shape: Shape) -> None:
        """Makes the table of a build, if it is not there yet."""
        ...

    def chunks(self, version: int, name: str) -> list[Chunk]:
        """What was written of a table, in order."""
        ...

    def write(self, version: int, shape: Shape, batch: Any, chunk: Chunk) -> None:
        """Adds rows to a table and notes it, both or neither."""
        ...

    def kept(self, batch: Any) -> Any:
        """The batch as it can be kept here."""
        ...

    def finish(self, version: int, shape: Shape) -> None:
        """Has rows found quickly by the key, once all are there."""
        ...

    def read(self, version: int, shape: Shape) -> Generator[Any]:
        """The rows as batches, in the order in which they were written."""
        ...

    def mark(self, version: int, state: State) -> None:
        """Notes the state of a build."""
        ...

    def numbers(self, version: int, shape: Shape) -> list[int]:
        """The number of each row, in the order in which `read` gives them; from now on rows are found quickly by it."""
        ...

    def advance(self, steps: Sequence[Step]) -> None:
        """Changes tables and notes up to where they have the journal, all of it at once or nothing."""
        ...

    def switch(self, to: Mapping[str, int]) -> None:
        """From now on readers see these tables of these versions, all at once.

        `InvalidRequest` where something else has one of the names.
        """
        ...

    def drop(self, version: int, names: Sequence[str]) -> None:
        """Drops tables that nobody is shown, in pieces; and forgets a build that has no others."""
        ...

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...
