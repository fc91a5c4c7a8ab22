"""What Django's integration has of its own: checks, Django's own decorators and functions, rows, ASGI."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from django.contrib.auth import authenticate, get_user_model
from django.core import checks, mail
from django.core.exceptions import PermissionDenied
from django.core.management import call_command
from django.test import Client, RequestFactory, override_settings
from django.urls import reverse
from django.views import View
from django.views.generic import TemplateView
from tests.apps.on_django import configured, on_django
from tests.apps.support import COOKIE, PAGE, SITE, Ground, Site
from tests.services._async.support import PASSWORD

from torii_dynamodb import django as torii
from torii_dynamodb.django import urls
from torii_dynamodb.django.asgi import with_accounts
from torii_dynamodb.django.middleware import ToriiMiddleware
from torii_dynamodb.django.mixins import VerifiedRequiredMixin
from torii_dynamodb.errors import ConfigurationError, Unavailable
from torii_dynamodb.mail import MailSettings

OWN = {"Sec-Fetch-Site": "same-origin"}


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """The project."""
    with on_django(Ground()) as made:
        yield made


def codes(*, deploy: bool = False) -> dict[str, Any]:
    """The messages of the system checks that are ours."""
    found = checks.run_checks(include_deployment_checks=deploy)
    return {message.id: message for message in found if str(message.id).startswith("torii.")}


@pytest.mark.parametrize(
    ("changed", "code", "hint"),
    [
        ({"TORII": None}, "torii.E001", "docs/django.md"),
        ({"TORII": {"STORAGE": Ground().storage, "SECRETS": "s" * 32}}, "torii.E001", "docs/django.md"),
        ({"TORII": {"STORAGE": Ground().storage, "SECRET": "short"}}, "torii.E001", "docs/django.md"),
        ({"MIDDLEWARE": []}, "torii.E002", "MIDDLEWARE"),
        (
            {
                "MIDDLEWARE": [
                    "torii_dynamodb.django.middleware.ToriiMiddleware",
                    "django.contrib.auth.middleware.AuthenticationMiddleware",
                ]
            },
            "torii.E003",
            "below",
        ),
        ({"ROOT_URLCONF": "tests.apps.none_urls"}, "torii.E004", "include"),
        ({"LOGIN_URL": "/accounts/login/"}, "torii.W002", "torii:sign-in"),
    ],
)
def test_checks(site: Site, changed: dict[str, Any], code: str, hint: str) -> None:
    """Each mistake in the settings has an id, and a hint that says what to write; without mistakes there is none."""
    assert codes() == {}
    with override_settings(**changed):
        found = codes()
    assert list(found) == [code]
    assert hint in found[code].hint


@pytest.mark.filterwarnings("ignore:AsyncTorii has no secret")  # this test is about the check that says so, too
def test_checks_of_a_weak_configuration() -> None:
    """A missing secret is a warning; cookies for http are one before a deployment."""
    web = torii.WebConfig(base_url="http://localhost:8000", secure_cookies=False, registration="direct")
    with configured(Ground(), secret=None, web=web):
        assert "torii.W001" in codes()
        assert "torii.W003" not in codes()
        assert "torii.W003" in codes(deploy=True)


def test_a_misspelt_option_is_named() -> None:
    """The message names the option that was meant."""
    with override_settings(TORII={"STORAGE": Ground().storage, "MAILERS": None}):
        assert "did you mean 'MAILER'" in codes()["torii.E001"].msg


def test_wrong_settings_do_not_break_the_urls(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """With wrong settings the URLs still load, so that torii.E001 is seen; a request raises the same error."""
    monkeypatch.delitem(vars(urls), "urlpatterns", raising=False)
    with override_settings(TORII=None):
        assert urls.urlpatterns == []
        with pytest.raises(ConfigurationError, match="add TORII"):
            ToriiMiddleware(lambda _: None)(RequestFactory().get("/"))
    assert urls.urlpatterns


def test_djangos_own_decorator(site: Site) -> None:
    """``login_required`` of django.contrib.auth leads to our page, and back."""
    sent = site.browser().get("/protected/me?a=b", headers=PAGE)
    assert (sent.status_code, sent.headers["location"]) == (302, "/auth/sign-in?next=/protected/me%3Fa%3Db")
    user = site.ground.user()
    assert site.browser(user).get("/theirs").json()["email"] == user.email


def test_names_of_pages(site: Site) -> None:
    """Pages can be reversed by name."""
    assert reverse("torii:sign-in") == "/auth/sign-in"
    assert reverse("torii:account-delete") == "/auth/account/delete"


def test_two_mixins(site: Site) -> None:
    """A view class may require two things; what is missing first is asked for first."""
    browser = site.browser(site.ground.user(verified=False))
    assert browser.get("/vault").json()["code"] == "second_factor_required"


def test_djangos_csrf_protection_stays(site: Site) -> None:
    """Django protects the project's own views as before, and leaves our pages to their own protection."""
    browser = site.browser(site.ground.user())
    assert browser.post("/protected/me", headers=OWN).status_code == 403
    assert browser.post("/api/auth/sign-out", headers=OWN).status_code == 204


