"""Nothing that one tenant issues does anything in another: a table of credentials, and of calls that take them.

All tenants have the same secret, the same keys, the same providers, and users with the same ids and addresses.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Literal

import httpx
import pyotp
import pytest
from tests.services._async.support import PASSWORD, SECRET, AsyncSetting
from tests.services._async.support import settings as mail_settings
from tests.services._async.test_jwt import settings as jwt_settings
from tests.services._async.test_oauth import BACK
from tests.services._async.test_passkeys import settings as passkey_settings
from tests.services.authenticator import Authenticator
from tests.services.provider import ISSUER, FakeProvider

from torii_dynamodb import (
    AsyncDynamoDbHandle,
    AsyncDynamoDbStorage,
    AsyncTorii,
    Browser,
    DynamoDbConfig,
    NewUser,
    SecondFactorChallenge,
    SignedIn,
    User,
)
from torii_dynamodb._sync.client import Client
from torii_dynamodb.admin.items import Items
from torii_dynamodb.admin.scanning import Pacer, scan
from torii_dynamodb.config import TABLES
from torii_dynamodb.errors import ConfigurationError, InvalidCredentials, ToriiError
from torii_dynamodb.local.engines import LocalEngine
from torii_dynamodb.mail import AsyncMemoryMailer
from torii_dynamodb.models import PASSWORD_RESET
from torii_dynamodb.oauth import OAuthConfirmationSent, OAuthProvider, oidc
from torii_dynamodb.policies import SecondFactorPolicy
from torii_dynamodb.secret_box import AsyncAesGcmBox
from torii_dynamodb.testing import AsyncMemoryStorage, FakeClock

PLACE = b"oauth#issuer#somebody"


def providers() -> list[OAuthProvider]:
    """The same issuer twice: as the authority for every address, and for none."""
    offered = oidc("issuer", ISSUER, "client", "the client secret", authoritative_for=("*",))
    native = replace(offered, native_client_ids=("client",))
    return [native, replace(offered, name="stranger", authoritative_for=())]


class Tenant(AsyncSetting):
    """The services of one tenant.

    Args:
        storage: The tenant's storage.
        clock: The clock of all.
        provider: The provider of all.
    """

    def __init__(self, storage: AsyncDynamoDbHandle, clock: FakeClock, provider: FakeProvider) -> None:
        self.http = httpx.AsyncClient(transport=provider.transport())
        super().__init__(
            storage=storage,
            clock=clock,
            oauth=providers(),
            passkeys=passkey_settings(),
            jwt=jwt_settings(),
            http=self.http,
            second_factor=SecondFactorPolicy(
                required=lambda user: user.id.startswith("required"), trust_devices_for=timedelta(days=1)
            ),
        )
        self.clock = clock
        self.handle = storage
        self.provider = provider

    async def user(self, user_id: str) -> User:
        """A user with this id, the same address in each tenant, and a password."""
        return await self.handle.create_user(
            NewUser(id=user_id, email=f"{user_id}@example.com"), password_hash=self.hasher.hash(PASSWORD)
        )

    async def reread(self, user: User) -> User:
        """The user as stored now."""
        found = await self.handle.get_user(user.id, consistent=True)
        assert found is not None
        return found

    async def enrolled(self, user: User) -> tuple[User, pyotp.TOTP, tuple[str, ...]]:
        """Set up an authenticator app: the user as stored then, the app, and recovery codes."""
        begun = await self.torii.second_factor.begin_enrolment(user)
        app = pyotp.TOTP(begun.secret)
        factor = await self.torii.second_factor.complete_enrolment(user, begun.token, app.at(self.clock()))
        return await self.reread(user), app, factor.recovery_codes

    async def guess(self, email: str) -> None:
        """Use up all attempts."""
        for _ in range(5):
            with pytest.raises(InvalidCredentials):
                await self.torii.password.authenticate(email, "wrong password")

    def next_code(self, app: pyotp.TOTP) -> str:
        """A code of an app that was not used yet: clocks may differ by one step."""
        return app.at(self.clock() + timedelta(seconds=30))

    async def challenge(self, user: User) -> SecondFactorChallenge:
        """Begin to sign in a user who has a second factor."""
        result = await self.torii.sign_in(user)
        assert isinstance(result, SecondFactorChallenge)
        return result

    async def signed_in(self, user: User) -> SignedIn:  # type: ignore[override]
        """A session of the user."""
        return SignedIn(user, await self.torii.create_session(user, second_factor_at=self.clock()))


def alike(user: User) -> User:
    """The user without what is random: all that tokens and seals depend on is then the same, except the keys."""
    return replace(user, password_version=None, session_epoch=1)


Make = Callable[[Tenant, User], Awaitable[Any]]
Use = Callable[[Tenant, User, Any, Any], Awaitable[Any]]


@dataclass(frozen=True)
class Case:
    """A credential, and a call that takes it.

    ``make`` makes it in every tenant. ``use(there, user, mine, given)`` calls a service of a tenant with what was given
    (from another tenant, or its own) and, for the rest, with the tenant's own. ``uses``: that uses up something of the
    tenant's own.
    """

    what: str
    to: str
    make: Make
    use: Use
    user: str = "user"
    uses: bool = False


CASES: list[Case] = []


def case(what: str, to: str, make: Make, use: Use, *, user: str = "user", uses: bool = False) -> None:
    """Add a row to the table."""
    CASES.append(Case(what, to, make, use, user, uses))


# Sessions


async def session(here: Tenant, user: User) -> Any:
    return (await here.signed_in(user)).session


case("session", "get_signed_in", session, lambda t, u, m, x: t.torii.get_signed_in(x.token))
case("session", "refresh_session", session, lambda t, u, m, x: t.torii.refresh_session(x.token))
case("session", "rotate_session", session, lambda t, u, m, x: t.torii.rotate_session(x.token))
case("session", "delete_session", session, lambda t, u, m, x: t.torii.delete_session(x.token))
case("session", "delete_session_by_id", session, lambda t, u, m, x: t.torii.delete_session_by_id(u.id, x.id))
case("session", "delete_other_sessions", session, lambda t, u, m, x: t.torii.delete_other_sessions(x.token))
case("session", "sessions.refresh", session, lambda t, u, m, x: t.torii.sessions.refresh(x.token))
case("session", "sessions.rotate", session, lambda t, u, m, x: t.torii.sessions.rotate(x.token))
case("session", "sessions.replace", session, lambda t, u, m, x: t.torii.sessions.replace(SignedIn(u, x)))
case("session", "sessions.end", session, lambda t, u, m, x: t.torii.sessions.end(x.token))
case("session", "sessions.end_by_id", session, lambda t, u, m, x: t.torii.sessions.end_by_id(u.id, x.id))
case("session", "sessions.end_others", session, lambda t, u, m, x: t.torii.sessions.end_others(x.token))
case("session", "jwt.refresh", session, lambda t, u, m, x: t.torii.jwt.refresh(x.token))


# Access tokens


async def access_token(here: Tenant, user: User) -> Any:
    return (await here.torii.jwt.issue(*await here.signed_in(user))).token


async def verified(there: Tenant, user: User, mine: Any, given: Any) -> Any:
    return there.torii.jwt.verify(given)


case("access token", "jwt.verify", access_token, verified)
case("access token", "jwt.check", access_token, lambda t, u, m, x: t.torii.jwt.check(x))


# Links


async def magic_link(here: Tenant, user: User) -> Any:
    await here.torii.magic_link.send(user.email)
    return await here.link()


async def sign_up_link(here: Tenant, user: User) -> Any:
    await here.torii.magic_link.send(f"new-{user.email}")
    return await here.link()


async def reset_link(here: Tenant, user: User) -> Any:
    await here.torii.password.send_reset(user.email)
    return await here.link()


async def administrators_link(here: Tenant, user: User) -> Any:
    return (await here.torii.administration.new_reset_token(user, lifetime=timedelta(hours=1))).token


async def invitation(here: Tenant, user: User) -> Any:
    await here.torii.administration.create(f"new-{user.email}", invite=True)
    return await here.link()


async def verification_link(here: Tenant, user: User) -> Any:
    await here.torii.email_verification.send(user)
    return await here.link()


async def bound_sign_up(here: Tenant, user: User) -> Any:
    binding = here.torii.email_verification.new_browser_binding()
    await here.torii.email_verification.send(user, browser_binding=binding)
    return await here.link(), binding


async def change_link(here: Tenant, user: User) -> Any:
    signed_in = await here.signed_in(user)
    await here.torii.email_verification.send_change(user, f"new-{user.email}", session=signed_in.session)
    return await here.link(), signed_in.session


async def kept(there: Tenant, user: User, mine: Any, given: Any) -> Any:
    found = await there.torii.email_verification.check(mine[0])
    assert found is not None
    return there.torii.email_verification.keeps(found, browser_binding=given[1])


async def kept_in_session(there: Tenant, user: User, mine: Any, given: Any) -> Any:
    found = await there.torii.email_verification.check_change(mine[0])
    assert found is not None
    return there.torii.email_verification.keeps(found, session=given[1])


case("magic link", "magic_link.check", magic_link, lambda t, u, m, x: t.torii.magic_link.check(x))
case("magic link", "magic_link.complete", magic_link, lambda t, u, m, x: t.torii.magic_link.complete(x))
case("sign-up link", "magic_link.complete", sign_up_link, lambda t, u, m, x: t.torii.magic_link.complete(x))
for kind in (reset_link, administrators_link, invitation):
    name = kind.__name__.replace("_", " ")
    case(name, "password.check_reset", kind, lambda t, u, m, x: t.torii.password.check_reset(x))
    case(
        name, "password.complete_reset", kind, lambda t, u, m, x: t.torii.password.complete_reset(x, f"new {PASSWORD}")
    )
case(
    "verification",
    "email_verification.check",
    verification_link,
    lambda t, u, m, x: t.torii.email_verification.check(x),
)
case(
    "verification",
    "email_verification.complete",
    verification_link,
    lambda t, u, m, x: t.torii.email_verification.complete(x, password=PASSWORD),
)
case("sign-up binding", "email_verification.keeps", bound_sign_up, kept)
case("session", "email_verification.keeps", change_link, kept_in_session)
case(
    "e-mail change",
    "email_verification.check_change",
    change_link,
    lambda t, u, m, x: t.torii.email_verification.check_change(x[0]),
)
case(
    "e-mail change",
    "email_verification.complete_change",
    change_link,
    lambda t, u, m, x: t.torii.email_verification.complete_change(x[0], user_id=u.id, session=x[1]),
)


# Codes by mail


def mailed_code(purpose: Any) -> Make:
    async def make(here: Tenant, user: User) -> Any:
        flow = await here.torii.email_code.send(user.email, purpose=purpose)
        await here.torii.wait_for_mail()
        text = here.mailer.messages[-1].text
        return flow, next(line.strip() for line in text.splitlines() if line.strip().replace(" ", "").isdigit())

    return make


for_sign_in, for_reset = mailed_code("magic_link"), mailed_code(PASSWORD_RESET)
case("mailed code", "email_code.complete", for_sign_in, lambda t, u, m, x: t.torii.email_code.complete(*x))
case(
    "mailed code",
    "email_code.complete",
    for_sign_in,
    lambda t, u, m, x: t.torii.email_code.complete(m[0], x[1]),
    uses=True,
)
case(
    "mailed code",
    "email_code.exchange",
    for_reset,
    lambda t, u, m, x: t.torii.email_code.exchange(*x, purpose=PASSWORD_RESET),
)


# Second factors


@dataclass
class Factors:
    """A user's second factors, a challenge, and a session."""

    app: pyotp.TOTP
    recovery_codes: tuple[str, ...]
    challenge: str
    signed_in: SignedIn


