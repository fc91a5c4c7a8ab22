"""``torii-dynamodb users show``, ``list`` and ``search``, and how every command finds its user."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any
from zlib import crc32

import typer

from torii_dynamodb import DynamoDbHandle, Torii
from torii_dynamodb.admin.capacity import CapacityMeter
from torii_dynamodb.cli.support import (
    Connection,
    ExitCode,
    Json,
    WrongOption,
    connected,
    counted,
    emit,
    fail,
    make_table,
    note,
    plain,
    say,
    show,
    spent,
    with_tenant,
)
from torii_dynamodb.errors import CorruptItem
from torii_dynamodb.models import Factor, User

__all__ = [
    "UserArgument",
    "factor_facts",
    "factor_lines",
    "find_user",
    "list_users",
    "search_users",
    "show_user",
    "shown_moment",
    "user_facts",
]

CursorOption = Annotated[str | None, typer.Option("--cursor", help="Begin after this; the previous page prints it.")]
UserArgument = Annotated[str, typer.Argument(metavar="USER", help="The user's ID or email address.")]


def find_user(storage: DynamoDbHandle, who: str) -> User:
    """The user with an ID or email address; ends the command if there is none."""
    found = storage.get_user_by_email(who) if "@" in who else storage.get_user(who)
    if found is None:
        where = "" if storage.tenant_name is None else f" in the tenant {storage.tenant_name}"
        fail(f"there is no user {who}{where}", ExitCode.NOT_FOUND)
    return found


def user_facts(user: User) -> dict[str, Any]:
    """The parts of a user that may be shown: no password version, no epochs."""
    return {
        "id": user.id,
        "email": user.email,
        "email_as_given": user.email_as_given,
        "name": user.name,
        "email_verified_at": user.email_verified_at,
        "has_password": user.has_password,
        "locked_at": user.locked_at,
        "created_at": user.created_at,
        "updated_at": user.updated_at,
        "version": user.version,
        "identities": sorted(user.identities),
        "disconnected": sorted(user.disconnected),
        "factors": sorted(user.factors),
        "metadata": user.metadata,
    }


@connected
@with_tenant
def show_user(connection: Connection, who: UserArgument, as_json: Json = False) -> None:
    """Show one user, by ID or by email address in any spelling."""
    with connection.open() as storage:
        user = find_user(storage, who)
        sessions = storage.list_sessions_for_user(user.id)
        factors = storage.list_factors_for_user(user.id, user=user)
    if as_json:
        emit(user_facts(user) | {"sessions": len(sessions), "second_factors": factor_facts(factors)})
        return
    facts: list[tuple[str, str]] = [
        ("id", user.id),
        ("email", user.email),
        ("as given", user.email_as_given),
        ("name", user.name or "-"),
        ("verified", shown_moment(user.email_verified_at) or "not verified"),
        ("password", "set" if user.has_password else "none"),
        ("locked", shown_moment(user.locked_at) or "no"),
        ("sessions", str(len(sessions))),
        ("created", shown_moment(user.created_at)),
        ("changed", f"{shown_moment(user.updated_at)} (version {user.version})"),
    ]
    facts += [("identity", identity) for identity in sorted(user.identities)]
    facts += [("second factor", line) for line in factor_lines(user, factors)]
    facts += [("disconnected", provider) for provider in sorted(user.disconnected)]
    facts += [(f"metadata.{key}", str(value)) for key, value in sorted(user.metadata.items())]
    table = make_table("", "")
    table.show_header = False
    for name, value in facts:
        table.add_row(plain(name), plain(value))
    show(table)


@connected
@with_tenant
def list_users(
    connection: Connection,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="Users on a page.")] = 100,
    cursor: CursorOption = None,
    every: Annotated[bool, typer.Option("--all", help="List all pages.")] = False,
    as_json: Json = False,
) -> None:
    """List users page by page, in no particular order. This reads the table, so the cost grows with its size."""
    found: list[User] = []
    corrupt: list[CorruptItem] = []
    start = _opened(cursor)
    with connection.open() as storage:
        while True:
            page = storage.list_users(limit=limit, cursor=start)
            found += page.items
            corrupt += page.corrupt
            start = page.next_cursor
            if start is None or not every:
                break
    _show_users(found, corrupt, start, "--all", as_json=as_json)
    if not as_json and start is None:
        say(f"{counted(len(found), 'user')}." if found or cursor else "There are no users.")


@connected
@with_tenant
def search_users(
    connection: Connection,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="Parts of the name or the address, in any case.")],
    most: Annotated[int, typer.Option("--most", min=100, max=100_000, help="Look at about this many users.")] = 10_000,
    cursor: CursorOption = None,
    as_json: Json = False,
) -> None:
    """Find users whose name or address contains each word of a text.

    DynamoDB cannot search: this reads the users one after the other, about 1 read unit for every 8 of them. For a whole
    address, `users show` reads two items.
    """
    meter = CapacityMeter()
    with connection.open(on_call=meter) as storage:
        page = Torii(storage).administration.search(text, cursor=_opened(cursor), most=most, enough=most)
    used = sum(use.read_units for use in meter.report().operations)
    _show_users(
        page.users,
        page.corrupt,
        page.next_cursor,
        "a larger --most",
        as_json=as_json,
        looked_at=page.looked_at,
        read_units=used,
    )
    if not as_json:
        matches = counted(len(page.users), "match", "matches")
        say(f"Looked at {counted(page.looked_at, 'user')} for {spent(used, 'read')}: {matches}.")


def _show_users(
    found: Sequence[User], corrupt: Sequence[CorruptItem], cursor: str | None, other: str, *, as_json: bool, **more: Any
) -> None:
    if as_json:
        left_out = [{"key": one.key, "attribute": one.attribute, "message": str(one)} for one in corrupt]
        users = [user_facts(user) for user in found]
        emit({"users": users, "next_cursor": _sealed(cursor), "corrupt": left_out, **more})
        return
    if found:
        table = make_table("id", "email", "name")
        table.columns[0].no_wrap = True
        for user in found:
            table.add_row(plain(user.id), plain(user.email_as_given), plain(user.name or ""))
        show(table)
    for one in corrupt:
        note(f"Left out: {plain(one.key or 'a user without an ID')}: {one}")
    if cursor is not None:
        note(f"There are more: give --cursor {_sealed(cursor)}, or {other}")


def _sealed(cursor: str | None) -> str | None:
    return None if cursor is None else f"{crc32(cursor.encode()):08x}-{cursor}"


def _opened(cursor: str | None) -> str | None:
    """The storage's cursor. One that we did not print is refused: DynamoDB would begin anywhere, or find nothing."""
    if cursor is None:
        return None
    inner = cursor.partition("-")[2]
    if _sealed(inner) != cursor:
        raise WrongOption(f"--cursor {cursor!r}: give what the previous page printed")
    return inner


def factor_facts(found: Sequence[Factor]) -> list[dict[str, Any]]:
    """The parts of second factors that may be shown."""
    return [
        {
            "id": factor.id,
            "kind": factor.kind,
            "name": factor.name,
            "created_at": factor.created_at,
            "last_used_at": factor.last_used_at,
            "codes_left": factor.codes_left if factor.kind == "recovery" else None,
        }
        for factor in found
    ]


def factor_lines(user: User, found: Sequence[Factor]) -> list[str]:
    """A line about each of a user's second factors."""
    lines: list[str] = []
    for factor in found:
        name = counted(factor.codes_left, "recovery code") if factor.kind == "recovery" else plain(factor.name)
        used = f"last used {shown_moment(factor.last_used_at)}" if factor.last_used_at else "never used to sign in"
        lines.append(f"{factor.id}: {name}, since {shown_moment(factor.created_at)}, {used}")
    if "passkey" in user.factors:
        lines.append("passkey: the user's passkeys count as one")
    return lines


def shown_moment(value: datetime | None) -> str:
    """An instant for people, to the second; empty for ``None``."""
    return "" if value is None else f"{value:%Y-%m-%d %H:%M:%S} UTC"
