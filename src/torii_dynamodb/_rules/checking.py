"""Checks that report wrong settings by name at construction, not by a traceback when they are first used.

Messages name the option and the kind of the value, never the value itself, which may be a secret.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, cast, get_args, get_origin, get_type_hints

from torii_dynamodb._rules import validation
from torii_dynamodb.errors import ConfigurationError, ValidationError

__all__ = ["check_fields", "check_kind", "check_methods", "check_policy", "check_twin", "wrong"]

_WORDS: dict[object, str] = {
    bool: "True or False",
    int: "a whole number",
    float: "a number",
    str: "text",
    bytes: "bytes",
    timedelta: "a timedelta",
    Path: "a pathlib.Path",
    NoneType: "None",
}


def wrong(option: str, value: object, wanted: str) -> ConfigurationError:
    """Return the error for a value of the wrong kind."""
    if isinstance(value, type):
        given = f"the class {value.__name__} itself"
    elif inspect.iscoroutine(value):
        given = "a coroutine that was not awaited"
    elif value is None:
        given = "None"
    else:
        given = f"an object of the class {type(value).__name__}"
    return ConfigurationError(f"{option}: give {wanted}, not {given}")


def check_fields(settings: Any) -> None:
    """Check that each field of a dataclass has the type of its annotation.

    Raises:
        ConfigurationError: One has not; the message names it.
    """
    kind = cast("Any", type(settings))
    hints = get_type_hints(kind)
    # Not dataclasses.fields(), which skips fields that are hidden from serialisers.
    for name in cast("dict[str, object]", kind.__dataclass_fields__):
        hint, value = hints[name], getattr(settings, name)
        if not _fits(value, hint):
            raise wrong(name, value, _words(hint))


def check_kind(option: str, value: object, kind: str, wanted: str) -> None:
    """Check that a value is of a class, given by its full name, so that it need not be imported.

    Raises:
        ConfigurationError: It is not.
    """
    if not any(f"{one.__module__}.{one.__qualname__}" == kind for one in type(value).__mro__):
        raise wrong(option, value, wanted)


def check_policy(option: str, policy: object) -> None:
    """Check that a value is a valid ``LockoutPolicy``, or ``None``.

    Raises:
        ConfigurationError: It is not.
    """
    if policy is not None:
        check_kind(option, policy, "torii_dynamodb.models.attempts.LockoutPolicy", "LockoutPolicy(...)")
    try:
        validation.policy(cast("Any", policy))
    except ValidationError as error:
        raise ConfigurationError(f"{option}: {error.field.removeprefix('policy.')}: {error.reason}") from error


def check_methods(option: str, value: object, methods: Sequence[str], wanted: str) -> None:
    """Check that an object, not a class, has methods.

    Raises:
        ConfigurationError: It lacks one.
    """
    if isinstance(value, type) or not all(callable(getattr(value, method, None)) for method in methods):
        raise wrong(option, value, wanted)


def check_twin(option: str, value: object, method: str, *, blocking: bool, wanted: str) -> None:
    """Check that an object does not block where it must not, and is not asynchronous where it must block.

    Our own objects are recognised by their folder. In others, a coroutine function is asynchronous; another function
    may still return an awaitable, and passes.

    Raises:
        ConfigurationError: It is of the other kind.
    """
    found = inspect.getattr_static(type(value), method, None)
    modules = [
        kind.__module__.split(".") for kind in type(value).__mro__ if kind.__module__.startswith("torii_dynamodb.")
    ]
    folders = {part for module in modules for part in module}
    # All of the web layer is asynchronous.
    asynchronous = not folders.isdisjoint(("_async", "fastapi")) or inspect.iscoroutinefunction(found)
    if asynchronous if blocking else "_sync" in folders:
        raise wrong(option, value, wanted)


def _fits(value: object, hint: Any) -> bool:
    origin, inner = get_origin(hint), get_args(hint)
    if hint is Any:
        return True
    if origin in (Union, UnionType):
        return any(_fits(value, one) for one in inner)
    if origin is Literal:
        return isinstance(value, str) and value in inner
    if origin is tuple or (isinstance(origin, type) and issubclass(origin, Sequence)):
        # A string is a sequence of strings, which is never meant.
        each = inner[0] if inner else Any
        return (
            isinstance(value, Collection)
            and not isinstance(value, str | bytes | Mapping)
            and all(_fits(one, each) for one in cast("Collection[object]", value))
        )
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return isinstance(value, Mapping)
    if origin is Callable:
        return callable(value)
    if hint in (int, float) and isinstance(value, bool):
        return False
    if hint is float:
        return isinstance(value, int | float)
    kind = cast("object", origin or hint)
    return isinstance(value, kind) if isinstance(kind, type) else True


def _words(hint: Any) -> str:
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return " or ".join(_words(one) for one in inner)
    if origin is Literal:
        return " or ".join(repr(one) for one in inner)
    if origin is tuple or (isinstance(origin, type) and issubclass(origin, Sequence)):
        return f"a sequence of {_words(inner[0])}" if inner else "a sequence"
    if origin is Callable:
        return "a function"
    return _WORDS.get(hint) or str(getattr(hint, "__name__", hint))