async def factors(here: Tenant, user: User) -> Factors:
    user, app, codes = await here.enrolled(user)
    return Factors(app, codes, (await here.challenge(user)).token, await here.signed_in(user))


async def unenrolled(here: Tenant, user: User) -> Any:
    begun = await here.torii.second_factor.begin_enrolment(user)
    return (await here.challenge(user)).token, begun.token, pyotp.TOTP(begun.secret).at(here.clock())


async def enrolment(here: Tenant, user: User) -> Any:
    begun = await here.torii.second_factor.begin_enrolment(user)
    return begun.token, pyotp.TOTP(begun.secret).at(here.clock())


async def enrolment_to_resume(here: Tenant, user: User) -> Any:
    return (await here.torii.second_factor.begin_enrolment(alike(user))).token


case("challenge", "second_factor.check", factors, lambda t, u, m, x: t.torii.second_factor.check(x.challenge))
case(
    "challenge",
    "second_factor.complete",
    factors,
    lambda t, u, m, x: t.torii.second_factor.complete(x.challenge, t.next_code(m.app)),
)
case(
    "code of an app",
    "second_factor.complete",
    factors,
    lambda t, u, m, x: t.torii.second_factor.complete(m.challenge, t.next_code(x.app)),
)
case(
    "recovery code",
    "second_factor.complete",
    factors,
    lambda t, u, m, x: t.torii.second_factor.complete(m.challenge, x.recovery_codes[0]),
)
case(
    "session",
    "second_factor.step_up",
    factors,
    lambda t, u, m, x: t.torii.second_factor.step_up(x.signed_in, t.next_code(m.app)),
)
case(
    "code of an app",
    "second_factor.step_up",
    factors,
    lambda t, u, m, x: t.torii.second_factor.step_up(m.signed_in, t.next_code(x.app)),
)
case(
    "recovery code",
    "second_factor.step_up",
    factors,
    lambda t, u, m, x: t.torii.second_factor.step_up(m.signed_in, x.recovery_codes[0]),
)
case(
    "enrolment",
    "second_factor.resume_enrolment",
    enrolment_to_resume,
    lambda t, u, m, x: t.torii.second_factor.resume_enrolment(alike(u), x),
)
case(
    "enrolment",
    "second_factor.complete_enrolment",
    enrolment,
    lambda t, u, m, x: t.torii.second_factor.complete_enrolment(u, *x),
)
for what, pick in {"challenge": lambda m, x: (x[0], *m[1:]), "enrolment": lambda m, x: (m[0], *x[1:])}.items():
    case(
        what,
        "second_factor.complete_by_enrolling",
        unenrolled,
        lambda t, u, m, x, pick=pick: t.torii.second_factor.complete_by_enrolling(*pick(m, x)),  # type: ignore[misc]
        user="required",
    )


