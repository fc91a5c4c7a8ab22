"""The services against a certified OpenID provider: the whole flow, and every way in which it must fail.

The provider is real and the services are as they ship. Attackers and broken providers are simulated on the wire between
the two: by changing the URL that the browser goes to, what it brings back, or the provider's response.
"""

from __future__ import annotations

import asyncio
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import jwt
import pytest
from tests.oidc.conftest import CALLBACK, ODD_SECRET, SECRET, private_key
from tests.oidc.provider import RealProvider, sign_in

from torii_dynamodb import AsyncTorii, NewUser, Session, Torii
from torii_dynamodb.errors import AlreadyExists, ConfigurationError
from torii_dynamodb.oauth import ClientKey, OAuthError, OAuthIdentity, OAuthProvider, OAuthResult, OAuthStart, oidc
from torii_dynamodb.testing import AsyncMemoryStorage, MemoryStorage

Alter = Callable[[httpx.Request, dict[str, Any]], dict[str, Any]]


class AsyncHere:
    """Services with the provider registered as ``real``.

    Attributes:
        later: How far the services' clock is ahead of the provider's.
        alter: Changes the provider's responses in transit, unless ``None``.
    """

    def __init__(self, provider: OAuthProvider) -> None:
        self.later = timedelta()
        self.alter: Alter | None = None
        self.storage = AsyncMemoryStorage(clock=self.clock)
        self.http = httpx.AsyncClient(transport=_Between(self))
        self.torii = AsyncTorii(self.storage, oauth=[provider], http=self.http, clock=self.clock)

    def clock(self) -> datetime:
        """The services' time."""
        return datetime.now(UTC) + self.later

    async def begin(self, link_to: Session | None = None) -> OAuthStart:
        """Begin a sign-in, or the linking of an account."""
        return await self.torii.oauth.begin("real", redirect_uri=CALLBACK, link_to=link_to)

    async def finish(self, start: OAuthStart, back: dict[str, str], **changes: Any) -> OAuthResult:
        """Complete what was begun; ``changes`` replace what the browser brings back."""
        brought: dict[str, Any] = {"browser_binding": start.browser_binding, **back} | changes
        brought.pop("error_description", None)
        return await self.torii.oauth.complete("real", **brought)

    async def visit(
        self, link_to: Session | None = None, changes: dict[str, str | None] | None = None, **person: Any
    ) -> tuple[OAuthStart, dict[str, str]]:
        """Begin, and sign in at the provider; returns the start and what the browser brings back.

        Args:
            link_to: The session of the user who links an account.
            changes: Query parameters that an attacker changes on the way there; ``None`` removes one.
            person: Who signs in, as for ``sign_in``.
        """
        start = await self.begin(link_to)
        return start, await asyncio.to_thread(sign_in, changed(start.url, **(changes or {})), **person)

    async def sign_in(self, **person: Any) -> OAuthResult:
        """Sign in, from start to finish."""
        return await self.finish(*await self.visit(**person))

    async def refused(self, reason: str, start: OAuthStart, back: dict[str, str], **changes: Any) -> None:
        """Assert that finishing fails with this reason, and that no user is created."""
        with pytest.raises(OAuthError) as refused:
            await self.finish(start, back, **changes)
        assert refused.value.reason == reason
        assert not (await self.storage.list_users()).items


class _Between(httpx.AsyncBaseTransport):
    """The wire between the services and the provider."""

    def __init__(self, here: AsyncHere) -> None:
        self._here = here
        self._wire = httpx.AsyncHTTPTransport()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = await self._wire.handle_async_request(request)
        if self._here.alter is None:
            return answer
        body = json.loads(await answer.aread())
        return httpx.Response(answer.status_code, json=self._here.alter(request, body))

    async def aclose(self) -> None:
        await self._wire.aclose()


@asynccontextmanager
async def running(provider: RealProvider, **options: Any) -> AsyncIterator[AsyncHere]:
    """Run services that use the provider."""
    made = oidc("real", provider.issuer, "app", SECRET, allow_insecure_http=True, authoritative_for=("*",))
    here = AsyncHere(replace(made, **options))
    try:
        yield here
    finally:
        await here.torii.close()
        await here.http.aclose()


@pytest.fixture
async def here(provider: RealProvider) -> AsyncIterator[AsyncHere]:
    async with running(provider) as made:
        yield made


async def test_the_whole_flow(here: AsyncHere) -> None:
    """The first sign-in creates a user; the second finds the same user and makes another session."""
    first = await here.sign_in()
    assert (first.created, first.user.email, first.user.name) == (True, "ada@example.com", "Ada")
    assert first.user.is_email_verified
    second = await here.sign_in()
    assert (second.created, second.user.id) == (False, first.user.id)
    assert first.session is not None
    assert second.session is not None
    assert first.session.token
    assert first.session.token != second.session.token
    assert await here.torii.get_signed_in(first.session.token) is not None


