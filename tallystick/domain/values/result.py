"""A result: what a ledger answers with. It never changes, and is as plain as a dict wherever that is wanted.

`dict(result)` has its fields, `to_dict` all of it down to texts, numbers and lists. Which fields count money is said where they
are declared, by `Amount` or `Sati` as their type, so that these alone are written as text or in a token's decimals. A field
whose name begins with "_" is nobody's but the result's own. What writing alone needs is imported where it is written.
"""

from collections.abc import Iterable, Mapping
from enum import Enum
from functools import cache
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Protocol, cast, get_args, get_type_hints

import msgspec

from tallystick.domain.decimal_point import written
from tallystick.domain.errors import AMOUNT_FIELDS, InvalidRequest, LedgerError
from tallystick.domain.values.curve import Curve

SHOWN_CHARACTERS = 200
"""So much of a value stands in a table."""


class Exact(NamedTuple):
    """Marks a field of money: an integer that JavaScript would round, of a unit with so many decimals below a token's."""

    further_decimals: int = 0


Amount = Annotated[int, Exact()]
"""In the smallest unit of the token that the result is counted in."""
Sati = Annotated[int, Exact(8)]
"""In hundred-millionths of that."""

AmountsAs = Literal["int", "text"]


class Denomination(Protocol):
    """What is asked of a token, to write amounts in its decimals."""

    @property
    def code(self) -> str: ...
    @property
    def decimals(self) -> int: ...


class Result(msgspec.Struct, frozen=True):
    """The base of all results."""

    _counted_in: ClassVar[str | None] = "token"
    """The field, if there is one of this name, that has the code of the token in which amounts are counted; None where they
    are counted in several.
    """

    def keys(self) -> tuple[str, ...]:
        """The names of its fields, so that `dict(result)` has them."""
        return tuple(_fields_of(type(self)))

    def __getitem__(self, name: str) -> Any:
        if not isinstance(name, str):
            raise TypeError(f"a field of a {type(self).__name__} is got by its name, not by {name!r}")
        if name not in _fields_of(type(self)):
            raise KeyError(name)
        return getattr(self, name)

    def to_dict(self, amounts: AmountsAs = "int", token: Denomination | None = None) -> dict[str, Any]:
        """All of it as a dict, with what lies in it as dicts and lists; times stay datetimes.

        Amounts are ints in smallest units, with `amounts` "text" text of digits, which JavaScript does not round, and with a
        `token` text in its decimals. Raises `InvalidRequest`, also where something is counted in another token than this.
        """
        if not isinstance(amounts, str) or amounts not in ("int", "text"):
            raise InvalidRequest(f"amounts are written as 'int' or 'text', not {amounts!r}")
        if token is not None:
            self._check_counted_in(token)
        fields = _fields_of(type(self))
        return {name: _plain(getattr(self, name), exact, amounts, token) for name, exact in fields.items()}

    def _check_counted_in(self, token: Denomination) -> None:
        code, decimals = cast(object, getattr(token, "code", None)), cast(object, getattr(token, "decimals", None))
        if type(code) is not str or type(decimals) is not int:
            raise InvalidRequest(f"amounts are written in the decimals of a Token, not of {token!r}")
        if self._counted_in is None:
            raise InvalidRequest(
                f"what {type(self).__name__} tells is counted in two tokens: its amounts are written as 'int' or 'text'"
            )
        counted_in = getattr(self, self._counted_in, None)
        if counted_in is not None and counted_in != code:
            raise InvalidRequest(f"a {type(self).__name__} that is counted in {counted_in} is not written in {code}")

    def _repr_html_(self) -> str:
        """A table for notebooks."""
        from html import escape

        rows = [f"<tr><th>{escape(name)}</th><td>{_cell(self[name])}</td></tr>" for name in self.keys()]
        return f"<table><caption>{escape(type(self).__name__)}</caption><tbody>{''.join(rows)}</tbody></table>"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        """How pydantic, and with it FastAPI, takes and writes one: as an object of its fields."""
        from pydantic import PydanticSchemaGenerationError
        from pydantic_core import core_schema as schema

        hints, defaults = get_type_hints(cls, include_extras=True), {each.name: each for each in msgspec.structs.fields(cls)}
        taken: dict[str, Any] = {}
        given: dict[str, Any] = {}
        for name in _fields_of(cls):
            try:
                field = handler.generate_schema(hints[name])
            except PydanticSchemaGenerationError:  # a curve or an error
                field = schema.any_schema(serialization=schema.plain_serializer_function_ser_schema(_plain))
            taken[name] = schema.typed_dict_field(field, required=defaults[name].required)
            given[name] = schema.typed_dict_field(field)

        def make(fields: dict[str, Any]) -> Result:
            return cls(**fields)

        make.__name__ = make.__qualname__ = cls.__name__  # as errors of pydantic call it
        made = schema.no_info_after_validator_function(make, schema.typed_dict_schema(taken))
        return schema.json_or_python_schema(
            json_schema=made,
            python_schema=schema.union_schema([schema.is_instance_schema(cls), made]),
            serialization=schema.plain_serializer_function_ser_schema(_shallow, return_schema=schema.typed_dict_schema(given)),
            ref=f"{cls.__module__}.{cls.__qualname__}:{id(cls)}",
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: Any, handler: Any) -> Any:
        """The same for JSON Schema, under the name of the class."""
        found = handler(core_schema)
        handler.resolve_ref_schema(found)["title"] = cls.__name__
        return found


