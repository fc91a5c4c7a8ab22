"""The JSON routes: registering, signing in, the password, sessions."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from tests.services._async.support import EMAIL, PASSWORD
from tests.web.api import API, SITE, UNLIMITED, Site, problem

from torii_dynamodb import LockoutPolicy, NewOAuthAccount, NewPasskey
from torii_dynamodb.fastapi import WebConfig
from torii_dynamodb.passkeys import PasskeySettings

NEW = "a new and longer password"


async def test_register_verify_sign_in_sign_out() -> None:
    """A new person registers, uses the mailed link, signs in, sees who they are, signs out, and is out."""
    site = Site()
    async with site.browser() as browser:
        answer = await browser.post(f"{API}/register", json={"email": EMAIL, "password": PASSWORD, "name": "Ada"})
        assert answer.status_code == 202
        token = await site.mailed("verify_email")
        confirmed = await browser.post(f"{API}/email/verification/complete", json={"token": token})
        assert confirmed.json()["email_verified"]
        assert "set-cookie" not in confirmed.headers, "a verification link signs nobody in"
        problem(await browser.get(f"{API}/me"), 401, "not_signed_in")
        signed_in = await browser.post(f"{API}/sign-in", json={"email": EMAIL, "password": PASSWORD})
        assert signed_in.json()["user"]["name"] == "Ada"
        assert signed_in.json()["token"] is None, "with a cookie, scripts see no token"
        me = await browser.get(f"{API}/me")
        assert me.json()["email"] == EMAIL
        assert me.headers["cache-control"] == "no-store"
        out = await browser.post(f"{API}/sign-out")
        assert out.status_code == 204
        assert not [name for name in browser.cookies if name == "__Host-torii"]
        problem(await browser.get(f"{API}/me"), 401, "not_signed_in")


async def test_signed_out_tokens_are_dead() -> None:
    """The token of a signed-out session is refused."""
    site = Site()
    await site.user()
    async with site.browser() as browser:
        await site.signed_in(browser)
        token = browser.cookies["__Host-torii"]
        await browser.post(f"{API}/sign-out")
        problem(await browser.get(f"{API}/me", headers={"Authorization": f"Bearer {token}"}), 401, "not_signed_in")


async def test_the_cookies_attributes() -> None:
    """Session and device cookie are __Host-, HttpOnly, Secure and SameSite=Lax, for all paths and without a domain."""
    site = Site()
    await site.user()
    async with site.browser() as browser:
        answer = await browser.post(f"{API}/sign-in", json={"email": EMAIL, "password": PASSWORD})
    cookies = answer.headers.get_list("set-cookie")
    assert sorted(cookie.partition("=")[0] for cookie in cookies) == ["__Host-torii", "__Host-torii-device"]
    for cookie in cookies:
        attributes = {part.strip().lower() for part in cookie.split(";")[1:]}
        assert {"httponly", "secure", "samesite=lax", "path=/"} <= attributes
        assert not [one for one in attributes if one.startswith("domain")]


async def test_cookies_on_this_machine() -> None:
    """For http://localhost the cookies are neither Secure nor __Host-."""
    site = Site(WebConfig(secure_cookies=False))
    await site.user()
    async with site.browser() as browser:
        answer = await browser.post(f"{API}/sign-in", json={"email": EMAIL, "password": PASSWORD})
    assert all("secure" not in cookie.lower() for cookie in answer.headers.get_list("set-cookie"))
    assert answer.headers.get_list("set-cookie")[0].startswith("torii=")


async def test_bearer() -> None:
    """With transport "bearer" the token is in the body, no cookie is set, and no origin is required."""
    site = Site()
    await site.user()
    async with site.browser(origin=None) as program:
        body = {"email": EMAIL, "password": PASSWORD, "transport": "bearer"}
        answer = await program.post(f"{API}/sign-in", json=body)
        assert "set-cookie" not in answer.headers
        program.headers["Authorization"] = f"Bearer {answer.json()['token']}"
        assert (await program.get(f"{API}/me")).status_code == 200
        changed = await program.put(f"{API}/password", json={"current_password": PASSWORD, "new_password": NEW})
        assert "set-cookie" not in changed.headers
        problem(await program.get(f"{API}/me"), 401, "not_signed_in")
        program.headers["Authorization"] = f"Bearer {changed.json()['token']}"
        assert (await program.post(f"{API}/sessions/end-others")).json()["token"]


