"""The admin area: access, views and actions."""

from __future__ import annotations

import logging
from datetime import timedelta
from decimal import Decimal
from unittest.mock import AsyncMock

import pytest
from tests.services._async.support import EMAIL, PASSWORD
from tests.web.paged import ADMIN, Paged, Reader, Tab, words

from torii_dynamodb import Listing, NewFactor, NewUser, Page, User
from torii_dynamodb._calls import CallRecord
from torii_dynamodb.errors import CorruptItem
from torii_dynamodb.fastapi.admin import Activity, Admin
from torii_dynamodb.fastapi.admin.charts import bar_chart
from torii_dynamodb.fastapi.web import Caller
from torii_dynamodb.testing import FakeClock


async def administrator(site: Paged) -> Tab:
    """A tab in which the administrator is signed in."""
    await site.user(ADMIN)
    tab = site.tab()
    await tab.sign_in(ADMIN)
    return tab


@pytest.mark.parametrize("who", ["nobody", "user", "unverified"])
async def test_others_find_nothing(who: str) -> None:
    """Strangers, users, and people who merely typed an administrator's address get "page not found"."""
    site = Paged(require_verified_to_sign_in=False)
    tab = site.tab()
    if who != "nobody":
        email = EMAIL if who == "user" else ADMIN
        await site.user(email, verified=who == "user")
        await tab.sign_in(email)
        assert 'href="/admin"' not in (await tab.get("/auth/account")).text
    for path in ("", "/activity", "/new", "/users/usr_x", "/users/usr_x/edit", "/users/usr_x/delete"):
        answer = await tab.get(f"/admin{path}")
        assert answer.status_code == 404, path
        assert "Page not found" in answer.text, path


CHANGES = [
    "lock",
    "unlock",
    "edit",
    "verify",
    "send-reset",
    "remove-factors",
    "end-session",
    "end-sessions",
    "clear-attempts",
    "delete",
]


async def test_others_change_nothing() -> None:
    """A user's forms to the admin area have no effect, even with a valid form token."""
    site = Paged()
    user = await site.user("victim@example.com")
    await site.user()
    tab = site.tab()
    await tab.sign_in()
    token = Reader((await tab.get("/auth/account")).text).forms["/auth/sign-out"]["csrf_token"]
    for what in CHANGES:
        answer = await tab.client.post(f"/admin/users/{user.id}/{what}", data={"csrf_token": token, "confirm": "yes"})
        assert answer.status_code == 404, what
    assert await site.torii.get_user(user.id) == user
    assert await site.here.templates() == []


async def test_no_other_site_changes_anything() -> None:
    """A form without this site's token, or a link, changes nothing."""
    site = Paged()
    user = await site.user("victim@example.com")
    tab = await administrator(site)
    for what in CHANGES:
        path = f"/admin/users/{user.id}/{what}"
        assert (await tab.client.post(path, data={"confirm": "yes", "version": "1", "name": "x"})).status_code == 403
        assert (await tab.get(path)).status_code in (200, 405), what
    assert await site.torii.get_user(user.id) == user
    assert await site.here.templates() == []


async def test_a_function_can_decide_who_is_an_administrator() -> None:
    """Async or not, a function of the user decides."""
    site = Paged()
    user = await site.user()
    session = await site.torii.create_session(user)
    found = Caller(user=user, session=session, token=session.token, transport="cookie")

    async def later(someone: User) -> bool:
        return someone.id == user.id

    assert await Admin(later).admits(found)
    assert not await Admin(lambda someone: someone.id == "usr_other").admits(found)