def test_request_user(site: Site) -> None:
    """``request.user`` has what templates, Django's decorators and libraries for APIs ask for."""
    user = site.ground.user()
    client = Client()
    client.cookies[COOKIE] = site.ground.session(user).token
    found = client.get("/me", secure=True, headers={"host": "app.example.com"}).wsgi_request.user
    assert (found.pk, found.get_username(), found.is_active, found.is_anonymous) == (user.id, user.email, True, False)
    assert (found.is_staff, found.is_superuser, found.has_perm("x.y"), found.has_module_perms("x")) == (False,) * 4
    assert found.has_perms([])
    assert found.get_full_name() == found.get_short_name() == found.user.name == "Ada"
    assert found.created_at == user.created_at
    assert found == torii.ToriiUser(found.caller)
    assert str(torii.ToriiUser(None)) == ""
    assert not hasattr(torii.ToriiUser(None), "created_at")


def test_the_backend(site: Site) -> None:
    """``authenticate()`` checks passwords, and refuses people who have a second factor: it cannot ask for one."""
    ground = site.ground
    user = ground.user()
    assert authenticate(None, username=user.email, password=PASSWORD).id == user.id
    assert authenticate(None, email=user.email, password=PASSWORD).id == user.id
    assert authenticate(None, username=user.email, password="wrong") is None
    assert authenticate(None, username="\x00", password="wrong") is None
    assert authenticate(None, username=user.email) is None
    begun = ground.torii.second_factor.begin_enrolment(user)
    import pyotp

    ground.torii.second_factor.complete_enrolment(user, begun.token, pyotp.TOTP(begun.secret).at(ground.clock()))
    assert authenticate(None, username=user.email, password=PASSWORD) is None
    from torii_dynamodb.django.backends import ToriiBackend

    with pytest.raises(PermissionDenied):
        ToriiBackend().authenticate(None, username=user.email, password=PASSWORD)


def test_the_admin_site_with_rows(site: Site) -> None:
    """With ``MIRROR``, users have rows; one that is staff signs in and out of Django's admin with a session of ours."""
    ground = Ground()
    call_command("migrate", verbosity=0, stdout=io.StringIO())
    with on_django(ground, mirror=True) as mirrored:
        user = ground.user()
        browser = mirrored.browser()
        assert browser.get("/admin/", headers=PAGE).status_code == 302
        get_user_model().objects.create(username=user.id, email="old@example.com", is_staff=True, is_superuser=True)
        shown = browser.get("/admin/login/", headers=PAGE)
        token = shown.cookies["csrftoken"]
        form = {"username": user.email, "password": PASSWORD, "csrfmiddlewaretoken": token, "next": "/admin/"}
        done = browser.post("/admin/login/", data=form, headers=OWN | {"Referer": f"{SITE}/admin/login/"})
        assert (done.status_code, done.headers["location"]) == (302, "/admin/")
        session = browser.cookies[COOKIE]
        assert ground.torii.get_signed_in(session) is not None
        page = browser.get("/admin/", headers=PAGE)
        assert page.status_code == 200
        assert get_user_model().objects.get(username=user.id).email == user.email
        # Ending our session ends everything: Django's session alone is nobody's.
        ground.torii.delete_sessions_for_user(user.id)
        assert browser.get("/admin/", headers=PAGE).status_code == 302
        again = mirrored.browser(user)
        token = again.get("/admin/", headers=PAGE).cookies["csrftoken"]
        left = again.post(
            "/admin/logout/",
            data={"csrfmiddlewaretoken": token},
            headers=OWN | {"Referer": f"{SITE}/admin/"},
        )
        assert left.status_code == 200
        assert COOKIE not in again.cookies


def test_mail_through_django() -> None:
    """Without a mailer, mails go through Django's email backend, with both bodies."""
    settings = MailSettings(sender="no-reply@example.com", app_name="Example", base_url=SITE, reply_to="x@example.com")
    ground = Ground()
    del ground.options["mailer"]
    with (
        override_settings(EMAIL_BACKEND="django.core.mail.backends.locmem.EmailBackend"),
        configured(ground, mail=settings),
    ):
        mail.outbox = []
        torii.services().password.sign_up("ada@example.com", PASSWORD)
        torii.services().wait_for_mail()
        (sent,) = mail.outbox
    assert (sent.to, sent.from_email, sent.reply_to) == (["ada@example.com"], settings.sender, ["x@example.com"])
    assert "verify" in sent.body
    assert [kind for _, kind in sent.alternatives] == ["text/html"]