# Devices


async def device(here: Tenant, user: User) -> Any:
    return here.torii.devices.issue(alike(user), trusted_since=here.clock())


async def recognised(there: Tenant, user: User, mine: Any, given: Any) -> Any:
    return there.torii.devices.recognise(given, alike(user))


async def trusted(there: Tenant, user: User, mine: Any, given: Any) -> Any:
    return there.torii.devices.second_factor_at(given, alike(user))


async def kept_device(there: Tenant, user: User, mine: Any, given: Any) -> Any:
    # A browser that is known keeps its id.
    again = there.torii.devices.issue(alike(user), given)
    return again.split(".")[1] == given.split(".")[1]


case("device token", "devices.recognise", device, recognised)
case("device token", "devices.issue", device, kept_device)
case("trusted browser", "devices.second_factor_at", device, trusted)


# Passkeys: the same authenticator has a passkey of the user in each tenant.


@dataclass
class Ceremony:
    """A user with a passkey, and an answer of the authenticator."""

    answer: dict[str, Any]
    challenge: str = ""
    signed_in: SignedIn | None = None


AUTHENTICATOR = Authenticator()


async def with_passkey(here: Tenant, user: User) -> tuple[User, Authenticator]:
    mine = Authenticator()
    mine.key, mine.credential_id = AUTHENTICATOR.key, user.id.encode().ljust(32, b".")
    options = await here.torii.passkeys.begin_registration(user)
    await here.torii.passkeys.complete_registration(user, mine.create(options))
    return await here.reread(user), mine