async def test_a_transport_that_is_not_offered() -> None:
    """It is refused before the password is checked; a cookie is ignored if only bearer tokens are enabled."""
    site = Site(WebConfig(transports=("bearer",)))
    await site.user()
    async with site.browser() as browser:
        answer = await browser.post(f"{API}/sign-in", json={"email": EMAIL, "password": PASSWORD})
        problem(answer, 422, "validation_error")
        assert site.here.hasher.verified == 0
        session = await site.torii.create_session(await site.user("b@example.com"))
        answer = await browser.get(f"{API}/me", headers={"Cookie": f"__Host-torii={session.token}"})
        problem(answer, 401, "not_signed_in")


async def test_signing_in_again_ends_the_session_before() -> None:
    """A browser that signs in again has one session, not two, and the old cookie's token is invalid."""
    site = Site()
    user = await site.user()
    async with site.browser() as browser:
        await site.signed_in(browser)
        first = browser.cookies["__Host-torii"]
        await site.signed_in(browser)
        assert browser.cookies["__Host-torii"] != first
        assert len(await site.torii.list_sessions(user.id)) == 1


async def test_wrong_passwords() -> None:
    """A wrong password and an unknown address get the same response; then the address is locked, with Retry-After."""
    site = Site(lockout=LockoutPolicy(max_attempts=2, window=timedelta(minutes=10)))
    await site.user()
    async with site.browser() as browser:
        answers = [
            await browser.post(f"{API}/sign-in", json={"email": email, "password": "wrong"})
            for email in (EMAIL, "nobody@example.com") * 2
        ]
        assert {answer.text for answer in answers} == {answers[0].text}
        problem(answers[0], 401, "invalid_credentials")
        for email in (EMAIL, "nobody@example.com"):
            locked = await browser.post(f"{API}/sign-in", json={"email": email, "password": PASSWORD})
            body = problem(locked, 429, "account_locked")
            assert locked.headers["retry-after"] == str(body["retry_after"]) == "600"


async def test_an_administrators_lock() -> None:
    """A user locked by an administrator gets 423 once the password is correct, without a time to wait."""
    site = Site()
    user = await site.user()
    await site.torii.lock_user(user.id)
    async with site.browser() as browser:
        locked = await browser.post(f"{API}/sign-in", json={"email": EMAIL, "password": PASSWORD})
        problem(locked, 423, "account_locked")
        assert "retry-after" not in locked.headers


async def test_the_known_device() -> None:
    """Strangers lock the address; a browser that signed the owner in before can still sign in."""
    site = Site(lockout=LockoutPolicy(max_attempts=2))
    await site.user()
    async with site.browser() as owner, site.browser(client="203.0.113.9") as stranger:
        await site.signed_in(owner)
        await owner.post(f"{API}/sign-out")
        for _ in range(3):
            await stranger.post(f"{API}/sign-in", json={"email": EMAIL, "password": "guess"})
        problem(
            await stranger.post(f"{API}/sign-in", json={"email": EMAIL, "password": PASSWORD}), 429, "account_locked"
        )
        await site.signed_in(owner)


async def test_changing_the_password() -> None:
    """Other sessions end; this browser stays signed in with a new token, and is not reported as a new device."""
    site = Site()
    await site.user()
    async with site.browser() as browser, site.browser() as other:
        await site.signed_in(browser)
        await site.signed_in(other)
        site.here.clock.advance(timedelta(hours=2))
        site.here.mailer.messages.clear()
        wrong = await browser.put(f"{API}/password", json={"current_password": "no", "new_password": NEW})
        problem(wrong, 401, "invalid_credentials")
        before = browser.cookies["__Host-torii"]
        changed = await browser.put(f"{API}/password", json={"current_password": PASSWORD, "new_password": NEW})
        assert changed.status_code == 200
        assert browser.cookies["__Host-torii"] != before
        assert (await browser.get(f"{API}/me")).status_code == 200
        problem(await other.get(f"{API}/me"), 401, "not_signed_in")
        assert await site.here.templates() == ["password_changed"]


async def test_a_password_that_cannot_be_used() -> None:
    """The problem names field and reason, and repeats none of the input."""
    site = Site()
    async with site.browser() as browser:
        short = await browser.post(f"{API}/register", json={"email": EMAIL, "password": "sh0rt!"})
        body = problem(short, 422, "validation_error")
        assert body["errors"][0]["field"] == "password"
        assert "8 to 128" in body["detail"]
        malformed = await browser.post(f"{API}/register", json={"email": EMAIL, "password": ["sh0rt!"], "x": "sh0rt!"})
        fields = [error["field"] for error in problem(malformed, 422, "validation_error")["errors"]]
        assert fields == ["password", "x"]
        assert "sh0rt!" not in short.text + malformed.text


