"""The admin area's pages."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection
from inspect import isawaitable
from typing import Any, cast

from fastapi import APIRouter, Request
from fastapi.responses import Response

from torii_dynamodb._rules.checking import check_policy, wrong
from torii_dynamodb._rules.emails import normalise_email
from torii_dynamodb._rules.second_factor import factor_kinds
from torii_dynamodb.errors import NotFound, ValidationError
from torii_dynamodb.fastapi.admin.activity import Activity
from torii_dynamodb.fastapi.admin.charts import HEIGHT, WIDTH, bar_chart, number
from torii_dynamodb.fastapi.errors import Problem
from torii_dynamodb.fastapi.pages.forms import FieldError
from torii_dynamodb.fastapi.pages.render import Site, new_router
from torii_dynamodb.fastapi.pages.settings import PagesConfig
from torii_dynamodb.fastapi.pages.words import provider_label
from torii_dynamodb.fastapi.web import Caller, Web
from torii_dynamodb.models import Factor, Listing, LockoutPolicy, Page, User

__all__ = ["Admin"]

_log = logging.getLogger("torii_dynamodb")

_PAGE = 25
_ATTEMPTS = 50


class Admin:
    """The admin area. For anyone who is not an administrator its pages do not exist (404).

    ::

        admin = Admin({"ops@example.com"}, activity=activity)
        app.include_router(pages(auth.web, settings, admin=admin))
        app.include_router(admin.router(auth.web, settings))

    Every change requires a recent sign-in, and is logged with the administrator's ID.

    Args:
        is_admin: Who is an administrator: email addresses, which count only once they are verified; or a function of
            the user, async or not, which must check that itself.
        activity: Counts activity; ``None``: there is no page for it.
        lockout: The services' ``lockout``, if it is not the default.
        prefix: The path of the area.
        note: A note to show on all of its pages.
    """

    def __init__(
        self,
        is_admin: Collection[str] | Callable[[User], bool | Awaitable[bool]],
        *,
        activity: Activity | None = None,
        lockout: LockoutPolicy | None = None,
        prefix: str = "/admin",
        note: str | None = None,
    ) -> None:
        if isinstance(is_admin, str) or not (callable(is_admin) or isinstance(is_admin, Collection)):
            raise wrong("is_admin", is_admin, "a set of email addresses, or a function of the user")
        check_policy("lockout", lockout)
        self._decide = is_admin if callable(is_admin) else None
        self._emails = (
            frozenset[str]() if callable(is_admin) else frozenset(normalise_email(one).normalised for one in is_admin)
        )
        self.activity = activity
        self.lockout = lockout
        self._prefix = prefix
        self.note = note

    @property
    def prefix(self) -> str:
        """The path of the area."""
        return self._prefix

    async def admits(self, signed_in: Caller) -> bool:
        """Whether this person is an administrator."""
        user = signed_in.user
        if self._decide is None:
            return user.is_email_verified and user.email in self._emails
        decided = self._decide(user)
        return bool(await decided if isawaitable(decided) else decided)

    def router(self, web: Web, settings: PagesConfig) -> APIRouter:
        """Return a router with the pages, to include in an application.

        Args:
            web: The web layer of the JSON routes.
            settings: The configuration of the account's pages.
        """
        site = Site(web, settings, admin=self)
        router = new_router(site, self._prefix)
        _Area(self, site).add(router)
        router.add_options()
        return router


class _Area:
    """The pages' handlers."""

    def __init__(self, admin: Admin, site: Site) -> None:
        self._admin = admin
        self._site = site
        self._web = site.web
        self._torii = site.torii

    def add(self, router: APIRouter) -> None:
        """Add the pages to a router."""
        router.add_api_route("", self.users)
        if self._admin.activity is not None:
            router.add_api_route("/activity", self.what_goes_on)
        router.add_api_route("/users/{user_id}", self.user)
        router.add_api_route("/users/{user_id}/delete", self.ask_to_delete)
        router.add_api_route("/users/{user_id}/delete", self.delete, methods=["POST"])
        torii = self._torii
        self._add_action(router, "lock", "user-locked", lambda user, _: torii.lock_user(user.id))
        self._add_action(router, "unlock", "user-unlocked", lambda user, _: torii.unlock_user(user.id))
        self._add_action(
            router,
            "end-session",
            "session-ended",
            lambda user, form: torii.delete_session_by_id(user.id, form.get("session_id", "")),
        )
        self._add_action(
            router, "end-sessions", "sessions-ended", lambda user, _: torii.delete_sessions_for_user(user.id)
        )
        if torii.takes_second_factors:
            self._add_action(
                router,
                "remove-factors",
                "second-factors-removed",
                lambda user, _: torii.administration.remove_second_factors(user),
            )
        self._add_action(
            router, "clear-attempts", "attempts-cleared", lambda user, _: torii.storage.clear_attempts(user.email)
        )

    # Who is signed in

    async def _who(self, request: Request) -> Caller:
        found = await self._site.person(request)
        if found is None or not await self._admin.admits(found):
            raise NotFound("page", "there is no such page")
        return found

    async def _changing(self, request: Request, user_id: str) -> tuple[Caller, User, dict[str, str]]:
        """Who sent a form, about whom, and its fields.

        Raises:
            Redirected: They have to sign in again first.
        """
        found = await self._who(request)
        form = await self._site.form(request)
        user = await self._user(user_id)
        self._site.require_proof(found, self._path(user_id))
        if user.id == found.user.id:
            raise Problem(409, "error", "this is your own account; change it on your account page")
        return found, user, form

    async def _user(self, user_id: str) -> User:
        try:
            user = await self._torii.storage.get_user(user_id, consistent=True)
        except ValidationError:
            user = None
        if user is None:
            raise NotFound("user", "there is no such user")
        return user

    @property
    def _start(self) -> str:
        return self._web.navigation.path(self._admin.prefix)

    def _path(self, user_id: str) -> str:
        return f"{self._start}/users/{user_id}"

    def _done(self, found: Caller, user: User, what: str, *, gone: bool = False) -> Response:
        _log.info("admin %s: %s: %s", found.user.id, what, user.id)
        path = self._start if gone else self._path(user.id)
        return self._site.redirect(f"{path}?notice={what}")

    async def _page(self, request: Request, template: str, found: Caller, **context: Any) -> Response:
        admin = self._admin
        return await self._site.page(
            request,
            template,
            signed_in=found,
            admin_prefix=self._start,
            has_activity=admin.activity is not None,
            note=admin.note,
            **context,
        )

    # Viewing

    async def users(self, request: Request) -> Response:
        """All users, page by page, or the one that was searched for."""
        found = await self._who(request)
        query = request.query_params.get("q", "").strip()
        cursor = request.query_params.get("cursor") or None
        if query:
            page = Page([user for user in [await self._search(query)] if user is not None])
        else:
            try:
                page = await self._torii.storage.list_users(limit=_PAGE, cursor=cursor)
            except ValidationError:
                return self._site.redirect(self._start)
        return await self._page(
            request,
            "admin_users",
            found,
            query=query,
            users=page.items,
            corrupt=page.corrupt,
            cursor=page.next_cursor,
            paged=bool(cursor),
        )

    async def _search(self, query: str) -> User | None:
        try:
            if "@" in query:
                return await self._torii.storage.get_user_by_email(query, consistent=True)
            return await self._torii.storage.get_user(query, consistent=True)
        except ValidationError:
            return None

    async def user(self, request: Request, user_id: str) -> Response:
        """One user with everything that belongs to it."""
        found = await self._who(request)
        user = await self._user(user_id)
        storage = self._torii.storage
        accounts = await storage.list_oauth_accounts_for_user(user.id)
        passkeys = await storage.list_passkeys_for_user(user.id)
        sessions = await storage.list_sessions_for_user(user.id)
        factors = await storage.list_factors_for_user(user.id, user=user) if user.factors else Listing[Factor]()
        return await self._page(
            request,
            "admin_user",
            found,
            user=user,
            is_self=user.id == found.user.id,
            base=self._path(user.id),
            accounts=[(provider_label(account.provider), account) for account in accounts],
            disconnected=[provider_label(name) for name in sorted(user.disconnected)],
            passkeys=passkeys,
            sessions=sessions,
            factors=factors,
            factor_kinds=factor_kinds(user),
            takes_second_factors=self._torii.takes_second_factors,
            corrupt=[*accounts.corrupt, *passkeys.corrupt, *sessions.corrupt, *factors.corrupt],
            status=200,
            lockout=await storage.get_lockout_status(user.email, policy=self._admin.lockout),
            attempts=await storage.list_failed_attempts(user.email, limit=_ATTEMPTS),
        )

    async def what_goes_on(self, request: Request) -> Response:
        """Charts."""
        found = await self._who(request)
        activity = cast("Activity", self._admin.activity)
        day = request.query_params.get("span") == "day"
        bars, minutes = (48, 30) if day else (60, 1)

        def counts(series: Any) -> Any:
            return activity.counts(series, bars=bars, minutes=minutes)

        charts = [
            bar_chart("sign-ins", "Sign-ins", [("sign-ins", "good", counts("sign_ins"))]),
            bar_chart("failures", "Failed sign-ins", [("failures", "warn", counts("failures"))]),
            bar_chart("lockouts", "Lockouts", [("refused attempts", "bad", counts("lockouts"))]),
            bar_chart(
                "capacity",
                "Consumed capacity",
                [
                    ("read units", "reads", counts("read_units")),
                    ("write units", "writes", counts("write_units")),
                ],
            ),
        ]
        report = activity.meter.report()
        return await self._page(
            request,
            "admin_activity",
            found,
            charts=charts,
            day=day,
            since=activity.since,
            width=WIDTH,
            height=HEIGHT,
            operations=[
                (use.operation, use.tables, use.calls, number(use.read_units), number(use.write_units), use.failures)
                for use in report.operations[:20]
            ],
        )

    # Changing

    def _add_action(
        self, router: APIRouter, path: str, notice: str, act: Callable[[User, dict[str, str]], Awaitable[object]]
    ) -> None:
        async def handle(request: Request, user_id: str) -> Response:
            found, user, form = await self._changing(request, user_id)
            await act(user, form)
            return self._done(found, user, notice)

        router.add_api_route(f"/users/{{user_id}}/{path}", handle, methods=["POST"])

    async def ask_to_delete(self, request: Request, user_id: str) -> Response:
        """Ask for confirmation."""
        found = await self._who(request)
        user = await self._user(user_id)
        return await self._page(request, "admin_delete", found, user=user, base=self._path(user.id))

    async def delete(self, request: Request, user_id: str) -> Response:
        """Delete the user."""
        found, user, form = await self._changing(request, user_id)
        if form.get("confirm") != "yes":
            return await self._page(
                request,
                "admin_delete",
                found,
                user=user,
                base=self._path(user.id),
                errors=[FieldError("confirm", "Tick the box to confirm that you want to delete this user.")],
                status=422,
            )
        await self._torii.delete_user(user.id)
        return self._done(found, user, "user-deleted", gone=True)
