"""``torii-dynamodb iam``: least-privilege policies."""

from __future__ import annotations

from typing import Annotated, cast

import typer

from torii_dynamodb.admin.iam import ROLES, Role, policy
from torii_dynamodb.cli.support import Connection, Json, emit, new_group, options_given, with_tables

__all__ = ["app"]

app = new_group("IAM policies for the tables. Makes no requests to AWS.")


@app.command("policy")
@with_tables
def print_policy(
    connection: Connection,
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
    tenant: Annotated[
        str | None, typer.Option("--tenant", metavar="NAME", help="For runtime: only this tenant's items.")
    ] = None,
    tenant_tag: Annotated[
        str | None,
        typer.Option(
            "--tenant-tag",
            metavar="KEY",
            help="For runtime: only the items of the tenant that this tag of the caller (its role or session) names.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Print the policy document of a role, ready for AWS. Always JSON."""
    config = connection.config(region=region, home_region=home_region)
    with options_given():
        document = policy(
            cast("Role", role),
            config,
            account=account,
            partition=partition,
            restore_prefix=restore_prefix,
            tenant=tenant,
            tenant_tag=tenant_tag,
        )
    emit(document)