async def registration(here: Tenant, user: User) -> Any:
    return Authenticator().create(await here.torii.passkeys.begin_registration(user))


async def assertion(here: Tenant, user: User) -> Any:
    _, mine = await with_passkey(here, user)
    return mine.get(await here.torii.passkeys.begin_sign_in())


async def assertion_of_user(here: Tenant, user: User) -> Any:
    user, mine = await with_passkey(here, user)
    return mine.get(await here.torii.passkeys.begin_sign_in(user=user))


async def second_passkey(here: Tenant, user: User) -> Any:
    user, mine = await with_passkey(here, user)
    await here.torii.second_factor.use_passkeys(user)
    user = await here.reread(user)
    challenge = (await here.challenge(user)).token
    answer = mine.get(await here.torii.second_factor.begin_passkey(challenge))
    return Ceremony(answer, challenge, await here.signed_in(user))


case(
    "passkey",
    "passkeys.complete_registration",
    registration,
    lambda t, u, m, x: t.torii.passkeys.complete_registration(u, x),
)
case("passkey", "passkeys.complete_sign_in", assertion, lambda t, u, m, x: t.torii.passkeys.complete_sign_in(x))
case("passkey", "passkeys.verify", assertion_of_user, lambda t, u, m, x: t.torii.passkeys.verify(x, user=u))
case(
    "challenge",
    "second_factor.begin_passkey",
    second_passkey,
    lambda t, u, m, x: t.torii.second_factor.begin_passkey(x.challenge),
)
case(
    "passkey",
    "second_factor.complete_with_passkey",
    second_passkey,
    lambda t, u, m, x: t.torii.second_factor.complete_with_passkey(m.challenge, x.answer),
)
case(
    "challenge",
    "second_factor.complete_with_passkey",
    second_passkey,
    lambda t, u, m, x: t.torii.second_factor.complete_with_passkey(x.challenge, m.answer),
)
case(
    "passkey",
    "second_factor.step_up_with_passkey",
    second_passkey,
    lambda t, u, m, x: t.torii.second_factor.step_up_with_passkey(m.signed_in, x.answer),
)


