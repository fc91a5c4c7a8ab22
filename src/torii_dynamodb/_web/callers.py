"""Who a request says it is from, and what its session is good for."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal, TypeVar

from torii_dynamodb._rules.guarded import guarded
from torii_dynamodb._rules.jwt import AccessClaims
from torii_dynamodb._rules.second_factor import is_enrolled
from torii_dynamodb._rules.session_policy import signed_in_at
from torii_dynamodb._web.connection import Connection
from torii_dynamodb._web.cookies import Cookies
from torii_dynamodb._web.problems import Refusal
from torii_dynamodb._web.settings import Credential
from torii_dynamodb.models import Session, User

__all__ = [
    "Caller",
    "bearer_of",
    "credential_of",
    "gave_second_factor",
    "is_navigation",
    "need",
    "no_second_factor",
    "nobody",
    "not_recent",
    "outdated",
    "remedy",
    "session_required",
    "unverified",
    "with_age",
]

R = TypeVar("R", bound=Refusal)


@guarded
@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who is signed in.

    Args:
        user: The user.
        session: The session; for an access token, the session behind it.
        token: The credential of the request: the session token or the access token.
        transport: How the credential was sent. ``"jwt"``: an access token, which proves less than a session token: it
            is passed on to other services, so it can neither change credentials nor obtain further tokens, and never
            counts as a recent sign-in.
        claims: The claims of the access token; ``None`` for a session token.
        moved: Whether this request extended the session, so that the cookie has to be set again.
    """

    user: User
    session: Session
    token: str = field(repr=False)
    transport: Credential
    claims: AccessClaims | None = None
    moved: bool = False

    def outlives(self, change: User) -> bool:
        """Whether the session is still valid after a change that returned this user."""
        return self.session.epoch == change.session_epoch


# What a request carries


def bearer_of(connection: Connection) -> tuple[str, Literal["bearer", "jwt"]] | None:
    """The credential in ``Authorization: Bearer`` and its kind; ``None`` without such a header.

    A JWT has three parts separated by dots (RFC 7515, 7.1), a session token has two, so neither is ever tried as the
    other.
    """
    scheme, _, credentials = (connection.headers.get("authorization") or "").partition(" ")
    if scheme.lower() != "bearer":
        return None
    token = credentials.strip()
    return token, "jwt" if token.count(".") == 2 else "bearer"


def credential_of(
    connection: Connection, cookies: Cookies, accepted: Collection[Credential]
) -> tuple[str, Credential] | None:
    """The credential of a request and how it came, among those that are accepted; ``None`` if it has none.

    With ``Authorization: Bearer``, the cookie does not count.
    """
    authorization = bearer_of(connection)
    if authorization is not None and ("bearer" in accepted or "jwt" in accepted):
        return authorization if authorization[1] in accepted else None
    cookie = cookies.read(connection, cookies.session) if "cookie" in accepted else None
    return (cookie, "cookie") if cookie else None


# What a session is good for


def outdated(
    signed_in: Caller, limit: timedelta, now: datetime
) -> Literal["recent_sign_in_required", "second_factor_required"] | None:
    """What has to be repeated before an action that a thief of the session must not perform; ``None``: nothing.

    Either the sign-in is too old, or the user has second factors and gave none recently: a recent sign-in in a
    trusted browser takes only the first factor. An access token never counts as recent.
    """
    if signed_in.transport == "jwt" or now - signed_in_at(signed_in.session) > limit:
        return "recent_sign_in_required"
    if is_enrolled(signed_in.user) and not gave_second_factor(signed_in, limit, now):
        return "second_factor_required"
    return None


def gave_second_factor(signed_in: Caller, max_age: timedelta | None, now: datetime) -> bool:
    """Whether a second factor was given for the session, at most ``max_age`` ago (``None``: at any time)."""
    given = signed_in.session.second_factor_at
    return given is not None and (max_age is None or now - given <= max_age)


# What is refused, and where people can do something about it


def nobody(problem: type[R]) -> R:
    """Nobody is signed in."""
    return problem(401, "not_signed_in", "sign in to do this", headers={"WWW-Authenticate": 'Bearer realm="torii"'})


