"""``torii-dynamodb template``: infrastructure as code."""

from __future__ import annotations

import json
import sys
import tomllib
from pathlib import Path
from typing import Annotated, Any

import typer

from torii_dynamodb.admin.options import TableOptions, options_from_mapping
from torii_dynamodb.admin.templates import TemplateKind, render, template
from torii_dynamodb.cli.support import Json, TablePrefix, new_group
from torii_dynamodb.config import DynamoDbConfig
from torii_dynamodb.errors import ConfigurationError

__all__ = ["app"]

app = new_group("Infrastructure as code, from the schema; always JSON. Nothing is asked of AWS.")

OptionsFile = Annotated[
    Path | None,
    typer.Option("--options", metavar="FILE", help="What is chosen about the tables: a TOML or JSON file."),
]
Stream = Annotated[bool, typer.Option("--streams", help="Switch the streams on that events are made of.")]


@app.command()
def cloudformation(
    table_prefix: TablePrefix = "torii", options: OptionsFile = None, streams: Stream = False, as_json: Json = False
) -> None:
    """A CloudFormation template. Tables outlive their stack."""
    _print("cloudformation", table_prefix, options, streams)


@app.command()
def sam(
    table_prefix: TablePrefix = "torii", options: OptionsFile = None, streams: Stream = False, as_json: Json = False
) -> None:
    """The same as a SAM template, to put functions beside."""
    _print("sam", table_prefix, options, streams)


@app.command()
def terraform(
    table_prefix: TablePrefix = "torii", options: OptionsFile = None, streams: Stream = False, as_json: Json = False
) -> None:
    """Terraform in JSON syntax: save it as torii.tf.json."""
    _print("terraform", table_prefix, options, streams)


@app.command("cdk-json")
def cdk_json(
    table_prefix: TablePrefix = "torii", options: OptionsFile = None, streams: Stream = False, as_json: Json = False
) -> None:
    """Properties for CDK's CfnTable, by construct id."""
    _print("cdk-json", table_prefix, options, streams)


def _print(kind: TemplateKind, table_prefix: str, options: Path | None, streams: bool) -> None:
    given: dict[str, Any] = {} if options is None else _read(options)
    if streams:
        given["stream"] = "NEW_AND_OLD_IMAGES"
    chosen = options_from_mapping(given) if given else TableOptions()
    sys.stdout.write(render(template(kind, DynamoDbConfig(table_prefix=table_prefix), chosen)))


def _read(path: Path) -> dict[str, Any]:
    text = path.read_text(encoding="utf-8")
    try:
        given: dict[str, Any] = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except ValueError as error:
        raise ConfigurationError(f"{path}: {error}") from error
    return given
