"""The `eventsourcing` library's own tests of recorders and factories, on journals."""

import os
from typing import Any
from unittest.mock import patch

import pytest
from eventsourcing.persistence import ProcessRecorder, Tracking
from eventsourcing.tests import persistence as library
from eventsourcing.utils import Environment

from tallystick.infrastructure.event_store.factory import JournalFactory
from tallystick.infrastructure.recorders import (
    JournalAggregateRecorder,
    JournalProcessRecorder,
    JournalRecorder,
    JournalTrackingRecorder,
)
from tests.support.suites.library_stores import OnJournal, on_every_store


class Aggregates(library.AggregateRecorderTestCase):
    make_factory: Any

    def create_recorder(self) -> JournalAggregateRecorder:
        return self.make_factory().aggregate_recorder()


class Snapshots(Aggregates):
    def create_recorder(self) -> JournalAggregateRecorder:
        return self.make_factory().aggregate_recorder(purpose="snapshots")


class Applications(library.ApplicationRecorderTestCase[JournalRecorder]):
    make_factory: Any

    def create_recorder(self) -> JournalRecorder:
        return self.make_factory().application_recorder()

    def test_insert_subscribe(self) -> None:
        self.optional_test_insert_subscribe()


class ProcessesAsApplications(Applications):
    def create_recorder(self) -> JournalRecorder:
        return self.make_factory().process_recorder()


class NonInterleaving(library.NonInterleavingNotificationIDsBaseCase):
    make_factory: Any

    def create_recorder(self) -> JournalRecorder:
        return self.make_factory().application_recorder()


class Trackings(library.TrackingRecorderTestCase):
    make_factory: Any

    def create_recorder(self) -> JournalTrackingRecorder:
        return self.make_factory().tracking_recorder()


class ProcessesAsTrackings(Trackings):
    def create_recorder(self) -> ProcessRecorder:  # type: ignore[override]
        return self.make_factory().process_recorder()


class Processes(library.ProcessRecorderTestCase):
    make_factory: Any

    def create_recorder(self) -> JournalProcessRecorder:
        return self.make_factory().process_recorder()

    def test_events_and_tracking_stand_or_fall_together(self) -> None:
        recorder = self.create_recorder()
        event = library.StoredEvent(self.new_originator_id(), 1, "topic", b"state")
        assert recorder.insert_events([event], tracking=Tracking("upstream", 5)) == [1]
        with pytest.raises(library.IntegrityError):
            recorder.insert_events([event], tracking=Tracking("upstream", 6))
        assert recorder.max_tracking_id("upstream") == 5
        other = library.StoredEvent(self.new_originator_id(), 1, "topic", b"state")
        with pytest.raises(library.IntegrityError):
            recorder.insert_events([other], tracking=Tracking("upstream", 5))
        assert recorder.select_events(other.originator_id) == []


class View(JournalTrackingRecorder):
    pass


class Factories(library.InfrastructureFactoryTestCase[JournalFactory]):
    environment: Any

    def setUp(self) -> None:
        with patch.dict(os.environ):
            self.env = Environment("TestCase", self.environment())
            super().setUp()

    def expected_factory_class(self) -> type[JournalFactory]:
        return JournalFactory

    def expected_aggregate_recorder_class(self) -> type[JournalAggregateRecorder]:
        return JournalAggregateRecorder

    def expected_application_recorder_class(self) -> type[JournalRecorder]:
        return JournalRecorder

    def expected_tracking_recorder_class(self) -> type[JournalTrackingRecorder]:
        return JournalTrackingRecorder

    def tracking_recorder_subclass(self) -> type[JournalTrackingRecorder]:
        return View

    def expected_process_recorder_class(self) -> type[JournalProcessRecorder]:
        return JournalProcessRecorder


globals().update(
    on_every_store(Aggregates, Snapshots, Applications, NonInterleaving, Processes, Factories),
    **on_every_store(ProcessesAsApplications, Trackings, ProcessesAsTrackings, id_types=("uuid",)),
)
assert issubclass(globals()["TestApplicationsPostgresText"], OnJournal)
del Aggregates, Snapshots, Applications, ProcessesAsApplications, NonInterleaving, Trackings, ProcessesAsTrackings
del Processes, Factories  # the cases themselves are not to be collected
