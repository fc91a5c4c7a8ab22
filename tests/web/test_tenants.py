"""Tenants in the web layer: found in a request, kept apart in one browser, and refused if there are none."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

import httpx
import pytest
from tests.services._async.support import PASSWORD
from tests.web.api import problem
from tests.web.paged import ADMIN, Reader, Tab
from tests.web.tenanted import API, GATEWAY, Tenanted, sign_in

from torii_dynamodb import LockoutPolicy
from torii_dynamodb.fastapi import by_header, by_host, by_path

ADA = "ada@example.com"
HOST = "https://{tenant}.example.com"
PATH = "https://app.example.com/t/{tenant}"


def by_hosts(**options: Any) -> Tenanted:
    return Tenanted(by_host("{tenant}.example.com"), HOST, **options)


def by_paths(**options: Any) -> Tenanted:
    return Tenanted(by_path("/t/{tenant}"), PATH, **options)


def by_headers(**options: Any) -> Tenanted:
    return Tenanted(by_header("X-Tenant"), "https://app.example.com", config={"trusted_proxies": [GATEWAY]}, **options)


def by_function(**options: Any) -> Tenanted:
    domains = {"login.acme.test": "acme", "www.globex.test": "globex"}
    return Tenanted(
        lambda connection: domains.get(connection.headers.get("host", "")), "https://{tenant}.example.com", **options
    )


WAYS: list[tuple[Any, dict[str, Any], dict[str, Any]]] = [
    (by_hosts, {"url": "https://acme.example.com"}, {"url": "https://globex.example.com"}),
    (by_paths, {"url": "https://app.example.com/t/acme"}, {"url": "https://app.example.com/t/globex"}),
    (
        by_headers,
        {"url": "https://app.example.com", "headers": {"X-Tenant": "acme"}, "client": GATEWAY},
        {"url": "https://app.example.com", "headers": {"X-Tenant": "globex"}, "client": GATEWAY},
    ),
    (by_function, {"url": "https://login.acme.test"}, {"url": "https://www.globex.test"}),
]


@pytest.mark.parametrize(("made", "acme", "globex"), WAYS, ids=["host", "path", "header", "function"])
async def test_two_tenants_have_nothing_in_common(made: Any, acme: dict[str, Any], globex: dict[str, Any]) -> None:
    """The same address is two users, whose sessions are valid only in their tenant, however it is found."""
    here = made()
    for name in ("acme", "globex"):
        await here.user(name, ADA)
    seen = []
    for way, name in ((acme, "acme"), (globex, "globex")):
        browser = here.browser(client=way.get("client", "198.51.100.7"), **way.get("headers", {}))
        answer = await sign_in(browser, way["url"], ADA)
        mine = await browser.get(f"{way['url']}/mine")
        assert mine.json() == {"tenant": name, "user": answer.json()["user"]["id"]}
        [cookie] = [one for one in browser.cookies.jar if one.name.endswith(".torii")]
        assert cookie.name == f"__Host-{name}.torii"
        seen.append((way, cookie.value, mine.json()["user"]))
    (_, token, ada), (other, _, ada_too) = seen
    assert ada != ada_too
    # The session of one, with the other's cookie name, and as bearer token.
    for headers in ({"Cookie": f"__Host-globex.torii={token}"}, {"Authorization": f"Bearer {token}"}):
        stranger = here.browser(client=other.get("client", "198.51.100.7"), **other.get("headers", {}), **headers)
        problem(await stranger.get(f"{other['url']}{API}/me"), 401, "not_signed_in")


async def test_one_browser_is_signed_in_to_two_tenants_of_one_host() -> None:
    """Signing in to a second tenant on the same host neither replaces nor ends the first session; nor does leaving."""
    here = by_paths()
    acme, globex = here.url("acme"), here.url("globex")
    await here.user("acme", ADA)
    await here.user("globex", "grace@example.com")
    browser = here.browser()
    await sign_in(browser, acme, ADA)
    await sign_in(browser, globex, "grace@example.com")
    found = [(await browser.get(f"{base}{API}/me")).json()["email"] for base in (acme, globex)]
    assert found == [ADA, "grace@example.com"]
    assert (await browser.post(f"{acme}{API}/sign-out")).status_code == 204
    problem(await browser.get(f"{acme}{API}/me"), 401, "not_signed_in")
    assert (await browser.get(f"{globex}{API}/me")).status_code == 200


@pytest.mark.parametrize("made", [by_hosts, by_paths])
async def test_mails_and_pages_are_the_tenants_own(made: Any) -> None:
    """A sign-up mail has the tenant's sender, name and links; its pages have its name, colours and paths."""
    here = made()
    for name, title in here.titles.items():
        base = here.url(name)
        root = httpx.URL(base).path.rstrip("/")
        tab = Tab(here.browser())
        tab.client.base_url = httpx.URL(base.removesuffix(root))
        page = await tab.get(f"{root}/auth/sign-up")
        assert f"- {title}</title>" in page.text
        assert f'href="{root}/home">{title}<' in page.text
        assert f'href="{root}/auth/static/pages.css?v=' in page.text
        assert (await tab.get(f"{root}/auth/static/pages.css")).status_code == 200
        theme = await tab.get(f"{root}/auth/static/theme.css")
        assert ("theme.css" in page.text, "#aa0000" in theme.text) == (name == "acme", name == "acme")
        sent = await tab.send(
            f"{root}/auth/sign-up", f"{root}/auth/sign-up", follow=False, email=ADA, password=PASSWORD, name="Ada"
        )
        assert sent.headers["location"].startswith(f"{root}/auth/check-mail")
        mail = here.mailer.messages[-1]
        assert mail.sender == f"{title} <no-reply@{name}.example.com>"
        assert title in mail.subject + mail.text
        assert f"{base}/auth/verify-email?token=" in mail.text
        opened = await tab.send(
            f"{root}/auth/verify-email?token={await here.mailed('verify_email')}", f"{root}/auth/verify-email"
        )
        assert opened.status_code == 200
        await tab.send(f"{root}/auth/sign-in", f"{root}/auth/sign-in", email=ADA, password=PASSWORD)
        assert ADA in (await tab.get(f"{root}/auth/account")).text


