"""``torii-dynamodb users lock``, ``unlock``, ``set-password``, ``reset`` and ``sign-out``."""

from __future__ import annotations

from typing import Annotated

import typer

from torii_dynamodb.cli.mailing import Mailing, with_mail
from torii_dynamodb.cli.passwords import read_password
from torii_dynamodb.cli.support import (
    Connection,
    ExitCode,
    Json,
    WrongOption,
    Yes,
    confirm,
    connected,
    counted,
    emit,
    fail,
    note,
    say,
    with_cache,
    with_tenant,
)
from torii_dynamodb.cli.users.editing import PasswordStdin
from torii_dynamodb.cli.users.finding import UserArgument, shown_moment
from torii_dynamodb.cli.users.people import open_people

__all__ = ["lock", "reset", "set_password", "sign_out", "unlock"]


@connected
@with_tenant
@with_cache
def lock(connection: Connection, who: UserArgument, yes: Yes = False, as_json: Json = False) -> None:
    """Lock an account: its sessions and links end at once, and nobody can sign in to it until it is unlocked."""
    with open_people(connection) as people:
        user = people.find(who)
        if user.locked_at is not None:
            # The first time may have been unable to reach the cache.
            people.storage.set_locked_at(user.id, user.locked_at)
            told = f"{user.email} has been locked since {shown_moment(user.locked_at)}."
            people.tell("locked", user, told, changed=False, as_json=as_json, ended_sessions=0)
            return
        sessions = len(people.torii.list_sessions(user.id))
        confirm(f"Lock {user.email}? This ends {counted(sessions, 'session')}.", yes=yes)
        after = people.torii.lock_user(user.id)
        if after is None:
            fail(f"there is no user {user.id} any more", ExitCode.NOT_FOUND)
        told = f"{user.email}: locked; {counted(sessions, 'session')} ended."
        people.tell("locked", after, told, as_json=as_json, ended_sessions=sessions)


@connected
@with_tenant
@with_cache
def unlock(connection: Connection, who: UserArgument, as_json: Json = False) -> None:
    """Unlock an account that an administrator locked. Its old sessions stay ended."""
    with open_people(connection) as people:
        user = people.find(who)
        if user.locked_at is None:
            people.tell("unlocked", user, f"{user.email} is not locked.", changed=False, as_json=as_json)
            return
        after = people.torii.unlock_user(user.id)
        if after is None:
            fail(f"there is no user {user.id} any more", ExitCode.NOT_FOUND)
        people.tell("unlocked", after, f"{user.email}: unlocked.", as_json=as_json)


@connected
@with_tenant
@with_cache
@with_mail
def set_password(
    connection: Connection,
    mail: Mailing,
    who: UserArgument,
    password_stdin: PasswordStdin = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Set or replace a user's password. All sessions end, and the owner is told by mail.

    It is asked for twice on the terminal, or read from standard input; never give it as an argument. With `users reset`
    the user chooses it, and nobody else knows it.
    """
    with open_people(connection, mail) as people:
        user = people.find(who)
        sessions = len(people.torii.list_sessions(user.id))
        what = "Replace the password" if user.has_password else "Set a password"
        confirm(f"{what} of {user.email}? This ends {counted(sessions, 'session')}.", yes=yes)
        chosen = read_password(from_stdin=password_stdin)
        after = people.torii.administration.set_password(user, chosen)
        told = f"{user.email}: password set; {counted(sessions, 'session')} ended."
        people.tell("password_set", after, told, notice=True, as_json=as_json, ended_sessions=sessions)


@connected
@with_tenant
@with_cache
@with_mail
def reset(
    connection: Connection,
    mail: Mailing,
    who: UserArgument,
    print_link: Annotated[
        bool,
        typer.Option("--print-link", help="Print the link instead of mailing it. Whoever has it has the account."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Mail a user a link to choose a new password. Nothing changes before it is used.

    With --print-link the link is printed to standard output, and you hand it over. It works once, for half an hour.
    """
    if not print_link and mail.url is None:
        raise WrongOption("there is no mailer: give --mailer, or --print-link to hand the link over yourself")
    if print_link:
        mail.reset_link("")  # says what is missing before anything is made
    with open_people(connection, mail) as people:
        user = people.find(who)
        if not print_link:
            people.torii.administration.send_reset(user)
            people.require_mail("the link")
            people.tell("reset_sent", user, f"A link was sent to {user.email}.", changed=False, as_json=as_json)
            return
        link = mail.reset_link(people.torii.administration.new_reset_token(user).token)
    if as_json:
        emit({"action": "reset_link", "user_id": user.id, "email": user.email, "link": link})
    else:
        say(link)
    note("Hand it only to the owner: it works once, for 30 minutes.")


@connected
@with_tenant
@with_cache
def sign_out(
    connection: Connection,
    who: UserArgument,
    session: Annotated[
        str | None, typer.Option("--session", metavar="ID", help="Only this session, from `sessions list`.")
    ] = None,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Sign a user out everywhere, or end one session. It takes effect at once, on every host."""
    with open_people(connection) as people:
        user = people.find(who)
        if session is not None:
            if not people.torii.delete_session_by_id(user.id, session):
                fail(f"{user.email} has no such session; see 'torii-dynamodb sessions list'", ExitCode.NOT_FOUND)
            people.tell("signed_out", user, f"{user.email}: session ended.", as_json=as_json, ended_sessions=1)
            return
        sessions = len(people.torii.list_sessions(user.id))
        confirm(f"Sign {user.email} out everywhere? This ends {counted(sessions, 'session')}.", yes=yes)
        people.torii.delete_sessions_for_user(user.id)
        told = f"{user.email}: signed out everywhere; {counted(sessions, 'session')} ended."
        people.tell("signed_out", people.find(user.id), told, as_json=as_json, ended_sessions=sessions)
