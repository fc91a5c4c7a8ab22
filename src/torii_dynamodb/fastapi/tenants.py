"""Tenants: which one a request is for, and its services and settings."""

from __future__ import annotations

import asyncio
import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from contextlib import suppress
from contextvars import ContextVar, Token
from dataclasses import dataclass
from datetime import datetime, timedelta
from inspect import isawaitable
from threading import Lock
from typing import Protocol, TypeAlias

from starlette.requests import HTTPConnection

from torii_dynamodb._rules import validation
from torii_dynamodb._rules.checking import check_kind, wrong
from torii_dynamodb.clock import Clock, system_clock
from torii_dynamodb.errors import ConfigurationError, ValidationError
from torii_dynamodb.fastapi.errors import Problem
from torii_dynamodb.fastapi.parts import Tenant, TenantPart

__all__ = ["TenantFinder", "TenantOf", "Tenants", "by_header", "by_host", "by_path", "path_below_root"]

_NAME = "{tenant}"
_LONGEST_HOST = 253  # RFC 1035, 2.3.4, without the final dot


class TenantFinder(Protocol):
    """Finds the tenant that a request names. Made by :func:`by_host`, :func:`by_path` and :func:`by_header`."""

    def name(self, connection: HTTPConnection, *, from_proxy: bool) -> str | None:
        """What the request gives as the tenant's name; ``None``: nothing.

        Args:
            connection: The request.
            from_proxy: Whether it comes from one of ``WebConfig.trusted_proxies``.
        """
        ...

    def path(self, name: str) -> str:
        """The path below which the tenant is; empty if the path does not name it."""
        ...


TenantOf: TypeAlias = "Callable[[str], Tenant | None | Awaitable[Tenant | None]]"


@dataclass(frozen=True, slots=True)
class _ByHost:
    pattern: re.Pattern[str]
    header: str

    def name(self, connection: HTTPConnection, *, from_proxy: bool) -> str | None:
        if self.header != "host" and not from_proxy:
            return None
        hosts = connection.headers.getlist(self.header)
        if len(hosts) != 1:
            return None
        # Hosts are not case-sensitive, and may have a port and a final dot (RFC 3986, 3.2.2).
        host = re.sub(r":[0-9]*\Z", "", hosts[0].strip(" \t")).lower().removesuffix(".")
        found = self.pattern.fullmatch(host) if len(host) <= _LONGEST_HOST else None
        return None if found is None else found[1]

    def path(self, name: str) -> str:
        return ""


@dataclass(frozen=True, slots=True)
class _ByPath:
    prefix: str

    def name(self, connection: HTTPConnection, *, from_proxy: bool) -> str | None:
        _, path = path_below_root(connection)
        return path.removeprefix(self.prefix).partition("/")[0] if path.startswith(self.prefix) else None

    def path(self, name: str) -> str:
        return self.prefix + name


@dataclass(frozen=True, slots=True)
class _ByHeader:
    header: str

    def name(self, connection: HTTPConnection, *, from_proxy: bool) -> str | None:
        values = connection.headers.getlist(self.header) if from_proxy else []
        return values[0] if len(values) == 1 else None

    def path(self, name: str) -> str:
        return ""


@dataclass(frozen=True, slots=True)
class _ByFunction:
    function: Callable[[HTTPConnection], str | None]

    def name(self, connection: HTTPConnection, *, from_proxy: bool) -> str | None:
        return self.function(connection)

    def path(self, name: str) -> str:
        return ""


def by_host(template: str, *, header: str = "host") -> TenantFinder:
    """Find the tenant in the host name: ``by_host("{tenant}.example.com")``.

    Upper case, a port and a final dot make no difference.

    Args:
        template: The host, with ``{tenant}`` in place of the name.
        header: The header with the host. Another than ``host``, such as ``x-forwarded-host``, is read only from
            ``WebConfig.trusted_proxies``. Make sure that your proxy sets it: many pass on what the client sends.

    Raises:
        ConfigurationError: It is not such a template.
    """
    host = r"(?:[a-z0-9-]+\.)*"
    if not isinstance(template, str) or not re.fullmatch(
        host + r"[a-z0-9-]*\{tenant\}[a-z0-9-]*(?:\.[a-z0-9-]+)*", template
    ):
        raise ConfigurationError(f"by_host: {template!r}: give a host in lower case, like {{tenant}}.example.com")
    before, _, after = template.partition(_NAME)
    return _ByHost(re.compile(f"{re.escape(before)}([a-z0-9-]+){re.escape(after)}", re.ASCII), header.lower())