async def test_under_asgi() -> None:
    """Asynchronous and blocking views know the user, and the pages respond with and without their own mount."""
    from django.core.asgi import get_asgi_application

    ground = Ground()
    with configured(ground):
        user = await asyncio.to_thread(ground.user)
        token = (await asyncio.to_thread(ground.session, user)).token
        for app in (get_asgi_application(), with_accounts(get_asgi_application())):
            transport = httpx.ASGITransport(app=app)
            async with httpx.AsyncClient(transport=transport, base_url=SITE, headers=OWN) as client:
                assert (await client.get("/async-me")).status_code == 401
                assert (await client.get("/auth/sign-in")).status_code == 200
                client.cookies.set(COOKIE, token, domain="app.example.com")
                for path in ("/async-me", "/async-theirs", "/me", "/api/auth/me"):
                    answer = await client.get(path)
                    assert user.email in answer.text, path
                refused = await client.post("/async-me", headers={"Sec-Fetch-Site": "cross-site"})
                assert (refused.status_code, refused.json()["code"]) == (403, "cross_site")
                assert (await client.post("/own-sign-out")).status_code == 200
                assert (await client.get("/me")).status_code == 401
            token = (await asyncio.to_thread(ground.session, user)).token


def test_below_a_path() -> None:
    """Included below a path, and mounted by the server, pages and redirects follow."""
    with override_settings(ROOT_URLCONF="tests.apps.django_urls_below"), configured(Ground()):
        client = Client(SERVER_NAME="app.example.com")
        shown = client.get("/x/auth/sign-in", secure=True, SCRIPT_NAME="/app")
        assert shown.status_code == 200
        assert b'action="/app/x/auth/sign-in"' in shown.content


PAGES_OF_ERRORS = dict.fromkeys(("403.html", "503.html"), "nobody: {{ user.is_anonymous }}")
WITHOUT_AUTH: dict[str, Any] = {
    "MIDDLEWARE": ["torii_dynamodb.django.middleware.ToriiMiddleware"],
    "TEMPLATES": [
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "OPTIONS": {
                "loaders": [("django.template.loaders.locmem.Loader", PAGES_OF_ERRORS)],
                "context_processors": ["torii_dynamodb.django.context_processors.torii"],
            },
        }
    ],
}


async def test_an_own_error_page_that_shows_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error page whose navigation asks for the user shows nobody, and fails no second time: WSGI and ASGI."""
    from django.core.asgi import get_asgi_application

    def down(token: str) -> None:
        raise Unavailable("no connection", attempts=1)

    async def down_later(token: str) -> None:
        down(token)

    ground = Ground()
    user = await asyncio.to_thread(ground.user)
    token = (await asyncio.to_thread(ground.session, user)).token
    cross, shown = {"Sec-Fetch-Site": "cross-site", **PAGE}, "nobody: True"
    with override_settings(**WITHOUT_AUTH), on_django(ground) as made:
        asgi = httpx.ASGITransport(app=get_asgi_application())
        browser = made.connect(cookies={COOKIE: token})
        async with httpx.AsyncClient(transport=asgi, base_url=SITE, cookies={COOKIE: token}) as client:
            for found in (
                await asyncio.to_thread(browser.post, "/me", headers=cross),
                await client.post("/me", headers=cross),
            ):
                assert (found.status_code, found.text) == (403, shown)
            monkeypatch.setattr(torii.services(), "get_signed_in", down)
            monkeypatch.setattr(torii.accounts().asynchronous._torii, "get_signed_in", down_later)
            for found in (
                await asyncio.to_thread(browser.get, "/me", headers=PAGE),
                await client.get("/me", headers=PAGE),
            ):
                assert (found.status_code, found.text) == (503, shown)


def test_a_mixin_after_the_view() -> None:
    """A mixin that stands after the view would guard nothing, so such a class cannot be made."""
    with pytest.raises(ConfigurationError, match="before the view"):
        type("Vault", (View, VerifiedRequiredMixin), {})
    type("Page", (TemplateView, type("Base", (VerifiedRequiredMixin, View), {})), {})


def test_a_replaced_method(site: Site) -> None:
    """Middleware that turns a GET into another method does not turn the protection against other sites off."""
    request = RequestFactory().get("/open", headers={"Sec-Fetch-Site": "cross-site"})
    request.COOKIES[COOKIE] = request.META["HTTP_COOKIE"] = f"{COOKIE}={site.ground.session(site.ground.user()).token}"
    request.method = "DELETE"
    assert ToriiMiddleware(lambda _: pytest.fail("the view ran"))(request).status_code == 403


def test_a_provider_that_returns_with_a_post() -> None:
    """The protection of the project's own views leaves ours alone: Apple returns with a POST from its own site."""
    with on_django(Ground()) as made:
        browser = made.browser(made.ground.user())
        back = browser.post(
            "/api/auth/oauth/apple/callback", headers={"Sec-Fetch-Site": "cross-site", "Origin": "null"}
        )
        assert back.status_code == 404
