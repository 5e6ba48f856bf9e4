"""The `eventsourcing` library's own tests of an application recorder, on a journal."""

import importlib.util
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Literal
from unittest.mock import Mock
from uuid import uuid4

from tallystick.infrastructure.journal import Journal
from tallystick.infrastructure.memory import MemoryJournal
from tallystick.infrastructure.recorders import JournalRecorder
from tallystick.infrastructure.sqlite import SQLiteJournal

if importlib.util.find_spec("Crypto") is None:  # the library's test module wants it, for tests that are not used here
    sys.modules["eventsourcing.cipher"] = Mock()
from eventsourcing.tests.persistence import ApplicationRecorderTestCase, NonInterleavingNotificationIDsBaseCase

if isinstance(sys.modules["eventsourcing.cipher"], Mock):
    del sys.modules["eventsourcing.cipher"]

IdType = Literal["uuid", "text"]


class OnMemory:
    id_type: IdType = "uuid"

    def create_recorder(self) -> JournalRecorder:
        return JournalRecorder(self.journal(), self.id_type)

    def journal(self) -> Journal:
        return MemoryJournal()


class OnSQLite(OnMemory):
    def journal(self) -> Journal:
        folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, folder)  # type: ignore[attr-defined]
        journal = SQLiteJournal(folder / "books.db", durable=False)
        self.addCleanup(journal.close)  # type: ignore[attr-defined]
        return journal


class WithText:
    id_type: IdType = "text"

    def new_originator_id(self) -> str:
        return f"order-{uuid4()}"


class LibraryCase(ApplicationRecorderTestCase[JournalRecorder]):
    def test_insert_subscribe(self) -> None:
        self.optional_test_insert_subscribe()


class TestMemory(OnMemory, LibraryCase):
    pass


class TestMemoryText(WithText, OnMemory, LibraryCase):
    pass


class TestSQLite(OnSQLite, LibraryCase):
    pass


class TestSQLiteText(WithText, OnSQLite, LibraryCase):
    pass


class TestNonInterleavingMemory(OnMemory, NonInterleavingNotificationIDsBaseCase):
    pass


class TestNonInterleavingSQLite(OnSQLite, NonInterleavingNotificationIDsBaseCase):
    pass


del ApplicationRecorderTestCase, LibraryCase, NonInterleavingNotificationIDsBaseCase  # else collected as tests
