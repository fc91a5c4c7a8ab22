"""``torii-dynamodb iam``: least-privilege policies."""

from __future__ import annotations

from typing import Annotated, Any, cast

import typer

from torii_dynamodb.admin.iam import ROLES, Role, policy
from torii_dynamodb.cli.support import Json, TableNames, TablePrefix, emit, new_group, options_given, table_names_of
from torii_dynamodb.config import DynamoDbConfig

__all__ = ["app"]

app = new_group("IAM policies for the tables. Nothing is asked of AWS.")


@app.command("policy")
def print_policy(
    role: Annotated[str, typer.Option("--role", help=f"One of {', '.join(ROLES)}.")] = "runtime",
    account: Annotated[str, typer.Option("--account", help="The account's twelve digits.")] = "*",
    partition: Annotated[str, typer.Option("--partition", help="aws, aws-cn, aws-us-gov, ...")] = "aws",
    region: Annotated[str | None, typer.Option("--region", help="The region; else any.")] = None,
    home_region: Annotated[str | None, typer.Option("--home-region", help="Where all writes go, if elsewhere.")] = None,
    restore_prefix: Annotated[
        str | None, typer.Option("--restore-prefix", help="For backup: the prefix that may be restored into.")
    ] = None,
    table_prefix: TablePrefix = "torii",
    table_names: TableNames = None,
    as_json: Json = False,
) -> None:
    """Print the policy document of a role, always as JSON: ready for AWS."""
    with options_given():
        names: Any = table_names_of(table_names)
        config = DynamoDbConfig(
            region=region,
            table_prefix=table_prefix,
            table_names=names,
            home_region=home_region,
        )
        emit(policy(cast("Role", role), config, account=account, partition=partition, restore_prefix=restore_prefix))
