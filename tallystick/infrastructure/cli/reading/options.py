"""The options that commands which read have in common."""

from typing import Annotated

import typer

At = Annotated[
    str | None,
    typer.Option("--at", help="As it stood at a position, a time, or the end of a date.", show_default=False, metavar="WHEN"),
]
By = Annotated[
    str,
    typer.Option("--by", help="Of --at: what was recorded by then, or had occurred.", metavar="recorded_at|occurred_at"),
]
LinesBy = Annotated[
    str,
    typer.Option("--by", help="Which of its times places a line.", metavar="recorded_at|occurred_at"),
]
Zone = Annotated[str, typer.Option("--tz", help="The time zone of dates, and of times that name none.")]
Since = Annotated[
    str | None, typer.Option("--since", help="From this date on, or this time.", show_default=False, metavar="WHEN")
]
Until = Annotated[
    str | None,
    typer.Option(
        "--until", help="Up to this date and all of its day, or before this time.", show_default=False, metavar="WHEN"
    ),
]
Prefix = Annotated[str, typer.Option("--prefix", help="Only accounts whose name begins so.", show_default=False)]
Limit = Annotated[int | None, typer.Option("--limit", min=1, help="At most so many.", show_default=False)]
Newest = Annotated[bool, typer.Option("--newest", help="The newest first.")]

TokenCode = Annotated[str | None, typer.Argument(help="Only this token.", show_default=False)]
OneToken = Annotated[str, typer.Argument(help="The token's code.", show_default=False)]
Account = Annotated[str, typer.Argument(help="The account.", show_default=False)]