# Providers


def person(here: Tenant, user: User) -> None:
    """Let the provider speak of this user from now on."""
    here.provider.claims = {"sub": user.id, "email": user.email, "email_verified": True}


async def flow(here: Tenant, user: User, provider: str = "issuer", **options: Any) -> dict[str, Any]:
    person(here, user)
    start = await here.torii.oauth.begin(provider, redirect_uri=BACK, **options)
    return {**here.provider.authorize(start.url), "browser_binding": start.browser_binding}


async def link_flow(here: Tenant, user: User) -> Any:
    signed_in = await here.signed_in(user)
    return await flow(here, user, link_to=signed_in.session), signed_in.session


async def completed(there: Tenant, user: User, mine: Any, given: Any) -> Any:
    person(there, user)
    return await there.torii.oauth.complete("issuer", **given)


async def linked(there: Tenant, user: User, mine: Any, given: Any) -> Any:
    person(there, user)
    return await there.torii.oauth.complete("issuer", **mine[0], session=given[1])


async def native(here: Tenant, user: User) -> Any:
    person(here, user)
    start = await here.torii.oauth.begin_native("issuer")
    return {"nonce": start.nonce, "id_token": here.provider.id_token(start.nonce)}


async def confirmation(here: Tenant, user: User) -> Any:
    back = await flow(here, user, "stranger")
    with pytest.raises(OAuthConfirmationSent) as sent:
        await here.torii.oauth.complete("stranger", **back)
    return await here.link(), sent.value.browser_binding