@pytest.mark.parametrize("made", [by_hosts, by_paths])
async def test_links_codes_and_forms_of_another_tenant_do_nothing(made: Any) -> None:
    """Mailed links, flow tokens, form tokens and device cookies of one tenant are not valid in another."""
    here = made()
    acme, globex = here.url("acme"), here.url("globex")
    ada = await here.user("acme", ADA)
    await here.user("globex", ADA)
    browser = here.browser()
    await browser.post(f"{acme}{API}/password/reset", json={"email": ADA})
    token = await here.mailed("reset_password")
    for base, valid in ((globex, False), (acme, True)):
        answer = await browser.post(f"{base}{API}/password/reset/check", json={"token": token})
        assert answer.json()["valid"] is valid
    await browser.post(f"{acme}{API}/magic-link", json={"email": ADA})
    link = await here.mailed("magic_link")
    problem(await browser.post(f"{globex}{API}/magic-link/complete", json={"token": link}), 400, "invalid_token")
    sent = await browser.post(
        f"{acme}{API}/email-code", json={"email": ADA, "purpose": "sign_in", "transport": "bearer"}
    )
    flow, code = sent.json()["flow"], next(m for m in reversed(here.mailer.messages) if "code" in m.template).text
    digits = "".join(char for char in code.split("code", 1)[1] if char.isdigit())[:8]
    body = {"flow": flow, "code": digits, "transport": "bearer"}
    problem(await browser.post(f"{globex}{API}/email-code/complete", json=body), 400, "invalid_code")
    # A form of one, with its cookies, sent to the other: as if the cookies had its names.
    page = await browser.get(f"{acme}/auth/sign-in")
    form = Reader(page.text).forms[f"{httpx.URL(acme).path.rstrip('/')}/auth/sign-in"]
    answer = await browser.post(f"{globex}/auth/sign-in", data={**form, "email": ADA, "password": PASSWORD})
    assert answer.status_code == 403
    await sign_in(browser, acme, ADA)
    device = next(one.value for one in browser.cookies.jar if one.name == "__Host-acme.torii-device")
    for name, known in (("acme", True), ("globex", False)):
        torii = here.services(here.storages[name], here.titles[name])
        # As if both tenants had the same user.
        assert (torii.devices.recognise(device, ada) is not None) is known


UNKNOWN = ["https://nope.example.com", "https://example.com", "https://a.b.example.com", "https://acme.example.org"]


