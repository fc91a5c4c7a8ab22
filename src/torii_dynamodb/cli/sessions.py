"""``torii-dynamodb sessions``: list and end users' sessions."""

from __future__ import annotations

from typing import Annotated

import typer

from torii_dynamodb.cli.support import (
    Connection,
    ExitCode,
    Json,
    Yes,
    confirm,
    connected,
    counted,
    emit,
    fail,
    new_group,
    note,
    plain,
    say,
    with_cache,
    with_tenant,
)
from torii_dynamodb.cli.users.finding import UserArgument, find_user, shown_moment

__all__ = ["app"]

app = new_group("List and end users' sessions.")


@app.command("list")
@connected
@with_tenant
def list_sessions(connection: Connection, who: UserArgument, as_json: Json = False) -> None:
    """List a user's valid sessions, newest first. The list comes from an index, which may lag briefly."""
    with connection.open() as storage:
        user = find_user(storage, who)
        found = storage.list_sessions_for_user(user.id)
    if as_json:
        emit({"user_id": user.id, "email": user.email, "sessions": found})
        return
    for session in found:
        say(session.id)
        say(f"  signed in {shown_moment(session.created_at)}, ends {shown_moment(session.expires_at)}")
        if session.ip_address or session.user_agent:
            browser = plain(session.user_agent or "an unnamed browser")
            cut = f"{browser[:117]}..." if len(browser) > 120 else browser
            say(f"  from {plain(session.ip_address or 'an unknown address')}, {cut}")
    for one in found.corrupt:
        note(f"Left out: {plain(one.key or 'a session without an ID')}: {one}")
    say(f"{user.email} has {counted(len(found), 'session')}.")


@app.command("revoke")
@connected
@with_tenant
@with_cache
def revoke(
    connection: Connection,
    who: UserArgument,
    session_id: Annotated[
        str | None, typer.Argument(metavar="[SESSION]", help="The session's ID, from 'sessions list'.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="End all of the user's sessions.")] = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """End one session of a user, or all with --all. They end immediately, on every host."""
    if every == (session_id is not None):
        raise typer.BadParameter("give one session, or --all", param_hint="SESSION")
    with connection.open(session_cleanup="inline") as storage:
        user = find_user(storage, who)
        if session_id is not None:
            if not storage.delete_session_by_id(user.id, session_id):
                fail(f"{user.email} has no such session", ExitCode.NOT_FOUND)
            if as_json:
                emit({"user_id": user.id, "revoked": session_id})
            else:
                say(f"{user.email}: session ended.")
            return
        confirm(f"Sign {user.email} out everywhere?", yes=yes)
        storage.delete_sessions_for_user(user.id)
    if as_json:
        emit({"user_id": user.id, "revoked": "all"})
    else:
        say(f"{user.email}: signed out everywhere. All sessions made before now are invalid.")