async def test_reset() -> None:
    """A reset link is checked, used once, ends all sessions, and signs nobody in."""
    site = Site()
    await site.user()
    async with site.browser() as browser, site.browser() as other:
        await site.signed_in(other)
        assert (await browser.post(f"{API}/password/reset", json={"email": EMAIL})).status_code == 202
        token = await site.mailed("reset_password")
        checked = await browser.post(f"{API}/password/reset/check", json={"token": token})
        assert checked.json() == {"valid": True, "email": EMAIL}
        done = await browser.post(f"{API}/password/reset/complete", json={"token": token, "new_password": NEW})
        assert done.status_code == 204
        again = await browser.post(f"{API}/password/reset/complete", json={"token": token, "new_password": NEW})
        problem(again, 400, "invalid_token")
        assert (await browser.post(f"{API}/password/reset/check", json={"token": token})).json()["valid"] is False
        problem(await other.get(f"{API}/me"), 401, "not_signed_in")
        problem(await browser.get(f"{API}/me"), 401, "not_signed_in")
        await site.signed_in(browser, password=NEW)


async def test_devices() -> None:
    """Sessions are listed with the current one marked; one, all others or all can be ended, but nobody else's."""
    site = Site()
    await site.user()
    stranger = await site.user("bob@example.com")
    foreign = await site.torii.create_session(stranger)
    async with site.browser() as browser, site.browser() as phone, site.browser() as tablet:
        for one in (browser, phone, tablet):
            await site.signed_in(one)
        listed = (await browser.get(f"{API}/sessions")).json()["sessions"]
        assert [session["current"] for session in listed].count(True) == 1
        assert "torii_s1" not in str(listed)
        other = next(session["id"] for session in listed if not session["current"])
        assert (await browser.delete(f"{API}/sessions/{other}")).status_code == 204
        problem(await browser.delete(f"{API}/sessions/{other}"), 404, "not_found")
        problem(await browser.delete(f"{API}/sessions/{foreign.id}"), 404, "not_found")
        problem(await browser.delete(f"{API}/sessions/nonsense"), 422, "validation_error")
        assert (await browser.post(f"{API}/sessions/end-others")).json()["session"]["current"]
        assert (await browser.get(f"{API}/me")).status_code == 200
        for one in (phone, tablet):
            problem(await one.get(f"{API}/me"), 401, "not_signed_in")
        assert (await browser.post(f"{API}/sessions/end-all")).status_code == 204
        problem(await browser.get(f"{API}/me"), 401, "not_signed_in")
        assert await site.torii.get_signed_in(foreign.token) is not None


async def test_recent_sign_in() -> None:
    """Deleting the account requires a recent sign-in; after signing in again, everything is deleted."""
    site = Site()
    user = await site.user()
    async with site.browser() as browser:
        await site.signed_in(browser)
        site.here.clock.advance(timedelta(minutes=16))
        body = problem(await browser.delete(f"{API}/me"), 403, "recent_sign_in_required")
        assert body["max_age"] == 900
        # Ending the others replaces the session, but does not count as a sign-in.
        await browser.post(f"{API}/sessions/end-others")
        problem(await browser.delete(f"{API}/me"), 403, "recent_sign_in_required")
        await site.signed_in(browser)
        assert (await browser.delete(f"{API}/me")).status_code == 204
    assert await site.torii.get_user(user.id) is None


async def test_the_last_way_to_sign_in_stays() -> None:
    """A password is not removed if it is the only way to sign in; with a verified address (magic links) it is."""
    site = Site(require_verified_to_sign_in=False)
    user = await site.user(verified=False)
    async with site.browser() as browser:
        await site.signed_in(browser)
        problem(await browser.delete(f"{API}/password"), 409, "last_sign_in_method")
        await site.torii.storage.mark_email_verified(user.id, email=user.email)
        assert (await browser.delete(f"{API}/password")).status_code == 204
        assert "__Host-torii" not in browser.cookies
        # After signing in with a link, they set one again.
        await browser.post(f"{API}/magic-link", json={"email": EMAIL})
        link = {"token": await site.mailed("magic_link")}
        assert (await browser.post(f"{API}/magic-link/check", json=link)).json()["valid"]
        assert (await browser.post(f"{API}/magic-link/complete", json=link)).status_code == 200
        assert (await browser.post(f"{API}/password", json={"new_password": NEW})).json()["user"]["has_password"]
        problem(await browser.post(f"{API}/password", json={"new_password": NEW}), 409, "version_conflict")
        assert (await browser.patch(f"{API}/me", json={"name": "Ada L."})).json()["name"] == "Ada L."