async def test_users_are_found_by_address_and_id() -> None:
    """The list has pages; a search finds users by any spelling of the address or by ID, or says that there is none."""
    site = Paged()
    user = await site.user(name="Ada <b>")
    for number in range(30):
        await site.user(f"user{number}@example.com")
    tab = await administrator(site)
    first = await tab.get("/admin")
    (following,) = [one["href"] for one in Reader(first.text).all("a") if one.get("id") == "next-page"]
    second = await tab.get(following or "")
    assert first.text.count('<th scope="row">') == 25
    assert second.text.count('<th scope="row">') == 7
    for query in ("ADA@example.com", user.id):
        found = await tab.get("/admin", params={"q": query})
        assert f"/admin/users/{user.id}" in found.text
        assert found.text.count('<th scope="row">') == 1
        assert "Ada <b>" in words(found)
        assert "Ada <b>" not in found.text
    for query in ("nobody@example.com", "usr_nobody", "@", "ü" * 5000):
        assert 'id="nobody"' in (await tab.get("/admin", params={"q": query})).text
    assert (await tab.get("/admin?cursor=nonsense")).headers["location"] == "/admin"


async def test_what_cannot_be_read_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A row that something else wrote breaks neither the list nor a user's page, and is reported."""
    site = Paged()
    tab = await administrator(site)
    user = await site.user()
    storage = site.torii.storage
    broken = CorruptItem("users", "email", "a string is expected", "usr_<broken>")
    page = Page((user,), corrupt=(broken,))
    monkeypatch.setattr(storage, "list_users", AsyncMock(return_value=page))
    monkeypatch.setattr(storage, "list_passkeys_for_user", AsyncMock(return_value=Listing((), (broken,))))
    for path in ("/admin", f"/admin/users/{user.id}"):
        shown = (await tab.get(path)).text
        assert EMAIL in shown
        assert "usr_&lt;broken&gt;" in shown.partition('id="corrupt"')[2]


async def test_a_user_is_shown_with_all_that_belongs_to_it() -> None:
    """Identities, sessions and failed attempts are shown, but no token and no hash."""
    site = Paged()
    user = await site.user()
    await site.tab().sign_in()
    await site.tab().send("/auth/sign-in", "/auth/sign-in", email=EMAIL, password="wrong password")
    tab = await administrator(site)
    answer = await tab.get(f"/admin/users/{user.id}")
    assert "Password" in answer.text
    assert "Firefox on Linux" in answer.text
    assert 'id="attempt-list"' in answer.text
    assert "1 recent password attempt;" in answer.text
    assert "$quick$" not in answer.text
    assert "torii_s1_" not in answer.text


async def test_an_account_is_locked_and_unlocked(caplog: pytest.LogCaptureFixture) -> None:
    """Locking ends all sessions and refuses sign-ins until the account is unlocked; the log says who did it."""
    caplog.set_level(logging.INFO, logger="torii_dynamodb")
    site = Paged()
    user = await site.user()
    theirs = site.tab()
    await theirs.sign_in()
    tab = await administrator(site)
    page = f"/admin/users/{user.id}"
    answer = await tab.send(page, f"{page}/lock")
    assert "The account is locked" in answer.text
    assert (await theirs.get("/auth/account")).status_code == 303
    refused = await site.tab().send("/auth/sign-in", "/auth/sign-in", email=EMAIL, password=PASSWORD)
    assert "This account is locked" in refused.text
    assert f"user-locked: {user.id}" in caplog.text
    await tab.send(page, f"{page}/unlock")
    await site.tab().sign_in()


async def test_sessions_are_ended_and_the_lockout_is_lifted() -> None:
    """One session, all sessions and the attempts each have a button."""
    site = Paged()
    user = await site.user()
    tabs = [site.tab() for _ in range(3)]
    for one in tabs:
        await one.sign_in()
    for _ in range(6):
        await site.tab().send("/auth/sign-in", "/auth/sign-in", email=EMAIL, password="wrong password")
    tab = await administrator(site)
    page = f"/admin/users/{user.id}"
    assert "locked out" in (await tab.get(page)).text
    await tab.send(page, f"{page}/clear-attempts")
    await tab.send(page, f"{page}/end-session")
    assert len(await site.torii.list_sessions(user.id)) == 2
    await site.tab().sign_in()
    await tab.send(page, f"{page}/end-sessions")
    assert not await site.torii.list_sessions(user.id)


async def test_a_user_is_deleted_after_a_question() -> None:
    """The user is deleted only if the box is ticked."""
    site = Paged()
    user = await site.user()
    tab = await administrator(site)
    page = f"/admin/users/{user.id}/delete"
    assert (await tab.send(page, page)).status_code == 422
    answer = await tab.send(page, page, confirm="yes")
    assert "The user and everything that belonged to it was deleted" in answer.text
    assert await site.torii.get_user(user.id) is None
    assert (await tab.get(page)).status_code == 404


