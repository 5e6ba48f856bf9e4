"""How somebody else's streams are named in the journal, so that no two applications, nor an application and the ledger, meet.

A token's or a contract's stream has the name of the token or contract, which holds no white space. The streams of an
application have names of two words: the application in lower case, with `/` and a purpose behind it where they are not its
events but its snapshots, what it tracks, or notification ids that it never used, and the id that the application knows the
stream by. A recorder without an application leaves the first word out, and the space too unless the id has one.
"""

from uuid import UUID

EVENTS = "events"
SNAPSHOTS = "snapshots"
TRACKING = "tracking"
GAPS = "gaps"


class StreamSpace:
    """The streams of one application that serve one purpose."""

    def __init__(self, application: str = "", purpose: str = EVENTS) -> None:
        self.application = application
        self.purpose = purpose
        word = _word(application.lower()) + ("" if purpose == EVENTS else f"/{_word(purpose)}")
        self._is_bare = not word
        self._prefix = f"{word} "

    def stream_of(self, id: UUID | str) -> str:
        """The journal's name of the stream with this id, a UUID by its canonical form."""
        text = str(id)
        return text if self._is_bare and " " not in text else self._prefix + text

    def id_of(self, stream: str) -> str | None:
        """The id of a stream by its name in the journal; None where it is not one of these."""
        if stream.startswith(self._prefix):
            return stream[len(self._prefix) :]
        return stream if self._is_bare and " " not in stream else None


def _word(name: str) -> str:
    return name.replace("%", "%25").replace("/", "%2F").replace(" ", "%20")