def by_path(template: str) -> TenantFinder:
    """Find the tenant in the path: ``by_path("/t/{tenant}")``. Routes are below it, and do not see it.

    So ``/t/acme/account`` is served by the route ``/account``. All tenants then share one origin, so scripts on the
    pages of one can send requests to another in the name of whoever is signed in there: use hosts if tenants have
    scripts of their own.

    Args:
        template: The path, which ends with ``{tenant}``.

    Raises:
        ConfigurationError: It is not such a template.
    """
    if not isinstance(template, str) or not re.fullmatch(r"(/[A-Za-z0-9._~-]+)*/\{tenant\}", template):
        raise ConfigurationError(f"by_path: {template!r}: give a path like /t/{{tenant}}")
    return _ByPath(template.removesuffix(_NAME))


def by_header(header: str) -> TenantFinder:
    """Find the tenant in a header that a gateway sets: ``by_header("X-Tenant")``.

    It is read only if the request comes from one of ``WebConfig.trusted_proxies``. The gateway must replace what the
    client sends.

    Raises:
        ConfigurationError: It is not the name of a header.
    """
    if not isinstance(header, str) or not re.fullmatch(r"[A-Za-z0-9-]{1,64}", header):
        raise ConfigurationError(f"by_header: {header!r}: give the name of a header, like X-Tenant")
    return _ByHeader(header.lower())


def path_below_root(connection: HTTPConnection) -> tuple[str, str]:
    """Split the path of a request at ``root_path``.

    Returns:
        ``root_path``, and the rest of the path. A server behind a proxy that strips ``root_path`` reports only the
        rest.
    """
    root, path = connection.scope.get("root_path", "").rstrip("/"), connection.scope["path"]
    return root, path.removeprefix(root) if f"{path}/".startswith(f"{root}/") else path


class _Unset:
    """No tenant was looked for."""


_UNSET = _Unset()