case(
    "state and cookie",
    "oauth.resume",
    flow,
    lambda t, u, m, x: t.torii.oauth.resume("issuer", state=x["state"], browser_binding=x["browser_binding"]),
)
case("state and cookie", "oauth.complete", flow, completed)
case("session", "oauth.complete", link_flow, linked, uses=True)
case(
    "nonce and ID token",
    "oauth.complete_native",
    native,
    lambda t, u, m, x: t.torii.oauth.complete_native("issuer", **x),
)
case(
    "confirmation",
    "oauth.check_confirmation",
    confirmation,
    lambda t, u, m, x: t.torii.oauth.check_confirmation(x[0], browser_binding=x[1]),
)
case(
    "confirmation",
    "oauth.complete_confirmation",
    confirmation,
    lambda t, u, m, x: t.torii.oauth.complete_confirmation(x[0], browser_binding=x[1]),
)


# What is stored sealed: copied from one tenant's item into another's, it does not open.

case(
    "seal",
    "secret_box.open",
    lambda t, u: t.torii.secret_box.seal(b"plain", associated=PLACE),
    lambda t, u, m, x: t.torii.secret_box.open(x, associated=PLACE),
)


@asynccontextmanager
async def opened(config: DynamoDbConfig, clock: FakeClock) -> AsyncIterator[dict[str | None, Tenant]]:
    """Services of two tenants, and of none, on the same tables."""
    provider = FakeProvider(clock)
    async with AsyncDynamoDbStorage.open(config) as storage:
        handles = {None: storage, "acme": storage.tenant("acme"), "other": storage.tenant("other")}
        found = {name: Tenant(handle, clock, provider) for name, handle in handles.items()}
        yield found
        for tenant in found.values():
            await tenant.torii.close()
            await tenant.http.aclose()


async def outcome(call: Awaitable[Any]) -> Any:
    """What a call returns; ``None`` if it refuses what it was given."""
    try:
        return await call
    except (ToriiError, ValueError):
        return None


@pytest.mark.parametrize("layout", ["tables", "single"])
async def test_nothing_of_one_tenant_does_anything_in_another(
    dynoxide: LocalEngine, table_prefix: str, layout: Literal["tables", "single"]
) -> None:
    """What a tenant issued is refused by others and without a tenant, changes nothing there, and works at home."""
    clock = FakeClock()
    config = dynoxide.config(table_prefix=table_prefix, layout=layout, clock=clock, session_cleanup="off")
    async with opened(config, clock) as tenants:
        made = {name: [await prepare(here, number) for number in range(len(CASES))] for name, here in tenants.items()}
        accepted: list[str] = []
        for uses in (False, True):
            before = stored(config)
            for giver, taker in (("acme", "other"), ("acme", None), (None, "other")):
                for one, (user, mine), (_, given) in zip(CASES, made[taker], made[giver], strict=True):
                    if one.uses is uses and await outcome(one.use(tenants[taker], user, mine, given)):
                        accepted.append(f"{one.to} of {taker} accepted: {one.what} of {giver}")
            assert uses or stored(config) == before
        assert accepted == []
        refused = [
            f"{one.to}: {one.what}"
            for one, (user, mine) in zip(CASES, made["acme"], strict=True)
            if not await outcome(one.use(tenants["acme"], user, mine, mine)) and one.to not in SILENT
        ]
        assert refused == []


async def prepare(here: Tenant, number: int) -> tuple[User, Any]:
    """The user of a row of the table, and the credential."""
    one = CASES[number]
    user = await here.user(f"{one.user}-{number}")
    return user, await one.make(here, user)


SILENT = {"delete_session", "sessions.end"}
"""Calls that return nothing."""


