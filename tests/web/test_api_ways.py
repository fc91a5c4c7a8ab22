"""The JSON routes: providers, passkeys, access tokens, and their OpenAPI descriptions."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from tests.services._async.support import EMAIL, PASSWORD
from tests.services._async.test_oauth import AsyncOAuthSetting
from tests.services.authenticator import ORIGIN, RP_ID, Authenticator
from tests.web.api import API, SITE, UNLIMITED, Site, problem

from torii_dynamodb.fastapi import WebConfig
from torii_dynamodb.jwt import JwtKey, JwtSettings
from torii_dynamodb.passkeys import PasskeySettings

BACK = f"{API}/oauth/issuer/callback"


def oauth_site(here: AsyncOAuthSetting, **config: Any) -> Site:
    """An application with the provider "issuer"."""
    return Site(WebConfig(base_url=SITE, ip_limit=UNLIMITED, **config), here=here)


def there_and_back(here: AsyncOAuthSetting, url: str) -> str:
    """The URL that the provider sends the browser back to."""
    back = here.provider.authorize(url)
    return f"{BACK}?{httpx.QueryParams(back)}"


async def test_signing_in_through_a_provider() -> None:
    """A POST leads to the provider, and back to the requested target, signed in; the response works once."""
    async with AsyncOAuthSetting() as here:
        site = oauth_site(here)
        async with site.browser() as browser:
            assert (await browser.get(f"{API}/oauth/issuer/begin", params={"next": "/inbox"})).status_code == 405
            begun = await browser.post(f"{API}/oauth/issuer/begin", params={"next": "/inbox"})
            asked = parse_qs(urlsplit(begun.json()["url"]).query)
            assert asked["redirect_uri"] == [SITE + BACK]
            cookie = begun.headers["set-cookie"].lower()
            assert re.match("__host-torii-oauth-[0-9a-f]{16}=", cookie)
            assert "samesite=lax" in cookie
            address = there_and_back(here, begun.json()["url"])
            done = await browser.get(address, headers={"Sec-Fetch-Site": "cross-site"})
            assert (done.status_code, done.headers["location"]) == (303, "/inbox")
            me = await browser.get(f"{API}/me")
            assert me.json()["email_verified"]
            assert not [name for name in browser.cookies if name.startswith("__Host-torii-oauth")]
            problem(await browser.get(address), 400, "oauth_error")
            accounts = (await browser.get(f"{API}/oauth/accounts")).json()["accounts"]
            assert [account["provider"] for account in accounts] == ["issuer"]


async def test_another_browser_cannot_bring_the_answer() -> None:
    """Login CSRF: a sign-in that an attacker's browser began does not sign the victim's browser in."""
    async with AsyncOAuthSetting() as here:
        site = oauth_site(here)
        async with site.browser() as attacker, site.browser() as victim:
            begun = await attacker.post(f"{API}/oauth/issuer/begin")
            await victim.post(f"{API}/oauth/issuer/begin")
            answer = await victim.get(there_and_back(here, begun.json()["url"]))
            assert problem(answer, 400, "oauth_error")["reason"] == "browser"
            assert "__Host-torii" not in victim.cookies


async def test_next_of_a_provider_sign_in() -> None:
    """A next on another site is dropped at the beginning."""
    async with AsyncOAuthSetting() as here:
        site = oauth_site(here, after_sign_in="/home")
        async with site.browser() as browser:
            begun = await browser.post(f"{API}/oauth/issuer/begin", params={"next": "https://evil.example/"})
            done = await browser.get(there_and_back(here, begun.json()["url"]))
            assert done.headers["location"] == "/home"


@pytest.mark.parametrize(
    ("brought", "reason"),
    [
        ("error=access_denied", "denied"),
        ("code=", "provider"),
        ("state=made-up&code=x", "state"),
        (f"state={'x' * 43}&code=x", "browser"),
    ],
)
async def test_a_provider_that_says_no(brought: str, reason: str) -> None:
    """With an error path, the browser goes there with the reason; otherwise it gets a problem."""
    async with AsyncOAuthSetting() as here:
        for path in (None, "/auth/sign-in"):
            site = oauth_site(here, oauth_error_path=path)
            async with site.browser() as browser:
                begun = await browser.post(f"{API}/oauth/issuer/begin")
                state = parse_qs(urlsplit(begun.json()["url"]).query)["state"][0]
                answer = await browser.get(f"{BACK}?{brought}" + ("" if "state" in brought else f"&state={state}"))
                if path is None:
                    assert answer.json()["reason"] == reason
                else:
                    assert answer.status_code == 303
                    assert answer.headers["location"] == f"{path}?error={reason}&provider=issuer"
                assert "__Host-torii" not in browser.cookies


async def test_a_provider_that_posts() -> None:
    """A posted response from another site comes without cookies, so it is redirected to GET, which has them."""
    async with AsyncOAuthSetting() as here:
        site = oauth_site(here)
        async with site.browser() as browser, site.browser(origin="https://issuer.example") as bare:
            begun = await browser.post(f"{API}/oauth/issuer/begin")
            back = here.provider.authorize(begun.json()["url"])
            posted = await bare.post(BACK, data=back, headers={"Sec-Fetch-Site": "cross-site"})
            assert posted.status_code == 303
            location = posted.headers["location"]
            assert location.startswith(f"{SITE}{BACK}?")
            assert (await browser.get(location)).headers["location"] == "/"
            assert (await browser.get(f"{API}/me")).status_code == 200


async def test_linking_and_unlinking() -> None:
    """A signed-in user links an account within one session, and unlinks it again."""
    async with AsyncOAuthSetting() as here:
        site = oauth_site(here)
        await site.user("ada@elsewhere.example")
        async with site.browser() as browser:
            problem(await browser.post(f"{API}/oauth/issuer/link"), 401, "not_signed_in")
            await site.signed_in(browser, "ada@elsewhere.example")
            begun = await browser.post(f"{API}/oauth/issuer/link", params={"next": "/account"})
            done = await browser.get(there_and_back(here, begun.json()["url"]))
            assert done.headers["location"] == "/account"
            linked = (await browser.get(f"{API}/oauth/accounts")).json()["accounts"]
            address = f"{API}/oauth/accounts/issuer"
            subject = {"subject": linked[0]["subject"]}
            assert (await browser.delete(address, params=subject)).status_code == 204
            problem(await browser.delete(address, params=subject), 404, "not_found")
            # After a sign-out in between, the account is linked to nobody.
            begun = await browser.post(f"{API}/oauth/issuer/link")
            await browser.post(f"{API}/sign-out")
            answer = await browser.get(there_and_back(here, begun.json()["url"]))
            assert problem(answer, 400, "oauth_error")["reason"] == "browser"
            problem(await browser.post(f"{API}/oauth/nobody/begin"), 404, "not_found")


def passkey_site() -> Site:
    """An application with passkeys."""
    return Site(passkeys=PasskeySettings(rp_id=RP_ID, rp_name="Example", origins=[ORIGIN]))


async def test_passkeys() -> None:
    """A passkey is added, signs in without an address, is renamed and removed; a response works once."""
    site = passkey_site()
    await site.user()
    device = Authenticator()
    async with site.browser() as browser:
        problem(await browser.post(f"{API}/passkeys/registration/begin"), 401, "not_signed_in")
        await site.signed_in(browser)
        options = (await browser.post(f"{API}/passkeys/registration/begin")).json()["options"]
        body = {"credential": device.create(options), "name": "Key"}
        added = await browser.post(f"{API}/passkeys/registration/complete", json=body)
        assert (added.status_code, added.json()["name"]) == (201, "Key")
        again = await browser.post(f"{API}/passkeys/registration/complete", json=body)
        assert problem(again, 400, "passkey_error")["reason"] == "challenge"
        await browser.post(f"{API}/sign-out")
        options = (await browser.post(f"{API}/passkeys/sign-in/begin")).json()["options"]
        answer = {"credential": device.get(options)}
        signed_in = await browser.post(f"{API}/passkeys/sign-in/complete", json=answer)
        assert signed_in.json()["user"]["email"] == EMAIL
        problem(await browser.post(f"{API}/passkeys/sign-in/complete", json=answer), 400, "passkey_error")
        key = f"{API}/passkeys/{added.json()['id']}"
        assert (await browser.patch(key, json={"name": "Blue key"})).json()["name"] == "Blue key"
        assert [one["name"] for one in (await browser.get(f"{API}/passkeys")).json()["passkeys"]] == ["Blue key"]
        site.here.clock.advance(timedelta(hours=1))
        problem(await browser.delete(key), 403, "recent_sign_in_required")
        await site.signed_in(browser)
        assert (await browser.delete(key)).status_code == 204
        problem(await browser.delete(key), 404, "not_found")
        problem(await browser.patch(f"{API}/passkeys/A", json={"name": "x"}), 404, "not_found")


async def test_the_backup_state_of_a_passkey() -> None:
    """The list shows it as of the last sign-in; a passkey that suddenly can be backed up may be a copy."""
    site = passkey_site()
    await site.user()
    device = Authenticator()
    device.eligible = device.backed_up = False
    async with site.browser() as browser:
        await site.signed_in(browser)
        options = (await browser.post(f"{API}/passkeys/registration/begin")).json()["options"]
        added = await browser.post(f"{API}/passkeys/registration/complete", json={"credential": device.create(options)})
        assert (added.json()["backup_eligible"], added.json()["backed_up"]) == (False, False)
        device.eligible = device.backed_up = True
        options = (await browser.post(f"{API}/passkeys/sign-in/begin")).json()["options"]
        answer = await browser.post(f"{API}/passkeys/sign-in/complete", json={"credential": device.get(options)})
        problem(answer, 401, "cloned_authenticator")
        (listed,) = (await browser.get(f"{API}/passkeys")).json()["passkeys"]
        assert (listed["backup_eligible"], listed["backed_up"]) == (False, False)


async def test_related_origins_are_served_at_the_root() -> None:
    """Browsers request JSON at the root of the domain, without redirects; without related origins it is a 404."""
    related = ["https://example.co.uk", "https://example.de"]
    passkeys = PasskeySettings(rp_id=RP_ID, rp_name="Example", origins=[ORIGIN], related_origins=related)
    async with Site(passkeys=passkeys).browser(origin=None) as browser:
        answer = await browser.get("/.well-known/webauthn")
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
        assert answer.json() == {"origins": related}
        assert (await browser.head("/.well-known/webauthn")).status_code == 200
    async with passkey_site().browser() as browser:
        assert (await browser.get("/.well-known/webauthn")).status_code == 404


async def test_passkeys_that_do_not_hold() -> None:
    """Nonsense is a 400, an unknown passkey a 401; neither signs anyone in."""
    site = passkey_site()
    stranger = Authenticator()
    async with site.browser() as browser:
        options = (await browser.post(f"{API}/passkeys/sign-in/begin")).json()["options"]
        malformed = await browser.post(f"{API}/passkeys/sign-in/complete", json={"credential": {"id": 7}})
        assert problem(malformed, 400, "passkey_error")["reason"] == "malformed"
        stranger.user_handle = "dXNyXzE"
        unknown = await browser.post(f"{API}/passkeys/sign-in/complete", json={"credential": stranger.get(options)})
        assert problem(unknown, 401, "passkey_error")["reason"] == "unknown"


async def test_access_tokens() -> None:
    """The session gets an access token, whose key is published; a signed-out session gets none."""
    pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    settings = JwtSettings(keys=[JwtKey(kid="k1", algorithm="ES256", private_key=pem)], issuer=SITE, audience="api")
    site = Site(jwt=settings)
    await site.user()
    async with site.browser() as browser:
        await site.signed_in(browser)
        answer = (await browser.post(f"{API}/token")).json()
        assert site.torii.jwt.verify(answer["access_token"]).user_id
        assert answer["expires_in"] > 0
        assert [key["kid"] for key in (await browser.get(f"{API}/jwks.json")).json()["keys"]] == ["k1"]
        await browser.post(f"{API}/sign-out")
        problem(await browser.post(f"{API}/token"), 401, "not_signed_in")


async def test_what_openapi_says() -> None:
    """Every route declares its responses, with errors as problems with codes; operation IDs are unique."""
    async with AsyncOAuthSetting(passkeys=PasskeySettings(rp_id=RP_ID, rp_name="E", origins=[ORIGIN])) as here:
        schema = oauth_site(here).app.openapi()
    operations = [
        (path, method, operation) for path, methods in schema["paths"].items() for method, operation in methods.items()
    ]
    assert len(operations) > 35
    assert len({operation["operationId"] for _, _, operation in operations}) == len(operations)
    for path, method, operation in operations:
        assert operation["summary"], path
        errors = {int(status): answer for status, answer in operation["responses"].items() if int(status) >= 400}
        assert {500, 503} <= set(errors), path
        for status, answer in errors.items():
            ((media_type, content),) = answer["content"].items()
            assert media_type == "application/problem+json"
            assert content["schema"]["properties"]["status"]["const"] == status
            assert content["example"]["code"] in content["schema"]["properties"]["code"]["enum"]
        if method != "get" and not path.endswith("/callback"):
            assert "cross_site" in str(errors[403]), path
        if "requestBody" in operation and not path.endswith("/callback"):
            assert {413, 422} <= set(errors), path
        if operation.get("security") and "401" in operation["responses"]:
            assert operation["security"] == [{"cookie": []}, {"bearer": []}]


async def test_passwords_are_not_in_repr() -> None:
    """A request's model, which a debugger or an error tracker may print, hides secrets."""
    from torii_dynamodb.fastapi.schemas import ResetIn, SignInIn

    shown = repr(SignInIn(email=EMAIL, password=PASSWORD)) + repr(ResetIn(token="torii_t1_x", new_password=PASSWORD))
    assert PASSWORD not in shown
    assert "torii_t1_x" not in shown