async def test_cancelling_one_sign_in_leaves_the_other(here: AsyncHere) -> None:
    """Two sign-ins share one request for the provider's metadata; cancelling the first does not cancel the second."""
    first, second = (asyncio.ensure_future(here.begin()) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    assert (await second).url
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_a_check_may_be_a_coroutine(provider: RealProvider) -> None:
    """A check may be a coroutine function, which is awaited."""

    async def check(identity: OAuthIdentity) -> str | None:
        await asyncio.sleep(0)
        return None if identity.subject == "welcome" else "You are not on the list."

    async with running(provider, checks=(check,)) as here:
        with pytest.raises(OAuthError, match="on the list"):
            await here.sign_in()
        assert (await here.sign_in(sub="welcome")).created


def test_blocking_services_refuse_a_coroutine_check(provider: RealProvider) -> None:
    """In blocking services, a coroutine function as a check is a configuration error, and nobody gets in."""

    async def check(identity: OAuthIdentity) -> str | None:
        return None

    made = oidc("real", provider.issuer, "app", SECRET, allow_insecure_http=True, check=check)
    torii = Torii(MemoryStorage(), oauth=[made])
    start = torii.oauth.begin("real", redirect_uri=CALLBACK)
    back: dict[str, Any] = {**sign_in(start.url)}
    with pytest.raises(ConfigurationError, match="coroutine"):
        torii.oauth.complete("real", browser_binding=start.browser_binding, **back)
    assert not torii.storage.list_users().items
    torii.close()


def test_the_blocking_twin(provider: RealProvider) -> None:
    """The blocking services work the same way."""
    torii = Torii(
        MemoryStorage(),
        oauth=[oidc("real", provider.issuer, "app", SECRET, allow_insecure_http=True, authoritative_for=("*",))],
    )
    try:
        start = torii.oauth.begin("real", redirect_uri=CALLBACK, next_url="/account")
        result = torii.oauth.complete("real", browser_binding=start.browser_binding, **sign_in(start.url))  # type: ignore[arg-type]
        assert result.user.email == "ada@example.com"
        assert result.next_url == "/account"
    finally:
        torii.close()


@pytest.mark.parametrize(
    "options",
    [
        {"client_id": "basic", "token_auth_method": "client_secret_basic"},
        {"client_id": "ba:sic", "client_secret": ODD_SECRET, "token_auth_method": "client_secret_basic"},
        {"client_id": "secret-jwt", "token_auth_method": "client_secret_jwt"},
        {
            "client_id": "key",
            "client_secret": None,
            "client_key": ClientKey(private_key=private_key(), key_id="mine"),
        },
        {"client_id": "public", "client_secret": None},
        {"client_id": "signed-userinfo"},
        {"client_id": "ps256"},
        {"client_id": "es256"},
        {"client_id": "eddsa"},
        {"client_id": "ed25519"},
        {"response_mode": "form_post"},
        # The email address in the ID token, not from the userinfo endpoint.
        {"parameters": {"claims": '{"id_token": {"email": null, "email_verified": null}}'}},
    ],
    ids=lambda options: "-".join(str(value)[:20] for value in options.values()),
)
async def test_every_dialect(provider: RealProvider, options: dict[str, Any]) -> None:
    """Each client authentication method, each ID token algorithm and each response mode works."""
    async with running(provider, **options) as here:
        assert (await here.sign_in()).user.email == "ada@example.com"


async def test_the_request_is_bound(here: AsyncHere) -> None:
    """The request contains a fresh state, nonce and S256 challenge, but not the verifier."""
    queries = [parse_qs(urlsplit((await here.begin()).url).query) for _ in range(2)]
    for query in queries:
        assert query["code_challenge_method"] == ["S256"]
        assert "code_verifier" not in query
    for name in ("state", "nonce", "code_challenge"):
        assert queries[0][name] != queries[1][name]
        assert len(queries[0][name][0]) == 43


async def test_denied(here: AsyncHere) -> None:
    """Refusing consent at the provider ends the sign-in, with a reason of its own."""
    start, back = await here.visit(deny=True)
    assert back["error"] == "access_denied"
    await here.refused("denied", start, back)
    await here.refused("state", start, back)


@pytest.mark.parametrize("state", [None, "", "x" * 43, "x" * 4000, "\udc80" * 43])
async def test_wrong_state(here: AsyncHere, state: str | None) -> None:
    """A state that was not issued here completes no sign-in."""
    start, back = await here.visit()
    # A well-formed state could belong to another browser.
    await here.refused("browser" if state == "x" * 43 else "state", start, back, state=state)


async def test_another_browser(here: AsyncHere) -> None:
    """Without the cookie, or with another browser's, a sign-in is refused; its own browser can still finish it."""
    other = await here.begin()
    for binding in (None, "", other.browser_binding):
        start, back = await here.visit()
        await here.refused("browser", start, back, browser_binding=binding)
        done = await here.finish(start, back)
        await here.storage.delete_user(done.user.id)


async def test_an_answer_is_single_use(here: AsyncHere) -> None:
    """Bringing back the same answer a second time signs nobody in."""
    start, back = await here.visit()
    await here.finish(start, back)
    with pytest.raises(OAuthError) as refused:
        await here.finish(start, back)
    assert refused.value.reason == "state"


async def test_concurrent_answers_make_one_session(here: AsyncHere) -> None:
    """Bringing back the same answer five times at once makes one session."""
    start, back = await here.visit()
    ended = await asyncio.gather(*(here.finish(start, back) for _ in range(5)), return_exceptions=True)
    assert sum(isinstance(one, OAuthResult) for one in ended) == 1
    assert {one.reason for one in ended if isinstance(one, OAuthError)} == {"state"}


async def test_a_used_code(here: AsyncHere) -> None:
    """The provider refuses a code that was already redeemed, even in another sign-in."""
    first, back = await here.visit()
    done = await here.finish(first, back)
    await here.storage.delete_user(done.user.id)
    second, again = await here.visit()
    await here.refused("provider", second, again, code=back["code"])


async def test_a_stolen_code(here: AsyncHere) -> None:
    """An unredeemed code from another browser's sign-in is useless in the attacker's own (PKCE)."""
    _, stolen = await here.visit()
    own, back = await here.visit()
    await here.refused("provider", own, back, code=stolen["code"])


async def test_another_nonce(here: AsyncHere) -> None:
    """An ID token with another nonce is refused, even though the provider signed it for us."""
    for nonce in ("x" * 43, None):
        await here.refused("id_token", *await here.visit(changes={"nonce": nonce}))


async def test_without_the_challenge(here: AsyncHere) -> None:
    """Removing the challenge from the request, or replacing it, makes the provider refuse the code."""
    for challenge in (None, "x" * 43):
        await here.refused("provider", *await here.visit(changes={"code_challenge": challenge}))


async def test_too_late(here: AsyncHere) -> None:
    """A sign-in cannot be completed after ten minutes."""
    start, back = await here.visit()
    here.later = timedelta(minutes=10, seconds=1)
    await here.refused("state", start, back)


async def test_an_expired_id_token(here: AsyncHere) -> None:
    """An expired ID token is refused."""

    def wait(request: httpx.Request, body: dict[str, Any]) -> dict[str, Any]:
        here.later = timedelta(hours=2)
        return body

    start, back = await here.visit()
    here.alter = wait
    await here.refused("id_token", start, back)


async def test_an_unverified_address(here: AsyncHere) -> None:
    """An address that the provider has not verified creates no account and gives no access to an existing one."""
    for _ in range(2):
        with pytest.raises(OAuthError) as refused:
            await here.sign_in(verified=False)
        assert refused.value.reason == "email_unverified"
        await here.storage.get_or_create_user_by_email("ada@example.com")
    user = await here.storage.get_user_by_email("ada@example.com")
    assert user is not None
    assert await here.torii.oauth.accounts(user.id) == []


async def test_no_address(here: AsyncHere) -> None:
    """Without an email address, no account is created."""
    with pytest.raises(OAuthError) as refused:
        await here.sign_in(email=None)
    assert refused.value.reason == "email_missing"


async def test_another_issuers_answer(here: AsyncHere) -> None:
    """An answer without the provider's own ``iss`` (RFC 9207), or with another, is refused."""
    for issuer in (None, "http://127.0.0.1:1"):
        start, back = await here.visit()
        await here.refused("provider", start, back, iss=issuer)


async def test_only_the_session_that_began_linking_finishes_it(here: AsyncHere) -> None:
    """Only the session that began linking can finish it, with any address; then nobody else can link the account."""
    users = [await here.storage.create_user(NewUser(email=f"{name}@example.com")) for name in ("grace", "mallory")]
    sessions = [await here.torii.create_session(user) for user in users]
    start, back = await here.visit(sessions[0], sub="linked", verified=False)
    with pytest.raises(OAuthError) as refused:
        await here.finish(start, back, session=sessions[1])
    assert refused.value.reason == "browser"
    start, back = await here.visit(sessions[0], sub="linked", verified=False)
    result = await here.finish(start, back, session=sessions[0])
    assert (result.linked, result.session, result.user.id) == (True, None, users[0].id)
    assert (await here.sign_in(sub="linked", verified=False)).user.id == users[0].id
    start, back = await here.visit(sessions[1], sub="linked")
    with pytest.raises(AlreadyExists):
        await here.finish(start, back, session=sessions[1])


def _payload(token: str, **claims: Any) -> str:
    """The token with changed claims and the old signature."""
    head, body, signature = token.split(".")
    told = json.loads(urlsafe_b64decode(body + "=" * (-len(body) % 4))) | claims
    return ".".join((head, urlsafe_b64encode(json.dumps(told).encode()).rstrip(b"=").decode(), signature))


def _unsigned(token: str) -> str:
    claims = jwt.decode(token, options={"verify_signature": False})
    return jwt.encode(claims, "", algorithm="none")


def _own_key(token: str) -> str:
    """Signed again as HS256 with the client secret, to catch a verifier that accepts any algorithm."""
    claims = jwt.decode(token, options={"verify_signature": False})
    return jwt.encode(claims | {"sub": "somebody"}, SECRET, headers={"kid": jwt.get_unverified_header(token)["kid"]})


@pytest.mark.parametrize(
    "tamper",
    [
        lambda token: _payload(token, sub="somebody"),
        lambda token: _payload(token, exp=4_000_000_000),
        lambda token: token.rpartition(".")[0] + ".",
        lambda token: token[:-8] + ("AAAAAAAA" if not token.endswith("AAAAAAAA") else "BBBBBBBB"),
        _unsigned,
        _own_key,
        lambda _: "",
        lambda _: "not.a.token",
    ],
    ids=["subject", "expiry", "no-signature", "signature", "alg-none", "alg-hs256", "empty", "garbage"],
)
async def test_a_tampered_id_token(here: AsyncHere, tamper: Callable[[str], str]) -> None:
    """An ID token altered in transit is refused."""

    def alter(request: httpx.Request, body: dict[str, Any]) -> dict[str, Any]:
        return body | ({"id_token": tamper(body["id_token"])} if "id_token" in body else {})

    start, back = await here.visit()
    here.alter = alter
    await here.refused("id_token", start, back)


async def test_an_id_token_for_another_client(provider: RealProvider, here: AsyncHere) -> None:
    """A token that the same provider issued to another client is refused (audience)."""
    taken: list[str] = []

    def keep(request: httpx.Request, body: dict[str, Any]) -> dict[str, Any]:
        taken.extend([body["id_token"]] if "id_token" in body else [])
        return body

    async with running(provider, client_id="another-app") as there:
        there.alter = keep
        await there.sign_in()
    claims = jwt.decode(taken[0], options={"verify_signature": False})
    assert claims["aud"] == "another-app"

    def put(request: httpx.Request, body: dict[str, Any]) -> dict[str, Any]:
        return body | ({"id_token": taken[0]} if "id_token" in body else {})

    start, back = await here.visit()
    here.alter = put
    await here.refused("id_token", start, back)


async def test_an_id_token_of_an_earlier_sign_in(here: AsyncHere) -> None:
    """The user's own ID token from an earlier sign-in is refused (nonce)."""
    taken: list[str] = []

    def keep(request: httpx.Request, body: dict[str, Any]) -> dict[str, Any]:
        if "id_token" in body:
            taken.append(body["id_token"])
            return body | {"id_token": taken[0]}
        return body

    here.alter = keep
    done = await here.sign_in()
    await here.storage.delete_user(done.user.id)
    await here.refused("id_token", *await here.visit())


async def test_userinfo_of_another_subject(here: AsyncHere) -> None:
    """A userinfo response about a subject other than the ID token's is refused."""

    def alter(request: httpx.Request, body: dict[str, Any]) -> dict[str, Any]:
        return body | ({"sub": "somebody"} if request.url.path == "/me" else {})

    start, back = await here.visit()
    here.alter = alter
    await here.refused("provider", start, back)


async def test_a_wrong_secret(provider: RealProvider) -> None:
    """With a wrong client secret the code is refused; the error shows neither the code nor the secret."""
    async with running(provider, client_secret="a wrong secret") as here:
        start, back = await here.visit()
        with pytest.raises(OAuthError) as refused:
            await here.finish(start, back)
        assert refused.value.reason == "provider"
        for secret in (back["code"], "a wrong secret", start.browser_binding):
            assert secret not in f"{refused.value!r} {refused.value} {refused.value.__cause__!r}"


async def test_an_unreachable_provider() -> None:
    """An unreachable provider fails the sign-in with OAuthError, not with an error of the HTTP client."""
    with RealProvider([]) as gone:
        pass
    async with running(gone) as here:
        with pytest.raises(OAuthError) as refused:
            await here.begin()
        assert refused.value.reason == "provider"


def changed(url: str, **parameters: str | None) -> str:
    """The URL with changed query parameters; ``None`` removes one."""
    parts = urlsplit(url)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()} | parameters
    return parts._replace(query=urlencode({name: value for name, value in query.items() if value is not None})).geturl()