@pytest.mark.parametrize("where", UNKNOWN)
async def test_unknown_tenants_are_refused_alike(where: str) -> None:
    """Every route and page responds to an unknown tenant with the same 404, before any storage request."""
    here = by_hosts()
    browser = here.browser()
    bodies = set()
    for method, path, body in (
        ("GET", f"{API}/me", None),
        ("GET", f"{API}/methods", None),
        ("POST", f"{API}/sign-in", b'{"email": "ada@example.com", "password": "correct horse battery staple"}'),
        ("POST", f"{API}/sign-in", b"not JSON"),
        ("POST", f"{API}/password/reset", b"{}"),
        ("GET", f"{API}/oauth/accounts", None),
    ):
        answer = await browser.request(method, where + path, content=body, headers={"Content-Type": "application/json"})
        problem(answer, 404, "not_found")
        bodies.add(answer.content)
    assert len(bodies) == 1
    found = set()
    for path in (
        "/auth/sign-in",
        "/auth/sign-up",
        "/auth/account",
        "/auth/verify-email?token=x",
        "/admin",
        "/admin/users/x",
    ):
        page = await browser.get(where + path)
        assert (page.status_code, page.headers.get("set-cookie")) == (404, None), path
        assert page.headers["content-type"].startswith("text/html")
        found.add(page.content)
    assert len(found) == 1
    assert b"Acme" not in found.pop()
    for path in ("/mine", "/which"):
        assert (await browser.get(where + path)).status_code == 404
    assert (await browser.get(f"{where}/health")).json() == "ok"
    assert here.calls.total() == 0


HOSTS: list[tuple[str, bool]] = [
    ("acme.example.com", True),
    ("ACME.Example.COM", True),
    ("acme.example.com:8443", True),
    ("acme.example.com.", True),
    ("acme.example.com.:443", True),
    ("acme.example.com..", False),
    ("acme.example.com:x", False),
    ("example.com", False),
    (".example.com", False),
    ("..example.com", False),
    ("acme..example.com", False),
    ("x.acme.example.com", False),
    ("acme.example.com.evil.test", False),
    ("acme.example.com@evil.test", False),
    ("ac\u00e4me.example.com", False),
    ("xn--acme-moa.example.com", False),
    ("acme_.example.com", False),
    (f"{'a' * 64}.example.com", False),
    ("acme.example.com, globex.example.com", False),
    ("acmexexample.com", False),
    ("", False),
]


async def test_hosts() -> None:
    """A host names a tenant whatever its case, with a port or a final dot; nothing else does."""
    here = by_hosts()
    for host, found in HOSTS:
        answer = await here.browser().get("https://acme.example.com/which", headers={"Host": host.encode()})  # type: ignore[arg-type]
        assert (answer.status_code == 200) is found, host
    assert set(here.asked) <= {"acme", "xn--acme-moa"}


