"""The `eventsourcing` library's own tests of applications and projections, on journals."""

import os
from collections.abc import Iterator
from functools import partialmethod
from typing import Any, ClassVar
from unittest.mock import patch

import pytest
from eventsourcing.tests import application, projection
from eventsourcing.utils import get_topic

from tallystick.infrastructure.recorders import JournalFactory
from tests.support.event_store.counters_view import CountersInJournal
from tests.support.suites.library_stores import on_every_store


class InEnvironment:
    """A mixin of test cases that find their store in the process's environment, a new one each."""

    environment: Any

    @pytest.fixture(autouse=True)
    def variables(self, place: None) -> Iterator[None]:
        with patch.dict(os.environ, self.environment()):
            yield


class Stopped(InEnvironment):
    """A mixin of test cases of projections: what a stopped one will never do is not waited for long."""

    view_class = CountersInJournal

    def test_run_forever_raises_projection_error(self) -> None:
        wait = partialmethod(self.view_class.wait, timeout=0.01)
        with patch.object(self.view_class, "wait", wait):
            super().test_run_forever_raises_projection_error()  # type: ignore[misc]


class Applications(InEnvironment, application.ApplicationTestCase):
    pass


class Examples(InEnvironment, application.ExampleApplicationTestCase):
    expected_factory_topic = get_topic(JournalFactory)


class Views(projection.EventCountersViewTestCase):
    make_factory: Any

    def construct_event_counters_view(self) -> CountersInJournal:
        return self.make_factory().tracking_recorder(CountersInJournal)


class Projections(Stopped, projection.AggregateEventCountersProjectionTestCase):
    pass


class ProjectionsOfDecisions(Stopped, projection.TaggedDecisionCountersProjectionTestCase):
    """The application keeps its decisions where the library does by default, and the view is in a journal."""

    env: ClassVar = {
        "DCBAPPLICATION_PERSISTENCE_MODULE": "eventsourcing.dcb.popo",
        "MAPPER_TOPIC": "eventsourcing.dcb.msgpack:MessagePackMapper",
    }


class ProjectionsWithEvents(InEnvironment, projection.EventSourcedProjectionTestCase):
    pass


globals().update(
    on_every_store(Applications, Examples, Projections, ProjectionsWithEvents),
    **on_every_store(Views, ProjectionsOfDecisions, id_types=("uuid",)),
)
del Applications, Examples, Views, Projections, ProjectionsOfDecisions, ProjectionsWithEvents  # are not to be collected
