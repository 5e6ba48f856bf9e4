"""The factory of recorders over one journal, for an application of the `eventsourcing` library."""

import weakref
from typing import Any, TypeVar, cast, get_origin

from eventsourcing.persistence import InfrastructureFactory, Mapper, Transcoder
from eventsourcing.utils import Environment, EnvType, resolve_topic, strtobool

from tallystick.infrastructure.event_store.environment import event_store_url
from tallystick.infrastructure.event_store.errors import in_library_errors
from tallystick.infrastructure.event_store.log.log import EventLog
from tallystick.infrastructure.event_store.mapper import JournalMapper, for_journals
from tallystick.infrastructure.event_store.recorders.aggregate_recorder import JournalAggregateRecorder
from tallystick.infrastructure.event_store.recorders.application_recorder import JournalRecorder
from tallystick.infrastructure.event_store.recorders.log_recorder import IdType, LogRecorder
from tallystick.infrastructure.event_store.recorders.tracking_recorder import JournalProcessRecorder, JournalTrackingRecorder
from tallystick.infrastructure.event_store.stream_names import EVENTS
from tallystick.infrastructure.journal.address import open_journal

Made = TypeVar("Made", bound=LogRecorder)


class JournalFactory(InfrastructureFactory[JournalTrackingRecorder]):
    """Recorders over one journal, for the application that the environment is named after.

    `CREATE_TABLE=no` has a journal that is not there refused, `ORIGINATOR_ID_TYPE` is `uuid` or `text`, and the library's
    `..._TOPIC` variables name subclasses to be used.
    """

    ORIGINATOR_ID_TYPE = "ORIGINATOR_ID_TYPE"
    CREATE_TABLE = "CREATE_TABLE"

    @in_library_errors
    def __init__(self, env: Environment | EnvType | None) -> None:
        super().__init__(env)
        self._id_type: IdType = self._chosen_id_type()
        create = self._creates()
        journal = open_journal(event_store_url(self.env), create=create)
        self.log = EventLog(journal)
        weakref.finalize(self.log, journal.close)  # a projection's runner keeps the view, and closes nothing of it

    def mapper(self, transcoder: Transcoder | None = None, mapper_class: type[Mapper[Any]] | None = None) -> Mapper[Any]:
        """A mapper of the class that the application wants, which takes the ledger's events too."""
        if mapper_class is None:
            topic = self.env.get(self.MAPPER_TOPIC)
            mapper_class = cast(type[Mapper[Any]], resolve_topic(topic)) if topic else JournalMapper
        return super().mapper(transcoder, for_journals(get_origin(mapper_class) or mapper_class))

    def aggregate_recorder(self, purpose: str = EVENTS) -> JournalAggregateRecorder:
        """What keeps the application's aggregates, or their snapshots, or what other purpose there is."""
        return JournalAggregateRecorder(self.log, self._id_type, application=self.env.name, purpose=purpose)

    def application_recorder(self) -> JournalRecorder:
        """What keeps the application's events as one sequence."""
        return self._make(self._named(self.APPLICATION_RECORDER_TOPIC, JournalRecorder))

    def tracking_recorder(
        self, tracking_recorder_class: type[JournalTrackingRecorder] | None = None
    ) -> JournalTrackingRecorder:
        """What keeps how far others' events were processed: a view of this class."""
        return self._make(tracking_recorder_class or self._named(self.TRACKING_RECORDER_TOPIC, JournalTrackingRecorder))

    def process_recorder(self) -> JournalProcessRecorder:
        """What keeps the application's events together with how far others' were processed."""
        return self._make(self._named(self.PROCESS_RECORDER_TOPIC, JournalProcessRecorder))

    def close(self) -> None:
        """Closes the journal."""
        self.log.journal.close()

    def _creates(self) -> bool:
        said = self.env.get(self.CREATE_TABLE) or "yes"
        try:
            return strtobool(said)
        except ValueError as error:
            raise OSError(f"{self.CREATE_TABLE} is 'yes' or 'no', not {said!r}") from error

    def _chosen_id_type(self) -> IdType:
        match (self.env.get(self.ORIGINATOR_ID_TYPE) or "uuid").lower():
            case "uuid":
                return "uuid"
            case "text":
                return "text"
            case other:
                raise OSError(f"{self.ORIGINATOR_ID_TYPE} is 'uuid' or 'text', not {other!r}")

    def _named(self, variable: str, base: type[Made]) -> type[Made]:
        """The class that the variable names, or else `base`."""
        topic = self.env.get(variable)
        named = cast(type[Made], resolve_topic(topic)) if topic else base
        if not issubclass(named, base):
            raise OSError(f"{variable} names {named.__name__}, which is no {base.__name__}")
        return named

    def _make(self, recorder_class: type[Made]) -> Made:
        return recorder_class(self.log, self._id_type, application=self.env.name)