async def request(here: Tenanted, path: str, **scope: Any) -> list[Any]:
    """Send a request whose path no client has normalised, and return what the application sent."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "websocket.connect" if scope else "http.request"}

    given = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "https",
        "path": unquote(path), "raw_path": path.encode(), "root_path": "", "query_string": b"", "server": ("x", 443),
        "client": ("198.51.100.7", 1), "headers": [(b"host", b"app.example.com")],
    }  # fmt: skip
    await here.app({**given, **scope}, receive, send)
    return sent


PATHS: list[tuple[str, bool]] = [
    ("/t/acme/which", True),
    ("/t/ac%6De/which", True),
    ("/t/ACME/which", False),
    ("/t/acme/../globex/which", False),
    ("/t/../which", False),
    ("/t/%2e%2e/which", False),
    ("/t//which", False),
    ("/t/acme%2fx/which", False),
    ("//t/acme/which", False),
    (f"/t/{'a' * 64}/which", False),
    ("/t/nope/which", False),
    ("/t/acme:80/which", False),
    ("/which", False),
]


async def test_paths() -> None:
    """A path names a tenant exactly; one that does not exist is not found, as any other path."""
    here = by_paths()
    for path, found in PATHS:
        sent = await request(here, path)
        assert (sent[0]["status"] == 200) is found, path


async def test_a_header_counts_only_from_the_gateway() -> None:
    """The header is read only if the request comes from a trusted proxy, and only if it is there once."""
    here = by_headers()
    url = "https://app.example.com/which"
    assert (await here.browser(client=GATEWAY, **{"X-Tenant": "acme"}).get(url)).json() == "acme"
    assert (await here.browser(client="198.51.100.7", **{"X-Tenant": "acme"}).get(url)).status_code == 404
    assert (await here.browser(client=GATEWAY, **{"X-Tenant": "ACME"}).get(url)).status_code == 404
    assert (await here.browser(client=GATEWAY).get(url)).status_code == 404
    twice = [("X-Tenant", "acme"), ("X-Tenant", "globex")]
    assert (await here.browser(client=GATEWAY).get(url, headers=twice)).status_code == 404


async def test_a_forwarded_host_counts_only_from_a_proxy() -> None:
    """With another header, the host comes from a trusted proxy only, and ``Host`` does not count."""
    find = by_host("{tenant}.example.com", header="X-Forwarded-Host")
    here = Tenanted(find, config={"trusted_proxies": [GATEWAY]})
    url, forwarded = "https://globex.example.com/which", {"X-Forwarded-Host": "acme.example.com"}
    assert (await here.browser(client=GATEWAY, **forwarded).get(url)).json() == "acme"
    assert (await here.browser(**forwarded).get(url)).status_code == 404


async def test_a_sign_in_stays_inside_the_tenants_path() -> None:
    """``next`` leads to no path of another tenant, nor out of the tenant's by dots; the default is the tenant's."""
    here = by_paths()
    await here.user("acme", ADA)
    for target, left in (
        ("/t/acme/orders?x=1", "/t/acme/orders?x=1"),
        ("https://app.example.com/t/acme/orders", "https://app.example.com/t/acme/orders"),
        ("/t/globex/orders", "/t/acme/"),
        ("/t/acme/../globex/orders", "/t/acme/"),
        ("/t/acme/%2e%2E/globex/orders", "/t/acme/"),
        ("/t/acmes", "/t/acme/"),
        ("https://app.example.com/t/globex", "/t/acme/"),
        ("/", "/t/acme/"),
        ("", "/t/acme/"),
    ):
        tab = Tab(here.browser())
        tab.client.base_url = httpx.URL("https://app.example.com")
        sent = await tab.send(
            "/t/acme/auth/sign-in", "/t/acme/auth/sign-in", follow=False, email=ADA, password=PASSWORD, next=target
        )
        assert (sent.status_code, sent.headers["location"]) == (303, left), target


async def test_the_limit_by_ip_address_is_the_tenants() -> None:
    """Requests from one address are counted for each tenant separately."""
    here = by_hosts(config={"ip_limit": LockoutPolicy(max_attempts=2)})
    browser = here.browser()
    for base, status in (
        (here.url("acme"), 401),
        (here.url("acme"), 401),
        (here.url("acme"), 429),
        (here.url("globex"), 401),
    ):
        answer = await browser.post(f"{base}{API}/sign-in", json={"email": ADA, "password": "wrong password"})
        assert answer.status_code == status


async def test_administrators_see_only_their_tenants_users() -> None:
    """The admin area lists the users of the tenant; an administrator of one is nobody in another."""
    here = by_hosts()
    await here.user("acme", ADMIN)
    await here.user("acme", ADA)
    grace = await here.user("globex", "grace@example.com")
    browser = here.browser()
    await sign_in(browser, here.url("acme"), ADMIN)
    page = await browser.get(f"{here.url('acme')}/admin")
    assert ADA in page.text
    assert "grace@example.com" not in page.text
    assert (await browser.get(f"{here.url('acme')}/admin/users/{grace.id}")).status_code == 404
    assert (await browser.get(f"{here.url('globex')}/admin")).status_code == 404


@pytest.mark.parametrize(("path", "said"), [("/t/acme/socket", "acme"), ("/t/nope/socket", None), ("/socket", None)])
async def test_websockets_know_their_tenant(path: str, said: str | None) -> None:
    """A WebSocket route's dependencies are the tenant's; without a tenant the connection is denied."""
    sent = await request(by_paths(), path, type="websocket", scheme="wss", subprotocols=[])
    assert [message.get("text") for message in sent if message["type"] == "websocket.send"] == ([said] if said else [])
    assert any(message["type"] == "websocket.accept" for message in sent) is (said is not None)


async def test_there_is_one_openapi_document() -> None:
    """The document has each path once, without tenants, and is the same for all."""
    here = by_paths()
    documents = [(await here.browser().get(f"{here.url(name)}/openapi.json")).json() for name in here.titles]
    assert documents[0]["paths"] == documents[1]["paths"]
    assert not [path for path in documents[0]["paths"] if "/t/" in path]
    cookie = documents[0]["components"]["securitySchemes"]["cookie"]["name"]
    assert cookie == "__Host-{tenant}.torii"


async def test_a_warm_check_costs_one_storage_call() -> None:
    """Who is signed in costs what it costs without tenants: one call to the storage."""
    here = by_hosts()
    await here.user("acme", ADA)
    browser = here.browser()
    await sign_in(browser, here.url("acme"), ADA)
    here.calls.clear()
    assert (await browser.get(f"{here.url('acme')}{API}/me")).status_code == 200
    assert dict(here.calls) == {"get_signed_in": 1}
    assert here.asked == ["acme"]
