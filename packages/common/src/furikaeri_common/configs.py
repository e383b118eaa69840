"""Configurations: frozen dataclasses made from documents (TOML, JSON), strictly.

A name that the dataclass does not know, a value of another type, or one that its `__post_init__` refuses is told with
its place, such as `models.1.rounds`, and the names that were possible.
"""

from __future__ import annotations

import dataclasses
import difflib
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeVar, Union

from furikaeri_common.errors import InputError

__all__ = ["config_from"]

Config = TypeVar("Config")


def config_from(kind: type[Config], document: object, *, source: str, place: str = "") -> Config:
    """Make a dataclass from a document.

    Fields may be bool, int, float (a whole number is one), str, Literal, dataclasses, `tuple[X, ...]`,
    `Mapping[str, X]`, Any, and unions of these; a field that is left out takes its default.

    Args:
        kind: the dataclass.
        document: what was read: a mapping from names to values.
        source: the file, or whatever the document came from; begins every complaint.
        place: where in the source the document lies, such as `models.1`.

    Raises:
        InputError: if the document is none of this kind.
    """
    made: Config = _dataclass(kind, document, source, place)
    return made


def _dataclass(kind: type[Any], document: object, source: str, place: str) -> Any:
    if not isinstance(document, Mapping):
        raise _wrong(source, place, "a table of names and values", document)
    types_of = typing.get_type_hints(kind)
    fields = {field.name: field for field in dataclasses.fields(kind) if field.init}
    for name in document:
        if name not in fields:
            near = difflib.get_close_matches(str(name), fields, n=1)
            hint = f"Did you mean {near[0]}?" if near else f"Possible are: {', '.join(fields)}"
            raise InputError(f"{source}: {_inside(place, str(name))}: no such setting", fix=hint)
    values = {
        name: _value(types_of[name], document[name], source, _inside(place, name))
        for name in fields
        if name in document
    }
    for name, field in fields.items():
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if required and name not in values:
            raise InputError(f"{source}: {_inside(place, name)} is missing")
    try:
        return kind(**values)
    except ValueError as error:
        raise InputError(f"{source}: {place + ': ' if place else ''}{error}") from error


def _value(kind: Any, value: object, source: str, place: str) -> Any:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any:
        return value
    if origin in (Union, types.UnionType):
        return _one_of(arguments, value, source, place)
    if origin is Literal:
        if not any(type(value) is type(argument) and value == argument for argument in arguments):
            raise _wrong(source, place, f"one of {', '.join(map(str, arguments))}", value)
        return value
    if dataclasses.is_dataclass(kind):
        return value if isinstance(value, kind) else _dataclass(kind, value, source, place)  # type: ignore[arg-type]
    if origin is tuple:
        if isinstance(value, str) or not isinstance(value, Sequence):
            raise _wrong(source, place, "a list", value)
        kinds = [arguments[0]] * len(value) if arguments[-1:] == (Ellipsis,) else list(arguments)
        if len(kinds) != len(value):
            raise _wrong(source, place, f"a list of {len(kinds)}", value)
        return tuple(
            _value(inner, item, source, _inside(place, str(number)))
            for number, (inner, item) in enumerate(zip(kinds, value, strict=True))
        )
    if origin in (Mapping, dict):
        if not isinstance(value, Mapping):
            raise _wrong(source, place, "a table of names and values", value)
        return {
            str(name): _value(arguments[1], item, source, _inside(place, str(name))) for name, item in value.items()
        }
    return _plain(kind, value, source, place)


def _plain(kind: Any, value: object, source: str, place: str) -> Any:
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if kind is types.NoneType and value is None:
        return None
    if kind in (bool, int, float, str) and type(value) is kind:
        return value
    names = {bool: "true or false", int: "a whole number", float: "a number", str: "a text", types.NoneType: "nothing"}
    raise _wrong(source, place, names.get(kind, str(kind)), value)


def _one_of(kinds: Sequence[Any], value: object, source: str, place: str) -> Any:
    complaints = []
    for kind in kinds:
        try:
            return _value(kind, value, source, place)
        except InputError as error:
            if kind is not types.NoneType:
                complaints.append(error)
    raise complaints[0]


def _wrong(source: str, place: str, expected: str, value: object) -> InputError:
    return InputError(f"{source}: {place or 'the whole'}: expected {expected}, got {value!r}")


def _inside(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name
