"""``torii-dynamodb iam``: least-privilege policies."""

from __future__ import annotations

from typing import Annotated, Any, cast

import typer

from torii_dynamodb.admin.iam import ROLES, Role, policy
from torii_dynamodb.cli.support import Json, TableNames, TablePrefix, emit, new_group, options_given, table_names_of
from torii_dynamodb.config import DynamoDbConfig

__all__ = ["app"]

app = new_group("IAM policies for the tables. Makes no requests to AWS.")


@app.command("policy")
def print_policy(
    role: Annotated[str, typer.Option("--role", help=f"One of {', '.join(ROLES)}.")] = "runtime",
    account: Annotated[str, typer.Option("--account", help="The twelve-digit account ID.")] = "*",
    partition: Annotated[str, typer.Option("--partition", help="aws, aws-cn, aws-us-gov, ...")] = "aws",
    region: Annotated[str | None, typer.Option("--region", help="The Region. Default: any.")] = None,
    home_region: Annotated[
        str | None, typer.Option("--home-region", help="The Region of all writes, if it is another one.")
    ] = None,
    restore_prefix: Annotated[
        str | None, typer.Option("--restore-prefix", help="For backup: the table prefix that may be restored to.")
    ] = None,
    table_prefix: TablePrefix = "torii",
    table_names: TableNames = None,
    as_json: Json = False,
) -> None:
    """Print the policy document of a role, ready for AWS. Always JSON."""
    with options_given():
        names: Any = table_names_of(table_names)
        config = DynamoDbConfig(
            region=region,
            table_prefix=table_prefix,
            table_names=names,
            home_region=home_region,
        )
        emit(policy(cast("Role", role), config, account=account, partition=partition, restore_prefix=restore_prefix))