def session_required(problem: type[R]) -> R:
    """Somebody is signed in, by an access token."""
    return problem(403, "session_required", "an access token is not enough here: send the session token")


def unverified(problem: type[R]) -> R:
    """The user's address is not verified."""
    return problem(403, "email_not_verified", "verify your email address to do this")


def not_recent(problem: type[R], signed_in: Caller, limit: timedelta, now: datetime) -> R | None:
    """The sign-in, or the second factor of a user who has one, is too old; ``None``: neither is."""
    found = outdated(signed_in, limit, now)
    if found == "recent_sign_in_required":
        return problem(403, found, "sign in again to do this", extra={"max_age": int(limit.total_seconds())})
    return None if found is None else no_second_factor(problem, signed_in, limit)


def no_second_factor(problem: type[R], signed_in: Caller, max_age: timedelta | None) -> R:
    """No second factor was given for the session, or too long ago."""
    enrolment = not is_enrolled(signed_in.user)
    detail = "set up a second factor to do this" if enrolment else "give a second factor to do this"
    extra: dict[str, Any] = {"enrolment": enrolment}
    if max_age is not None:
        extra["max_age"] = int(max_age.total_seconds())
    return problem(403, "second_factor_required", detail, extra=extra)


def need(
    problem: type[R],
    caller: Caller | None,
    now: datetime,
    *,
    recent_sign_in: timedelta,
    verified: bool = False,
    recent: timedelta | bool = False,
    second_factor: timedelta | bool = False,
) -> Caller:
    """Return who is signed in, if they may go on.

    Args:
        problem: The class of what is raised.
        caller: Who is signed in.
        now: The time.
        recent_sign_in: The configuration's.
        verified: Whether their address must be verified.
        recent: How long ago they may have signed in, and given a second factor if they have one; ``True``: as
            configured.
        second_factor: How long ago they may have given a second factor; ``True``: at any time in this session.

    Raises:
        Refusal: Nobody is signed in (401), or something is missing (403).
    """
    if caller is None:
        raise nobody(problem)
    if caller.transport == "jwt" and (recent or second_factor):
        raise session_required(problem)
    if verified and not caller.user.is_email_verified:
        raise unverified(problem)
    if recent:
        old = not_recent(problem, caller, recent_sign_in if recent is True else recent, now)
        if old is not None:
            raise old
    max_age = second_factor if isinstance(second_factor, timedelta) else None
    if second_factor and not gave_second_factor(caller, max_age, now):
        raise no_second_factor(problem, caller, max_age)
    return caller


def with_age(guarded: Callable[..., Any], given: Any, needed: str) -> Any:
    """What a decorator returns that is used as ``@decorator``, ``@decorator()`` and ``@decorator(max_age)``.

    Args:
        guarded: Guards a view.
        given: The view, or the age.
        needed: The name of the requirement.
    """
    if callable(given):
        return guarded(given, **{needed: True})

    def decorate(view: Callable[..., Any]) -> Any:
        return guarded(view, **{needed: True if given is None else given})

    return decorate


def remedy(problem: Refusal) -> tuple[str, dict[str, str]] | None:
    """The page where a person can do what is missing, and its query; ``None``: there is no such page."""
    if problem.code == "second_factor_required":
        return ("account/second-factor/app" if problem.extra.get("enrolment") else "second-factor/again"), {}
    return _REMEDIES.get(problem.code)


_REMEDIES: dict[str, tuple[str, dict[str, str]]] = {
    "not_signed_in": ("sign-in", {}),
    "recent_sign_in_required": ("sign-in", {"again": "1"}),
    "email_not_verified": ("account", {}),
}


def is_navigation(connection: Connection) -> bool:
    """Whether a browser will show the response as a page: then a redirect is more use than a problem."""
    mode = connection.headers.get("sec-fetch-mode")
    if mode is not None:
        return mode == "navigate"
    return bearer_of(connection) is None and "text/html" in (connection.headers.get("accept") or "")
