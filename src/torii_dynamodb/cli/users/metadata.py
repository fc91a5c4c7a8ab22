"""Metadata from the command line, merged into what is stored."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, cast

import typer

from torii_dynamodb._rules import validation
from torii_dynamodb.cli.support import WrongOption
from torii_dynamodb.models import Metadata

__all__ = ["MetadataOption", "merged", "patches_of"]

MetadataOption = Annotated[
    list[str] | None,
    typer.Option(
        "--metadata",
        metavar="KEY=TEXT|JSON",
        help="Your own data, merged into what is there: KEY=TEXT, or a JSON object, in which null removes a key "
        "(RFC 7396). Can be repeated.",
    ),
]


def patches_of(given: Sequence[str] | None) -> list[Metadata]:
    """The objects to merge, in order.

    Raises:
        WrongOption: One is neither ``KEY=TEXT`` nor a JSON object.
    """
    patches: list[Metadata] = []
    for one in given or ():
        if one.lstrip().startswith("{"):
            try:
                patches.append(validation.metadata(json.loads(one)))
            except (ValueError, RecursionError) as error:
                raise WrongOption(f"--metadata: this is not valid JSON: {error}") from error
            continue
        key, equals, text = one.partition("=")
        if not equals or not key:
            raise WrongOption(f"--metadata {one!r}: give KEY=TEXT or a JSON object, for example plan=pro")
        patches.append({key: text})
    return patches


def merged(old: Metadata, patches: Sequence[Mapping[str, Any]]) -> Metadata:
    """Apply JSON merge patches, one after the other (RFC 7396, section 2)."""
    result = old
    for patch in patches:
        result = _merged(result, patch)
    return result


def _merged(old: object, patch: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(cast("Mapping[str, Any]", old)) if isinstance(old, Mapping) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, Mapping):
            result[key] = _merged(result.get(key), cast("Mapping[str, Any]", value))
        else:
            result[key] = value
    return result
