"""``torii-dynamodb users second-factors``: list second factors, and remove those that somebody lost."""

from __future__ import annotations

from typing import Annotated

import typer

from torii_dynamodb.cli.mailing import Mailing, with_mail
from torii_dynamodb.cli.support import (
    Connection,
    ExitCode,
    Json,
    Yes,
    confirm,
    connected,
    emit,
    fail,
    new_group,
    note,
    plain,
    say,
    with_cache,
    with_tenant,
)
from torii_dynamodb.cli.users.finding import UserArgument, factor_facts, factor_lines, find_user
from torii_dynamodb.cli.users.people import open_people

__all__ = ["app"]

app = new_group("List and remove a user's second factors.")


@app.command("list")
@connected
@with_tenant
def list_second_factors(connection: Connection, who: UserArgument, as_json: Json = False) -> None:
    """List a user's second factors: authenticator apps, recovery codes, and passkeys if they count as one."""
    with connection.open() as storage:
        user = find_user(storage, who)
        found = storage.list_factors_for_user(user.id, user=user)
    if as_json:
        emit(
            {
                "user_id": user.id,
                "email": user.email,
                "passkeys": "passkey" in user.factors,
                "second_factors": factor_facts(found),
            }
        )
        return
    for line in factor_lines(user, found):
        say(line)
    for one in found.corrupt:
        note(f"Left out: {plain(one.key or 'a second factor without an ID')}: {one}")
    if not user.factors:
        say(f"{user.email} has no second factors.")


@app.command("remove")
@connected
@with_tenant
@with_cache
@with_mail
def remove_second_factors(
    connection: Connection,
    mail: Mailing,
    who: UserArgument,
    factor_id: Annotated[
        str | None,
        typer.Argument(metavar="[FACTOR]", help="The ID of an authenticator app, 'recovery' or 'passkey'."),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Remove all of the user's second factors.")] = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Remove one second factor of a user who lost it, or all with --all. Be sure who asked you to.

    The user's sessions and passkeys stay. Without another second factor, the first one is enough to sign in from then
    on. The owner is told by mail.
    """
    if every == (factor_id is not None):
        raise typer.BadParameter("give one second factor, or --all", param_hint="FACTOR")
    with open_people(connection, mail) as people:
        user = people.find(who)
        what = "all second factors" if factor_id is None else f"second factor {factor_id}"
        confirm(f"Remove {what} of {user.email}?", yes=yes)
        if not people.torii.administration.remove_second_factors(user, factor_id):
            missing = (
                "no second factors"
                if factor_id is None
                else f"no second factor {factor_id!r}; see 'users second-factors list'"
            )
            fail(f"{user.email} has {missing}", ExitCode.NOT_FOUND)
        people.tell(
            "second_factors_removed",
            people.find(user.id),
            f"{user.email}: {what} removed.",
            notice=True,
            as_json=as_json,
            removed=factor_id or "all",
        )
