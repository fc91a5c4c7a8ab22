"""Dataclasses whose secrets and internals do not leave by accident."""

from __future__ import annotations

from typing import Any, ClassVar, TypeVar, get_type_hints

__all__ = ["guarded"]

C = TypeVar("C")

# Whatever is not dataclasses' own marker of a plain field is passed over by fields().
_WITHHELD = "withheld"


def guarded(cls: type[C]) -> type[C]:
    """Withhold from serialisers what a dataclass keeps out of its ``repr`` (``field(repr=False)``).

    ``dataclasses.fields``, ``asdict`` and ``astuple`` pass those fields over, and with them FastAPI's encoder, orjson,
    msgspec and cattrs, which go by the same list. pydantic (FastAPI's return annotations and ``response_model``, and
    fields of models) gets a schema without them. ``dataclasses.replace``, comparison, ``copy`` and ``pickle`` see the
    whole: those are for programs, which must not lose anything; so a pickle is as secret as what it holds.

    Such a class is not a base for another dataclass.
    """
    target: Any = cls
    known: dict[str, Any] = target.__dataclass_fields__
    names = tuple(known)
    shown = tuple(name for name in names if known[name].repr)
    for field in known.values():
        if not field.repr:
            field._field_type = _WITHHELD
            # For generic classes pydantic does not ask for the schema below; it passes class variables over.
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
    """What pydantic is to make of it: an instance as it stands goes in, the fields that may be shown come out.

    Written in pydantic's own form (``pydantic_core.core_schema``), so that nothing here imports it.
    """
    # Of what is withheld not even the type need be known.
    told_of = {"__module__": cls.__module__, "__annotations__": {name: cls.__annotations__[name] for name in shown}}
    # The type of metadata refers to itself by name, which pydantic does not follow.
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
