"""SQLite's calls of the disk, watched from Python.

SQLite reaches the disk through a table of functions, its VFS, and lets a program put another in its place. Here the system's
own is put behind one that says before and after each call that changes a file what is called. It is the SQLite that Python's
`sqlite3` uses, reached by ctypes: nothing is compiled or installed, and all else is as in any other process.
"""

import _sqlite3
import ctypes
import os
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal, NamedTuple, Protocol

Kind = Literal["create", "write", "truncate", "sync", "delete"]
OPEN_JOURNAL_OR_LOG = 0x00000800 | 0x00080000
"""SQLite's flags of a rollback journal and of a write-ahead log, with whose first sync it syncs the folder too."""


class Call(NamedTuple):
    """A call that changes the file at `path`: from `offset` on `content` is written, or there the file is cut off.

    `syncs_folder` says of a creation that the first sync of the file syncs its folder, and of a deletion that it does.
    """

    kind: Kind
    path: str
    offset: int = 0
    content: bytes = b""
    syncs_folder: bool = False


class Watcher(Protocol):
    """Who is told of each call, on the thread that calls."""

    def before(self, call: Call, write_part: Callable[[int], object]) -> None:
        """It is about to be called; `write_part` writes so many bytes of what a "write" would."""

    def after(self, call: Call) -> None:
        """It was called and has succeeded."""


_Pointer, _Int, _Long = ctypes.c_void_p, ctypes.c_int, ctypes.c_int64
_Open = ctypes.CFUNCTYPE(_Int, _Pointer, _Pointer, _Pointer, _Int, _Pointer)
_Delete = ctypes.CFUNCTYPE(_Int, _Pointer, _Pointer, _Int)
_Write = ctypes.CFUNCTYPE(_Int, _Pointer, _Pointer, _Int, _Long)
_Truncate = ctypes.CFUNCTYPE(_Int, _Pointer, _Long)
_Sync = ctypes.CFUNCTYPE(_Int, _Pointer, _Int)
_METHODS = [
    "xClose",
    "xRead",
    "xWrite",
    "xTruncate",
    "xSync",
    "xFileSize",
    "xLock",
    "xUnlock",
    "xCheckReservedLock",
    "xFileControl",
    "xSectorSize",
    "xDeviceCharacteristics",
    "xShmMap",
    "xShmLock",
    "xShmBarrier",
    "xShmUnmap",
    "xFetch",
    "xUnfetch",
]
_CALLS = [
    "xOpen",
    "xDelete",
    "xAccess",
    "xFullPathname",
    "xDlOpen",
    "xDlError",
    "xDlSym",
    "xDlClose",
    "xRandomness",
    "xSleep",
    "xCurrentTime",
    "xGetLastError",
    "xCurrentTimeInt64",
    "xSetSystemCall",
    "xGetSystemCall",
    "xNextSystemCall",
]


class _Methods(ctypes.Structure):
    """What is done to an open file: `sqlite3_io_methods`."""

    _fields_ = (("iVersion", _Int), *((name, _Pointer) for name in _METHODS))


class _OpenFile(ctypes.Structure):
    """How every `sqlite3_file` begins."""

    _fields_ = (("methods", ctypes.POINTER(_Methods)),)


class _Vfs(ctypes.Structure):
    """`sqlite3_vfs`."""

    _fields_ = (
        ("iVersion", _Int),
        ("szOsFile", _Int),
        ("mxPathname", _Int),
        ("pNext", _Pointer),
        ("zName", ctypes.c_char_p),
        ("pAppData", _Pointer),
        *((name, _Pointer) for name in _CALLS),
    )


@contextmanager
def watched(watcher: Watcher) -> Iterator[None]:
    """While it is entered, connections that are opened tell the watcher of their calls; those must be closed before it is left.

    Raises `RuntimeError` where Python's SQLite has no such table that can be reached.
    """
    disk = _WatchedDisk(watcher)
    with disk.in_use():
        yield


