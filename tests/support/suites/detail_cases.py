"""What every store must do with the details of rows, and with metadata, which lies beside the chain and can be erased."""

from collections.abc import Iterator, Sequence

import pytest

from tallystick.domain.errors import StorageUnavailable
from tallystick.domain.events import Minted
from tallystick.infrastructure.journal.details import NO_DETAILS, Details, encode_details
from tallystick.infrastructure.journal.format import JournalRow, encode_events, make_row
from tallystick.infrastructure.journal.port import NO_METADATA, Journal, MetadataChange, MetadataRow, Overtaken, StreamEntry

SALT = bytes(range(16))
DETAILS = [
    NO_DETAILS,
    encode_details([(0, Details(at=0, ref="ordre nº 7 \0 \\ \"'", meta="ab" * 32, reverses=((0, 1), (1, 2))))]),
    b'[[0,{"ref":"\xf0\x9f\x98\x80"}], [null, {"seal": [1, "00"]}]]',
]


SAID_IN_A_MEMO = encode_events([Minted("USD", "alice", 1, '["MetadataErased",1,'), Minted("USD", "alice", 1)])


def erased(*entries: int) -> bytes:
    """The body of a row that says that the metadata of these entries were erased."""
    return b"[" + b",".join(b'["MetadataErased",%d,"on request"]' % entry for entry in entries) + b"]"


def append_detailed(
    journal: Journal,
    details: bytes | None = NO_DETAILS,
    metadata: MetadataChange = NO_METADATA,
    body: bytes | None = None,
    positions: int = 2,
) -> JournalRow:
    """Appends a row of two events, or one with this body, with these details and this change of the metadata."""
    with journal.writing() as head:
        content = body or encode_events([Minted("USD", "alice", 1 + k) for k in range(positions)])
        row = make_row(head.digest, head.position + 1, head.recorded_at + 7, (), (positions,), content, details)
        journal.append(row, stream_entries(journal, row), metadata)
    return row


def stream_entries(journal: Journal, row: JournalRow) -> list[StreamEntry]:
    newest = journal.last_entries(["USD"]).get("USD")
    first = 1 if newest is None else newest.last_version + 1
    return [StreamEntry("USD", first, first + row.last_position - row.first_position, row.first_position)]


def everything(journal: Journal) -> tuple[list[JournalRow], list[StreamEntry], dict[int, MetadataRow]]:
    """All that is recorded."""
    return list(journal.rows()), sorted(journal.streams()), {**journal.metadata(list(journal.metadata_entries()))}


