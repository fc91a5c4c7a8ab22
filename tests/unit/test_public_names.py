"""What the public modules export."""

from __future__ import annotations

from collections import defaultdict
from importlib import import_module
from pkgutil import walk_packages
from types import FunctionType, ModuleType

import torii_dynamodb

# An application uses one of these: they offer the same, each in its framework's way.
FRAMEWORKS = {"torii_dynamodb.django", "torii_dynamodb.flask", "torii_dynamodb.starlette"}

# Packages whose interface is what the package itself exports: the modules behind it only build that.
CLOSED = {
    "torii_dynamodb.cli",  # the commands
    "torii_dynamodb.django",
    "torii_dynamodb.fastapi.admin",
    "torii_dynamodb.fastapi.example",
    "torii_dynamodb.fastapi.pages",
    "torii_dynamodb.fastapi.routes",  # added by router()
    "torii_dynamodb.flask",
}


def public_modules() -> list[ModuleType]:
    """Every module without an underscore in its path."""
    names = [found.name for found in walk_packages(torii_dynamodb.__path__, "torii_dynamodb.")]
    return [torii_dynamodb, *(import_module(name) for name in names if "._" not in name)]


def is_closed(name: str) -> bool:
    """Whether a module is behind a package that is public only as a whole."""
    return any(name.startswith(f"{package}.") for package in CLOSED)


def test_every_exported_name_exists() -> None:
    """Every name in ``__all__`` of a public module can be imported from it, and is there once."""
    for module in public_modules():
        exported: list[str] = getattr(module, "__all__", [])
        assert len(set(exported)) == len(exported), module.__name__
        assert [name for name in exported if not hasattr(module, name)] == [], module.__name__


def test_every_public_class_and_function_is_exported() -> None:
    """``__all__`` of a public module has every class and function that it defines without an underscore."""
    for module in public_modules():
        defined = {
            name
            for name, found in vars(module).items()
            if not name.startswith("_")
            # Not isinstance(): Django's settings, which nothing has configured here, take that for a use.
            and issubclass(type(found), (type, FunctionType))
            and found.__module__ == module.__name__
        }
        if not is_closed(module.__name__):
            assert defined - set(getattr(module, "__all__", [])) == set(), module.__name__


def test_no_two_public_things_share_a_name() -> None:
    """A name that several public modules export means the same thing in each."""
    homes: dict[str, dict[int, list[str]]] = defaultdict(lambda: defaultdict(list))
    for module in public_modules():
        for name in getattr(module, "__all__", []):
            if not is_closed(module.__name__) and module.__name__ not in FRAMEWORKS:
                homes[name][id(getattr(module, name))].append(module.__name__)
    assert {name: list(found.values()) for name, found in homes.items() if len(found) > 1} == {}
