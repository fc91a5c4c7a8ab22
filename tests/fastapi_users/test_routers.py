"""fastapi-users' routers on our storage: what they promise their clients."""

from __future__ import annotations

import asyncio

from tests.fastapi_users.support import EMAIL, PASSWORD, Site

OTHER = "grace@example.com"


async def test_register_login_me_logout(site: Site) -> None:
    """A registered user signs in in any spelling, sees what was registered, and after signing out sees nothing."""
    shown = await site.register(first_name="Ada", born="1815-12-10")
    assert (shown["email"], shown["first_name"], shown["born"]) == (EMAIL, "Ada", "1815-12-10")
    assert not {"password", "hashed_password"} & shown.keys()
    assert site.hooks == [f"register {EMAIL}"]
    headers = await site.login("ADA@EXAMPLE.COM")
    me = await site.client.get("/users/me", headers=headers)
    assert me.json() == shown
    assert (await site.client.post("/logout", headers=headers)).status_code == 204
    assert await site.status(headers) == 401
    assert (await site.client.get("/whoami", headers=headers)).json() is None


async def test_registration_refuses(site: Site) -> None:
    """A taken address in any spelling, a short password and a missing address are refused, each as documented."""
    await site.register()
    short = {"code": "REGISTER_INVALID_PASSWORD", "reason": "at least 8 characters"}
    for body, status, detail in (
        ({"email": EMAIL.lower(), "password": PASSWORD}, 400, "REGISTER_USER_ALREADY_EXISTS"),
        ({"email": OTHER, "password": "short"}, 400, short),
        ({"email": "grace", "password": PASSWORD}, 422, None),
        ({"password": PASSWORD}, 422, None),
    ):
        answer = await site.client.post("/register", json=body)
        assert answer.status_code == status
        assert detail is None or answer.json()["detail"] == detail


async def test_of_parallel_registrations_one_succeeds(site: Site) -> None:
    """Of ten that register one address at once, one gets 201 and the others 400: none gets 500."""
    answers = await asyncio.gather(
        *(site.client.post("/register", json={"email": EMAIL, "password": PASSWORD}) for _ in range(10))
    )
    assert sorted(answer.status_code for answer in answers) == [201, *[400] * 9]


async def test_registration_grants_nothing(site: Site) -> None:
    """Whoever registers cannot make themselves a superuser, verified, or inactive."""
    shown = await site.register(is_superuser=True, is_verified=True, is_active=False)
    assert (shown["is_superuser"], shown["is_verified"], shown["is_active"]) == (False, False, True)


async def test_login_refuses(site: Site) -> None:
    """An unknown address, text that is not an address, a wrong password and an inactive user get the same response."""
    await site.register()
    inactive = await site.person(OTHER, is_active=False)
    assert not inactive.is_active
    answers = [
        await site.client.post("/login", data={"username": name, "password": password})
        for name, password in (
            ("nobody@example.com", PASSWORD),
            ("not an address", PASSWORD),
            ("x" * 5000, PASSWORD),
            (EMAIL, "wrong"),
            (OTHER, PASSWORD),
        )
    ]
    assert {answer.status_code for answer in answers} == {400}
    assert {answer.text for answer in answers} == {'{"detail":"LOGIN_BAD_CREDENTIALS"}'}
    assert (await site.client.post("/login", data={"username": EMAIL})).status_code == 422


async def test_made_up_tokens_are_refused(site: Site) -> None:
    """A malformed or unknown token gets 401, whatever it is made of."""
    for token in ("", "nonsense", "a" * 10_000, "\u00e9\u00e9"):
        assert await site.status({"Authorization": f"Bearer {token}"} if token.isascii() else {}) == 401
        assert await site.strategy.read_token(token, site.manager) is None


async def test_verification(site: Site) -> None:
    """The link verifies the address once. An unknown address gets the same response, and no link."""
    await site.register()
    for email in ("nobody@example.com", EMAIL):
        assert (await site.client.post("/request-verify-token", json={"email": email})).status_code == 202
        assert bool(site.token) is (email == EMAIL)
    answer = await site.client.post("/verify", json={"token": site.token})
    assert answer.json()["is_verified"] is True
    again = await site.client.post("/verify", json={"token": site.token})
    assert (again.status_code, again.json()["detail"]) == (400, "VERIFY_USER_ALREADY_VERIFIED")
    assert (await site.client.post("/verify", json={"token": "x"})).json()["detail"] == "VERIFY_USER_BAD_TOKEN"
    await site.login()  # The password that was registered still works.


async def test_a_link_does_not_verify_another_address(site: Site) -> None:
    """A link to the old address verifies nothing after the address was changed; the new one is unverified."""
    await site.register()
    headers = await site.login()
    await site.client.post("/request-verify-token", json={"email": EMAIL})
    shown = (await site.client.patch("/users/me", json={"email": OTHER}, headers=headers)).json()
    assert (shown["email"], shown["is_verified"]) == (OTHER, False)
    assert (await site.client.post("/verify", json={"token": site.token})).status_code == 400
    assert (await site.client.get("/users/me", headers=headers)).json()["is_verified"] is False