def plain_error(error: LedgerError, amounts: AmountsAs = "int") -> dict[str, Any]:
    """An error as a dict: `code`, `message` and its fields, amounts among them as `Result.to_dict` writes them."""
    return cast(dict[str, Any], _plain(error, None, amounts))


@cache
def _fields_of(kind: type[Result]) -> Mapping[str, Exact | None]:
    """The fields that users see, and how those of money are counted."""
    hints = get_type_hints(kind, include_extras=True)
    return {name: _exact_in(hints[name]) for name in kind.__struct_fields__ if not name.startswith("_")}


def _exact_in(hint: Any) -> Exact | None:
    """The mark in a type, or in a part of it."""
    if isinstance(hint, Exact):
        return hint
    parts = (*get_args(hint), *getattr(hint, "__metadata__", ()))
    return next((found for part in parts if (found := _exact_in(part)) is not None), None)


def _plain(value: Any, exact: Exact | None = None, amounts: AmountsAs = "int", token: Denomination | None = None) -> Any:
    """The value as a text, a number, a time, a list or a dict."""
    match value:
        case None | bool() | str():
            return value
        case int():
            return value if exact is None else _written_amount(value, exact, amounts, token)
        case Result():
            return value.to_dict(amounts, token)
        case Enum():
            return value.value
        case LedgerError():
            if token is not None and value.fields.get("token", token.code) != token.code:
                raise InvalidRequest(f"a refusal that is counted in {value.fields['token']} is not written in {token.code}")
            marks = {name: Exact() if name in AMOUNT_FIELDS else None for name in value.fields}
            fields = {name: _plain(field, marks[name], amounts, token) for name, field in value.fields.items()}
            return {"code": value.code, "message": str(value), **fields}
        case Mapping():
            pairs = cast(Mapping[Any, Any], value).items()
            return {key: _plain(each, exact, amounts, token) for key, each in pairs}
        case tuple() | list() | range() | set() | frozenset():
            return [_plain(each, exact, amounts, token) for each in cast(Iterable[Any], value)]
        case Curve():
            return {"name": value.name, "parameters": list(value.parameters)}
        case _:
            return value


def _written_amount(amount: int, exact: Exact, amounts: AmountsAs, token: Denomination | None) -> int | str:
    if token is not None:
        return written(amount, token.decimals + exact.further_decimals)
    return str(amount) if amounts == "text" else amount


def _shallow(result: Result) -> dict[str, Any]:
    fields = {name: getattr(result, name) for name in _fields_of(type(result))}
    return {name: list(value) if isinstance(value, range) else value for name, value in fields.items()}


def _cell(value: object) -> str:
    """A value in a table of HTML; a result in it is a table too."""
    from html import escape

    if isinstance(value, Result):
        return value._repr_html_()  # pyright: ignore[reportPrivateUsage]
    text = value if isinstance(value, str) else repr(value)
    return escape(text if len(text) <= SHOWN_CHARACTERS else f"{text[: SHOWN_CHARACTERS - 3]}...")
