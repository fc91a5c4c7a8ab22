"""``torii-dynamodb users create``, ``update``, ``verify`` and ``delete``."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from torii_dynamodb._rules.emails import normalise_email
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
    fail,
    note,
    with_cache,
    with_tenant,
)
from torii_dynamodb.cli.users.finding import UserArgument
from torii_dynamodb.cli.users.metadata import MetadataOption, merged, patches_of
from torii_dynamodb.cli.users.people import open_people

__all__ = ["create", "delete", "update", "verify"]

PasswordStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input, to its end.")
]


@connected
@with_tenant
@with_cache
@with_mail
def create(
    connection: Connection,
    mail: Mailing,
    email: Annotated[str, typer.Argument(metavar="ADDRESS", help="The email address.")],
    name: Annotated[str | None, typer.Option("--name", help="The name.")] = None,
    verified: Annotated[
        bool, typer.Option("--verified", help="You vouch that the address is theirs: it needs no proof.")
    ] = False,
    password: Annotated[bool, typer.Option("--password", help="Ask for a password on the terminal.")] = False,
    password_stdin: PasswordStdin = False,
    invite: Annotated[
        bool, typer.Option("--invite", help="Mail a link with which they choose a password; it proves the address.")
    ] = False,
    metadata: MetadataOption = None,
    as_json: Json = False,
) -> None:
    """Create a user, and print the ID.

    Without --password, --password-stdin and --invite, the user has no password yet and signs in with a link or sets one
    with `users reset`. Exit code 6 if another user has the address.
    """
    if password + password_stdin + invite > 1:
        raise WrongOption("give only one of --password, --password-stdin and --invite")
    if invite and mail.url is None:
        raise WrongOption("--invite: there is no mailer: give --mailer")
    patches = patches_of(metadata)
    chosen = read_password(from_stdin=password_stdin) if password or password_stdin else None
    with open_people(connection, mail) as people:
        user = people.torii.administration.create(
            email,
            name=name,
            metadata=merged({}, patches),
            password=chosen,
            verified=verified,
            invite=invite,
        )
        people.tell("created", user, user.id, as_json=as_json)
        if invite:
            people.require_mail("the user was created, but the invitation")


@connected
@with_tenant
@with_cache
@with_mail
def update(
    connection: Connection,
    mail: Mailing,
    who: UserArgument,
    name: Annotated[str | None, typer.Option("--name", help="The new name; empty: none.")] = None,
    metadata: MetadataOption = None,
    email: Annotated[
        str | None,
        typer.Option("--email", metavar="ADDRESS", help="The new address, for somebody who lost the old one."),
    ] = None,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Change a user's name, metadata or address. What is not given stays.

    A new address is unverified, all sessions and links end, and both addresses are told by mail. Users who can still
    sign in should change it themselves, on their account page: that proves it.
    """
    if name is None and metadata is None and email is None:
        raise WrongOption("give what to change: --name, --metadata or --email")
    patches = patches_of(metadata)
    with open_people(connection, mail) as people:
        user = before = people.find(who)
        if email is not None:
            normalise_email(email)  # before anybody is asked about it
            confirm(
                f"Move {user.email} to {email}? Whoever reads mail there can take over the account: be sure who asks. "
                "All its sessions end.",
                yes=yes,
            )
            user = people.torii.administration.change_email(user, email)
        changes: dict[str, Any] = {}
        if name is not None and (name or None) != user.name:
            changes["name"] = name or None
        if patches and merged(user.metadata, patches) != user.metadata:
            changes["metadata"] = merged(user.metadata, patches)
        if changes:
            user = people.torii.update_user(user, **changes)
        changed, moved = user.version != before.version, user.email != before.email
        told = f"{before.email}: {'changed' if changed else 'nothing to change'}."
        if moved:
            told = f"{before.email}: moved to {user.email}, which is not verified yet. All sessions ended."
        people.tell("updated", user, told, changed=changed, notice=moved, as_json=as_json)


@connected
@with_tenant
@with_cache
def verify(
    connection: Connection,
    who: UserArgument,
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep what was set up: you know that the owner of the address did it.")
    ] = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Vouch that a user's address is theirs, so that it needs no proof.

    Whoever registered an address may be a stranger until it is proved. So this removes what was set up before, like any
    first proof: password, sessions, linked accounts, passkeys, second factors, links. --keep keeps them.
    """
    with open_people(connection) as people:
        user = people.find(who)
        if user.is_email_verified:
            told = f"{user.email} is verified already."
            people.tell("verified", user, told, changed=False, as_json=as_json, removed=None)
            return
        lost = None if keep else people.torii.administration.belongings(user)
        removed = [] if lost is None else lost.described()
        if removed:
            confirm(
                f"Verify {user.email} and remove {', '.join(removed)}? Whoever set this up may not own the address. "
                "If you know that they do, give --keep.",
                yes=yes,
            )
        after = people.torii.administration.verify(user, keep=keep)
        and_removed = f", and removed {', '.join(removed)}" if removed else ""
        told = f"{user.email}: verified{and_removed}."
        people.tell("verified", after, told, as_json=as_json, removed=lost)
        if not keep and user.has_password:
            note("There is no password now: `torii-dynamodb users reset` sends a link to choose one.")


@connected
@with_tenant
@with_cache
@with_mail
def delete(connection: Connection, mail: Mailing, who: UserArgument, yes: Yes = False, as_json: Json = False) -> None:
    """Delete a user with everything that belongs to it: password, sessions, passkeys, linked accounts, links.

    This cannot be undone, except from a backup. The address can be registered again at once.
    """
    with open_people(connection, mail) as people:
        user = people.find(who)
        lost = people.torii.administration.belongings(user)
        with_it = f", with {', '.join(lost.described())}" if lost.described() else ""
        confirm(f"Delete {user.email} ({user.id}){with_it}? This cannot be undone.", yes=yes)
        if not people.torii.delete_user(user.id):
            fail(f"there is no user {user.id} any more", ExitCode.NOT_FOUND)
        people.tell("deleted", user, f"{user.email}: deleted{with_it}.", notice=True, as_json=as_json, removed=lost)