async def test_changes_ask_for_a_recent_sign_in() -> None:
    """An administrator whose sign-in is not recent can change nobody."""
    site = Paged()
    user = await site.user()
    tab = await administrator(site)
    site.here.clock.advance(timedelta(minutes=16))
    page = f"/admin/users/{user.id}"
    answer = await tab.send(page, f"{page}/lock", follow=False)
    assert answer.headers["location"].startswith("/auth/sign-in?next=%2Fadmin%2Fusers%2F")
    assert await site.torii.get_user(user.id) == user


async def test_nobody_locks_or_deletes_themselves_here() -> None:
    """An administrator's own account has no such buttons, and such forms are refused."""
    site = Paged()
    tab = await administrator(site)
    user = await site.torii.storage.get_user_by_email(ADMIN)
    assert user is not None
    page = await tab.get(f"/admin/users/{user.id}")
    assert [action for action in Reader(page.text).forms if action.startswith("/admin")] == []
    token = Reader(page.text).forms["/auth/sign-out"]["csrf_token"]
    answer = await tab.client.post(f"/admin/users/{user.id}/lock", data={"csrf_token": token})
    assert answer.status_code == 409


async def test_activity_shows_what_was_counted() -> None:
    """Sign-ins, failures, lockouts and capacity since the start are shown per minute or per half hour."""
    site = Paged()
    await site.user()
    site.activity.on_call(
        CallRecord(operation="PutItem", tables=("t_users",), attempts=1, latency=0.1, write_units=3.0)
    )
    await site.tab().sign_in()
    for _ in range(6):
        await site.tab().send("/auth/sign-in", "/auth/sign-in", email=EMAIL, password="wrong password")
    tab = await administrator(site)
    for span in ("", "?span=day"):
        text = (await tab.get(f"/admin/activity{span}")).text
        for told in (
            "<strong>2</strong> sign-ins",
            "<strong>5</strong> failures",
            "<strong>1</strong> refused attempts",
        ):
            assert told in text
        assert "<strong>3</strong> write units" in text
        assert "Counted in this process since" in text
        assert "PutItem" in text
        assert text.count('role="img"') == 4


async def test_activity_forgets() -> None:
    """Old counts are dropped, so that memory is bounded; spans do not mix."""
    clock = FakeClock()
    activity = Activity(clock=clock, keep=timedelta(hours=1))
    record = CallRecord(operation="GetItem", tables=("t",), attempts=1, latency=0.1, read_units=1.0)
    for _ in range(180):
        activity.on_call(record)
        clock.advance(timedelta(minutes=1))
    counts = activity.counts("read_units", bars=180, minutes=1)
    assert sum(amount for _, amount in counts) == 60
    assert counts[-1][1] == 0
    assert [when for when, _ in counts] == sorted(when for when, _ in counts)


def test_bars_stand_on_the_ground_and_below_the_edge() -> None:
    """Bars at the same time are stacked, each as high as its share of the number at the top edge."""
    start = FakeClock()()
    times = [start + timedelta(minutes=number) for number in range(3)]
    chart = bar_chart(
        "x",
        "X",
        [
            ("reads", "reads", list(zip(times, (0.0, 3.0, 30.0), strict=True))),
            ("writes", "writes", list(zip(times, (0.0, 0.0, 7.0), strict=True))),
        ],
    )
    assert chart.top == "40"
    assert [bar.kind for bar in chart.bars] == ["reads", "reads", "writes"]
    assert chart.bars[1].y + chart.bars[1].height == 120
    assert chart.bars[2].y + chart.bars[2].height == chart.bars[1].y
    assert min(bar.y for bar in chart.bars) == pytest.approx(120 * 3 / 40)
    assert len(chart.rows) == 2
    assert "reads: 33, writes: 7" in chart.summary