class _WatchedDisk:
    """The VFS in front of the system's own, and the open files by their addresses."""

    def __init__(self, watcher: Watcher) -> None:
        library = ctypes.CDLL(_sqlite3.__file__)
        try:
            find, self._register, self._unregister = (
                getattr(library, f"sqlite3_vfs_{name}") for name in ("find", "register", "unregister")
            )
        except AttributeError as error:
            raise RuntimeError(
                "this Python's SQLite cannot be reached from outside its module; use one that links to it"
            ) from error
        find.restype = ctypes.POINTER(_Vfs)
        self._real: Any = find(None)
        self._watcher = watcher
        self._paths: dict[int, str] = {}
        self._tables: dict[int, _Methods] = {}
        self._kept: list[Any] = []
        real = self._real.contents
        self._vfs = _Vfs.from_buffer_copy(real)
        self._vfs.zName, self._vfs.pNext = b"watched", None
        self._really_open, self._really_delete = _Open(real.xOpen), _Delete(real.xDelete)
        self._vfs.xOpen = self._address(_Open, self._open)
        self._vfs.xDelete = self._address(_Delete, self._delete)

    @contextmanager
    def in_use(self) -> Iterator[None]:
        self._register(ctypes.byref(self._vfs), 1)
        try:
            yield
        finally:
            self._unregister(ctypes.byref(self._vfs))
            self._register(self._real, 1)

    def _address(self, kind: Any, function: Callable[..., int]) -> Any:
        """Of a C function that calls this one. An error in it could not be raised through SQLite: it ends the process."""

        def call(*arguments: Any) -> int:
            try:
                return function(*arguments)
            except BaseException:
                traceback.print_exc()
                os._exit(70)

        made = kind(call)
        self._kept.append(made)
        return ctypes.cast(made, _Pointer)

    def _open(self, vfs: int, name: int | None, file: int, flags: int, flags_out: int | None) -> int:
        path = "" if name is None else os.fsdecode(ctypes.string_at(name))
        is_there = not path or os.path.exists(path)
        created = Call("create", path, syncs_folder=bool(flags & OPEN_JOURNAL_OR_LOG))
        if not is_there:
            self._watcher.before(created, _nothing)
        status = self._really_open(ctypes.addressof(self._real.contents), name, file, flags, flags_out)
        if status == 0 and path:
            opened = _OpenFile.from_address(file)
            self._paths[file] = path
            opened.methods = ctypes.pointer(self._table(opened.methods.contents))
            if not is_there:
                self._watcher.after(created)
        return status

    def _table(self, methods: _Methods) -> _Methods:
        """The system's table of functions with ours in front of those that change a file."""
        address = ctypes.addressof(methods)
        if address not in self._tables:
            table = _Methods.from_buffer_copy(methods)
            really_write, really_truncate = _Write(methods.xWrite), _Truncate(methods.xTruncate)
            really_sync = _Sync(methods.xSync)

            def write(file: int, content: int, size: int, offset: int) -> int:
                call = Call("write", self._paths[file], offset, ctypes.string_at(content, size))
                self._watcher.before(call, lambda size: really_write(file, content, size, offset))
                return self._told(call, really_write(file, content, size, offset))

            def truncate(file: int, size: int) -> int:
                call = Call("truncate", self._paths[file], size)
                self._watcher.before(call, _nothing)
                return self._told(call, really_truncate(file, size))

            def sync(file: int, flags: int) -> int:
                call = Call("sync", self._paths[file])
                self._watcher.before(call, _nothing)
                return self._told(call, really_sync(file, flags))

            table.xWrite = self._address(_Write, write)
            table.xTruncate = self._address(_Truncate, truncate)
            table.xSync = self._address(_Sync, sync)
            self._tables[address] = table
        return self._tables[address]

    def _delete(self, vfs: int, name: int, syncs_folder: int) -> int:
        call = Call("delete", os.fsdecode(ctypes.string_at(name)), syncs_folder=bool(syncs_folder))
        self._watcher.before(call, _nothing)
        return self._told(call, self._really_delete(ctypes.addressof(self._real.contents), name, syncs_folder))

    def _told(self, call: Call, status: int) -> int:
        if status == 0:
            self._watcher.after(call)
        return status


def _nothing(size: int) -> None:
    """There is no part of a call that writes nothing."""


class Counter:
    """Counts from any thread, and says who is the one of a number."""

    def __init__(self, number: int) -> None:
        self._left = number
        self._lock = threading.Lock()

    def is_it(self) -> bool:
        """Counts one more; whether that is the one."""
        with self._lock:
            self._left -= 1
            return self._left == 0
