"""What the pages of the admin area share: who may see them, whom they are about, and how they end."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import Request
from fastapi.responses import Response

from torii_dynamodb._rules.enrolled import is_enrolled
from torii_dynamodb.errors import NotFound, ValidationError
from torii_dynamodb.fastapi.errors import Problem
from torii_dynamodb.fastapi.pages.render import Redirected, Site
from torii_dynamodb.fastapi.web import Caller
from torii_dynamodb.languages import gettext
from torii_dynamodb.models import User

__all__ = ["Area"]

_log = logging.getLogger("torii_dynamodb")


class Area:
    """The admin area: access, and the frame of its pages.

    Args:
        site: The pages of the account, with the same look.
        prefix: The area's path.
        admits: Whether a user is an administrator.
        has_activity: Whether there is a page about activity.
        note: A note to show on all pages.
    """

    def __init__(
        self,
        site: Site,
        prefix: str,
        admits: Callable[[User], Awaitable[bool]],
        *,
        has_activity: bool,
        note: str | None,
    ) -> None:
        self.site = site
        self.torii = site.torii
        self.admits = admits
        self._prefix = prefix
        self._has_activity = has_activity
        self._note = note

    @property
    def start(self) -> str:
        """The path of the list of users, as browsers see it."""
        return self.site.web.navigation.path(self._prefix)

    def path(self, user_id: str) -> str:
        """The path of a user's page, as browsers see it."""
        return f"{self.start}/users/{user_id}"

    async def who(self, request: Request) -> Caller:
        """Return the administrator who is signed in.

        Raises:
            NotFound: Nobody is, or somebody else.
            Redirected: They have a second factor, and gave none for this session: it may have begun before they had it.
        """
        found = await self.site.person(request)
        if found is None or not await self.admits(found.user):
            raise NotFound("page", "there is no such page")
        if is_enrolled(found.user) and not self.site.web.gave_second_factor(found):
            page = self.site.path("second-factor/again", next=self.start)
            raise Redirected(self.site.redirect(page if self.torii.takes_second_factors else self.site.path("sign-in")))
        return found

    async def proved(self, request: Request, back: str) -> Caller:
        """Return the administrator, who has just proved who they are, for a page with a form to fill in.

        Raises:
            Redirected: They have to sign in again first; that leads back.
        """
        found = await self.who(request)
        self.site.require_proof(found, back)
        return found

    async def changing(self, request: Request, user_id: str) -> tuple[Caller, User, dict[str, str]]:
        """Who sent a form, about whom, and its fields.

        Raises:
            Redirected: They have to sign in again first.
        """
        found = await self.who(request)
        form = await self.site.form(request)
        user = await self.other(found, user_id)
        self.site.require_proof(found, self.path(user_id))
        return found, user, form

    async def other(self, found: Caller, user_id: str) -> User:
        """Return a user who is not the administrator.

        Raises:
            Problem: It is their own account, which they could lock or delete by accident.
        """
        user = await self.user(user_id)
        if user.id == found.user.id:
            raise Problem(409, "own_account", "this is your own account; change it on your account page")
        return user

    async def user(self, user_id: str) -> User:
        """Return a user.

        Raises:
            NotFound: There is no such user.
        """
        try:
            user = await self.torii.storage.get_user(user_id, consistent=True)
        except ValidationError:
            user = None
        if user is None:
            raise NotFound("user", "there is no such user")
        return user

    def done(self, found: Caller, user: User, what: str, *, gone: bool = False) -> Response:
        """Log a change and lead to the page that shows the notice."""
        _log.info("admin %s: %s: %s", found.user.id, what, user.id)
        return self.site.redirect(f"{self.start if gone else self.path(user.id)}?notice={what}")

    async def page(self, request: Request, template: str, found: Caller, **context: Any) -> Response:
        """Render a page."""
        return await self.site.page(
            request,
            template,
            signed_in=found,
            admin_prefix=self.start,
            has_activity=self._has_activity,
            sends_mail=self.torii.sends_mail,
            note=None if self._note is None else gettext(self._note),
            **context,
        )
