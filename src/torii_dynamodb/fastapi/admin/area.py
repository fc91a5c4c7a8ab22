"""The admin area's pages."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from datetime import timedelta
from inspect import isawaitable
from typing import Any, cast

from fastapi import APIRouter, Request
from fastapi.responses import Response

from torii_dynamodb._rules.checking import check_policy, wrong
from torii_dynamodb._rules.emails import normalise_email
from torii_dynamodb._rules.second_factor import factor_kinds
from torii_dynamodb.administration import SearchPage
from torii_dynamodb.errors import ConfigurationError, ValidationError
from torii_dynamodb.fastapi.admin import editing
from torii_dynamodb.fastapi.admin.activity import Activity
from torii_dynamodb.fastapi.admin.charts import HEIGHT, WIDTH, bar_chart
from torii_dynamodb.fastapi.admin.shared import Area
from torii_dynamodb.fastapi.pages.render import Site, new_router
from torii_dynamodb.fastapi.pages.settings import PagesConfig
from torii_dynamodb.fastapi.pages.words import provider_label
from torii_dynamodb.fastapi.web import Caller, Web
from torii_dynamodb.languages import duration, gettext, number
from torii_dynamodb.models import Factor, Listing, LockoutPolicy, Page, User

__all__ = ["Admin"]

_PAGE = 25
_MOST_QUERY = 256
_USERS_PER_UNIT = 8  # of about 500 bytes each
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
        return await self._admits(signed_in.user)

    async def _admits(self, user: User) -> bool:
        if self._decide is None:
            return user.is_email_verified and user.email in self._emails
        decided = self._decide(user)
        return bool(await decided if isawaitable(decided) else decided)

    def router(self, web: Web, settings: PagesConfig) -> APIRouter:
        """Return a router with the pages, to include in an application.

        Args:
            web: The web layer of the JSON routes.
            settings: The configuration of the account's pages.

        Raises:
            ConfigurationError: There are tenants, and ``activity``, which is not of one tenant.
        """
        if self.activity is not None and web.tenants is not None:
            raise ConfigurationError("activity: it counts all tenants together: leave it out of the area of tenants")
        site = Site(web, settings, admin=self)
        router = new_router(site, self._prefix)
        area = Area(site, self._prefix, self._admits, has_activity=self.activity is not None, note=self.note)
        _Viewing(area, self).add(router)
        editing.add(router, area)
        router.add_options()
        return router


class _Viewing:
    """The pages to look at."""

    def __init__(self, area: Area, admin: Admin) -> None:
        self._area = area
        self._torii = area.torii
        self._activity = admin.activity
        self._lockout = admin.lockout

    def add(self, router: APIRouter) -> None:
        """Add the pages to a router."""
        router.add_api_route("", self.users)
        if self._activity is not None:
            router.add_api_route("/activity", self.what_goes_on)
        router.add_api_route("/users/{user_id}", self.user)

    async def users(self, request: Request) -> Response:
        """All users page by page, or those that were searched for."""
        found = await self._area.who(request)
        asked = request.query_params
        query, cursor = asked.get("q", "").strip(), asked.get("cursor") or None
        step: SearchPage | None = None
        try:
            if not query:
                page = await self._torii.storage.list_users(limit=_PAGE, cursor=cursor)
            elif cursor or asked.get("everywhere"):
                page, step = await self._search(query, cursor)
            else:
                exact = await self._exact(query)
                if exact is not None or "@" in query:
                    page = Page(() if exact is None else (exact,))
                else:
                    page, step = await self._search(query, None)
        except ValidationError:
            return self._area.site.redirect(self._area.start)
        seen = asked.get("seen", "")
        before = int(seen) if seen.isascii() and seen.isdigit() and len(seen) < 10 else 0
        return await self._area.page(
            request,
            "admin_users",
            found,
            query=query,
            users=page.items,
            corrupt=page.corrupt,
            cursor=page.next_cursor,
            paged=bool(cursor),
            search=None
            if step is None
            else {"seen": before + step.looked_at, "units": -(-step.looked_at // _USERS_PER_UNIT)},
        )

    async def _search(self, query: str, cursor: str | None) -> tuple[Page[User], SearchPage]:
        step = await self._torii.administration.search(query[:_MOST_QUERY], cursor=cursor)
        return Page(step.users, step.next_cursor, step.corrupt), step

    async def _exact(self, query: str) -> User | None:
        try:
            if "@" in query:
                return await self._torii.storage.get_user_by_email(query, consistent=True)
            return await self._torii.storage.get_user(query, consistent=True)
        except ValidationError:
            return None

    async def user(self, request: Request, user_id: str) -> Response:
        """One user with everything that belongs to it."""
        found = await self._area.who(request)
        user = await self._area.user(user_id)
        storage = self._torii.storage
        accounts = await storage.list_oauth_accounts_for_user(user.id)
        passkeys = await storage.list_passkeys_for_user(user.id)
        sessions = await storage.list_sessions_for_user(user.id)
        factors = await storage.list_factors_for_user(user.id, user=user) if user.factors else Listing[Factor]()
        lockout = await storage.get_lockout_status(user.email, policy=self._lockout)
        return await self._area.page(
            request,
            "admin_user",
            found,
            user=user,
            is_self=user.id == found.user.id,
            is_admin=await self._area.admits(user),
            base=self._area.path(user.id),
            accounts=[(provider_label(account.provider), account) for account in accounts],
            disconnected=[provider_label(name) for name in sorted(user.disconnected)],
            passkeys=passkeys,
            sessions=sessions,
            factors=factors,
            factor_kinds=factor_kinds(user),
            takes_second_factors=self._torii.takes_second_factors,
            corrupt=[*accounts.corrupt, *passkeys.corrupt, *sessions.corrupt, *factors.corrupt],
            status=200,
            lockout=lockout,
            # Rounded up, so that the next attempt is not too early.
            lockout_for=duration((lockout.retry_after or timedelta()) + timedelta(minutes=1)),
            attempts=await storage.list_failed_attempts(user.email, limit=_ATTEMPTS),
        )

    async def what_goes_on(self, request: Request) -> Response:
        """Charts."""
        found = await self._area.who(request)
        activity = cast("Activity", self._activity)
        day = request.query_params.get("span") == "day"
        bars, minutes = (48, 30) if day else (60, 1)

        def counts(series: Any) -> Any:
            return activity.counts(series, bars=bars, minutes=minutes)

        charts = [
            bar_chart("sign-ins", gettext("Sign-ins"), [(gettext("sign-ins"), "good", counts("sign_ins"))]),
            bar_chart("failures", gettext("Failed sign-ins"), [(gettext("failures"), "warn", counts("failures"))]),
            bar_chart("lockouts", gettext("Lockouts"), [(gettext("refused attempts"), "bad", counts("lockouts"))]),
            bar_chart(
                "capacity",
                gettext("Consumed capacity"),
                [
                    (gettext("read units"), "reads", counts("read_units")),
                    (gettext("write units"), "writes", counts("write_units")),
                ],
            ),
        ]
        report = activity.meter.report()
        return await self._area.page(
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