async def test_direct_registration() -> None:
    """With direct registration, registering signs in at once, and reveals that an address is taken."""
    site = Site(WebConfig(registration="direct"), mailer=None, mail=None)
    async with site.browser() as browser:
        body = {"email": EMAIL, "password": PASSWORD}
        assert (await browser.post(f"{API}/register", json=body)).status_code == 201
        assert (await browser.get(f"{API}/me")).status_code == 200
        async with site.browser() as another:
            problem(await another.post(f"{API}/register", json=body), 409, "already_exists")
        assert (await browser.post(f"{API}/password/reset", json={"email": EMAIL})).status_code == 404
        assert (await browser.get(f"{API}/methods")).json()["magic_link"] is False


async def test_changing_the_address() -> None:
    """The link goes to the new address and works only for the user who asked; the old address is notified."""
    site = Site()
    await site.user()
    await site.user("eve@example.com")
    async with site.browser() as browser, site.browser() as eve:
        await site.signed_in(browser)
        await site.signed_in(eve, "eve@example.com")
        answer = await browser.post(f"{API}/email/change", json={"new_email": "new@example.com"})
        assert answer.status_code == 202
        link = {"token": await site.mailed("change_email")}
        problem(await eve.post(f"{API}/email/change/complete", json=link), 400, "invalid_token")
        moved = await browser.post(f"{API}/email/change/complete", json=link)
        assert moved.json()["email"] == "new@example.com"
        assert (await browser.get(f"{API}/me")).status_code == 200
        await site.torii.wait_for_mail()
        assert [(one.template, one.to) for one in site.here.mailer.messages][-1] == ("email_changed", "Ada@example.com")
        taken = await browser.post(f"{API}/email/change", json={"new_email": "eve@example.com"})
        assert taken.json() == answer.json()


async def test_verification_by_whoever_is_signed_in() -> None:
    """A signed-in user asks for a link; another signed-in user cannot use it."""
    site = Site(require_verified_to_sign_in=False)
    await site.user(verified=False)
    await site.user("eve@example.com")
    async with site.browser() as browser, site.browser() as eve:
        await site.signed_in(browser)
        await site.signed_in(eve, "eve@example.com")
        assert (await browser.post(f"{API}/email/verification")).status_code == 202
        link = {"token": await site.mailed("verify_email")}
        problem(await eve.post(f"{API}/email/verification/complete", json=link), 400, "invalid_token")
        proof = {**link, "password": PASSWORD}
        assert (await browser.post(f"{API}/email/verification/complete", json=proof)).status_code == 200
        again = await browser.post(f"{API}/email/verification")
        assert again.json()["detail"] == "your address is already verified"


async def test_the_first_proof_removes_what_a_stranger_set_up() -> None:
    """Someone signs up with a victim's address and keeps a session; the victim's click ends all of it."""
    for how in ("nobody signed in", "signed in as the stranger"):
        site = Site(WebConfig(registration="direct", ip_limit=UNLIMITED))
        async with site.browser() as stranger, site.browser() as victim:
            await stranger.post(f"{API}/register", json={"email": EMAIL, "password": PASSWORD})
            assert (await stranger.post(f"{API}/email/verification")).status_code == 202
            link = {"token": await site.mailed("verify_email")}
            if how == "signed in as the stranger":
                await site.signed_in(victim)
            answer = await victim.post(f"{API}/email/verification/complete", json=link)
            assert (answer.status_code, answer.json()["email_verified"]) == (200, True)
            assert answer.json()["has_password"] is False
            assert "__Host-torii" not in victim.cookies
            problem(await stranger.get(f"{API}/me"), 401, "not_signed_in")
            problem(
                await stranger.post(f"{API}/sign-in", json={"email": EMAIL, "password": PASSWORD}),
                401,
                "invalid_credentials",
            )