def stored(config: DynamoDbConfig) -> dict[str, Any]:
    """All stored items by key, except what counts attempts: those of a tenant count whatever was tried there."""
    with closing(Client(config)) as client:
        items = Items(config, client)
        return {
            f"{table} {items.key_of(table, item)}": item
            for table in TABLES
            if table != "login_attempts"
            for page in scan(items.client, items.name(table), rate=Pacer(None))
            for item in page.items
        }


# The table is complete

_CREDENTIALS = {
    "answer", "browser_binding", "challenge", "code", "enrolment", "flow", "flow_token", "found", "id_token", "nonce",
    "old", "presented", "sealed", "session", "session_id", "session_token", "signed_in", "state", "token", "verified",
}  # fmt: skip
_OTHERS = {
    "allow_verified_email", "associated", "base_url", "claims", "credential_id", "current_password", "cursor", "email",
    "enabled", "enough", "error", "factor_id", "failure_url", "invite", "iss", "keep", "lifetime", "limit", "metadata",
    "method", "min_validity", "most", "name", "new_email", "new_password", "next_url", "password", "plain",
    "posted_user", "provider", "purpose", "redirect_uri", "replaces", "require_verified", "second_factor",
    "second_factor_at", "subject", "tell", "text", "trusted_since", "user_id", "user_verified", "verified_email",
    # What the application read itself.
    "user", "link_to",
    # Its device token is recognised by `devices`, which is in the table.
    "browser",
    # What was sealed for the browser is in the token that it belongs to.
    "confirmation_binding",
}  # fmt: skip
_OBJECTS = {
    "administration.create": "`verified` is whether an administrator vouches for the address",
    "devices.user_of": "reads the name in a token, and says that it verifies nothing",
    "email_code.send": "stores the digest of a binding",
    "email_verification.send": "stores the digest of a binding",
    "email_verification.send_change": "stores the id of the session that the application checked",
    "jwt.issue": "for a session that the application has just checked",
    "magic_link.sign_in_by": "what another service has just read",
    "oauth.complete_flow": "what `resume` has just read",
    "password.sign_up": "stores the digest of a binding",
    "sessions.announce": "for a session that was just made",
    "sessions.renew": "for a session that the application has just checked",
    "sessions.touch": "for a session that the application has just checked",
    "touch_session": "for a session that the application has just checked",
}
"""Calls that take objects of the application, which never leave it, and no credential."""


def test_the_table_has_every_call_that_takes_a_credential() -> None:
    """Each public method of the services is in the table, takes nothing that a client sends, or is excused above."""
    offered = AsyncTorii(
        AsyncMemoryStorage(),
        secret=SECRET,
        mailer=AsyncMemoryMailer(),
        mail=mail_settings(),
        oauth=providers(),
        passkeys=passkey_settings(),
        jwt=jwt_settings(),
    )
    found: dict[str, set[str]] = {}
    for service, prefix in [(offered, ""), *((one, f"{name}.") for name, one in services_of(offered).items())]:
        for name, method in inspect.getmembers(type(service), inspect.isfunction):
            if not name.startswith("_"):
                found[prefix + name] = set(inspect.signature(method).parameters) - {"self"}
    assert {name for names in found.values() for name in names} <= _CREDENTIALS | _OTHERS, "new: a credential or not?"
    taking = {name for name, parameters in found.items() if parameters & _CREDENTIALS}
    assert taking - {one.to for one in CASES} - set(_OBJECTS) == set()
    assert {one.to for one in CASES} <= taking
    assert set(_OBJECTS) <= taking


def services_of(torii: AsyncTorii) -> dict[str, Any]:
    """The services, by their names."""
    names = [name for name in dir(type(torii)) if not name.startswith("_")]
    found = {name: getattr(torii, name) for name in names}
    return {name: one for name, one in found.items() if type(one).__module__.startswith("torii_dynamodb.")}