class DetailCases:
    """The part of `JournalCases` that is about format 2."""

    @pytest.fixture
    def journal(self) -> Iterator[Journal]:
        raise NotImplementedError

    def test_a_new_journal_takes_details_and_has_no_metadata(self, journal: Journal) -> None:
        assert journal.takes_details
        assert list(journal.metadata_entries()) == []
        assert journal.metadata([1, 2, 2**62]) == journal.metadata([]) == {}
        assert journal.upgrade() is False

    def test_details_come_back_byte_for_byte(self, journal: Journal) -> None:
        rows = [append_detailed(journal, details) for details in [None, *DETAILS, None]]
        assert [row.details for row in rows] == [None, *DETAILS, None]
        assert list(journal.rows()) == rows
        assert [journal.row_at(row.last_position) for row in rows] == rows
        journal.reopen()
        assert list(journal.rows()) == rows

    def test_metadata_is_added_with_its_row_and_read(self, journal: Journal) -> None:
        append_detailed(journal)
        texts = ['{"name":"Zoë","n":1}', '{"text":"\\u0000 \\\\"}', "{}"]
        added = [MetadataRow(entry, SALT[entry:] + SALT[:entry], text) for entry, text in zip((3, 4, 5), texts, strict=True)]
        append_detailed(journal, metadata=MetadataChange(added[:2]))
        append_detailed(journal, metadata=MetadataChange(added[2:]))
        assert journal.metadata([1, 3, 4, 5, 6, 99]) == {3: added[0], 4: added[1], 5: added[2]}
        assert journal.metadata([4]) == {4: added[1]}
        assert list(journal.metadata_entries()) == [3, 4, 5]

    def test_many_entries_with_metadata_are_read_in_pages(self, journal: Journal) -> None:
        added = [MetadataRow(entry, SALT, "{}") for entry in range(1, 2_101)]
        append_detailed(journal, metadata=MetadataChange(added), positions=2_100)
        assert list(journal.metadata_entries()) == list(range(1, 2_101))
        assert len(journal.metadata(range(1, 2_101))) == 2_100

    def test_metadata_is_erased_by_a_row_that_says_so(self, journal: Journal) -> None:
        append_detailed(journal, metadata=MetadataChange([MetadataRow(1, SALT, '{"a":1}'), MetadataRow(2, SALT, '{"a":2}')]))
        append_detailed(journal, body=erased(1, 12), metadata=MetadataChange(erased=[1, 12]))
        assert journal.metadata([1, 2]) == {2: MetadataRow(2, SALT, '{"a":2}')}
        assert list(journal.metadata_entries()) == [2]
        append_detailed(journal, body=erased(1, 2), metadata=MetadataChange(erased=[1, 2]))
        assert list(journal.metadata_entries()) == []

    @pytest.mark.parametrize(
        ("body", "change"),
        [
            (None, MetadataChange(erased=[1])),
            (erased(2, 11), MetadataChange(erased=[1])),
            (SAID_IN_A_MEMO, MetadataChange(erased=[1])),
            (None, MetadataChange([MetadataRow(2, SALT, "{}")])),
            (None, MetadataChange([MetadataRow(5, SALT, "{}")])),
            (None, MetadataChange([MetadataRow(1, SALT, "{}")])),
            (None, MetadataChange([MetadataRow(3, SALT, "{}"), MetadataRow(3, SALT, "{}")])),
        ],
    )
    def test_another_change_of_metadata_is_refused_with_its_row(
        self, journal: Journal, body: bytes | None, change: MetadataChange
    ) -> None:
        append_detailed(journal, metadata=MetadataChange([MetadataRow(1, SALT, '{"a":1}')]))
        before = everything(journal)
        with pytest.raises((Overtaken, StorageUnavailable)):
            append_detailed(journal, body=body, metadata=change)
        assert everything(journal) == before
        append_detailed(journal, metadata=MetadataChange([MetadataRow(3, SALT, "{}")]))
        assert list(journal.metadata_entries()) == [1, 3]

    def test_what_was_recorded_is_known_after_an_unclear_outcome(self, journal: Journal) -> None:
        """Where the store records it again to find out, it does so with its metadata."""
        change = MetadataChange([MetadataRow(1, SALT, '{"a":1}')])
        with journal.writing() as head:
            row = make_row(head.digest, 1, 7, (), (2,), encode_events([Minted("USD", "alice", 1)] * 2), DETAILS[1])
            entries = stream_entries(journal, row)
        stands = journal.has_recorded(row, entries, change)
        assert everything(journal) == (([row], entries, {1: change.added[0]}) if stands else ([], [], {}))
        if not stands:
            append_detailed(journal, DETAILS[1], change)
        row = next(iter(journal.rows()))
        assert journal.has_recorded(row, entries, change)
        assert journal.has_recorded(row._replace(digest=bytes(32)), entries, change) is False
        assert list(journal.metadata_entries()) == [1]


class SharedDetailCases(DetailCases):
    """For stores that several processes share."""

    def test_another_reads_details_and_metadata(self, journal: Journal, other: Journal) -> None:
        changes: Sequence[MetadataChange] = [MetadataChange([MetadataRow(1, SALT, "{}")]), NO_METADATA]
        rows = [append_detailed(journal, DETAILS[1], change) for change in changes]
        assert list(other.rows()) == rows
        assert other.metadata([1]) == {1: MetadataRow(1, SALT, "{}")}
        append_detailed(other, body=erased(1, 2), metadata=MetadataChange(erased=[1]))
        assert journal.metadata([1]) == {}
