"""What a command is told about printing: the options of formats, the same for all commands, and where its answer then goes.

`printing` gives a command these options; the command itself gets an `Output` as its first argument and hands it records.
"""

import inspect
import os
from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

from tallystick.domain.errors import InvalidRequest
from tallystick.infrastructure.cli.printing.formats import (
    ENDINGS,
    FORMS,
    Form,
    Record,
    as_json,
    as_json_lines,
    as_text,
    default_form,
    is_ascii_only,
)
from tallystick.infrastructure.cli.printing.streams import storage_error, write

Table = Annotated[bool, typer.Option("--table", help="A table, as on a terminal.")]
Csv = Annotated[bool, typer.Option("--csv", help="CSV, amounts in decimals.")]
Html = Annotated[bool, typer.Option("--html", help="A page of HTML, amounts in decimals.")]
Json = Annotated[bool, typer.Option("--json", help="JSON, amounts as text of digits in smallest units; errors too.")]
JsonLines = Annotated[bool, typer.Option("--jsonl", help="The same, a record a line.")]
OutputFile = Annotated[
    Path | None,
    typer.Option("-o", "--output", help="Write to this file: .csv, .tsv, .html, .json, .jsonl or .txt.", show_default=False),
]
_OPTIONS: dict[str, tuple[Any, Any]] = {
    "table": (Table, False),
    "csv": (Csv, False),
    "html": (Html, False),
    "json": (Json, False),
    "jsonl": (JsonLines, False),
    "output_file": (OutputFile, None),
}


class Output:
    """Where and in which format a command's answer is written."""

    def __init__(self, form: Form, file: Path | None = None) -> None:
        self.form = form
        self.file = file

    def records(self, records: Sequence[Record], columns: Sequence[str] = ()) -> None:
        """A list of records. `columns` are those that people get; else all of the first record, but for its `decimals`."""
        self.document(records, records, self.text(records, columns), columns)

    def record(self, record: Record) -> None:
        """One record."""
        self.document(record, [record], self.text([record]))

    def document(
        self, content: Record | Sequence[Record], rows: Sequence[Record], text: str, columns: Sequence[str] = ()
    ) -> None:
        """What is one document as JSON, the `rows` as CSV or HTML, and the `text` for people."""
        ascii_only = is_ascii_only(self.file)
        if self.form == "json":
            text = as_json(content, ascii_only=ascii_only)
        elif self.form == "jsonl":
            text = as_json_lines([content] if isinstance(content, dict) else content, ascii_only=ascii_only)
        elif self.form in ("csv", "html"):
            text = as_text(rows, self.form, columns, self.file)
        self.texts([text])

    def texts(self, texts: Iterable[str]) -> None:
        """What is in the format already, in parts."""
        if self.file is not None:
            _write_file(self.file, texts)
        else:
            for text in texts:
                write(text)

    def text(self, records: Sequence[Record], columns: Sequence[str] = ()) -> str:
        """The records as people get them in this format; nothing where it is one for programs."""
        return as_text(records, self.form, columns, self.file) if self.form in ("table", "tsv") else ""


def printing(command: Callable[..., None]) -> Callable[..., None]:
    """The command with the options of formats, whose first argument is then the `Output` that they mean."""
    signature = inspect.signature(command, eval_str=True)
    options = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default)
        for name, (annotation, default) in _OPTIONS.items()
    ]
    parameters = [*list(signature.parameters.values())[1:], *options]

    @wraps(command)
    def with_formats(**given: Any) -> None:
        wanted = {name: given.pop(name) for name in _OPTIONS}
        command(chosen_output(**wanted), **given)

    with_formats.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    with_formats.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    del with_formats.__wrapped__  # type: ignore[attr-defined]
    return with_formats


def chosen_output(*, output_file: Path | None, **wanted: bool) -> Output:
    """What the options mean, those of formats by the format. Raises `InvalidRequest` where they name two, or a file of none."""
    named: list[Form] = [form for form in FORMS if wanted.get(form)]
    if len(named) > 1:
        raise InvalidRequest(f"an answer has one format, and {', '.join(f'--{form}' for form in named)} are asked for")
    if output_file is None:
        return Output(named[0] if named else default_form())
    form = ENDINGS.get(output_file.suffix.lower())
    if form is None:
        raise InvalidRequest(f"-o writes files that end with {', '.join(ENDINGS)}, and not {str(output_file)!r}")
    if named and named != [form]:
        raise InvalidRequest(f"{str(output_file)!r} ends as a file of the format {form}, and --{named[0]} is asked for")
    if not output_file.parent.is_dir():
        raise InvalidRequest(f"there is no folder {str(output_file.parent)!r} to write {output_file.name!r} into")
    return Output(form, output_file)


def _write_file(file: Path, texts: Iterable[str]) -> None:
    """Writes the whole file, or leaves what was there."""
    place = file.resolve()
    beside = place.with_name(f".{place.name}.{os.getpid()}") if not place.exists() or place.is_file() else place
    try:
        try:
            with beside.open("w", encoding="utf-8", errors="backslashreplace", newline="") as opened:
                opened.writelines(texts)
            if beside != place:
                beside.replace(place)
        except BaseException:
            if beside != place:
                beside.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise storage_error(error, f"{str(file)!r} cannot be written: ") from error
