"""Tables as Parquet files in a folder: amounts are texts, and beside each stands a decimal where 38 digits hold it.

`FOLDER/balances/7/` has the files of build 7, one a chunk, whose name says what is noted of it, so that rows and note come
with one renaming. The file `CURRENT` says which build of each table is in use. Whoever reads asks it once, and reads that
build's files only: a pattern over names would mix those of two builds.
"""

import json
import os
import re
import shutil
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self, cast

from tallystick.domain.errors import InvalidRequest, RebuildDiffers, StorageFull, StorageUnavailable
from tallystick.infrastructure.rebuild.columns import digest_of, pyarrow, schema_of
from tallystick.infrastructure.rebuild.sinks.port import Build, BuiltTable, Chunk, State, Step
from tallystick.infrastructure.rebuild.sinks.run_lock import RunLock
from tallystick.projections.tables import INT_BEHIND, Kind, Shape

CURRENT = "CURRENT"
_NOTES = "tallystick"
_SHAPE = "table.json"
_CHUNK = re.compile(r"(\d{8})-(\d+)-(\d+)-([0-9a-f]{64})\.parquet")
_DECIMAL_DIGITS = 38
_UNFINISHED, _DROPPED = ".unfinished", ".dropped"


def parquet_files(folder: str | Path) -> dict[str, list[str]]:
    """The files of each table that a rebuild has put in use in the folder, by the table's name: all of one moment.

    Ask once and read these: they stay there until the build is dropped, which is one or more rebuilds later. `InvalidRequest`
    where no rebuild has put a table in use there.
    """
    folder = Path(folder)
    with _translated(folder):
        live = _current(folder)
        if not live:
            raise InvalidRequest(f"{folder} has no tables in use: `tallystick rebuild NAME --into {folder}/` makes some")
        return {name: [str(path) for path in _chunk_files(folder / name / str(version))] for name, version in live.items()}


class ParquetSink:
    """The folder `path`, which is made where it is missing."""

    keeps_current: ClassVar = False

    def __init__(self, path: Path) -> None:
        """Raises `StorageUnavailable`, `StorageFull`."""
        self._path, self._notes = path, path / _NOTES
        with _translated(path):
            self._notes.mkdir(parents=True, exist_ok=True)
        self._lock = RunLock(self._notes / "rebuild")
        try:
            with _translated(path):
                for left in [*path.glob(f"*/*{_DROPPED}"), *path.glob(f"*/*/*{_UNFINISHED}")]:
                    _remove(left)
        except BaseException:
            self._lock.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._lock.close()

    def kept(self, batch: Any) -> Any:
        """The batch itself: every text can be kept."""
        return batch

    def builds(self) -> list[Build]:
        """All builds that there are, oldest first."""
        with _translated(self._path):
            noted = [json.loads(path.read_text()) for path in self._notes.glob("*.json")]
        return sorted(Build(**each) for each in noted)

    def tables(self, version: int) -> dict[str, BuiltTable]:
        """The tables of a build by name, as far as they were created and not dropped."""
        found: dict[str, BuiltTable] = {}
        with _translated(self._path):
            live = _current(self._path)
            build = next((build for build in self.builds() if build.version == version), None)
            for path in sorted(self._path.glob(f"*/{version}/{_SHAPE}")):
                noted = json.loads(path.read_text())
                columns = cast(dict[str, Kind], dict(noted["columns"]))
                name: str = noted["name"]
                shape, is_live = Shape(name, columns, noted["key"]), live.get(name) == version
                place = (0, "") if build is None else (build.upto, build.digest)
                found[name] = BuiltTable(noted["projection"], shape, is_live, *place)
        return found

    def begin(self, names: Mapping[str, int], upto: int, digest: str, begun_at: str) -> Build:
        """A new build, of a version that no other ever had."""
        with _translated(self._path):
            last = self._notes / "last"
            version = 1 + (int(last.read_text()) if last.exists() else 0)
            _write(last, str(version))
        build = Build(version, dict(names), upto, digest, "building", begun_at)
        self._note(build)
        return build

    def create(self, version: int, projection: str, shape: Shape) -> None:
        """Makes the table of a build, if it is not there yet."""
        folder = self._folder(version, shape.name)
        with _translated(folder):
            if (folder / _SHAPE).exists():
                return
            folder.mkdir(parents=True, exist_ok=True)
            noted = {
                "projection": projection,
                "name": shape.name,
                "columns": list(shape.columns.items()),
                "key": list(shape.key),
            }
            _write(folder / _SHAPE, json.dumps(noted))

    def chunks(self, version: int, name: str) -> list[Chunk]:
        """What was written of a table, in order."""
        with _translated(self._path):
            return [_chunk_of(path) for path in _chunk_files(self._folder(version, name))]

    def write(self, version: int, shape: Shape, batch: Any, chunk: Chunk) -> None:
        """Adds rows to a table and notes it, both or neither."""
        folder = self._folder(version, shape.name)
        with _translated(folder):
            self._write_chunk(folder, _with_decimals(shape, batch), len(_chunk_files(folder)), chunk)

    def finish(self, version: int, shape: Shape) -> None:
        """Has a file be there for a table without rows too."""
        folder = self._folder(version, shape.name)
        with _translated(folder):
            if not _chunk_files(folder):
                empty = schema_of(shape).empty_table().to_batches() or [pyarrow().RecordBatch.from_pylist([], schema_of(shape))]
                self._write_chunk(folder, _with_decimals(shape, empty[0]), 0, Chunk(0, 0, digest_of(())))

    def _write_chunk(self, folder: Path, batch: Any, number: int, chunk: Chunk) -> None:
        unfinished = folder / f"{number:08d}{_UNFINISHED}"
        pyarrow("parquet").write_table(
            pyarrow().Table.from_batches([batch]), unfinished, compression="zstd", write_page_checksum=True
        )
        _sync(unfinished)
        os.replace(unfinished, folder / f"{number:08d}-{chunk.rows}-{chunk.upto}-{chunk.digest}.parquet")
        _sync(folder)

    def read(self, version: int, shape: Shape) -> Generator[Any]:
        """The rows as batches, in the order in which they were written."""
        arrow, parquet, schema = pyarrow(), pyarrow("parquet"), schema_of(shape)
        with _translated(self._path):
            paths = _chunk_files(self._folder(version, shape.name))
        for path in paths:
            with _translated(path), parquet.ParquetFile(path, page_checksum_verification=True) as file:
                for batch in file.iter_batches():
                    read = arrow.record_batch([batch.column(name) for name in shape.columns], schema=schema)
                    if not batch.equals(_with_decimals(shape, read)):
                        raise RebuildDiffers("a number is not the amount that it stands beside", table=shape.name)
                    yield read

    def mark(self, version: int, state: State) -> None:
        """Notes the state of a build."""
        for build in self.builds():
            if build.version == version:
                self._note(build._replace(state=state))

    def numbers(self, version: int, shape: Shape) -> list[int]:
        """Files have no rows that could be replaced: `InvalidRequest`."""
        raise InvalidRequest(f"{self._path}: files of Parquet are not changed once they are written: rebuild them")

    def advance(self, steps: Sequence[Step]) -> None:
        """As `numbers`."""
        self.numbers(0, Shape("", {}))

    def switch(self, to: Mapping[str, int]) -> None:
        """From now on readers see these tables of these versions, all at once."""
        with _translated(self._path):
            _write(self._path / CURRENT, json.dumps({**_current(self._path), **to}, sort_keys=True))

    def drop(self, version: int, names: Sequence[str]) -> None:
        """Drops tables that nobody is shown, in pieces; and forgets a build that has no others."""
        with _translated(self._path):
            for name in names:
                folder = self._folder(version, name)
                if folder.is_dir() and _current(self._path).get(name) != version:
                    dropped = folder.with_suffix(_DROPPED)
                    os.replace(folder, dropped)
                    _remove(dropped)
            if not self.tables(version):
                (self._notes / f"{version}.json").unlink(missing_ok=True)

    def _folder(self, version: int, name: str) -> Path:
        return self._path / name / str(version)

    def _note(self, build: Build) -> None:
        with _translated(self._path):
            _write(self._notes / f"{build.version}.json", json.dumps(build._asdict() | {"names": dict(build.names)}))