async def test_what_was_set_up_stays_for_who_set_it_up() -> None:
    """The browser that signed up keeps its session; another device keeps it with the password, or sets a new one."""
    for direct in (True, False):
        for how in ("browser", "password", "new password"):
            site = Site(WebConfig(registration="direct" if direct else "private", ip_limit=UNLIMITED))
            async with site.browser() as browser, site.browser() as phone:
                await browser.post(f"{API}/register", json={"email": EMAIL, "password": PASSWORD})
                if direct:
                    assert (await browser.post(f"{API}/email/verification")).status_code == 202
                link = {"token": await site.mailed("verify_email")}
                confirm = f"{API}/email/verification/complete"
                if how == "password":
                    wrong = await phone.post(confirm, json={**link, "password": "wrong password"})
                    problem(wrong, 401, "invalid_credentials")
                given = {"browser": {}, "password": {"password": PASSWORD}, "new password": {"new_password": NEW}}[how]
                who = browser if how == "browser" else phone
                answer = await who.post(confirm, json={**link, **given})
                assert (answer.status_code, answer.json()["has_password"]) == (200, True), answer.text
                kept = how != "new password"
                if direct:
                    assert (await browser.get(f"{API}/me")).status_code == (200 if kept else 401)
                await site.signed_in(phone, password=PASSWORD if kept else NEW)


async def test_the_binding_of_a_sign_up() -> None:
    """One private cookie, the same for free and taken addresses; a second sign-up does not invalidate the first link.

    The link of the second is bound to no browser: somebody else may have been the first to register the address.
    """
    site = Site()
    await site.user("taken@example.com")
    links: list[str] = []
    async with site.browser() as browser:
        for email in ("taken@example.com", EMAIL, EMAIL):
            answer = await browser.post(f"{API}/register", json={"email": email, "password": PASSWORD})
            (cookie,) = answer.headers.get_list("set-cookie")
            assert cookie.startswith("__Host-torii-sign-up=")
            attributes = {part.strip().lower() for part in cookie.split(";")[1:]}
            assert {"httponly", "secure", "samesite=lax", "path=/", "max-age=86400"} <= attributes
            if email == EMAIL:
                links.append(await site.mailed("verify_email"))
        assert len(set(links)) == 2
        first, second = [await site.torii.email_verification.check(link) for link in links]
        assert first is not None
        assert second is not None
        assert second.token.metadata == {}
        answer = await browser.post(f"{API}/email/verification/complete", json={"token": links[0]})
        assert answer.json()["has_password"]


@pytest.mark.parametrize(
    ("path", "method"),
    [
        ("/password", "remove_password_hash"),
        ("/oauth/accounts/google?subject=1", "unlink_oauth_account"),
        ("/passkeys/AAAA", "delete_passkey"),
        ("/me", "delete_user"),
    ],
)
async def test_no_removal_outlives_the_session_it_was_asked_by(path: str, method: str) -> None:
    """If the owner signs out everywhere between check and write, the change is refused and nothing is lost."""
    site = Site(passkeys=PasskeySettings(rp_id="app.example.com", rp_name="Example", origins=[SITE]))
    user = await site.user()
    storage = site.here.storage
    await storage.link_oauth_account(user.id, NewOAuthAccount(provider="google", subject="1"))
    passkey = NewPasskey(user_id=user.id, credential_id=bytes(3), public_key=b"k" * 77, name="Laptop")
    await storage.add_passkey(passkey)
    write = getattr(storage, method)

    async def late(*arguments: Any, **named: Any) -> Any:
        await storage.delete_sessions_for_user(user.id)
        return await write(*arguments, **named)

    setattr(storage, method, late)
    async with site.browser() as browser:
        await site.signed_in(browser)
        problem(await browser.delete(f"{API}{path}"), 409, "revoked")
    after = await storage.get_user(user.id, consistent=True)
    assert after is not None
    assert (after.has_password, len(after.identities)) == (True, 3)


async def test_a_stranger_cannot_move_an_account_onto_a_victim() -> None:
    """A stranger mails a link to a victim who is signed in to the stranger's account: the stranger loses access."""
    site = Site()
    await site.user()
    async with site.browser() as stranger, site.browser() as victim:
        await site.signed_in(stranger)
        await stranger.post(f"{API}/email/change", json={"new_email": "victim@example.com"})
        link = {"token": await site.mailed("change_email")}
        await site.signed_in(victim)
        answer = await victim.post(f"{API}/email/change/complete", json={**link, "new_password": NEW})
        assert answer.json()["email"] == "victim@example.com"
        problem(await stranger.get(f"{API}/me"), 401, "not_signed_in")
        refused = await stranger.post(f"{API}/sign-in", json={"email": "victim@example.com", "password": PASSWORD})
        problem(refused, 401, "invalid_credentials")
        await site.signed_in(victim, "victim@example.com", NEW)