async def test_a_user_is_created_and_invited(caplog: pytest.LogCaptureFixture) -> None:
    """The invitation's link chooses a password; a taken or invalid address is said; the log names the administrator."""
    caplog.set_level(logging.INFO, logger="torii_dynamodb")
    site = Paged()
    tab = await administrator(site)
    page = "/admin/new"
    for email, status, told in (("nonsense", 422, "has no @"), (ADMIN, 409, "Another user has this address")):
        answer = await tab.send(page, page, email=email, invite="yes")
        assert answer.status_code == status
        assert told in answer.text
    answer = await tab.send(page, page, email="new@example.com", name="Nora", invite="yes", verified="yes")
    assert "we sent an invitation" in answer.text
    user = await site.torii.get_user_by_email("new@example.com")
    assert user is not None
    assert (user.name, user.is_email_verified, user.has_password) == ("Nora", True, False)
    assert await site.here.templates() == ["invitation"]
    await site.torii.password.complete_reset(await site.here.link(), PASSWORD)
    assert f"user-invited: {user.id}" in caplog.text
    await tab.send(page, page, email="other@example.com")
    assert await site.here.templates() == ["invitation", "password_changed"]


async def test_name_and_metadata_are_edited() -> None:
    """Both are replaced; what is not a JSON object is refused, and so is a form that is out of date."""
    site = Paged()
    user = await site.user(name="Ada")
    await site.torii.update_user(user, metadata={"plan": "free", "nested": {"a": [1, 1.5, None, "ü<"]}})
    tab = await administrator(site)
    page = f"/admin/users/{user.id}/edit"
    assert '"plan": "free"' in words(await tab.get(page))
    assert "ü&lt;" in (await tab.get(page)).text
    for wrong in ("[1]", "{", "[" * 9000, '{"a": NaN}', '{"": 1}'):
        answer = await tab.send(page, page, metadata=wrong)
        assert answer.status_code == 422, wrong
        assert "The metadata" in answer.text
    answer = await tab.send(page, page, name="Ada <King>", metadata='{"plan": "pro"}')
    assert "The changes were saved" in answer.text
    now = await site.torii.get_user(user.id)
    assert now is not None
    assert (now.name, dict(now.metadata)) == ("Ada <King>", {"plan": "pro"})
    stale = await tab.send(page, page, name="Eve", metadata="{}", version=str(user.version))
    assert stale.status_code == 409
    assert "changed elsewhere" in stale.text
    assert await site.torii.get_user(user.id) == now


async def test_metadata_that_is_not_json_is_kept() -> None:
    """Bytes and decimals cannot be edited; the name can, and they stay."""
    site = Paged()
    user = await site.torii.update_user(await site.user(), metadata={"key": b"", "price": Decimal("1.20")})
    tab = await administrator(site)
    page = f"/admin/users/{user.id}/edit"
    assert "<textarea" not in (await tab.get(page)).text
    await tab.send(page, page, name="Ada", metadata="{}")
    now = await site.torii.get_user(user.id)
    assert now is not None
    assert (now.name, now.metadata) == ("Ada", user.metadata)


@pytest.mark.parametrize("keep", [False, True])
async def test_an_address_is_verified(keep: bool) -> None:
    """It removes what a stranger may have set up, unless the box is ticked; then there is no such button any more."""
    site = Paged()
    user = await site.user(verified=False)
    tab = await administrator(site)
    page = f"/admin/users/{user.id}"
    answer = await tab.send(page, f"{page}/verify", keep="yes" if keep else "")
    now = await site.torii.get_user(user.id)
    assert now is not None
    assert now.is_email_verified
    assert now.has_password is keep
    assert f"{page}/verify" not in Reader(answer.text).forms


async def test_the_address_that_was_shown_is_verified() -> None:
    """An address that the administrator has not seen, because it changed since, is not verified."""
    site = Paged()
    user = await site.user(verified=False)
    tab = await administrator(site)
    page = f"/admin/users/{user.id}"
    form = Reader((await tab.get(page)).text).forms[f"{page}/verify"]
    moved = await site.torii.storage.update_user(user, email="victim@example.com")
    answer = await tab.client.post(f"{page}/verify", data=form)
    assert (answer.status_code, "changed elsewhere" in answer.text) == (409, True)
    assert await site.torii.get_user(user.id) == moved