def _current(folder: Path) -> dict[str, int]:
    try:
        return json.loads((folder / CURRENT).read_text())
    except FileNotFoundError:
        return {}


def _chunk_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.parquet") if _CHUNK.fullmatch(path.name))


def _chunk_of(path: Path) -> Chunk:
    found = _CHUNK.fullmatch(path.name)
    if found is None:
        raise StorageUnavailable(f"{path} is no file of a rebuild")
    _, rows, upto, digest = found.groups()
    return Chunk(int(rows), int(upto), digest)


def _with_decimals(shape: Shape, batch: Any) -> Any:
    """The batch with a decimal beside each amount, None where the amount has more digits than that can have."""
    arrow, compute = pyarrow(), pyarrow("compute")
    decimal = arrow.decimal128(_DECIMAL_DIGITS, 0)
    columns: dict[str, Any] = {}
    for (name, kind), column in zip(shape.columns.items(), batch.columns, strict=True):
        columns[name] = column
        if kind == "amount":
            digits = compute.utf8_length(compute.utf8_ltrim(column, "-"))
            fitting = compute.if_else(compute.less_equal(digits, _DECIMAL_DIGITS), column, None)
            columns[f"{name}{INT_BEHIND}"] = fitting.cast(decimal)
    return arrow.record_batch(list(columns.values()), names=list(columns))


def _write(path: Path, text: str) -> None:
    """Writes a small file whole, or leaves what was there."""
    unfinished = path.with_name(path.name + _UNFINISHED)
    unfinished.write_text(text)
    _sync(unfinished)
    os.replace(unfinished, path)
    _sync(path.parent)


def _sync(path: Path) -> None:
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def _translated(path: Path) -> Generator[None]:
    try:
        yield
    except OSError as error:
        kind = StorageFull if error.errno in (28, 122) else StorageUnavailable
        raise kind(f"{path}: {error.strerror or error}") from error