async def test_a_password_reset(site: Site) -> None:
    """A link sets the password once, ends all sessions, and refuses a weak password without being used up."""
    await site.register()
    headers = await site.login()
    assert (await site.client.post("/forgot-password", json={"email": "nobody@example.com"})).status_code == 202
    assert site.token == ""
    await site.client.post("/forgot-password", json={"email": EMAIL})
    weak = await site.client.post("/reset-password", json={"token": site.token, "password": "short"})
    assert weak.json()["detail"]["code"] == "RESET_PASSWORD_INVALID_PASSWORD"
    body = {"token": site.token, "password": "a new password"}
    assert (await site.client.post("/reset-password", json=body)).status_code == 200
    assert await site.status(headers) == 401
    again = await site.client.post("/reset-password", json=body | {"password": "yet another one"})
    assert (again.status_code, again.json()["detail"]) == (400, "RESET_PASSWORD_BAD_TOKEN")
    headers = await site.login(password="a new password")
    # The hook after a reset changed the user, although fastapi-users gives it the object from before the reset.
    assert (await site.client.get("/users/me", headers=headers)).json()["first_name"] == "Reset"


async def test_a_link_is_used_once_in_parallel(site: Site) -> None:
    """Of five that set a password with one link at once, one succeeds, and its password is the one that works."""
    await site.register()
    await site.client.post("/forgot-password", json={"email": EMAIL})
    answers = await asyncio.gather(
        *(
            site.client.post("/reset-password", json={"token": site.token, "password": f"new password {number}"})
            for number in range(5)
        )
    )
    won = [number for number, answer in enumerate(answers) if answer.status_code == 200]
    assert len(won) == 1
    assert {answer.status_code for answer in answers} <= {200, 400, 409}
    await site.login(password=f"new password {won[0]}")


async def test_an_inactive_user_gets_no_links(site: Site) -> None:
    """An inactive user is sent no link, and one sent before sets no password."""
    await site.register()
    await site.client.post("/forgot-password", json={"email": EMAIL})
    token, site.token = site.token, ""
    user = await site.users.get_by_email(EMAIL)
    assert user is not None
    await site.users.update(user, {"is_active": False})
    for path in ("/forgot-password", "/request-verify-token"):
        assert (await site.client.post(path, json={"email": EMAIL})).status_code == 202
        assert site.token == ""
    answer = await site.client.post("/reset-password", json={"token": token, "password": "a new password"})
    assert answer.status_code == 400


async def test_changing_oneself(site: Site) -> None:
    """Users change their own fields; rights are not theirs to change, and a taken address is refused."""
    await site.register()
    await site.register(OTHER)
    headers = await site.login()
    body = {"first_name": "Augusta", "is_superuser": True, "is_verified": True, "is_active": False}
    shown = (await site.client.patch("/users/me", json=body, headers=headers)).json()
    assert (shown["first_name"], shown["is_superuser"], shown["is_verified"], shown["is_active"]) == (
        "Augusta", False, False, True,
    )  # fmt: skip
    for refused, code in (
        ({"email": OTHER.upper()}, "UPDATE_USER_EMAIL_ALREADY_EXISTS"),
        ({"password": "short"}, "UPDATE_USER_INVALID_PASSWORD"),
    ):
        answer = await site.client.patch("/users/me", json=refused, headers=headers)
        assert answer.status_code == 400
        assert code in answer.text
    nothing = await site.client.patch("/users/me", json={"password": None, "first_name": None}, headers=headers)
    assert (nothing.status_code, nothing.json()["first_name"]) == (200, None)
    assert (await site.client.patch("/users/me", json={}, headers=headers)).status_code == 200
    assert await site.status({}) == 401


async def test_a_new_password_ends_all_sessions(site: Site) -> None:
    """Changing the password signs out everywhere, here included; only the new password signs in."""
    await site.register()
    here, there = await site.login(), await site.login()
    answer = await site.client.patch("/users/me", json={"password": "a new password"}, headers=here)
    assert answer.status_code == 200
    assert [await site.status(headers) for headers in (here, there)] == [401, 401]
    assert (await site.client.post("/login", data={"username": EMAIL, "password": PASSWORD})).status_code == 400
    assert await site.status(await site.login(password="a new password")) == 200


async def test_superusers_manage_users(site: Site) -> None:
    """A superuser reads, changes, locks and deletes users by id; others may not; an unknown id is not found."""
    await site.register()
    user = await site.register(OTHER)
    ada = await site.users.get_by_email(EMAIL)
    assert ada is not None
    await site.users.update(ada, {"is_superuser": True})
    root, grace, path = await site.login(), await site.login(OTHER), f"/users/{user['id']}"
    client = site.client
    for headers, status in ((grace, 403), ({}, 401)):
        assert (await client.get(path, headers=headers)).status_code == status
        assert (await client.patch(path, json={}, headers=headers)).status_code == status
        assert (await client.delete(path, headers=headers)).status_code == status
    for unknown in ("d35d213e-f3d8-4f08-954a-7e0d1bea286f", "foo"):
        assert (await client.get(f"/users/{unknown}", headers=root)).status_code == 404
    assert (await client.get(path, headers=root)).json() == user
    body = {"email": "hopper@example.com", "is_verified": True, "is_superuser": True, "first_name": "Grace"}
    shown = (await client.patch(path, json=body, headers=root)).json()
    assert shown == user | body
    assert (await client.patch(path, json={"email": EMAIL}, headers=root)).status_code == 400
    # A proof is not taken back; and the client is told so.
    assert (await client.patch(path, json={"is_verified": False}, headers=root)).status_code == 422
    assert await site.status(grace) == 200
    assert (await client.patch(path, json={"is_active": False}, headers=root)).json()["is_active"] is False
    assert await site.status(grace) == 401
    assert (await client.patch(path, json={"is_active": True}, headers=root)).json()["is_active"] is True
    assert await site.status(grace) == 401
    assert (await client.delete(path, headers=root)).status_code == 204
    assert (await client.get(path, headers=root)).status_code == 404
    await site.register("hopper@example.com")