async def test_a_trusted_browser_is_trusted_in_its_tenant_only(dynoxide: LocalEngine, table_prefix: str) -> None:
    """The device token of one tenant neither spares the second factor nor lifts a lockout in another."""
    clock = FakeClock()
    async with opened(dynoxide.config(table_prefix=table_prefix, layout="single", clock=clock), clock) as tenants:
        here, there = tenants["acme"], tenants["other"]
        tokens: dict[str, str] = {}
        for tenant in (here, there):
            user, _, _ = await tenant.enrolled(await tenant.user("ada"))
            tokens[str(tenant.torii.tenant_name)] = tenant.torii.devices.issue(user, trusted_since=clock())
            await tenant.guess("ada@example.com")
        for name, result in (("acme", SignedIn), ("other", None)):
            browser = Browser(device_token=tokens[name])
            assert type(
                await outcome(here.torii.password.authenticate("ada@example.com", PASSWORD, browser=browser))
            ) is (result or type(None))
            found = await here.torii.get_user("ada")
            assert found is not None
            assert isinstance(await here.torii.sign_in(found, browser=browser), result or SecondFactorChallenge)


async def test_limits_are_each_tenants_own(dynoxide: LocalEngine, table_prefix: str) -> None:
    """Guessing in one tenant locks nobody out in another, and events say where it was."""
    clock = FakeClock()
    async with opened(dynoxide.config(table_prefix=table_prefix, layout="single", clock=clock), clock) as tenants:
        for tenant in tenants.values():
            await tenant.user("ada")
        await tenants["acme"].guess("ada@example.com")
        for name, tenant in tenants.items():
            signed_in = await outcome(tenant.torii.password.authenticate("ada@example.com", PASSWORD))
            assert (signed_in is None) is (name == "acme")
            assert {event.tenant for event in tenant.events} == {name}


class Plain:
    """A box that knows no tenants: it seals by writing the place before what it seals."""

    async def seal(self, plain: bytes, *, associated: bytes) -> bytes:
        return associated + b"|" + plain

    async def open(self, sealed: bytes, *, associated: bytes) -> bytes:
        if not sealed.startswith(associated + b"|"):
            raise ValueError("another place")
        return sealed.removeprefix(associated + b"|")


class Keyed(Plain):
    """A box that has a key for each tenant."""

    def __init__(self, key: str = "everybody") -> None:
        self.key = key

    def tenant(self, name: str) -> Keyed:
        """The tenant's box."""
        return Keyed(name)

    async def seal(self, plain: bytes, *, associated: bytes) -> bytes:
        return await super().seal(plain, associated=self.key.encode() + associated)

    async def open(self, sealed: bytes, *, associated: bytes) -> bytes:
        return await super().open(sealed, associated=self.key.encode() + associated)


@pytest.mark.parametrize("box", [Plain(), Keyed(), AsyncAesGcmBox(SECRET)])
async def test_a_box_of_your_own_is_bound_to_the_tenant(dynoxide: LocalEngine, table_prefix: str, box: Any) -> None:
    """What it seals in one tenant does not open in another, whether or not it knows tenants."""
    async with AsyncDynamoDbStorage.open(dynoxide.config(table_prefix=table_prefix, layout="single")) as storage:
        boxes = [
            AsyncTorii(handle, secret_box=box).secret_box
            for handle in (storage, storage.tenant("acme"), storage.tenant("other"))
        ]
        for mine in boxes:
            sealed = await mine.seal(b"plain", associated=PLACE)
            opening = [await outcome(other.open(sealed, associated=PLACE)) for other in boxes]
            assert opening == [b"plain" if other is mine else None for other in boxes]


def test_a_storage_that_names_no_tenant_properly_is_refused() -> None:
    """A wrapper with a ``tenant_name`` of its own meaning would lead to keys of its own."""
    storage = AsyncMemoryStorage()
    storage.tenant_name = "Acme Inc."  # type: ignore[attr-defined]
    with pytest.raises(ConfigurationError, match="tenant_name"):
        AsyncTorii(storage)