async def test_a_reset_is_mailed_to_the_user() -> None:
    """The owner gets the link; a locked account has no such button, and its form is refused."""
    site = Paged()
    user = await site.user()
    tab = await administrator(site)
    page = f"/admin/users/{user.id}"
    await tab.send(page, f"{page}/send-reset")
    assert (await site.here.templates(), site.here.mailer.messages[-1].to) == (["reset_password"], "Ada@example.com")
    form = Reader((await tab.get(page)).text).forms[f"{page}/send-reset"]
    await tab.send(page, f"{page}/lock")
    assert f"{page}/send-reset" not in Reader((await tab.get(page)).text).forms
    answer = await tab.client.post(f"{page}/send-reset", data=form)
    assert "locked" in answer.text
    assert len(await site.here.templates()) == 1


async def test_one_second_factor_is_removed() -> None:
    """An app that was lost, without the others; the owner is told."""
    site = Paged()
    user = await site.user()
    for name in ("old", "new"):
        await site.torii.storage.add_factor(
            NewFactor(user_id=user.id, id=name, secret=b"sealed", last_step=1, name=name)
        )
    tab = await administrator(site)
    page = f"/admin/users/{user.id}"
    form = Reader((await tab.get(page)).text).forms[f"{page}/remove-factors"]
    await tab.client.post(f"{page}/remove-factors", data={**form, "factor_id": "old"})
    left = await site.torii.storage.list_factors_for_user(user.id)
    assert [factor.id for factor in left] == ["new"]
    assert await site.here.templates() == ["second_factor_removed"]


async def test_users_are_searched_step_by_step() -> None:
    """A search reads a bounded part of the table, says how far it is, and continues; an address scans nothing."""
    site = Paged()
    for number in range(1100):
        await site.torii.storage.create_user(NewUser(email=f"user{number}@example.com"))
    zoe = await site.user("zoe@example.com", name="Zoë Müller")
    tab = await administrator(site)
    text, steps, link = "", 0, "/admin?q=muller"
    while link and steps < 5:
        answer = await tab.get(link)
        text, steps = text + answer.text, steps + 1
        link = next((one["href"] or "" for one in Reader(answer.text).all("a") if one.get("id") == "next-page"), "")
    assert steps == 2
    assert "Looked at 1,000 users so far" in text
    assert "Looked at 1,102 users: that was everyone" in text
    assert text.count(f"/admin/users/{zoe.id}") == 1
    partial = await tab.get("/admin", params={"q": "zoe@"})
    assert "search-progress" not in partial.text
    (everywhere,) = [one["href"] for one in Reader(partial.text).all("a") if one.get("id") == "search-everywhere"]
    assert "search-progress" in (await tab.get(everywhere or "")).text
    assert (await tab.get("/admin?q=x&cursor=***")).headers["location"] == "/admin"


async def test_a_session_without_the_second_factor_sees_nothing() -> None:
    """An administrator who has a second factor gives it before looking, even if the session is older than it."""
    site = Paged()
    user = await site.user()
    tab = await administrator(site)
    assert (await tab.get("/admin")).status_code == 200
    admin = await site.torii.get_user_by_email(ADMIN)
    assert admin is not None
    await site.torii.storage.add_factor(
        NewFactor(user_id=admin.id, id="app", secret=b"sealed", last_step=1, name="App")
    )
    for path in ("/admin", "/admin/new", f"/admin/users/{user.id}", "/admin/activity"):
        assert (await tab.get(path)).headers["location"] == "/auth/second-factor/again?next=%2Fadmin"


async def test_another_administrator_is_marked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before an administrator is locked or deleted, the page says what they are."""
    site = Paged()
    user = await site.user()
    tab = await administrator(site)
    assert "This user is an administrator" not in (await tab.get(f"/admin/users/{user.id}/delete")).text
    monkeypatch.setattr(site.admin, "_emails", {ADMIN, "ada@example.com"})
    for path in ("", "/delete"):
        assert "This user is an administrator" in (await tab.get(f"/admin/users/{user.id}{path}")).text