class Tenants:
    """The tenants of an application: ``router(torii, tenants=Tenants(...))``.

    ::

        async def tenant_of(name: str) -> Tenant | None:
            customer = await customers.get(name)
            if customer is None:
                return None
            return Tenant(
                torii=services(storage.tenant(name), customer), app_name=customer.title, base_url=customer.url
            )

        tenants = Tenants(tenant_of, find=by_host("{tenant}.example.com"))
        auth = router(services(storage), tenants=tenants)
        app.add_middleware(TenantMiddleware, web=auth.web)

    Each tenant's services are made once and kept while it is in use, at most ``size`` of them; those used least
    recently go first. One object belongs to one router.

    Args:
        tenant_of: Returns the tenant with this name; ``None`` if there is none. It may be a coroutine function. It is
            called only with names of 1 to 63 of ``a-z 0-9 -``, and every time for a name that does not exist.
        find: Finds the name in a request: :func:`by_host`, :func:`by_path`, :func:`by_header`, or a function of the
            request, which returns ``None`` if it names no tenant.
        size: How many tenants are kept.
        max_age: After how long ``tenant_of`` is asked again, so that a tenant that was changed or removed by another
            process is noticed.
        clock: The clock.
    """

    def __init__(
        self,
        tenant_of: TenantOf,
        *,
        find: TenantFinder | Callable[[HTTPConnection], str | None],
        size: int = 1000,
        max_age: timedelta = timedelta(minutes=5),
        clock: Clock = system_clock,
    ) -> None:
        if not callable(tenant_of):
            raise wrong("tenant_of", tenant_of, "a function of the tenant's name")
        if not callable(find) and not hasattr(find, "name"):
            raise wrong("find", find, "by_host(...), by_path(...), by_header(...), or a function of the request")
        if isinstance(size, bool) or not isinstance(size, int) or size < 1:
            raise ConfigurationError(f"size: {size!r}: give how many tenants are kept, at least 1")
        if not isinstance(max_age, timedelta) or max_age <= timedelta(0):
            raise ConfigurationError(f"max_age: {max_age!r}: give a positive timedelta")
        self._tenant_of = tenant_of
        self._find: TenantFinder = _ByFunction(find) if callable(find) else find
        self._size = size
        self._max_age = max_age
        self._clock = clock
        self._build: Callable[[str, Tenant, str], TenantPart] | None = None
        self._kept: OrderedDict[str, tuple[TenantPart, datetime]] = OrderedDict()
        self._building: dict[tuple[asyncio.AbstractEventLoop, str], asyncio.Task[TenantPart | None]] = {}
        self._closing: set[asyncio.Task[None]] = set()
        # Event loops in several threads may share it.
        self._lock = Lock()
        self._current: ContextVar[TenantPart | None | _Unset] = ContextVar("torii_dynamodb_tenant", default=_UNSET)

    @property
    def current(self) -> str | None:
        """The name of the tenant that the current request is for; ``None`` if it is for none."""
        part = self._current.get()
        return None if part is None or isinstance(part, _Unset) else part.torii.tenant_name

    def forget(self, name: str) -> None:
        """Forget a tenant whose settings changed: the next request asks for them again. Sessions are not affected.

        It concerns this process; others notice after ``max_age``.
        """
        with self._lock:
            found = self._kept.pop(name, None)
            # What is being built now may have been read before the change.
            for key in [key for key in self._building if key[1] == name]:
                del self._building[key]
        if found is not None:
            self._let_go(found[0])

    # For the web layer

    def bind(self, build: Callable[[str, Tenant, str], TenantPart]) -> None:
        """Connect it to a router.

        Args:
            build: Makes a tenant's part of its name, the tenant, and its path.

        Raises:
            ConfigurationError: It is connected to another router.
        """
        if self._build is not None:
            raise ConfigurationError("tenants: they belong to another router: make Tenants(...) for each")
        self._build = build

    def part(self) -> TenantPart:
        """The part of the tenant that the current request is for.

        Raises:
            Problem: It is for no tenant (404).
            ConfigurationError: The middleware is missing.
        """
        part = self._current.get()
        if isinstance(part, _Unset):
            raise ConfigurationError(
                "tenants need their middleware: app.add_middleware(TenantMiddleware, web=auth.web)"
            )
        if part is None:
            raise Problem(404, "not_found", "there is no such page")
        return part

    def part_or_none(self) -> TenantPart | None:
        """The same; ``None`` if the current request is for no tenant, or nobody looked."""
        part = self._current.get()
        return None if isinstance(part, _Unset) else part

    @property
    def found(self) -> bool:
        """Whether the current request is for a tenant. ``True`` if nobody looked: :meth:`part` then says why."""
        return self._current.get() is not None

    def enter(self, part: TenantPart | None) -> Token[TenantPart | None | _Unset]:
        """Make this the tenant of the current context, until :meth:`leave`. What is started meanwhile keeps it."""
        return self._current.set(part)

    def leave(self, token: Token[TenantPart | None | _Unset]) -> None:
        """Undo :meth:`enter`."""
        # A response that is sent by another task ends in another context.
        with suppress(ValueError):
            self._current.reset(token)

    async def part_of(self, connection: HTTPConnection, *, from_proxy: bool) -> TenantPart | None:
        """The part of the tenant that a request is for; ``None`` if it is for none. No storage request.

        What ``tenant_of`` raises is raised as it is.
        """
        try:
            name = validation.tenant(self._find.name(connection, from_proxy=from_proxy))
        except ValidationError:
            return None
        with self._lock:
            kept = self._kept.get(name)
            if kept is not None and self._clock() - kept[1] < self._max_age:
                self._kept.move_to_end(name)
                return kept[0]
            loop = asyncio.get_running_loop()
            building = self._building.get((loop, name))
            if building is None:
                building = self._building[loop, name] = loop.create_task(self._made(loop, name))
        # A cancelled request does not cancel the others that wait for it.
        return await asyncio.shield(building)

    async def _made(self, loop: asyncio.AbstractEventLoop, name: str) -> TenantPart | None:
        assert self._build is not None
        me = asyncio.current_task()
        part: TenantPart | None = None
        try:
            found = self._tenant_of(name)
            tenant = await found if isawaitable(found) else found
            if tenant is not None:
                check_kind("tenant_of", tenant, "torii_dynamodb.fastapi.parts.Tenant", "Tenant(...) or None")
                part = self._build(name, tenant, self._find.path(name))
        finally:
            gone: list[TenantPart] = []
            with self._lock:
                if self._building.get((loop, name)) is me:  # it has not been forgotten meanwhile
                    del self._building[loop, name]
                    before = self._kept.pop(name, None)
                    gone += [] if before is None else [before[0]]
                    if part is not None:
                        self._kept[name] = (part, self._clock())
                    while len(self._kept) > self._size:
                        gone.append(self._kept.popitem(last=False)[1][0])
            for one in gone:
                self._let_go(one)
        return part

    def _let_go(self, part: TenantPart) -> None:
        """Keep the services until their mails are sent: requests in progress may go on with them."""
        with suppress(RuntimeError):  # without an event loop, no mail is being sent
            closing = asyncio.get_running_loop().create_task(part.torii.close())
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)

    async def close(self) -> None:
        """Wait for mails in progress, when the application ends."""
        with self._lock:
            parts = [part for part, _ in self._kept.values()]
            self._kept.clear()
        await asyncio.gather(*(part.torii.close() for part in parts), *self._closing)
