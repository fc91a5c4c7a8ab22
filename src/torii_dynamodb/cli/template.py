"""``torii-dynamodb template``: infrastructure as code."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from torii_dynamodb.admin.options import with_table
from torii_dynamodb.admin.streams.control import VIEW_TYPE
from torii_dynamodb.admin.streams.decode import stream_tables
from torii_dynamodb.admin.templates import TemplateKind, render, template
from torii_dynamodb.cli.reporting import read_options
from torii_dynamodb.cli.support import Connection, Json, new_group, options_given, with_tables

__all__ = ["app"]

app = new_group("Infrastructure as code, from the schema. Always JSON. Makes no requests to AWS.")

OptionsFile = Annotated[
    Path | None,
    typer.Option("--options", metavar="FILE", help="TOML or JSON file with the table options."),
]
Stream = Annotated[bool, typer.Option("--streams", help="Turn on the streams that events are made from.")]


def _add(kind: TemplateKind, help_text: str) -> None:
    @app.command(kind, help=help_text)
    @with_tables
    def command(
        connection: Connection,
        options: OptionsFile = None,
        streams: Stream = False,
        as_json: Json = False,
    ) -> None:
        chosen = read_options(options)
        config = connection.config()
        if streams:
            # By table: options for one table replace the others as a whole.
            for table in stream_tables(config):
                chosen = with_table(chosen, table, stream=VIEW_TYPE)
        with options_given():
            made = render(template(kind, config, chosen))
        sys.stdout.write(made)


_add("cloudformation", "A CloudFormation template. The tables are kept when the stack is deleted.")
_add("sam", "The same as a SAM template, to which you can add functions.")
_add("application", "A SAM template of a whole application: tables, functions, API, authorizer, mail, alarms.")
_add("terraform", "Terraform in JSON syntax: save it as torii.tf.json.")
_add("cdk-json", "Properties for CDK's CfnTable, by construct ID.")
