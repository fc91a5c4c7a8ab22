"""Dataclasses that do not leak secrets and internals by accident."""

from __future__ import annotations

from typing import Any, ClassVar, TypeVar, get_type_hints

__all__ = ["guarded"]

C = TypeVar("C")

# fields() skips everything that does not have dataclasses' own marker of a plain field.
_WITHHELD = "withheld"


def guarded(cls: type[C]) -> type[C]:
    """Hide from serialisers the fields that a dataclass keeps out of its ``repr`` (``field(repr=False)``).

    ``dataclasses.fields``, ``asdict`` and ``astuple`` skip those fields, and so do FastAPI's encoder, orjson, msgspec
    and cattrs, which use the same list. pydantic (FastAPI's return annotations and ``response_model``, and fields of
    models) gets a schema without them. ``dataclasses.replace``, comparison, ``copy`` and ``pickle`` see all fields,
    because programs must not lose anything; so a pickle is as secret as its content.

    Such a class cannot be the base of another dataclass.
    """
    target: Any = cls
    known: dict[str, Any] = target.__dataclass_fields__
    names = tuple(known)
    shown = tuple(name for name in names if known[name].repr)
    for field in known.values():
        if not field.repr:
            field._field_type = _WITHHELD
            # pydantic does not use the schema below for generic classes; it skips class variables.
            field.type = ClassVar[Any]

    def getstate(self: object) -> list[Any]:
        return [getattr(self, name) for name in names]

    def setstate(self: object, state: list[Any]) -> None:
        for name, value in zip(names, state, strict=True):
            object.__setattr__(self, name, value)  # frozen

    def core_schema(kind: type, _: object, handler: Any) -> dict[str, Any]:
        return _core_schema(kind, shown, handler)

    target.__getstate__ = getstate
    target.__setstate__ = setstate
    target.__get_pydantic_core_schema__ = classmethod(core_schema)
    return cls


def _core_schema(cls: type, shown: tuple[str, ...], handler: Any) -> dict[str, Any]:
    """Return pydantic's schema: it accepts instances, and serialises only the fields that may be shown.

    It is written as a plain dict (``pydantic_core.core_schema``), so that nothing here imports pydantic.
    """
    # Hidden fields do not even need a known type.
    told_of = {"__module__": cls.__module__, "__annotations__": {name: cls.__annotations__[name] for name in shown}}
    # The type of metadata refers to itself by name, which pydantic cannot resolve.
    hints = get_type_hints(type(cls.__name__, (), told_of), localns={"Metadata": dict[str, Any]})
    fields = {
        name: {"type": "typed-dict-field", "schema": handler.generate_schema(hints[name]), "required": True}
        for name in shown
    }
    ref = f"{cls.__module__}.{cls.__qualname__}:{id(cls)}"
    told = {"type": "typed-dict", "cls_name": cls.__name__, "fields": fields, "ref": ref}

    def tell(instance: Any) -> dict[str, Any]:
        return {name: getattr(instance, name) for name in shown}

    return {
        "type": "is-instance",
        "cls": cls,
        "serialization": {"type": "function-plain", "function": tell, "return_schema": told},
    }
